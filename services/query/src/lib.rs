//! A query node: its own view of `chunk-embeddings`, and the answers from it.
//!
//! [`view`] keeps the index: replayed from the log, applied as records come;
//! [`snapshots`] make a start a short one. [`ask`] retrieves, [`answer`] quotes.
//! Neither Postgres nor blob storage is on the way of a question. [`admin`] tells the
//! gateway what the index holds.

mod admin;
mod answer;
mod ask;
mod config;
mod metrics;
mod routes;
mod sentences;
mod snapshots;
mod view;

pub use config::QueryConfig;

use ragstream_core::{
    fault::{Fault, Result},
    ports::{BlobStore, Embedder, IndexLedger, LogEnds},
};
use ragstream_index::IndexConfig;
use ragstream_runtime::{health::Health, http, tasks::Tasks};
use ragstream_worker::{Config, DeadLetters, HealthHandle, Source, Worker};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};
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
    /// Where copies of snapshots are kept. A node starts and serves without it.
    pub blobs: Arc<dyn BlobStore>,
    /// This node's name, which its snapshots there carry.
    pub node: String,
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
    let settings = IndexConfig { dimension: ports.embedder.model().dimension, ..IndexConfig::default() };
    let store = snapshots::Store::new(ports.blobs, &ports.node);
    let token = tasks.token();
    let index = tokio::select! {
        index = snapshots::restore(&settings, &config.snapshot_dir, &*ports.ends, &store) => index?,
        () = token.cancelled() => return Err(Fault::unavailable("stopping", "stopped while restoring the index")),
    };
    let view = Arc::new(View::new(index));
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
    let router = routes::router(asker)
        .merge(admin::router(view.clone()))
        .merge(ragstream_runtime::admin::routes(health.clone()));
    tasks.spawn("query http", http::serve(listener, router, tasks.token()));
    tasks.spawn("index consumer", worker.run(tasks.token()));
    let watched = view.clone();
    let token = tasks.token();
    tasks.spawn("index", async move { watched.watch_over(token).await });
    tasks.spawn("index catch-up", view::watch_catch_up(view.clone(), ports.ends, tasks.token()));
    let (newest, written) = watch::channel(None);
    if config.snapshot_upload_seconds > 0 {
        let every = Duration::from_secs(config.snapshot_upload_seconds);
        tasks.spawn("snapshot uploads", snapshots::uploading(store, written, every));
    }
    tasks.spawn("index snapshots", snapshots::writing(view, config, newest, tasks.token()));
    Ok(health)
}
