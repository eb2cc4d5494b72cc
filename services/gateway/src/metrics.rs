//! What the gateway counts.

use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, exponential_buckets, register_gauge,
    register_histogram, register_histogram_vec, register_int_counter, register_int_counter_vec,
    register_int_gauge,
};
use std::sync::LazyLock;

const REGISTERED: &str = "metric names are unique in this process";

/// Files by outcome: `accepted`, `duplicate`, `rejected`, `unavailable`.
pub(crate) static UPLOADS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("ragstream_gateway_uploads_total", "Files uploaded, by outcome", &["outcome"])
        .expect(REGISTERED)
});

/// Bytes received in files.
pub(crate) static UPLOAD_BYTES: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("ragstream_gateway_upload_bytes_total", "Bytes received in uploaded files")
        .expect(REGISTERED)
});

/// Time of an upload request, from its head to its answer.
pub(crate) static UPLOAD_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!(
        "ragstream_gateway_upload_seconds",
        "Seconds from the head of an upload request to its answer",
        exponential_buckets(0.002, 2.0, 14).expect("the bucket parameters are positive")
    )
    .expect(REGISTERED)
});

/// What users did to jobs and documents: `pause`, `resume`, `cancel`, `retry`, `delete`.
pub(crate) static COMMANDS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "ragstream_gateway_commands_total",
        "Commands to jobs and documents that were carried out",
        &["command"]
    )
    .expect(REGISTERED)
});

/// Time of a proxied request, by path.
pub(crate) static ASK_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    register_histogram_vec!(
        "ragstream_gateway_query_seconds",
        "Seconds a query node took to answer, by path",
        &["path"],
        exponential_buckets(0.001, 2.0, 14).expect("the bucket parameters are positive")
    )
    .expect(REGISTERED)
});

/// Dead letters sent back, by the topic that they came from.
pub(crate) static REDRIVEN: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "ragstream_dead_letters_redriven_total",
        "Dead letters sent back to their topic",
        &["topic"]
    )
    .expect(REGISTERED)
});

/// Records appended from the outbox.
pub(crate) static RELAYED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("ragstream_outbox_relayed_total", "Outbox records appended to the log")
        .expect(REGISTERED)
});

/// Records waiting in the outbox.
pub(crate) static OUTBOX_WAITING: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("ragstream_outbox_waiting", "Outbox records waiting for their way to the log")
        .expect(REGISTERED)
});

/// Age of the oldest of them.
pub(crate) static OUTBOX_AGE: LazyLock<prometheus::Gauge> = LazyLock::new(|| {
    register_gauge!("ragstream_outbox_oldest_seconds", "Age of the oldest record waiting in the outbox")
        .expect(REGISTERED)
});
