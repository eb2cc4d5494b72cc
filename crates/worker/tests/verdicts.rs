//! What each verdict leads to.
#![allow(clippy::unwrap_used)]

mod support;

use ragstream_core::fault::{Fault, FaultKind};
use ragstream_worker::*;
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering::SeqCst},
    },
    time::Duration,
};
use support::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_blocks_no_other_message() {
    let log = Log::of([0]);
    log.append(0, 50);
    let long = Backoff { min: Duration::from_secs(3600), max: Duration::from_secs(3600) };
    let handler = Fake::each(|message| if message.offset == 3 { failed() } else { Verdict::Done });
    let run = start(Config { retry_backoff: long, ..config() }, &log, handler);
    until("all others", || run.handler.offsets().len() == 50).await;
    run.committed(0, 3).await;
    assert!(run.letters.offsets().is_empty());
    run.stop().await.unwrap();
    assert_eq!(log.committed(0), Some(3), "the failed one is read again after a restart");
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_are_counted_and_the_last_ends_in_a_dead_letter() {
    let log = Log::of([0]);
    log.append(0, 5);
    let handler = Fake::each(|message| if message.offset == 2 { failed() } else { Verdict::Done });
    let run = start(Config { max_attempts: 3, batch_max: 5, ..config() }, &log, handler);
    run.committed(0, 5).await;
    assert_eq!(run.handler.attempts(2), [1, 2, 3]);
    assert_eq!(*run.handler.given_up.lock().unwrap(), [2]);
    let letter = run.letters.sent.lock().unwrap()[0].clone();
    assert_eq!((letter.message.offset, letter.attempts, letter.fault.class), (2, 3, "broken"));
    assert_eq!(letter.fault.kind, FaultKind::Failed);
    assert!(letter.first_failure < letter.last_failure);
    assert_eq!(letter.consumer, "test");
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_succeeds_at_last_leaves_no_trace() {
    let log = Log::of([0]);
    log.append(0, 3);
    let handler = Fake::each(|m| if m.offset == 1 && m.attempt < 4 { failed() } else { Verdict::Done });
    let run = start(config(), &log, handler);
    run.committed(0, 3).await;
    assert!(run.letters.offsets().is_empty());
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_keeps_the_order_and_counts_no_attempt() {
    let log = Log::of([0]);
    log.append(0, 40);
    let outage = Arc::new(AtomicBool::new(true));
    let probes = Arc::new(AtomicU32::new(0));
    let (is_down, probed) = (outage.clone(), probes.clone());
    let order = Arc::new(Mutex::new(Vec::new()));
    let done = order.clone();
    let handler = Fake::each(move |message| {
        // It goes down in the middle of a batch.
        if message.offset >= 5 && is_down.load(SeqCst) {
            probed.fetch_add(1, SeqCst);
            return down();
        }
        done.lock().unwrap().push((message.offset, message.attempt));
        Verdict::Done
    });
    let run = start(Config { max_attempts: 2, batch_max: 4, ..config() }, &log, handler);
    until("many probes", || probes.load(SeqCst) > 40).await;
    assert!(matches!(run.health.now(), Health::Waiting { component: Component::Handler, .. }));
    assert_eq!(run.health.check().unwrap_err().class, "database_down");
    until("the settled ones are committed", || log.committed(0) == Some(5)).await;
    assert!(run.handler.offsets().iter().all(|offset| *offset < 9), "probes stay at the head");
    outage.store(false, SeqCst);
    run.committed(0, 40).await;
    let expected: Vec<_> = (0..40).map(|offset| (offset, 1)).collect();
    assert_eq!(*order.lock().unwrap(), expected);
    assert!(run.letters.offsets().is_empty());
    assert!(run.health.check().is_ok());
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn one_batch_probes_whatever_the_concurrency() {
    let log = Log::of([0]);
    log.append(0, 100);
    let (inside, most) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let calls = Arc::new(AtomicU32::new(0));
    let (inside2, most2, calls2) = (inside.clone(), most.clone(), calls.clone());
    let handler = Fake::new(move |batch| {
        let (inside, most, calls) = (inside2.clone(), most2.clone(), calls2.clone());
        async move {
            let now = inside.fetch_add(1, SeqCst) + 1;
            // The first four are under way when the outage is noticed.
            if calls.fetch_add(1, SeqCst) >= 4 {
                most.fetch_max(now, SeqCst);
            }
            tokio::task::yield_now().await;
            inside.fetch_sub(1, SeqCst);
            batch.iter().map(|_| down()).collect()
        }
    });
    let run = start(Config { concurrency: 4, ..config() }, &log, handler);
    until("probes", || calls.load(SeqCst) > 15).await;
    assert_eq!(most.load(SeqCst), 1);
    run.stop().await.unwrap();
    assert_eq!(log.committed(0), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_that_began_before_a_shutdown_does_not_hold_it_up() {
    let log = Log::of([0]);
    log.append(0, 1);
    let long = Backoff { min: Duration::from_secs(3600), max: Duration::from_secs(3600) };
    let run = start(Config { outage_backoff: long, ..config() }, &log, Fake::each(|_| down()));
    until("waiting", || run.health.check().is_err() && !run.handler.offsets().is_empty()).await;
    run.stop().await.unwrap();
    assert_eq!(log.committed(0), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_invalid_is_given_up_at_once_and_spends_no_budget() {
    let log = Log::of([0]);
    log.append(0, 20);
    let run = start(Config { error_budget: 2, ..config() }, &log, Fake::each(|_| invalid()));
    run.committed(0, 20).await;
    let mut offsets = run.letters.offsets();
    offsets.sort_unstable();
    assert_eq!(offsets, (0..20).collect::<Vec<_>>());
    assert!(run.letters.sent.lock().unwrap().iter().all(|letter| letter.attempts == 1));
    assert!(run.health.check().is_ok());
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_counts_only_when_it_is_stored_and_others_go_on() {
    let log = Log::of([0]);
    log.append(0, 10);
    let letters = Letters::default();
    *letters.fault.lock().unwrap() = Some(Fault::unavailable("kafka_down", "no broker"));
    let handler = Fake::each(|message| if message.offset == 4 { invalid() } else { Verdict::Done });
    let run = start_with(config(), &log, handler, letters);
    until("tried again and again", || *run.letters.tried.lock().unwrap() > 5).await;
    until("the others went on", || run.handler.offsets().len() == 10).await;
    run.committed(0, 4).await;
    assert!(matches!(run.health.now(), Health::Waiting { component: Component::DeadLetters, .. }));
    *run.letters.fault.lock().unwrap() = None;
    run.committed(0, 10).await;
    assert_eq!(run.letters.offsets(), [4]);
    assert!(run.health.check().is_ok());
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_that_can_not_be_stored_is_not_committed_at_shutdown() {
    let log = Log::of([0]);
    log.append(0, 1);
    let letters = Letters::default();
    *letters.fault.lock().unwrap() = Some(Fault::unavailable("kafka_down", "no broker"));
    let run = start_with(config(), &log, Fake::each(|_| invalid()), letters);
    until("tried", || *run.letters.tried.lock().unwrap() > 0).await;
    run.stop().await.unwrap();
    assert_eq!(log.committed(0), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_failure_is_recorded_after_its_dead_letter_is_stored_and_before_the_commit() {
    let log = Log::of([0]);
    log.append(0, 1);
    let calls = Arc::new(AtomicU32::new(0));
    let called = calls.clone();
    let handler = Fake::each(|_| invalid()).giving_up(move |_| match called.fetch_add(1, SeqCst) {
        0..=6 => Err(Fault::unavailable("database_down", "no database")),
        _ => Ok(()),
    });
    let letters = Letters::default();
    *letters.fault.lock().unwrap() = Some(Fault::unavailable("kafka_down", "no broker"));
    let run = start_with(Config { max_attempts: 2, ..config() }, &log, handler, letters);
    until("sent twice", || *run.letters.tried.lock().unwrap() >= 2).await;
    assert_eq!(calls.load(SeqCst), 0, "who dies now finds nothing on record and gives it up again");
    *run.letters.fault.lock().unwrap() = None;
    until("asked twice", || calls.load(SeqCst) >= 2).await;
    run.committed(0, 1).await;
    assert_eq!(run.letters.offsets(), [0]);
    assert_eq!(calls.load(SeqCst), 8, "an outage is waited out, however long");
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_ends_before_the_failure_is_recorded_leaves_a_letter_and_no_commit() {
    let log = Log::of([0]);
    log.append(0, 1);
    let handler =
        Fake::each(|_| invalid()).giving_up(|_| Err(Fault::unavailable("database_down", "no database")));
    let run = start(config(), &log, handler);
    until("recording is tried", || !run.handler.given_up.lock().unwrap().is_empty()).await;
    assert_eq!(run.letters.offsets(), [0]);
    run.stop().await.unwrap();
    assert_eq!(log.committed(0), None, "whoever reads it next gives it up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_can_not_be_made_does_not_keep_the_dead_letter() {
    let log = Log::of([0]);
    log.append(0, 1);
    let handler = Fake::each(|_| invalid()).giving_up(|_| panic!("a bug in give_up"));
    let run = start(Config { max_attempts: 3, ..config() }, &log, handler);
    run.committed(0, 1).await;
    assert_eq!(run.handler.given_up.lock().unwrap().len(), 3);
    assert_eq!(run.letters.offsets(), [0]);
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_budget_stops_a_worker_for_which_everything_fails() {
    let log = Log::of([0]);
    log.append(0, 100);
    let settings = Config { name: "budget".into(), max_attempts: 1, error_budget: 5, ..config() };
    let run = start(settings, &log, Fake::each(|_| failed()));
    let error = run.task.await.unwrap().unwrap_err();
    let WorkerError::ErrorBudget { in_a_row, last, .. } = &error else { panic!("{error}") };
    assert_eq!((*in_a_row, last.class), (5, "broken"));
    assert_eq!(metrics::ERROR_BUDGET_USED.with_label_values(&["budget"]).get(), 1.0);
    assert!(metrics::STARTED.with_label_values(&["budget"]).get() > 1_700_000_000);
    assert!(error.to_string().contains("broken"));
    let mut letters = run.letters.offsets();
    letters.sort_unstable();
    assert_eq!(letters, [0, 1, 2, 3, 4], "the topic was not drained");
    assert_eq!(log.committed(0), Some(5));
    assert!(run.health.check().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_in_between_renews_the_budget() {
    let log = Log::of([0]);
    log.append(0, 100);
    let handler = Fake::each(|message| if message.offset % 4 == 3 { Verdict::Done } else { failed() });
    let run = start(Config { max_attempts: 1, error_budget: 4, ..config() }, &log, handler);
    run.committed(0, 100).await;
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_isolated_to_its_message() {
    let log = Log::of([0]);
    log.append(0, 12);
    let handler = Fake::new(|batch| async move {
        assert!(batch.iter().all(|message| message.offset != 6), "poison");
        vec![Verdict::Done; batch.len()]
    });
    let run = start(Config { batch_max: 4, max_attempts: 2, ..config() }, &log, handler);
    run.committed(0, 12).await;
    let letter = run.letters.sent.lock().unwrap()[0].clone();
    assert_eq!((letter.message.offset, letter.attempts, letter.fault.class), (6, 2, "handler_panicked"));
    assert_eq!(run.letters.offsets(), [6]);
    for innocent in (0..12).filter(|offset| *offset != 6) {
        assert!(run.handler.attempts(innocent).iter().all(|attempt| *attempt == 1), "{innocent}");
    }
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_number_of_verdicts_is_a_failure_of_all() {
    let log = Log::of([0]);
    log.append(0, 3);
    let handler = Fake::new(|batch| async move { vec![Verdict::Done; batch.len() + 1] });
    let run = start(Config { max_attempts: 1, ..config() }, &log, handler);
    run.committed(0, 3).await;
    let sent = run.letters.sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 3);
    assert!(sent.iter().all(|letter| letter.fault.class == "verdict_count"));
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordered_worker_goes_on_when_the_failed_message_does() {
    let log = Log::of([0]);
    log.append(0, 10);
    let done = Arc::new(Mutex::new(Vec::new()));
    let list = done.clone();
    let handler = Fake::each(move |message| {
        if message.offset == 3 && message.attempt < 4 {
            return failed();
        }
        list.lock().unwrap().push(message.offset);
        Verdict::Done
    });
    let run = start(Config { ordered: true, concurrency: 8, ..config() }, &log, handler);
    run.committed(0, 10).await;
    assert_eq!(*done.lock().unwrap(), (0..10).collect::<Vec<_>>());
    assert_eq!(run.handler.attempts(3), [1, 2, 3, 4]);
    run.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_whose_messages_are_gone_is_over() {
    let log = Log::of([0]);
    log.append(0, 1);
    let run = start(config(), &log, Fake::each(|_| down()));
    until("waiting", || matches!(run.health.now(), Health::Waiting { .. })).await;
    log.event(Ok(Event::Revoked { partitions: vec![p(0)], lost: false }));
    until("nothing left to wait for", || run.health.check().is_ok()).await;
    run.stop().await.unwrap();
}
