//! Writing snapshots.

use crate::view::{View, pause};
use ragstream_core::fault::Result;
use ragstream_index::SnapshotInfo;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

/// A snapshot is written this often even where nothing changed, so that none becomes
/// too old to be used while the log is silent.
const REFRESH: Duration = Duration::from_secs(24 * 60 * 60);

/// What this process has written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    /// The newest one.
    pub(super) newest: Option<SnapshotInfo>,
    /// There will be no more.
    pub(super) last: bool,
}

/// Writes snapshots of whatever serves into one folder.
pub(crate) struct Snapshots {
    view: Arc<View>,
    dir: PathBuf,
    /// The generation and positions of the last one, and when that was.
    last: Mutex<(u64, BTreeMap<i32, i64>, Instant)>,
    written: watch::Sender<Written>,
}

impl Snapshots {
    /// The view is as its last snapshot has it.
    pub(crate) fn new(view: Arc<View>, dir: PathBuf) -> Self {
        let live = view.live();
        let last = Mutex::new((live.number, live.index().positions(), Instant::now()));
        Self { view, dir, last, written: watch::Sender::default() }
    }

    /// Hears of each that is written.
    pub(crate) fn written(&self) -> watch::Receiver<Written> {
        self.written.subscribe()
    }

    /// Writes one, where there is anything new in it and all of it was reported.
    pub(crate) async fn write(&self) -> Result<()> {
        let mut last = self.last.lock().await;
        let live = self.view.live();
        let is_new = (live.number, live.index().positions()) != (last.0, last.1.clone());
        if !is_new && last.2.elapsed() < REFRESH {
            return Ok(());
        }
        let Some(info) = live.snapshot(&self.dir).await? else { return Ok(()) };
        tracing::debug!(
            chunks = info.chunks,
            bytes = info.bytes,
            ms = info.took.as_millis(),
            "snapshot written"
        );
        *last = (live.number, info.positions.clone(), Instant::now());
        self.written.send_modify(|written| written.newest = Some(info));
        Ok(())
    }

    /// Writes one now and then, and at the end.
    pub(crate) async fn writing(self: Arc<Self>, every: Duration, token: CancellationToken) -> Result<()> {
        loop {
            pause(every, &token).await;
            if let Err(fault) = self.write().await {
                // The log has it all: a start without this snapshot takes longer, that is all.
                tracing::warn!(error = %fault, "no snapshot could be written");
            }
            if token.is_cancelled() {
                self.written.send_modify(|written| written.last = true);
                return Ok(());
            }
        }
    }
}
