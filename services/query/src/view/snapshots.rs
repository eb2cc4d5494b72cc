//! Snapshots: what makes the next start a short one.

use super::{View, blocking, pause};
use crate::config::QueryConfig;
use ragstream_core::fault::{Fault, Result};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// Writes a snapshot now and then, and at the end.
pub(crate) async fn snapshots(view: Arc<View>, config: QueryConfig, token: CancellationToken) -> Result<()> {
    let mut written = view.index.positions();
    loop {
        pause(Duration::from_secs(config.snapshot_seconds), &token).await;
        if view.index.positions() != written {
            match snapshot(&view, &config).await {
                Ok(info) => {
                    tracing::debug!(
                        chunks = info.chunks,
                        bytes = info.bytes,
                        ms = info.took.as_millis(),
                        "snapshot written"
                    );
                    written = info.positions;
                }
                // The log has it all: a start without this snapshot takes longer, that is all.
                Err(fault) => tracing::warn!(error = %fault, "no snapshot could be written"),
            }
        }
        if token.is_cancelled() {
            return Ok(());
        }
    }
}

async fn snapshot(view: &View, config: &QueryConfig) -> Result<ragstream_index::SnapshotInfo> {
    let unreported = view.unreported.lock().await;
    if !unreported.indexed.is_empty() || !unreported.complete.is_empty() {
        return Err(Fault::unavailable("unreported", "the database has not been told yet what is indexed"));
    }
    let (index, dir) = (view.index.clone(), config.snapshot_dir.clone());
    blocking(move || index.snapshot(&dir)).await
}
