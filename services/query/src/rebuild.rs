//! Building the index anew, beside the one that serves.
//!
//! A second, empty index reads the log from its beginning by a consumer of its own, while
//! the first serves and stays fresh. Once it has caught up it takes the first one's place
//! in one step, and the two are compared at the same place of the log.
//!
//! While it is built it reports nothing to PostgreSQL: the first one does, and a replay
//! would ask for every row there is once more. When it has taken over, all that it holds
//! is reported once, a thousand rows a statement and one statement at a time. That finds
//! rows by their keys and writes only those that were never told, so it costs little and
//! puts right what a lost report, or a restored database, left behind. Then comes a
//! snapshot: none is ever ahead of the reports.

use crate::{
    snapshots::Snapshots,
    view::{
        Generation, News, Standing, View, blocking,
        feed::{Feed, Feeds},
        pause,
        switch::{Switched, behind},
    },
};
use chrono::Utc;
use ragstream_api::{
    admin::{NodeRebuild, RebuildState, SideSummary},
    problem::Problem,
};
use ragstream_core::{
    fault::{Fault, Result},
    id::{ChunkId, DocumentId, Version},
    ports::LogEnds,
    topics,
};
use ragstream_index::{Contents, Index, IndexConfig};
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// How often to look how far the new index is.
const LOOK: Duration = Duration::from_millis(100);
/// So near the old one the rest takes less than a moment.
const NEAR: i64 = 1_000;
/// Pause after an attempt to switch that took too long, so that the old index is not held all the time.
const SWITCH_PAUSE: Duration = Duration::from_secs(5);
/// Rows that are told of at once.
const REPORT: usize = 1_000;
/// Pause between reports that the database did not take.
const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// What a rebuild is made of.
pub(crate) struct Parts {
    pub(crate) view: Arc<View>,
    pub(crate) news: News,
    pub(crate) feeds: Arc<Feeds>,
    pub(crate) settings: IndexConfig,
    pub(crate) ends: Arc<dyn LogEnds>,
    pub(crate) snapshots: Arc<Snapshots>,
    /// Takes the consumer of the index that serves from now on.
    pub(crate) switched: mpsc::Sender<Feed>,
}

/// Rebuilds the index when asked, one at a time.
pub(crate) struct Rebuilder {
    parts: Parts,
    status: Mutex<NodeRebuild>,
    wanted: Notify,
}

impl Rebuilder {
    pub(crate) fn new(parts: Parts) -> Self {
        Self { parts, status: Mutex::default(), wanted: Notify::new() }
    }

    /// How far it is.
    pub(crate) fn status(&self) -> NodeRebuild {
        self.lock().clone()
    }

    /// Begins one, unless one is under way.
    pub(crate) fn begin(&self) -> Result<NodeRebuild, Problem> {
        self.parts.view.require_caught_up()?;
        let mut status = self.lock();
        if !status.state.is_running() {
            let (state, started_at) = (RebuildState::Replaying, Some(Utc::now()));
            *status = NodeRebuild { state, started_at, ..NodeRebuild::default() };
            self.wanted.notify_one();
        }
        Ok(status.clone())
    }

    fn lock(&self) -> MutexGuard<'_, NodeRebuild> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is asked for, until the token is cancelled.
    pub(crate) async fn run(self: Arc<Self>, token: CancellationToken) -> Result<()> {
        loop {
            tokio::select! {
                () = self.wanted.notified() => {}
                () = token.cancelled() => return Ok(()),
            }
            let ended = self.rebuild(&token).await;
            let mut status = self.lock();
            status.finished_at = Some(Utc::now());
            match ended {
                Ok(()) => {
                    status.state = RebuildState::Done;
                    let (before, after) = (&status.before, &status.after);
                    tracing::info!(?before, ?after, agrees = status.agrees, "the index was rebuilt");
                }
                Err(_) if token.is_cancelled() => return Ok(()),
                Err(fault) => {
                    status.state = RebuildState::Failed;
                    status.error = Some(fault.to_string());
                    tracing::error!(error = %fault, "the index could not be rebuilt");
                }
            }
        }
    }

