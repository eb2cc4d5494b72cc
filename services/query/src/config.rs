//! Settings of a query node.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// `RAGSTREAM_QUERY_*`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct QueryConfig {
    /// Where snapshots of the index lie. A node of its own folder each.
    pub snapshot_dir: PathBuf,
    /// Seconds between snapshots; one is written only where something changed.
    pub snapshot_seconds: u64,
    /// Seconds between copies of the newest snapshot in blob storage, for nodes that
    /// have none; 0: never.
    pub snapshot_upload_seconds: u64,
    /// Sessions of the model for questions: so many are embedded at once, on one thread each.
    /// A session holds its own copy of the weights.
    pub sessions: usize,
}

/// Sessions, at most, where none are asked for: a question takes one some milliseconds, and
/// each holds 90 MB.
const MOST_SESSIONS: usize = 4;

impl Default for QueryConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            snapshot_dir: "snapshots".into(),
            snapshot_seconds: 60,
            snapshot_upload_seconds: 600,
            sessions: cores.min(MOST_SESSIONS),
        }
    }
}
