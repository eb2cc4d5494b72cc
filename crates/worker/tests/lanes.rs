//! Two lanes before one handler: what is served first, and what the other one is left.
//!
//! Express partitions have numbers below 10, bulk partitions from 10 on.
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

const BULK: i32 = 10;

fn named(name: &str) -> Config {
    Config { name: name.into(), ..config() }
}

/// Messages of a lane that wait for the handler.
fn queued(consumer: &str, lane: &str) -> i64 {
    metrics::QUEUED.with_label_values(&[consumer, lane]).get()
}

/// The partitions of what was handed over, in order.
fn order(run: &Running) -> Vec<i32> {
    run.handler.seen.lock().unwrap().iter().map(|(partition, ..)| *partition).collect()
}

fn offsets_of(run: &Running, of: i32) -> Vec<i64> {
    let seen = run.handler.seen.lock().unwrap();
    seen.iter().filter(|(partition, ..)| *partition == of).map(|(_, offset, _)| *offset).collect()
}

/// Handlers that hold messages of the bulk lane until they are let go, one permit each.
fn holding_bulk() -> (Fake, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let handler = Fake::new(move |batch| {
        let held = held.clone();
        async move {
            for message in &batch {
                if message.partition >= BULK {
                    held.acquire().await.unwrap().forget();
                }
            }
            vec![Verdict::Done; batch.len()]
        }
    });
    (handler, gate)
}

