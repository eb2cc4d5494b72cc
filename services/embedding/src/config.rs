//! Settings of the embedding pool.

use serde::{Deserialize, Serialize};

/// `RAGSTREAM_EMBEDDING_*`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbeddingConfig {
    /// Chunks of a micro-batch. They are sorted by length within it, so more
    /// means less padding, and more to do again after a crash.
    pub batch_max: usize,
    /// How long an unfilled batch waits for more, in milliseconds.
    pub batch_linger_ms: u64,
    /// Sessions of the model: batches embedded at once, one thread each.
    pub sessions: usize,
    /// Niceness of the model's threads, 0 to 19: above 0 it yields to uploads
    /// and searches on the same machine.
    pub nice: i32,
}

impl Default for EmbeddingConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { batch_max: 32, batch_linger_ms: 20, sessions: cores, nice: 10 }
    }
}
