//! What ingestion counts.

use prometheus::{
    Histogram, IntCounter, IntCounterVec, exponential_buckets, register_histogram, register_int_counter,
    register_int_counter_vec,
};
use std::sync::LazyLock;

const REGISTERED: &str = "metric names are unique in this process";

/// Chunks cut and appended.
pub(crate) static CHUNKS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("ragstream_ingestion_chunks_total", "Chunks cut and appended to the log")
        .expect(REGISTERED)
});

/// Bytes of text extracted.
pub(crate) static TEXT_BYTES: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("ragstream_ingestion_text_bytes_total", "Bytes of text extracted")
        .expect(REGISTERED)
});

/// Documents by outcome: `chunked`, `superseded`, or the class of the failure.
pub(crate) static DOCUMENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("ragstream_ingestion_documents_total", "Documents, by outcome", &["outcome"])
        .expect(REGISTERED)
});

/// Time of one extraction, the child process included.
pub(crate) static EXTRACT_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!(
        "ragstream_ingestion_extract_seconds",
        "Seconds to extract one document, the child process included",
        exponential_buckets(0.002, 2.5, 13).expect("the bucket parameters are positive")
    )
    .expect(REGISTERED)
});
