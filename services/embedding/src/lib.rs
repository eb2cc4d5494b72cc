//! Embedding: a pool of consumers in one group that turn chunks into vectors.
//!
//! [`handler`] takes micro-batches across documents; [`thread`] runs the model.

mod config;
mod context;
mod handler;
mod metrics;
mod thread;

pub use config::EmbeddingConfig;
pub use context::with_headings;
pub use thread::yield_to_others;

use handler::Embedding;
use ragstream_core::ports::{Embedder, EmbeddingLedger, ModelInfo, Publisher};
use ragstream_runtime::tasks::Tasks;
use ragstream_worker::{Config, DeadLetters, HealthHandle, Source, Worker};
use std::{sync::Arc, time::Duration};

/// Consumer group of the pool, and its name in metrics and dead letters.
pub const CONSUMER: &str = "ragstream-embedding";

/// Batches under way besides those in the model: on their way from the
/// database, or to the log, so that the model never waits.
const BATCHES_AHEAD: usize = 2;

/// Batches besides those that are never of the bulk lane: an express batch is next at the
/// model when it comes, after what is ahead.
const KEPT_FOR_EXPRESS: usize = 1;

/// What the pool is tied to.
pub struct Ports {
    /// `chunk-processing`, as a member of the group [`CONSUMER`].
    pub chunks: Box<dyn Source>,
    /// `chunk-processing.bulk`, as a member of a group of its own.
    pub bulk_chunks: Box<dyn Source>,
    /// Where messages go that are given up.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Rows.
    pub ledger: Arc<dyn EmbeddingLedger>,
    /// The log.
    pub publisher: Arc<dyn Publisher>,
    /// The model, as often as batches are embedded at once.
    pub embedders: Vec<Arc<dyn Embedder>>,
    /// Which model it is.
    pub model: ModelInfo,
}

/// Consumes as a task of `tasks`; the handle tells how the consumer is.
pub fn run(config: EmbeddingConfig, ports: Ports, tasks: &mut Tasks) -> std::io::Result<HealthHandle> {
    let settings = Config {
        batch_max: config.batch_max,
        batch_linger: Duration::from_millis(config.batch_linger_ms),
        concurrency: config.sessions + BATCHES_AHEAD + KEPT_FOR_EXPRESS,
        bulk_concurrency: config.sessions + BATCHES_AHEAD,
        ..Config::named(CONSUMER)
    };
    let handler = Arc::new(Embedding {
        model: ports.model,
        threads: thread::EmbedThreads::start(ports.embedders, config.nice)?,
        ledger: ports.ledger,
        publisher: ports.publisher,
    });
    let worker =
        Worker::new(settings, ports.chunks, handler, ports.dead_letters).with_bulk(ports.bulk_chunks);
    let health = worker.health();
    tasks.spawn("embedding", worker.run(tasks.token()));
    Ok(health)
}
