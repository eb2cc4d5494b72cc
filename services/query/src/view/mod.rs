//! The view of the log: the index, and what keeps it up to date.

mod apply;
mod catch_up;

pub(crate) use apply::Apply;
pub(crate) use catch_up::{CaughtUp, watch_catch_up};

use ragstream_core::{
    fault::{Fault, Result},
    id::{ChunkId, DocumentId, Version},
    ports::IndexLedger,
};
use ragstream_index::{Applied, Contents, Index, IndexError, Positioned, SnapshotInfo};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

/// The index, how far it is, and what is yet to be reported of it.
pub(crate) struct View {
    index: Arc<Index>,
    applied: watch::Sender<u64>,
    /// Behind the last record of each partition that can't be decoded.
    skipped: std::sync::Mutex<BTreeMap<i32, i64>>,
    /// Why the index can't go on.
    broken: watch::Sender<Option<Fault>>,
    lag: AtomicI64,
    caught_up: AtomicBool,
    /// What was applied but is not reported. Whoever holds this lock applies or
    /// takes a snapshot, so that no snapshot is ahead of the reports: a
    /// restart from it would never make them.
    unreported: Mutex<Report>,
}

#[derive(Default)]
struct Report {
    indexed: Vec<ChunkId>,
    complete: Vec<(DocumentId, Version)>,
}

impl View {
    /// The view that `index` gives, at its positions.
    pub(crate) fn new(index: Index) -> Self {
        Self {
            index: Arc::new(index),
            applied: watch::Sender::new(0),
            skipped: Default::default(),
            broken: watch::Sender::new(None),
            lag: AtomicI64::new(0),
            caught_up: AtomicBool::new(false),
            unreported: Mutex::default(),
        }
    }

    pub(crate) fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Records in the log that were not applied when last looked.
    pub(crate) fn lag(&self) -> i64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// What searches see, and how much of the log was read for it.
    pub(crate) fn contents(&self) -> Contents {
        let mut contents = self.index.contents();
        for (partition, next) in self.skipped.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let position = contents.positions.entry(*partition).or_insert(*next);
            *position = (*next).max(*position);
        }
        contents
    }

    /// Records that can't be decoded were read: there is nothing to apply.
    fn skip(&self, records: impl Iterator<Item = (i32, i64)>) {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        for (partition, offset) in records {
            skipped.insert(partition, offset.saturating_add(1));
        }
    }

    /// `Err`: the node has yet to read what was in the log when it started.
    pub(crate) fn require_caught_up(&self) -> Result<()> {
        if self.caught_up.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Fault::unavailable(
            "index_catching_up",
            format!("the index replays the log: {} records to go", self.lag()),
        ))
    }

    /// Waits until searches see `version` of a document or a later one, its
    /// deletion being the last, at most `patience`; whether they do.
    pub(crate) async fn wait_for(&self, document: DocumentId, version: Version, patience: Duration) -> bool {
        let mut applied = self.applied.subscribe();
        let shown = || {
            self.index.visible_version(document).is_some_and(|visible| visible >= version)
                || self.index.is_deleted(document)
        };
        let wait = async {
            while !shown() {
                if applied.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(patience, wait).await;
        shown()
    }

    /// Ends with the reason where the index can't go on.
    pub(crate) async fn watch_over(&self, token: CancellationToken) -> Result<()> {
        let mut broken = self.broken.subscribe();
        let failed = broken.wait_for(Option::is_some);
        tokio::select! {
            failed = failed => match failed.as_deref() {
                Ok(Some(fault)) => Err(fault.clone()),
                _ => Ok(()),
            },
            () = token.cancelled() => Ok(()),
        }
    }

    /// Writes a snapshot into a folder.
    pub(crate) async fn snapshot(&self, dir: &Path) -> Result<SnapshotInfo> {
        let unreported = self.unreported.lock().await;
        if !unreported.indexed.is_empty() || !unreported.complete.is_empty() {
            return Err(Fault::unavailable(
                "unreported",
                "the database has not been told yet what is indexed",
            ));
        }
        let (index, dir) = (self.index.clone(), dir.to_owned());
        blocking(move || index.snapshot(&dir)).await
    }

    async fn apply(&self, events: Vec<Positioned>, ledger: &dyn IndexLedger) -> Result<Applied> {
        let mut unreported = self.unreported.lock().await;
        let index = self.index.clone();
        let applied = match blocking(move || index.apply(events)).await {
            Ok(applied) => applied,
            Err(fault) => {
                // Nothing is wrong with the records: the index is. The process ends over
                // it, and the next one restores or replays.
                self.broken.send_replace(Some(fault.clone()));
                return Err(
                    Fault::unavailable("index_broken", "the index takes no more events").caused_by(fault)
                );
            }
        };
        self.applied.send_modify(|n| *n += 1);
        unreported.indexed.extend(&applied.indexed);
        unreported.complete.extend(&applied.complete);
        if !unreported.indexed.is_empty() || !unreported.complete.is_empty() {
            ledger.mark_indexed(&unreported.indexed, &unreported.complete).await?;
            *unreported = Report::default();
        }
        Ok(applied)
    }
}

/// Runs index work off the asynchronous threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Fault::failed("index_panicked", "the index panicked").caused_by(e))?
        .map_err(index_fault)
}

/// What an error of the index asks of the caller.
pub(crate) fn index_fault(error: IndexError) -> Fault {
    match error {
        IndexError::Damaged { .. } | IndexError::Unfit { .. } => {
            Fault::invalid("snapshot", "the snapshot can't be used").caused_by(error)
        }
        IndexError::Request(why) => Fault::invalid("bad_request", why),
        IndexError::Io { .. } => {
            Fault::unavailable("index_disk", "the index's disk needs attention").caused_by(error)
        }
        other => Fault::failed("index", "the index failed").caused_by(other),
    }
}

/// Waits, but not past the end.
pub(crate) async fn pause(time: Duration, token: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = token.cancelled() => {}
    }
}