    async fn rebuild(&self, token: &CancellationToken) -> Result<()> {
        let Parts { view, news, feeds, settings, ends, snapshots, switched } = &self.parts;
        let log = ends.ends(topics::EMBEDDINGS).await?;
        let settings = settings.clone();
        let index = blocking(move || Index::new(settings)).await?;
        let live = view.live();
        tracing::info!(chunks = live.index().contents().chunks, "rebuilding the index");
        let next = Generation::new(live.number + 1, index, Standing::Beside, news.clone());
        let (next, leads) = (Arc::new(next), watch::Sender::new(Some(live)));
        let mut feed = feeds.start(next.clone(), Some(leads.subscribe()))?;
        let outcome = self.replay(&mut feed, &leads, &log, token).await;
        let Switched { before, after } = match outcome {
            Ok(outcome) => outcome,
            Err(fault) => {
                feed.stop().await;
                return Err(fault);
            }
        };
        // Its keeper is gone only where the process ends.
        let _ = switched.send(feed).await;
        {
            let mut status = self.lock();
            status.state = RebuildState::Reporting;
            status.records_done = status.records_total;
            (status.before, status.after) = (Some(side(&before)), Some(side(&after)));
            status.agrees = Some(status.before == status.after);
        }
        self.report(&next, token).await?;
        if let Err(fault) = snapshots.write().await {
            tracing::warn!(error = %fault, "no snapshot could be written");
        }
        Ok(())
    }

    /// Waits until the new index has caught up, and puts it in the old one's place.
    async fn replay(
        &self,
        feed: &mut Feed,
        leads: &watch::Sender<Option<Arc<Generation>>>,
        log: &BTreeMap<i32, Range<i64>>,
        token: &CancellationToken,
    ) -> Result<Switched> {
        let view = &self.parts.view;
        let end = Contents {
            positions: log.iter().map(|(partition, range)| (*partition, range.end)).collect(),
            ..Contents::default()
        };
        let total: i64 = log.values().map(|range| range.end - range.start).sum();
        loop {
            if feed.has_ended() {
                feed.ended().await?;
                return Err(Fault::failed("index_consumer", "the index consumer ended"));
            }
            let contents = feed.generation.contents();
            let done = total - behind(&contents, &end, log);
            {
                let mut status = self.lock();
                (status.records_done, status.records_total) = (done.max(0) as u64, total.max(0) as u64);
            }
            let mut rest = LOOK;
            if behind(&contents, &view.live().contents(), log) <= NEAR {
                match view.try_switch(feed, leads, log).await {
                    Some(switched) => return Ok(switched),
                    None => rest = SWITCH_PAUSE,
                }
            }
            pause(rest, token).await;
            if token.is_cancelled() {
                return Err(Fault::unavailable("stopping", "the query node is stopping"));
            }
        }
    }

    /// Tells the rows of all that an index holds.
    async fn report(&self, generation: &Generation, token: &CancellationToken) -> Result<()> {
        let index = generation.index().clone();
        let (chunks, versions) =
            blocking(move || Ok((index.held_chunks(), index.visible_versions()))).await?;
        for chunks in chunks.chunks(REPORT) {
            self.tell(chunks, &[], token).await?;
        }
        for versions in versions.chunks(REPORT) {
            self.tell(&[], versions, token).await?;
        }
        generation.contents_reported().await;
        Ok(())
    }

    async fn tell(
        &self,
        chunks: &[ChunkId],
        versions: &[(DocumentId, Version)],
        token: &CancellationToken,
    ) -> Result<()> {
        let mut told = false;
        while let Err(fault) = self.parts.feeds.ledger.mark_indexed(chunks, versions).await {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(error = %fault, "the rows can't be told what the new index holds; trying again");
            }
            pause(REPORT_PAUSE, token).await;
            if token.is_cancelled() {
                return Err(fault);
            }
        }
        Ok(())
    }
}

fn side(contents: &Contents) -> SideSummary {
    SideSummary::new(contents.chunks as u64, contents.checksum)
}

#[cfg(test)]
mod tests;
