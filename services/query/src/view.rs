//! The view of the log: the index, and what keeps it up to date.

use crate::{config::QueryConfig, metrics};
use async_trait::async_trait;
use ragstream_core::{
    event::IndexEvent,
    fault::{Fault, Result},
    id::{ChunkId, DocumentId, Version},
    ports::{IndexLedger, LogEnds, ModelInfo, Probe},
    topics,
};
use ragstream_index::{Applied, Index, IndexConfig, IndexError, Positioned};
use ragstream_proto::{decode, encode::Origin};
use ragstream_worker::{Handler, Message, Verdict};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;

/// How often the end of the log is asked for: the lag in answers is as old as this at most.
const LOOK: Duration = Duration::from_secs(2);

/// The index, how far it is, and what is yet to be reported of it.
pub(crate) struct View {
    index: Arc<Index>,
    applied: watch::Sender<u64>,
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
    /// The newest snapshot, or an empty index where there is none or it can't be used: the log has it all.
    pub(crate) fn restore(config: &QueryConfig, model: &ModelInfo) -> Result<Self> {
        let settings = IndexConfig { dimension: model.dimension, ..IndexConfig::default() };
        let restored = match Index::restore(settings.clone(), &config.snapshot_dir) {
            Ok(restored) => restored,
            Err(error @ (IndexError::Damaged { .. } | IndexError::Unfit { .. })) => {
                tracing::warn!(%error, "the snapshot can't be used: replaying the log from its beginning");
                None
            }
            Err(error) => return Err(index_fault(error)),
        };
        let index = match restored {
            Some(index) => {
                let stats = index.stats();
                tracing::info!(
                    chunks = stats.visible,
                    documents = stats.documents,
                    "index restored from its snapshot"
                );
                index
            }
            None => Index::new(settings).map_err(index_fault)?,
        };
        Ok(Self {
            index: Arc::new(index),
            applied: watch::Sender::new(0),
            broken: watch::Sender::new(None),
            lag: AtomicI64::new(0),
            caught_up: AtomicBool::new(false),
            unreported: Mutex::default(),
        })
    }

    pub(crate) fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// Records in the log that were not applied when last looked.
    pub(crate) fn lag(&self) -> i64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// Waits until searches see `version` of a document or a later one, at most
    /// `patience`; whether they do.
    pub(crate) async fn wait_for(&self, document: DocumentId, version: Version, patience: Duration) -> bool {
        let mut applied = self.applied.subscribe();
        let shown = || self.index.visible_version(document).is_some_and(|visible| visible >= version);
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

fn index_fault(error: IndexError) -> Fault {
    match error {
        IndexError::Request(why) => Fault::invalid("bad_request", why),
        IndexError::Io { .. } => {
            Fault::unavailable("index_disk", "the index's disk needs attention").caused_by(error)
        }
        other => Fault::failed("index", "the index failed").caused_by(other),
    }
}

/// Applies what the worker reads, in order.
pub(crate) struct Apply {
    pub(crate) view: Arc<View>,
    pub(crate) ledger: Arc<dyn IndexLedger>,
}

#[async_trait]
impl Handler for Apply {
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict> {
        let mut verdicts: Vec<Option<Verdict>> = vec![None; batch.len()];
        let mut events = Vec::with_capacity(batch.len());
        let mut markers = HashMap::new();
        for (index, message) in batch.iter().enumerate() {
            let event = decode::index_event(message.key_str(), message.value.as_deref());
            if let Ok(IndexEvent::Commit(marker)) = &event {
                markers.insert((marker.document_id, marker.version), message);
            }
            match event {
                Ok(event) => {
                    events.push(Positioned { partition: message.partition, offset: message.offset, event })
                }
                Err(fault) => verdicts[index] = Some(fault.into()),
            }
        }
        let rest = match self.view.apply(events, &*self.ledger).await {
            Ok(applied) => {
                for rejected in &applied.rejected {
                    let at = |m: &Message| m.partition == rejected.partition && m.offset == rejected.offset;
                    if let Some(index) = batch.iter().position(at) {
                        verdicts[index] =
                            Some(Fault::invalid("unusable_vector", rejected.reason.clone()).into());
                    }
                }
                self.tell(&applied.complete, &markers);
                for version in &applied.incomplete {
                    tracing::warn!(
                        document_id = %version.document_id,
                        version = version.version.0,
                        expected = version.expected,
                        held = version.held,
                        "a version's marker came before all of its chunks; it is shown once they are here"
                    );
                }
                Verdict::Done
            }
            Err(fault) => fault.into(),
        };
        verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| rest.clone())).collect()
    }
}

impl Apply {
    /// The end of each document's trip, under the correlation id and trace of its upload.
    fn tell(&self, complete: &[(DocumentId, Version)], markers: &HashMap<(DocumentId, Version), &Message>) {
        // A replay tells nothing new.
        if !self.view.caught_up.load(Ordering::Acquire) {
            return;
        }
        for (document_id, version) in complete {
            let Some(marker) = markers.get(&(*document_id, *version)) else { continue };
            let origin = Origin::following(|name| marker.header(name));
            tracing::info!(
                correlation_id = origin.correlation_id,
                trace_id = origin.trace.trace_id(),
                %document_id,
                version = version.0,
                "document searchable"
            );
        }
    }
}

/// A line of `/readyz`: whether the view has once caught up with the log since the start.
pub(crate) struct CaughtUp(Arc<View>);

impl CaughtUp {
    pub(crate) fn new(view: Arc<View>) -> Self {
        Self(view)
    }
}

#[async_trait]
impl Probe for CaughtUp {
    fn component(&self) -> &'static str {
        "index"
    }

    async fn probe(&self) -> Result<()> {
        if self.0.caught_up.load(Ordering::Acquire) {
            return Ok(());
        }
        Err(Fault::unavailable(
            "index_catching_up",
            format!("the index replays the log: {} records to go", self.0.lag()),
        ))
    }
}

/// Compares the view with the end of the log, now and then.
pub(crate) async fn watch_catch_up(
    view: Arc<View>,
    ends: Arc<dyn LogEnds>,
    token: CancellationToken,
) -> Result<()> {
    let mut applied = view.applied.subscribe();
    while !token.is_cancelled() {
        // While the broker is down there is no telling: the last lag stands.
        if let Ok(ends) = ends.ends(topics::EMBEDDINGS).await {
            let positions = view.index.positions();
            let behind = |(partition, range): (&i32, &std::ops::Range<i64>)| {
                let position = positions.get(partition).copied().unwrap_or(range.start);
                (range.end - position.max(range.start)).max(0)
            };
            let lag: i64 = ends.iter().map(behind).sum();
            view.lag.store(lag, Ordering::Relaxed);
            metrics::VIEW_LAG.set(lag);
            if lag == 0 && !view.caught_up.swap(true, Ordering::AcqRel) {
                tracing::info!(chunks = view.index.stats().visible, "the index has caught up with the log");
            }
        }
        if view.caught_up.load(Ordering::Acquire) {
            pause(LOOK, &token).await;
        } else {
            // Look again as soon as something was applied: readiness waits for this.
            let _ = tokio::time::timeout(Duration::from_millis(200), applied.changed()).await;
        }
    }
    Ok(())
}

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

async fn pause(time: Duration, token: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = token.cancelled() => {}
    }
}
