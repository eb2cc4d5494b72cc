//! The start: from a snapshot, or from nothing.

use super::store::{Kept, Store};
use crate::view::{blocking, index_fault};
use ragstream_core::{
    fault::{Fault, Result},
    ports::LogEnds,
    topics,
};
use ragstream_index::{Fit, Index, IndexConfig, IndexError, put_aside, snapshots};
use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Pause between tries while the broker is away.
const LOG_PAUSE: Duration = Duration::from_millis(100);
/// A broker that has just started elects its leaders for less than this.
const LOG_QUIET: Duration = Duration::from_secs(5);

/// An index that has as much of the log as a snapshot can give, and stands at its positions.
///
/// Waits for the broker, which knows where the log ends; not for blob storage.
pub(crate) async fn restore(
    settings: &IndexConfig,
    dir: &Path,
    ends: &dyn LogEnds,
    store: &Store,
) -> Result<Index> {
    let log = log_ends(ends).await?;
    let start = Start { settings, log: &log };
    let local = dir.to_owned();
    for folder in blocking(move || snapshots(&local)).await? {
        if let Some(index) = start.open(folder, "disk").await? {
            return Ok(index);
        }
    }
    for kept in store.newest_first().await {
        if let Some(index) = start.fetch(store, &kept, dir).await? {
            return Ok(index);
        }
    }
    tracing::info!("no snapshot of the index: replaying the log from its beginning");
    Index::new(settings.clone()).map_err(index_fault)
}

async fn log_ends(ends: &dyn LogEnds) -> Result<BTreeMap<i32, Range<i64>>> {
    let began = Instant::now();
    let mut told = false;
    loop {
        match ends.ends(topics::EMBEDDINGS).await {
            Err(fault) if fault.is_unavailable() => {
                if began.elapsed() > LOG_QUIET && !std::mem::replace(&mut told, true) {
                    tracing::warn!(error = %fault, "waiting for Kafka, to know which snapshots are of this log");
                }
                tokio::time::sleep(LOG_PAUSE).await;
            }
            ends => return ends,
        }
    }
}

/// What a snapshot must fit.
struct Start<'a> {
    settings: &'a IndexConfig,
    log: &'a BTreeMap<i32, Range<i64>>,
}

impl Start<'_> {
    /// Opens a snapshot on disk. `None`: it is of no use, which is logged. `Err`: the
    /// machine is at fault, not the snapshot.
    async fn open(&self, folder: PathBuf, from: &'static str) -> Result<Option<Index>> {
        let began = Instant::now();
        let (settings, log) = (self.settings.clone(), self.log.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let fit = Fit { log: Some(&log), ..Fit::now() };
            let opened = Index::open(settings, &folder, &fit);
            (folder, opened)
        })
        .await
        .map_err(|e| Fault::failed("restore_panicked", "restoring the index panicked").caused_by(e));
        let (folder, opened) = opened?;
        match opened {
            Ok(index) => {
                let stats = index.stats();
                tracing::info!(
                    from,
                    chunks = stats.visible,
                    documents = stats.documents,
                    checksum = format!("{:016x}", stats.checksum),
                    seconds = began.elapsed().as_secs_f64(),
                    "index restored from its snapshot"
                );
                Ok(Some(index))
            }
            Err(error @ IndexError::Unfit { .. }) => {
                tracing::warn!(%error, "a snapshot is not used");
                Ok(None)
            }
            Err(error @ (IndexError::Damaged { .. } | IndexError::Io { .. })) => {
                let put = tokio::task::spawn_blocking(move || put_aside(&folder)).await;
                let now_at = match &put {
                    Ok(Ok(aside)) => aside.display().to_string(),
                    Ok(Err(error)) => format!("it could not be moved: {error}"),
                    Err(error) => format!("it could not be moved: {error}"),
                };
                tracing::warn!(%error, now_at, "a damaged snapshot is not used");
                Ok(None)
            }
            Err(error) => Err(index_fault(error)),
        }
    }

    /// Copies a snapshot out of blob storage and opens it; the same answers.
    async fn fetch(&self, store: &Store, kept: &Kept, dir: &Path) -> Result<Option<Index>> {
        match store.fetch(kept, dir, self.settings, self.log).await {
            Ok(folder) => self.open(folder, "blob storage").await,
            Err(fault) => {
                tracing::warn!(snapshot = kept.name, error = %fault, "a snapshot in blob storage is not used");
                Ok(None)
            }
        }
    }
}
