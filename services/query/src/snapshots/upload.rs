//! The upload loop.

use super::{store::Store, write::Written};
use chrono::Utc;
use ragstream_core::fault::{Fault, Result};
use ragstream_index::SnapshotInfo;
use std::time::Duration;
use tokio::sync::watch;

/// How long the last upload may take, at the end: within the time that a shutdown has.
const END_PATIENCE: Duration = Duration::from_secs(10);

/// Uploads the newest snapshot every so often, where there is a new one, and a last
/// time once no more are written.
pub(crate) async fn uploading(
    store: Store,
    mut written: watch::Receiver<Written>,
    every: Duration,
) -> Result<()> {
    let mut uploaded = None;
    let mut failing = false;
    loop {
        let ended = tokio::select! {
            () = tokio::time::sleep(every) => false,
            _ = written.wait_for(|written| written.last) => true,
        };
        let newest = written.borrow().newest.clone();
        if let Some(newest) = newest.filter(|newest| uploaded != Some(newest.number)) {
            let patience = if ended { END_PATIENCE } else { Duration::MAX };
            match tokio::time::timeout(patience, upload(&store, &newest)).await {
                Ok(Ok(())) => {
                    tracing::debug!(chunks = newest.chunks, bytes = newest.bytes, "snapshot uploaded");
                    uploaded = Some(newest.number);
                    failing = false;
                }
                Ok(Err(fault)) => warn(&mut failing, &fault),
                Err(_) => warn(&mut failing, &Fault::unavailable("blob_store_slow", "it took too long")),
            }
        }
        if ended {
            return Ok(());
        }
    }
}

async fn upload(store: &Store, newest: &SnapshotInfo) -> Result<()> {
    store.upload(newest).await?;
    store.prune(Utc::now()).await
}

/// Once, until it works again.
fn warn(failing: &mut bool, fault: &Fault) {
    if !std::mem::replace(failing, true) {
        tracing::warn!(error = %fault, "the snapshot can't be copied to blob storage; trying again now and then");
    }
}
