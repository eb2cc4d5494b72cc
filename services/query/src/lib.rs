//! A query node: its own view of `chunk-embeddings`, and the answers from it.
//!
//! [`view`] keeps the index: restored from a snapshot, replayed from the log,
//! applied as records come. [`ask`] retrieves, [`answer`] quotes. Neither
//! Postgres nor blob storage is on the way of a question.

mod answer;
mod ask;
mod config;
mod metrics;
mod routes;
mod sentences;
mod view;

pub use config::QueryConfig;

use ragstream_core::{
    fault::{Fault, Result},
    ports::{Embedder, IndexLedger, LogEnds},
};
use ragstream_runtime::{admin, health::Health, http, tasks::Tasks};
use ragstream_worker::{Config, DeadLetters, HealthHandle, Source, Worker};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::net::TcpListener;
use view::View;

/// The name of the index consumer in metrics and dead letters.
pub const CONSUMER: &str = "ragstream-query";

/// Records applied together: one commit of the keyword index each.
const BATCH: usize = 512;
/// How long to wait for more: what freshness pays for larger batches.
const LINGER: Duration = Duration::from_millis(10);

/// Opens `chunk-embeddings` from given offsets on; a partition that is not named
/// is read from its beginning.
pub type OpenLog = Box<dyn FnOnce(BTreeMap<i32, i64>) -> Result<Box<dyn Source>> + Send>;

/// What a query node is tied to.
pub struct Ports {
    /// The log, read by this node alone: no consumer group shares it.
    pub open_log: OpenLog,
    /// Where the log ends, to know when the view has caught up.
    pub ends: Arc<dyn LogEnds>,
    /// Where records go that can't be applied.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Rows, to report what is searchable.
    pub ledger: Arc<dyn IndexLedger>,
    /// The model, for questions.
    pub embedder: Arc<dyn Embedder>,
    /// What else `/readyz` and `/health` ask.
    pub health: Health,
}

/// Restores the view, follows the log and serves on `listener`, as tasks of
/// `tasks`. The handles tell how the consumer is and whether the view has caught up.
pub async fn run(
    config: QueryConfig,
    ports: Ports,
    listener: TcpListener,
    tasks: &mut Tasks,
) -> Result<Health> {
    let model = ports.embedder.model().clone();
    let restore = config.clone();
    let view = tokio::task::spawn_blocking(move || View::restore(&restore, &model))
        .await
        .map_err(|e| Fault::failed("restore_panicked", "restoring the index panicked").caused_by(e))??;
    let view = Arc::new(view);
    let source = (ports.open_log)(view.index().positions())?;
    let settings =
        Config { batch_max: BATCH, batch_linger: LINGER, ordered: true, ..Config::named(CONSUMER) };
    let handler = Arc::new(view::Apply { view: view.clone(), ledger: ports.ledger });
    let worker = Worker::new(settings, source, handler, ports.dead_letters);
    let consumer: HealthHandle = worker.health();
    let health = ports
        .health
        // Questions are answered through an outage of the log or of the rows; `freshness`
        // says how far the answer is.
        .with_optional(consumer.as_probe("index_consumer"))
        .with(Arc::new(view::CaughtUp::new(view.clone())));
    let asker = Arc::new(ask::Asker::new(view.clone(), ports.embedder));
    let router = routes::router(asker).merge(admin::routes(health.clone()));
    tasks.spawn("query http", http::serve(listener, router, tasks.token()));
    tasks.spawn("index consumer", worker.run(tasks.token()));
    let watched = view.clone();
    let token = tasks.token();
    tasks.spawn("index", async move { watched.watch_over(token).await });
    tasks.spawn("index catch-up", view::watch_catch_up(view.clone(), ports.ends, tasks.token()));
    tasks.spawn("index snapshots", view::snapshots(view, config, tasks.token()));
    Ok(health)
}
