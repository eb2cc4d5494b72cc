//! What Prometheus is told.

use prometheus::{
    Histogram, HistogramVec, IntCounterVec, IntGauge, register_histogram, register_histogram_vec,
    register_int_counter_vec, register_int_gauge,
};
use std::sync::LazyLock;

/// The index's metrics in the default registry.
pub(crate) struct Metrics {
    pub(crate) visible: IntGauge,
    pub(crate) staged: IntGauge,
    pub(crate) dead: IntGauge,
    pub(crate) documents: IntGauge,
    pub(crate) search_seconds: HistogramVec,
    pub(crate) graph_builds: IntCounterVec,
    pub(crate) graph_build_seconds: Histogram,
    pub(crate) snapshot_seconds: Histogram,
}

/// From 20 µs (a scan of a thousand rows) to 1.3 s.
fn search_buckets() -> Vec<f64> {
    (0..17).map(|power| 2e-5 * f64::from(1u32 << power)).collect()
}

/// From 10 ms to 22 minutes.
fn work_buckets() -> Vec<f64> {
    (0..18).map(|power| 1e-2 * f64::from(1u32 << power)).collect()
}

pub(crate) static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let gauge = |name: &str, help: &str| {
        register_int_gauge!(name, help).expect("each metric of this crate is registered once")
    };
    Metrics {
        visible: gauge("ragstream_index_chunks_visible", "Chunks that searches see."),
        staged: gauge("ragstream_index_chunks_staged", "Chunks that wait for their version's marker."),
        dead: gauge("ragstream_index_chunks_dead", "Retired chunks that still take memory."),
        documents: gauge("ragstream_index_documents", "Documents that searches see."),
        search_seconds: register_histogram_vec!(
            "ragstream_index_search_seconds",
            "Time of each leg of a search.",
            &["leg"],
            search_buckets()
        )
        .expect("each metric of this crate is registered once"),
        graph_builds: register_int_counter_vec!(
            "ragstream_index_graph_builds_total",
            "Graphs built, the first one and each anew.",
            &["outcome"]
        )
        .expect("each metric of this crate is registered once"),
        graph_build_seconds: register_histogram!(
            "ragstream_index_graph_build_seconds",
            "Time to build a graph.",
            work_buckets()
        )
        .expect("each metric of this crate is registered once"),
        snapshot_seconds: register_histogram!(
            "ragstream_index_snapshot_seconds",
            "Time to write a snapshot.",
            work_buckets()
        )
        .expect("each metric of this crate is registered once"),
    }
});