#[tokio::test(flavor = "multi_thread")]
async fn express_overtakes_a_full_bulk_queue() {
    let (express, bulk) = (Log::of([0]), Log::of([BULK]));
    bulk.append(BULK, 1000);
    let (handler, gate) = gated();
    let run = start_lanes(Config { queue_capacity: 50, ..named("overtakes") }, &express, &bulk, handler);
    until("the bulk queue is full", || bulk.with(|s| s.paused.contains(&BULK))).await;
    until("one bulk message is in the handler", || order(&run) == [BULK]).await;
    express.append(0, 3);
    until("express waits", || queued("overtakes", "express") == 3).await;
    gate.add_permits(4);
    until("the next ones", || order(&run).len() == 5).await;
    assert_eq!(order(&run), [BULK, 0, 0, 0, BULK]);
    run.committed(0, 3).await;
    gate.add_permits(996 + 3);
    until("all of the bulk", || bulk.committed(BULK) == Some(1000)).await;
    assert_eq!(offsets_of(&run, BULK), (0..1000).collect::<Vec<_>>());
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_express_does_not_starve_bulk() {
    let (express, bulk) = (Log::of([0]), Log::of([BULK]));
    express.append(0, 1000);
    bulk.append(BULK, 40);
    let (handler, gate) = gated();
    let config = Config { batch_max: 4, ..named("starves") };
    let run = start_lanes(config, &express, &bulk, handler);
    let all_wait = || queued("starves", "express") + queued("starves", "bulk") >= 1036;
    until("both lanes wait", all_wait).await;
    gate.add_permits(1000);
    until("all of the bulk", || bulk.committed(BULK) == Some(40)).await;
    run.committed(0, 1000).await;
    let batches: Vec<i32> = order(&run).chunks(4).map(|batch| batch[0]).collect();
    // The first batch was handed out before both waited.
    let bulk_at: Vec<usize> = (0..batches.len()).filter(|at| batches[*at] == BULK).collect();
    assert_eq!(bulk_at.len(), 10);
    let most = BULK_TURN as usize;
    assert!(bulk_at[0] <= most && bulk_at.windows(2).all(|w| w[1] - w[0] == most), "{bulk_at:?}");
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bulk_work_leaves_places_and_pauses_its_own_partitions_alone() {
    let (express, bulk) = (Log::of([0, 1]), Log::of([BULK]));
    bulk.append(BULK, 100);
    let (handler, gate) = holding_bulk();
    let config = Config { concurrency: 3, bulk_concurrency: 2, queue_capacity: 10, ..named("leaves places") };
    let run = start_lanes(config, &express, &bulk, handler);
    until("bulk has its places", || order(&run) == [BULK, BULK]).await;
    until("and waits", || bulk.with(|s| s.paused.contains(&BULK))).await;
    express.append(0, 200);
    express.append(1, 200);
    run.committed(0, 200).await;
    run.committed(1, 200).await;
    assert_eq!(offsets_of(&run, BULK).len(), 2, "nothing more of it was begun");
    until("express is read on", || express.with(|s| s.paused.is_empty())).await;
    assert!(bulk.with(|s| s.paused.contains(&BULK)));
    let polls = bulk.polls();
    until("it is polled", || bulk.polls() > polls + 20).await;
    gate.add_permits(100);
    until("all of the bulk", || bulk.committed(BULK) == Some(100)).await;
    assert!(bulk.with(|s| s.paused.is_empty()));
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn each_lane_has_bounds_of_its_own() {
    for by_bytes in [false, true] {
        let (express, bulk) = (Log::of([0]), Log::of([BULK]));
        express.append(0, 500);
        bulk.append(BULK, 500);
        let (handler, gate) = gated();
        // Numbers as values and places as keys: 30 bytes are a handful.
        let bounds = if by_bytes { (1000, 30) } else { (10, 1 << 20) };
        let config = Config { queue_capacity: bounds.0, queue_bytes: bounds.1, ..named("bounds") };
        let run = start_lanes(config, &express, &bulk, handler);
        let is_paused = |log: &Log, partition| log.with(|s| s.paused.contains(&partition));
        until("both are full", || is_paused(&express, 0) && is_paused(&bulk, BULK)).await;
        let (of_express, of_bulk) = (express.with(|s| s.has_read(0)), bulk.with(|s| s.has_read(BULK)));
        // One of them is in the handler.
        assert!((2..=11).contains(&of_express) && (2..=11).contains(&of_bulk), "{of_express} {of_bulk}");
        gate.add_permits(1000);
        run.committed(0, 500).await;
        until("all of the bulk", || bulk.committed(BULK) == Some(500)).await;
        run.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_keeps_the_order_of_each_lane() {
    let (express, bulk) = (Log::of([0]), Log::of([BULK]));
    express.append(0, 40);
    bulk.append(BULK, 40);
    let is_down = Arc::new(AtomicBool::new(true));
    let told = is_down.clone();
    let done = Arc::new(std::sync::Mutex::new(Vec::new()));
    let list = done.clone();
    let handler = Fake::each(move |message| {
        if message.offset >= 6 && told.load(SeqCst) {
            return down();
        }
        list.lock().unwrap().push((message.partition, message.offset, message.attempt));
        Verdict::Done
    });
    let run = start_lanes(Config { batch_max: 4, ..named("outage") }, &express, &bulk, handler);
    until("what is settled is committed", || express.committed(0) == Some(6)).await;
    let probes = run.handler.batches.lock().unwrap().len();
    until("it is probed", || run.handler.batches.lock().unwrap().len() > probes + 10).await;
    is_down.store(false, SeqCst);
    run.committed(0, 40).await;
    until("all of the bulk", || bulk.committed(BULK) == Some(40)).await;
    let done = done.lock().unwrap().clone();
    for lane in [0, BULK] {
        let of_lane: Vec<_> = done.iter().filter(|(p, ..)| *p == lane).map(|(_, o, a)| (*o, *a)).collect();
        assert_eq!(of_lane, (0..40).map(|offset| (offset, 1)).collect::<Vec<_>>());
    }
    assert!(run.letters.offsets().is_empty());
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_comes_back_in_its_own_lane() {
    let (express, bulk) = (Log::of([0]), Log::of([BULK]));
    bulk.append(BULK, 20);
    express.append(0, 20);
    let handler = Fake::each(|message| match message.attempt {
        1 if message.offset % 3 == 0 => failed(),
        _ => Verdict::Done,
    });
    let run = start_lanes(named("retries"), &express, &bulk, handler);
    run.committed(0, 20).await;
    until("all of the bulk", || bulk.committed(BULK) == Some(20)).await;
    assert!(run.letters.offsets().is_empty());
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bulk_partitions_go_while_express_goes_on() {
    let (express, bulk) = (Log::of([0]), Log::of([BULK, BULK + 1]));
    bulk.append(BULK, 30);
    let (handler, gate) = holding_bulk();
    let config = Config {
        concurrency: 2,
        bulk_concurrency: 1,
        commit_interval: Duration::from_secs(3600),
        ..named("revoked")
    };
    let run = start_lanes(config, &express, &bulk, handler);
    gate.add_permits(5);
    until("the sixth is in the handler", || offsets_of(&run, BULK).len() == 6).await;
    let revoked = vec![TopicPartition::new("topic", BULK)];
    bulk.event(Ok(Event::Revoked { partitions: revoked, lost: false }));
    until("the revoke is under way", || !bulk.with(|s| s.is_read(BULK))).await;
    express.append(0, 50);
    until("express goes on", || offsets_of(&run, 0).len() == 50).await;
    assert!(bulk.with(|s| s.released.is_empty()), "it waits for the one in the handler");
    gate.add_permits(1);
    until("released", || bulk.with(|s| s.released == [BULK])).await;
    assert_eq!(bulk.with(|s| s.commits.clone()), [(BULK, 6, CommitMode::Now)]);
    assert_eq!(offsets_of(&run, BULK), [0, 1, 2, 3, 4, 5], "the queued ones went with it");
    // The other one is read on.
    bulk.append(BULK + 1, 3);
    gate.add_permits(3);
    until("the other partition", || offsets_of(&run, BULK + 1) == [0, 1, 2]).await;
    run.stop().await.unwrap();
    assert_eq!((express.committed(0), bulk.committed(BULK + 1)), (Some(50), Some(3)));
    assert!(express.with(|s| s.closed) && bulk.with(|s| s.closed));
    for log in [&express, &bulk] {
        assert_eq!(log.with(|s| s.threads.len()), 1, "each is owned by one thread");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_whose_source_failed_ends_the_worker_and_the_other_one_in_good_order() {
    let (express, bulk) = (Log::of([0]), Log::of([BULK]));
    express.append(0, 10);
    let config = Config { commit_interval: Duration::from_secs(3600), ..named("failed source") };
    let run = start_lanes(config, &express, &bulk, Fake::each(|_| Verdict::Done));
    until("handled", || offsets_of(&run, 0).len() == 10).await;
    bulk.with(|s| s.fault = Some(Fault::failed("kafka_fatal", "fenced")));
    let error = run.task.await.unwrap().unwrap_err();
    assert!(matches!(error, WorkerError::Source { .. }), "{error}");
    assert!(express.committed(0).is_some() && express.with(|s| s.closed));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_lane_that_waits_for_its_broker_is_said_until_it_is_back() {
    let (express, bulk) = (Log::of([0]), Log::of([BULK]));
    let run = start_lanes(named("waits"), &express, &bulk, Fake::each(|_| Verdict::Done));
    let fault = || Some(Fault::unavailable("kafka_down", "no broker"));
    bulk.with(|s| s.fault = fault());
    express.with(|s| s.fault = fault());
    until("waiting", || run.health.check().is_err()).await;
    express.with(|s| s.fault = None);
    express.event(Ok(Event::Ends(vec![])));
    let waits_for_bulk = || {
        let now = run.health.now();
        matches!(now, Health::Waiting { component: Component::Source(lane), .. } if lane.as_str() == "bulk")
    };
    until("the bulk lane waits", waits_for_bulk).await;
    bulk.with(|s| s.fault = None);
    bulk.event(Ok(Event::Ends(vec![])));
    until("all is back", || run.health.check().is_ok()).await;
    run.stop().await.unwrap();
}
