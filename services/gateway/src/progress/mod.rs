//! Live progress: what happens to jobs and batches, told to everybody who watches, over any
//! gateway.
//!
//! ```text
//!   PostgreSQL ── events above the last one ──▶ feed ──▶ hub ──▶ watchers of a job
//!              ── jobs that somebody watches ─▶ (one)        ├─▶ watchers of a batch
//!                 and that are under way                     └─▶ watchers of everything
//! ```
//!
//! - **One [`feed`] reads for all**, and only while somebody watches: what PostgreSQL is asked does not
//!   depend on how many do, and counting chunks takes one part in twenty of the time at most.
//! - **Events are never missed.** They were written by the transactions that made the changes, and are
//!   read by id, those too that turn up after one with a higher id. A watcher that falls behind, or comes
//!   back with the id of the last message that it saw, gets the rest from the table.
//! - **Progress is state, not history**: each message has all there is to know of a job or a batch, so a
//!   watcher may miss any but the last.

mod feed;
mod hub;
mod told;
mod watcher;

pub(crate) use told::{Told, Topic};
pub(crate) use watcher::{Opened, Watcher};

use feed::Feed;
use hub::Hub;
use ragstream_api::problem::Problem;
use ragstream_core::{
    fault::{Fault, Result},
    id::JobId,
    ports::{Batches, ProgressLog, StageEntered, Watched},
};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Live progress, as the routes see it.
#[derive(Clone)]
pub(crate) struct Progress {
    hub: Arc<Hub>,
    log: Arc<dyn ProgressLog>,
    batches: Arc<dyn Batches>,
    stopping: CancellationToken,
}

impl Progress {
    pub(crate) fn new(
        log: Arc<dyn ProgressLog>,
        batches: Arc<dyn Batches>,
        stopping: CancellationToken,
    ) -> Self {
        Self { hub: Hub::new(), log, batches, stopping }
    }

    /// Reads for all watchers, until the gateway stops.
    pub(crate) fn feed(&self) -> impl Future<Output = Result<(), Fault>> + Send + use<> {
        Feed::new(self.log.clone(), self.batches.clone(), self.hub.clone()).run(self.stopping.clone())
    }

    /// Watches; see [`Watcher::open`].
    pub(crate) async fn watch(&self, watched: Watched, last: Option<i64>) -> Result<Opened, Problem> {
        let (log, batches) = (self.log.clone(), self.batches.clone());
        Watcher::open(&self.hub, log, batches, watched, last, self.stopping.clone()).await
    }

    /// The stages that a job came to.
    pub(crate) async fn history(&self, job_id: JobId) -> Result<Vec<StageEntered>> {
        self.log.history(job_id).await
    }

    /// How many watch.
    pub(crate) fn watchers(&self) -> usize {
        self.hub.watchers()
    }

    /// Returns when the gateway stops.
    pub(crate) async fn stopping(&self) {
        self.stopping.cancelled().await;
    }
}
