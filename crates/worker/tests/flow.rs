//! Polling, pausing, committing, revoking, ending.
#![allow(clippy::unwrap_used)]

mod support;

use ragstream_core::fault::Fault;
use ragstream_worker::*;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::Duration,
};
use support::*;
use tokio::sync::Semaphore;

#[tokio::test(flavor = "multi_thread")]
async fn handles_everything_in_order_and_commits_the_end_from_one_thread() {
    let log = Log::of([0, 1]);
    log.append(0, 500);
    log.append(1, 300);
    let run = start(Config { batch_max: 7, ..config() }, &log, Fake::each(|_| Verdict::Done));
    run.committed(0, 500).await;
    run.committed(1, 300).await;
    let seen = run.handler.seen.lock().unwrap().clone();
    for partition in [0, 1] {
        let offsets: Vec<_> = seen.iter().filter(|(p, ..)| *p == partition).map(|(_, o, _)| *o).collect();
        assert!(offsets.is_sorted());
    }
    assert!(run.handler.batches.lock().unwrap().iter().all(|len| *len <= 7));
    assert!(log.with(|s| s.commits.windows(2).all(|w| w[0].0 != w[1].0 || w[0].1 < w[1].1)));
    assert_eq!(log.with(|s| s.threads.len()), 1);
    run.stop().await.unwrap();
    assert!(log.with(|s| s.closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_pauses_and_polling_goes_on() {
    let log = Log::of([0]);
    log.append(0, 100);
    let (handler, gate) = gated();
    let run = start(Config { queue_capacity: 10, ..config() }, &log, handler);
    until("paused", || log.with(|s| s.paused.contains(&0))).await;
    let polls = log.polls();
    until("polls go on", || log.polls() > polls + 20).await;
    assert_eq!(run.handler.offsets(), [0], "nothing more is in the handler");
    gate.add_permits(100);
    run.committed(0, 100).await;
    assert!(log.with(|s| s.paused.is_empty()));
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_bound_the_queue_too() {
    let log = Log::of([0]);
    log.append(0, 50);
    let (handler, gate) = gated();
    let run = start(Config { queue_bytes: 20, ..config() }, &log, handler);
    until("paused", || log.with(|s| s.paused.contains(&0))).await;
    gate.add_permits(50);
    run.committed(0, 50).await;
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_handler_does_not_stop_the_polls() {
    let log = Log::of([0]);
    log.append(0, 1);
    let (handler, gate) = gated();
    let run = start(config(), &log, handler);
    until("handed over", || run.handler.offsets() == [0]).await;
    let polls = log.polls();
    // Idle polls last 100 ms: five of them are the handler's half second.
    until("polls go on", || log.polls() >= polls + 5).await;
    assert_eq!(log.committed(0), None);
    gate.add_permits(1);
    run.committed(0, 1).await;
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_window_pauses_its_partition_alone() {
    let log = Log::of([0, 1]);
    let stuck = Arc::new(AtomicBool::new(true));
    let is_stuck = stuck.clone();
    let handler = Fake::each(move |message| {
        if message.partition == 0 && message.offset == 0 && is_stuck.load(SeqCst) {
            failed()
        } else {
            Verdict::Done
        }
    });
    let config = Config { max_uncommitted: 8, max_attempts: u32::MAX, ..config() };
    let run = start(config, &log, handler);
    log.append(0, 50);
    log.append(1, 50);
    run.committed(1, 50).await;
    until("paused", || log.with(|s| s.paused.contains(&0) && !s.paused.contains(&1))).await;
    assert_eq!(log.committed(0), None, "the first is still open");
    let beyond = run.handler.seen.lock().unwrap().iter().filter(|(p, o, _)| *p == 0 && *o > 8).count();
    assert_eq!(beyond, 0, "nothing beyond the window was read");
    stuck.store(false, SeqCst);
    run.committed(0, 50).await;
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoke_waits_commits_and_lets_go() {
    let log = Log::of([0, 1]);
    log.append(0, 4);
    let (handler, gate) = gated();
    let run = start(Config { commit_interval: Duration::from_secs(3600), ..config() }, &log, handler);
    gate.add_permits(2);
    until("the third is in the handler", || run.handler.offsets() == [0, 1, 2]).await;
    log.event(Ok(Event::Revoked { partitions: vec![p(0)], lost: false }));
    until("the revoke is under way", || !log.with(|s| s.is_read(0))).await;
    assert_eq!(log.with(|s| s.commits.len() + s.released.len()), 0, "it waits for the one in the handler");
    gate.add_permits(1);
    until("released", || log.with(|s| s.released == [0])).await;
    assert_eq!(log.with(|s| s.commits.clone()), [(0, 3, CommitMode::Now)]);
    assert_eq!(run.handler.offsets(), [0, 1, 2], "the queued one went with its partition");
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn results_that_come_after_a_revoke_are_dropped() {
    let log = Log::of([0]);
    log.append(0, 2);
    let (handler, gate) = gated();
    let run = start(
        Config { revoke_deadline: Duration::from_millis(20), concurrency: 2, ..config() },
        &log,
        handler,
    );
    until("both are in the handler", || run.handler.offsets().len() == 2).await;
    log.event(Ok(Event::Revoked { partitions: vec![p(0)], lost: false }));
    until("released", || log.with(|s| s.released == [0])).await;
    // It comes back to us, and its two messages are read again.
    log.assign([0]);
    gate.add_permits(2);
    until("read again", || run.handler.offsets().len() == 4).await;
    // Two late results, none of which counts for the new assignment.
    assert_eq!(log.committed(0), None);
    gate.add_permits(2);
    run.committed(0, 2).await;
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_partitions_are_not_committed() {
    let log = Log::of([0]);
    log.append(0, 2);
    let (handler, gate) = gated();
    let run = start(Config { commit_interval: Duration::from_secs(3600), ..config() }, &log, handler);
    gate.add_permits(1);
    until("one done", || run.handler.offsets() == [0, 1]).await;
    log.event(Ok(Event::Revoked { partitions: vec![p(0)], lost: true }));
    until("released", || log.with(|s| s.released == [0])).await;
    run.stop_open(gate).await;
    assert_eq!(log.with(|s| s.commits.len()), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_finishes_what_is_in_flight_and_commits_it() {
    let log = Log::of([0]);
    log.append(0, 10);
    let (handler, gate) = gated();
    let config = Config { commit_interval: Duration::from_secs(3600), ..config() };
    let run = start(config, &log, handler);
    gate.add_permits(3);
    until("the fourth is in the handler", || run.handler.offsets().len() == 4).await;
    run.shutdown.cancel();
    until("all is paused", || log.with(|s| s.paused.contains(&0))).await;
    gate.add_permits(1);
    let handler = run.handler.clone();
    run.stop().await.unwrap();
    assert_eq!(log.with(|s| s.commits.clone()), [(0, 4, CommitMode::Now)]);
    assert_eq!(handler.offsets(), [0, 1, 2, 3], "nothing was begun after the shutdown");
    assert!(log.with(|s| s.closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_does_not_wait_past_its_deadline() {
    let log = Log::of([0]);
    log.append(0, 2);
    let (handler, gate) = gated();
    let config = Config { shutdown_deadline: Duration::from_millis(20), ..config() };
    let run = start(config, &log, handler);
    gate.add_permits(1);
    until("the second hangs", || run.handler.offsets().len() == 2).await;
    run.stop().await.unwrap();
    assert_eq!(log.committed(0), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_commit_is_repeated() {
    let log = Log::of([0]);
    log.append(0, 1);
    let run = start(config(), &log, Fake::each(|_| Verdict::Done));
    run.committed(0, 1).await;
    let before = log.with(|s| s.commits.len());
    log.event(Ok(Event::CommitFailed(vec![p(0)])));
    until("committed again", || log.with(|s| s.commits.len() == before + 1)).await;
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_down_is_waited_for() {
    let log = Log::of([0]);
    let run = start(config(), &log, Fake::each(|_| Verdict::Done));
    log.append(0, 1);
    run.committed(0, 1).await;
    assert!(run.health.check().is_ok());
    log.with(|s| s.fault = Some(Fault::unavailable("kafka_down", "no broker")));
    until("waiting", || matches!(run.health.now(), Health::Waiting { component: Component::Source(_), .. }))
        .await;
    assert_eq!(run.health.check().unwrap_err().class, "kafka_down");
    log.with(|s| s.fault = None);
    log.append(0, 1);
    run.committed(0, 2).await;
    assert!(run.health.check().is_err(), "that message may have been fetched before");
    log.event(Ok(Event::Ends(vec![])));
    until("it is back", || run.health.check().is_ok()).await;
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_failed_for_good_ends_the_worker() {
    let log = Log::of([0]);
    let run = start(config(), &log, Fake::each(|_| Verdict::Done));
    log.with(|s| s.fault = Some(Fault::failed("kafka_fatal", "fenced")));
    let error = run.task.await.unwrap().unwrap_err();
    assert!(matches!(error, WorkerError::Source { .. }), "{error}");
    assert!(matches!(run.health.now(), Health::Stopped { error: Some(_) }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poll_thread_that_panics_ends_the_worker() {
    let log = Log::of([0]);
    let run = start(config(), &log, Fake::each(|_| Verdict::Done));
    log.with(|s| s.bug = true);
    let error = run.task.await.unwrap().unwrap_err();
    assert!(matches!(error, WorkerError::PollThread { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_ends_the_thread() {
    let log = Log::of([0]);
    log.append(0, 3);
    let run = start(
        Config { commit_interval: Duration::from_secs(3600), ..config() },
        &log,
        Fake::each(|_| Verdict::Done),
    );
    until("handled", || run.handler.offsets().len() == 3).await;
    run.task.abort();
    until("left", || log.with(|s| s.closed)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lag_is_counted_from_the_settled_offset() {
    let log = Log::of([7]);
    log.append(7, 3);
    let run = start(Config { name: "lag".into(), ..config() }, &log, Fake::each(|_| Verdict::Done));
    run.committed(7, 3).await;
    log.event(Ok(Event::Ends(vec![LogEnd { at: p(7), end: 10, start: Some(0) }])));
    let lag = metrics::LAG.with_label_values(&["lag", "topic", "7"]);
    until("lag", || lag.get() == 7).await;
    run.stop().await.unwrap();
}

impl Running {
    /// Stops a worker whose handler still waits at the gate.
    async fn stop_open(self, gate: Arc<Semaphore>) {
        gate.add_permits(Semaphore::MAX_PERMITS / 2);
        self.stop().await.unwrap();
    }
}
