//! The gateway: documents come in over HTTP, and everything users and programs
//! ask goes through it.
//!
//! An upload's trip starts in [`upload`]: the body streams to blob storage,
//! hashed as it goes; then document, job and outbox record are written in one
//! transaction, and the answer is `202`. The [`relay`] appends outbox records
//! to `doc-ingest-requests`. Searches and questions are passed on to a query
//! node by [`query_nodes`], [`verify`] compares what all sides hold,
//! and [`rebuilds`] has indexes built anew.

mod config;
mod metrics;
mod query_nodes;
mod rebuilds;
mod relay;
mod routes;
mod upload;
mod verify;

pub use config::GatewayConfig;

use axum::Router;
use query_nodes::QueryNodes;
use ragstream_core::ports::{BlobStore, Census, Intake, LogScan, Outbox, Publisher};
use ragstream_runtime::{admin, health::Health, http, tasks::Tasks};
use rebuilds::Rebuilds;
use std::sync::Arc;
use tokio::{net::TcpListener, sync::Notify};
use verify::Verifier;

/// What the gateway is tied to.
pub struct Ports {
    /// Rows.
    pub intake: Arc<dyn Intake>,
    /// Records that wait for their way to the log.
    pub outbox: Arc<dyn Outbox>,
    /// Blob storage.
    pub blobs: Arc<dyn BlobStore>,
    /// The log.
    pub publisher: Arc<dyn Publisher>,
    /// What the log comes to.
    pub log_scan: Arc<dyn LogScan>,
    /// What the rows say of chunks.
    pub census: Arc<dyn Census>,
    /// What `/readyz` and `/health` ask.
    pub health: Health,
}

/// What the routes share.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) uploads: upload::Uploads,
    pub(crate) query: QueryNodes,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) rebuilds: Arc<Rebuilds>,
}

/// Serves on `listener` and relays the outbox, as tasks of `tasks`.
pub fn run(config: GatewayConfig, ports: Ports, listener: TcpListener, tasks: &mut Tasks) {
    let accepted = Arc::new(Notify::new());
    let query = QueryNodes::new(&config.query_urls);
    let query_nodes = query.clone();
    let rebuilds = Arc::new(Rebuilds::new(query.clone()));
    // Uploads go on without a query node.
    let health = ports.health.with_optional(Arc::new(query.clone()));
    let gateway = Gateway {
        uploads: upload::Uploads::new(&config, ports.intake.clone(), ports.blobs.clone(), accepted.clone()),
        verifier: Arc::new(Verifier::new(ports.log_scan, ports.census, query.clone())),
        rebuilds: rebuilds.clone(),
        query,
        intake: ports.intake,
        blobs: ports.blobs,
    };
    tasks.spawn(
        "upload janitor",
        upload::run_janitor(gateway.intake.clone(), gateway.blobs.clone(), tasks.token()),
    );
    let router: Router = routes::router(gateway).merge(admin::routes(health));
    tasks.spawn("gateway http", http::serve(listener, router, tasks.token()));
    tasks.spawn("query nodes", query_nodes.watch(tasks.token()));
    let token = tasks.token();
    tasks.spawn("index rebuilds", async move { rebuilds.run(token).await });
    tasks.spawn("outbox relay", relay::run(ports.outbox, ports.publisher, accepted, tasks.token()));
}
