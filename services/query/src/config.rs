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
    /// Sessions of the model for questions, one thread each.
    pub sessions: usize,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            snapshot_dir: "snapshots".into(),
            snapshot_seconds: 60,
            snapshot_upload_seconds: 600,
            sessions: 1,
        }
    }
}
