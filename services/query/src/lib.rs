//! A query node: its own view of `chunk-embeddings`, and the answers from it.
//!
//! [`view`] keeps the index: replayed from the log, applied as records come;
//! [`snapshots`] make a start a short one, and [`rebuild`] builds the index anew while
//! it serves. [`ask`] retrieves and answers: [`plan`] says what to search for, [`answer`] quotes
//! or has one of the [`models`] write, [`cache`] remembers. [`embeddings`] are for those who want vectors alone.
//! Neither Postgres nor blob storage is on the way of a question. [`admin`] tells the
//! gateway what the index holds.
//!
//! ```text
//! log ──consumer──▶ generation (live) ◀── searches, snapshots
//!  │                     ▲ follows
//!  └───consumer──▶ generation (beside): takes its place, once caught up
//! ```

mod admin;
mod answer;
mod ask;
mod cache;
mod config;
mod embeddings;
mod events;
mod metrics;
mod models;
mod plan;
mod rebuild;
mod routes;
mod snapshots;
#[cfg(test)]
mod testing;
mod view;

pub use config::QueryConfig;
pub use models::Models;

use ragstream_core::{
    fault::{Fault, Result},
    ports::{BlobStore, Embedder, IndexLedger, LogEnds},
};
use ragstream_index::IndexConfig;
use ragstream_runtime::{health::Health, http, tasks::Tasks};
use ragstream_worker::{DeadLetters, Source};
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use view::{Generation, Standing, View, feed::Feeds};

/// Opens `chunk-embeddings` from given offsets on, for the consumer of this name; a
/// partition that is not named is read from its beginning.
pub type OpenLog = Box<dyn Fn(BTreeMap<i32, i64>, &str) -> Result<Box<dyn Source>> + Send + Sync>;

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
    /// Models that write and rerank, where there are any.
    pub models: Models,
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
    let news = Arc::new(watch::Sender::new(0));
    let generation = Arc::new(Generation::new(0, index, Standing::Live, news.clone()));
    let feeds = Arc::new(Feeds {
        open_log: ports.open_log,
        dead_letters: ports.dead_letters,
        ledger: ports.ledger,
        token: tasks.token(),
    });
    let feed = feeds.start(generation, None)?;
    let view = Arc::new(View::new(&feed, news.clone()));
    let (switched, next) = mpsc::channel(1);
    tasks.spawn("index consumer", view::feed::keep(feed, next, tasks.token()));
    tasks.spawn("index catch-up", view::watch_catch_up(view.clone(), ports.ends.clone(), tasks.token()));

    let snapshots = Arc::new(snapshots::Snapshots::new(view.clone(), config.snapshot_dir));
    if config.snapshot_upload_seconds > 0 {
        let every = Duration::from_secs(config.snapshot_upload_seconds);
        tasks.spawn("snapshot uploads", snapshots::uploading(store, snapshots.written(), every));
    }
    let every = Duration::from_secs(config.snapshot_seconds);
    tasks.spawn("index snapshots", snapshots.clone().writing(every, tasks.token()));

    let parts =
        rebuild::Parts { view: view.clone(), news, feeds, settings, ends: ports.ends, snapshots, switched };
    let rebuilder = Arc::new(rebuild::Rebuilder::new(parts));
    tasks.spawn("index rebuild", rebuilder.clone().run(tasks.token()));

    let health = ports
        .health
        // Questions are answered through an outage of the log or of the rows; `freshness`
        // says how far the answer is.
        .with_optional(Arc::new(view::Consuming(view.clone())))
        .with(Arc::new(view::CaughtUp(view.clone())));
    let asker = Arc::new(ask::Asker::new(view.clone(), ports.embedder, ports.models));
    let router = routes::router(asker)
        .merge(admin::router(view, rebuilder))
        .merge(ragstream_runtime::admin::routes(health.clone()));
    tasks.spawn("query http", http::serve(listener, router, tasks.token()));
    Ok(health)
}
