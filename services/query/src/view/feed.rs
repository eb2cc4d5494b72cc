//! Consumers of the log, one for each generation.

use super::{
    apply::{Apply, Follow},
    generation::Generation,
};
use crate::OpenLog;
use ragstream_core::{
    fault::{Fault, Result},
    ports::IndexLedger,
};
use ragstream_worker::{Config, DeadLetters, HealthHandle, Worker};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Names of the index consumer in metrics, dead letters and Kafka's groups: generations
/// take turns, for two of them read side by side while one is built.
pub const CONSUMERS: [&str; 2] = ["ragstream-query", "ragstream-query-b"];

/// Records applied together: one commit of the keyword index each.
const BATCH: usize = 512;
/// How long to wait for more: what freshness pays for larger batches.
const LINGER: Duration = Duration::from_millis(10);

/// What consumers are made of.
pub(crate) struct Feeds {
    pub(crate) open_log: OpenLog,
    pub(crate) dead_letters: Arc<dyn DeadLetters>,
    pub(crate) ledger: Arc<dyn IndexLedger>,
    pub(crate) token: CancellationToken,
}

/// A running consumer. It ends when this is dropped.
pub(crate) struct Feed {
    pub(crate) generation: Arc<Generation>,
    pub(crate) health: HealthHandle,
    task: JoinHandle<Result<()>>,
    ends: DropGuard,
}

impl Feeds {
    /// Feeds a generation from where it stands; where it follows another, never beyond that.
    pub(crate) fn start(&self, generation: Arc<Generation>, follow: Option<Follow>) -> Result<Feed> {
        let consumer = CONSUMERS[generation.number as usize % CONSUMERS.len()];
        let source = (self.open_log)(generation.index().positions(), consumer)?;
        let settings =
            Config { batch_max: BATCH, batch_linger: LINGER, ordered: true, ..Config::named(consumer) };
        let token = self.token.child_token();
        let handler = Apply {
            generation: generation.clone(),
            ledger: self.ledger.clone(),
            follow,
            token: token.clone(),
        };
        let worker = Worker::new(settings, source, Arc::new(handler), self.dead_letters.clone());
        let health = worker.health();
        let (fed, ends) = (generation.clone(), token.clone().drop_guard());
        let task = tokio::spawn(async move {
            tokio::select! {
                ended = worker.run(token) => {
                    ended.map_err(|e| Fault::failed("index_consumer", "the index consumer ended").caused_by(e))
                }
                fault = fed.breaks() => Err(fault),
            }
        });
        Ok(Feed { generation, health, task, ends })
    }
}

impl Feed {
    /// Its end: `Ok` only where it was told to.
    pub(crate) async fn ended(&mut self) -> Result<()> {
        let ended = (&mut self.task).await;
        ended.map_err(|e| Fault::failed("index_consumer", "the index consumer panicked").caused_by(e))?
    }

    /// Whether it has ended, asked or not.
    pub(crate) fn has_ended(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops it; its generation gets nothing more.
    pub(crate) async fn stop(self) -> Arc<Generation> {
        let Self { generation, task, ends, .. } = self;
        drop(ends);
        if let Ok(Err(fault)) | Err(fault) = task
            .await
            .map_err(|e| Fault::failed("index_consumer", "the index consumer panicked").caused_by(e))
        {
            tracing::warn!(error = %fault, "the consumer of an index that is not needed any more failed");
        }
        generation
    }
}

/// Looks after the consumer of the live generation, and lets go of each one that another
/// replaces.
pub(crate) async fn keep(
    mut live: Feed,
    mut switched: mpsc::Receiver<Feed>,
    token: CancellationToken,
) -> Result<()> {
    loop {
        let next = tokio::select! {
            ended = live.ended() => return ended,
            Some(next) = switched.recv() => next,
            () = token.cancelled() => return live.ended().await,
        };
        let over = std::mem::replace(&mut live, next).stop().await;
        tokio::spawn(let_go(over));
    }
}

/// How often to look whether the last request has let go of an index.
const LOOK: Duration = Duration::from_millis(100);

/// Frees an index, which takes a moment, where that holds nobody up.
async fn let_go(generation: Arc<Generation>) {
    while Arc::strong_count(&generation) > 1 || Arc::strong_count(generation.index()) > 1 {
        tokio::time::sleep(LOOK).await;
    }
    // Without a runtime the process is ending anyway.
    let _ = tokio::task::spawn_blocking(move || drop(generation)).await;
}
