//! What a query node counts; the legs are timed by the index.

use prometheus::{
    HistogramVec, IntCounterVec, IntGauge, exponential_buckets, register_histogram_vec,
    register_int_counter_vec, register_int_gauge,
};
use std::sync::LazyLock;

const REGISTERED: &str = "metric names are unique in this process";

/// Time of a step of a search or question: `wait`, `embed`, `retrieve`, `answer`, `total`.
pub(crate) static STEP_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    register_histogram_vec!(
        "ragstream_query_step_seconds",
        "Seconds of each step of a search or question",
        &["step"],
        exponential_buckets(0.000_25, 2.0, 16).expect("the bucket parameters are positive")
    )
    .expect(REGISTERED)
});

/// Searches and questions by outcome: `ok`, `unanswered`, `refused`, `failed`.
pub(crate) static ASKED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "ragstream_query_requests_total",
        "Searches and questions, by kind and outcome",
        &["kind", "outcome"]
    )
    .expect(REGISTERED)
});

/// Records of the log that the view has not applied.
pub(crate) static VIEW_LAG: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("ragstream_query_view_lag", "Records in the log that the index has not applied yet")
        .expect(REGISTERED)
});
