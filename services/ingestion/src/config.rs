//! Settings of ingestion.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `RAGSTREAM_INGESTION_*`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct IngestionConfig {
    /// Documents processed at once; each has a child process of its own. Twice
    /// the cores by default: half of a small document's time is spent waiting
    /// for the store, the database and the log. Where it is 2 or more, one is kept
    /// for the express lane.
    pub concurrency: usize,
    /// Where documents lie while they are extracted.
    pub work_dir: PathBuf,
    /// Memory of a child process, in bytes.
    pub extract_memory: u64,
    /// Longest extraction of one document, in seconds.
    pub extract_seconds: u64,
    /// Most text of one document, in bytes.
    pub extract_output: u64,
    /// How texts are cut: `model`, `tokens_500_50`, `chars_1000_200`, or unit, size and overlap,
    /// as in `tokens:300:30` and `chars:1500:100`. No chunk is larger than the model reads.
    pub chunking: String,
}

impl Default for IngestionConfig {
    fn default() -> Self {
        Self {
            concurrency: 2 * std::thread::available_parallelism().map_or(1, usize::from),
            work_dir: std::env::temp_dir(),
            extract_memory: 1 << 30,
            extract_seconds: 120,
            extract_output: 256 << 20,
            chunking: "model".into(),
        }
    }
}
