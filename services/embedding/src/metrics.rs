//! What the pool counts. Batches of messages are counted by the worker; these are the model's.

use prometheus::{Histogram, IntCounter, exponential_buckets, register_histogram, register_int_counter};
use std::sync::LazyLock;

const REGISTERED: &str = "metric names are unique in this process";

/// Chunks embedded.
pub(crate) static CHUNKS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("ragstream_embedding_chunks_total", "Chunks embedded").expect(REGISTERED)
});

/// Chunks of one call of the model.
pub(crate) static BATCH_SIZE: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!(
        "ragstream_embedding_batch_size",
        "Chunks of one call of the model",
        exponential_buckets(1.0, 2.0, 9).expect("the bucket parameters are positive")
    )
    .expect(REGISTERED)
});

/// Time of one call of the model.
pub(crate) static BATCH_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!(
        "ragstream_embedding_batch_seconds",
        "Seconds of one call of the model",
        exponential_buckets(0.005, 2.0, 14).expect("the bucket parameters are positive")
    )
    .expect(REGISTERED)
});

/// Versions whose marker was appended.
pub(crate) static VERSIONS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("ragstream_embedding_versions_total", "Versions whose commit marker was appended")
        .expect(REGISTERED)
});
