//! Ingestion: bytes to text to chunks.
//!
//! [`handler`] takes one document: fetches it, puts the attempt on record, starts
//! the extraction in a child process. [`flow`] follows its text.

mod config;
mod flow;
mod handler;
mod metrics;
mod open;
mod scratch;

pub use config::IngestionConfig;

use handler::Ingestion;
use ragstream_chunk::Chunker;
use ragstream_core::ports::{BlobStore, IngestionLedger, Publisher};
use ragstream_extract::ChildExtractor;
use ragstream_runtime::tasks::Tasks;
use ragstream_worker::{Config, DeadLetters, HealthHandle, Source, Worker};
use std::sync::Arc;

/// Consumer group of this role, and its name in metrics and dead letters.
pub const CONSUMER: &str = "ragstream-ingestion";

/// Documents that may be processed at once and are never of the bulk lane: each takes a
/// child process with a limit of its own, and a small document is done in a moment.
const KEPT_FOR_EXPRESS: usize = 1;

/// What ingestion is tied to.
pub struct Ports {
    /// `doc-ingest-requests`, as a member of the group [`CONSUMER`].
    pub requests: Box<dyn Source>,
    /// `doc-ingest-requests.bulk`, as a member of a group of its own.
    pub bulk_requests: Box<dyn Source>,
    /// Where messages go that are given up.
    pub dead_letters: Arc<dyn DeadLetters>,
    /// Rows.
    pub ledger: Arc<dyn IngestionLedger>,
    /// Bytes in, text out.
    pub blobs: Arc<dyn BlobStore>,
    /// The log.
    pub publisher: Arc<dyn Publisher>,
    /// Starts the child processes.
    pub extractor: ChildExtractor,
    /// Cuts texts by the model's tokenizer.
    pub chunker: Chunker,
}

/// Consumes as a task of `tasks`; the handle tells how the consumer is.
pub fn run(config: IngestionConfig, ports: Ports, tasks: &mut Tasks) -> HealthHandle {
    let settings = Config {
        concurrency: config.concurrency,
        // However large or slow bulk documents are, one more can be begun. The worker takes
        // a zero for a one: a single place is shared.
        bulk_concurrency: config.concurrency.saturating_sub(KEPT_FOR_EXPRESS),
        ..Config::named(CONSUMER)
    };
    let handler = Arc::new(Ingestion {
        ledger: ports.ledger,
        open: Default::default(),
        blobs: ports.blobs,
        publisher: ports.publisher,
        extractor: ports.extractor,
        chunker: Arc::new(ports.chunker),
        work_dir: config.work_dir,
    });
    let worker =
        Worker::new(settings, ports.requests, handler, ports.dead_letters).with_bulk(ports.bulk_requests);
    let health = worker.health();
    tasks.spawn("ingestion", worker.run(tasks.token()));
    health
}
