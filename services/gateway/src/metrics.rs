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

/// Query nodes that are ready.
pub(crate) static QUERY_NODES_READY: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("ragstream_gateway_query_nodes_ready", "Query nodes that are ready")
        .expect(REGISTERED)
});

/// Searches and questions handed to query nodes, by the node's place in the configuration
/// and outcome: `answered`, `stale` (it had not applied the token), `unavailable`,
/// `unreachable`, `broken`, `timeout`.
pub(crate) static QUERY_ATTEMPTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "ragstream_gateway_query_attempts_total",
        "Searches and questions handed to query nodes, by node and outcome",
        &["node", "outcome"]
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

/// Events of documents appended to the log.
pub(crate) static EVENTS_RELAYED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("ragstream_lifecycle_relayed_total", "Document events appended to the log")
        .expect(REGISTERED)
});

/// Events waiting for their way to the log.
pub(crate) static EVENTS_WAITING: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("ragstream_lifecycle_waiting", "Document events waiting for their way to the log")
        .expect(REGISTERED)
});

/// Age of the oldest of them.
pub(crate) static EVENTS_AGE: LazyLock<prometheus::Gauge> = LazyLock::new(|| {
    register_gauge!(
        "ragstream_lifecycle_oldest_seconds",
        "Age of the oldest document event waiting for its way to the log"
    )
    .expect(REGISTERED)
});

/// Tries to deliver events to webhooks, by outcome: `delivered`, `gone` (410), `refused` (another
/// status), `timeout`, `unreachable`, `blocked` (not a public address), `busy` (not tried: too
/// much is under way to that webhook).
static WEBHOOK_DELIVERIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "ragstream_webhook_deliveries_total",
        "Tries to deliver events to webhooks, by outcome",
        &["outcome"]
    )
    .expect(REGISTERED)
});

/// Counts a try by its class: `webhook_` and the outcome.
pub(crate) fn count_delivery(class: &'static str) {
    WEBHOOK_DELIVERIES.with_label_values(&[class.trim_start_matches("webhook_")]).inc();
}

/// Time of a try.
pub(crate) static WEBHOOK_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!(
        "ragstream_webhook_seconds",
        "Seconds a webhook took to answer",
        exponential_buckets(0.005, 2.0, 12).expect("the bucket parameters are positive")
    )
    .expect(REGISTERED)
});

/// Mail by outcome: `sent`; `refused` (for good), `deferred` (it is tried again later), `outage` (its server is
/// away, or refuses to talk).
static MAILS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "ragstream_mails_total",
        "Tries to send mail about the end of jobs and batches, by outcome",
        &["outcome"]
    )
    .expect(REGISTERED)
});

/// Counts a try to send mail.
pub(crate) fn count_mail(outcome: &'static str) {
    MAILS.with_label_values(&[outcome]).inc();
}

/// Query jobs that ended: `complete`, `failed`.
static QUERY_JOBS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("ragstream_query_jobs_total", "Query jobs that ended, by outcome", &["outcome"])
        .expect(REGISTERED)
});

/// Counts the end of a query job.
pub(crate) fn count_query_job(outcome: &'static str) {
    QUERY_JOBS.with_label_values(&[outcome]).inc();
}
