//! What the loop counts, in Prometheus' default registry. No ids as labels.

use prometheus::{
    GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, histogram_opts, register_gauge_vec,
    register_histogram_vec, register_int_counter_vec, register_int_gauge_vec,
};
use ragstream_core::lane::Lane;
use std::sync::LazyLock;

const ONCE: &str = "each name is registered once, here, and is valid";

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register_int_counter_vec!(name, help, labels).expect(ONCE)
}

fn gauge(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register_int_gauge_vec!(name, help, labels).expect(ONCE)
}

fn histogram(opts: HistogramOpts, labels: &[&str]) -> HistogramVec {
    register_histogram_vec!(opts, labels).expect(ONCE)
}

/// Verdicts given, by consumer and verdict.
pub static MESSAGES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("ragstream_worker_messages_total", "Verdicts on messages.", &["consumer", "verdict"])
});

/// Sizes of batches handed to the handler.
pub static BATCH_MESSAGES: LazyLock<HistogramVec> = LazyLock::new(|| {
    let buckets = vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];
    let help = "Messages of a batch handed to the handler.";
    histogram(histogram_opts!("ragstream_worker_batch_messages", help, buckets), &["consumer"])
});

/// How long the handler takes for a batch.
pub static BATCH_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    let buckets = vec![0.001, 0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0];
    let help = "Seconds the handler took for a batch.";
    histogram(histogram_opts!("ragstream_worker_batch_seconds", help, buckets), &["consumer"])
});

/// Messages in the handler now.
pub static IN_FLIGHT: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("ragstream_worker_in_flight", "Messages in the handler now.", &["consumer"]));

/// Messages that wait for the handler, by lane; a worker with one source has one, `express`.
pub static QUEUED: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("ragstream_worker_queued", "Messages read and waiting.", &["consumer", "lane"]));

/// Failed messages that wait for their next try.
pub static DELAYED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("ragstream_worker_delayed", "Failed messages waiting for their next try.", &["consumer"])
});

/// Partitions that are paused because a bound is reached.
pub static PAUSED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("ragstream_worker_paused_partitions", "Partitions paused now.", &["consumer", "lane"])
});

/// Tries after the first.
pub static RETRIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("ragstream_worker_retries_total", "Failed messages scheduled for another try.", &["consumer"])
});

/// Dead letters stored, by consumer, kind and class of the last failure.
pub static DEAD_LETTERS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("ragstream_worker_dead_letters_total", "Dead letters stored.", &["consumer", "kind", "class"])
});

/// Results dropped because their partition was revoked meanwhile.
pub static STALE: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("ragstream_worker_stale_results_total", "Results of revoked assignments, dropped.", &["consumer"])
});

/// Messages between the committed offset and the end of a partition.
pub static LAG: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge(
        "ragstream_worker_lag",
        "Messages between the settled offset and the end of the partition.",
        &["consumer", "topic", "partition"],
    )
});

/// 1 while a dependency is waited for.
pub static UNAVAILABLE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("ragstream_worker_unavailable", "1 while the worker waits for a dependency.", &["consumer"])
});

/// How much of the error budget is used: at 1 the worker stops.
pub static ERROR_BUDGET_USED: LazyLock<GaugeVec> = LazyLock::new(|| {
    let help = "Messages in a row that ran out of attempts, as a share of those that stop the worker.";
    register_gauge_vec!("ragstream_worker_error_budget_used", help, &["consumer"]).expect(ONCE)
});

/// When the worker started: a restart shows as a change, even of one that got nothing done.
pub static STARTED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("ragstream_worker_started_seconds", "Unix time at which the worker started.", &["consumer"])
});

/// A consumer that has ended waits for nothing and holds nothing.
pub(crate) fn ended(consumer: &str) {
    for gauge in [&IN_FLIGHT, &DELAYED, &UNAVAILABLE] {
        gauge.with_label_values(&[consumer]).set(0);
    }
    for lane in Lane::ALL {
        for gauge in [&QUEUED, &PAUSED] {
            gauge.with_label_values(&[consumer, lane.as_str()]).set(0);
        }
    }
}
