//! The writing loop.

use crate::{
    config::QueryConfig,
    view::{View, pause},
};
use ragstream_core::fault::Result;
use ragstream_index::SnapshotInfo;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The newest snapshot that this process has written; closed after the last one.
pub(crate) type Written = watch::Receiver<Option<SnapshotInfo>>;

/// A snapshot is written this often even where nothing changed, so that none becomes
/// too old to be used while the log is silent.
const REFRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// Writes a snapshot now and then, and at the end.
pub(crate) async fn writing(
    view: Arc<View>,
    config: QueryConfig,
    newest: watch::Sender<Option<SnapshotInfo>>,
    token: CancellationToken,
) -> Result<()> {
    let mut written = view.index().positions();
    let mut written_at = Instant::now();
    loop {
        pause(Duration::from_secs(config.snapshot_seconds), &token).await;
        if view.index().positions() != written || written_at.elapsed() > REFRESH {
            match view.snapshot(&config.snapshot_dir).await {
                Ok(info) => {
                    tracing::debug!(
                        chunks = info.chunks,
                        bytes = info.bytes,
                        ms = info.took.as_millis(),
                        "snapshot written"
                    );
                    written.clone_from(&info.positions);
                    written_at = Instant::now();
                    newest.send_replace(Some(info));
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
