//! The gateway: documents come in over HTTP, and everything users and programs
//! ask goes through it.
//!
//! An upload's trip starts in [`upload`], or in [`resumable`] where its bytes come over several requests: the body streams to blob storage,
//! hashed as it goes; then document, job and outbox record are written in one
//! transaction, and the answer is `202`. The [`relay`] appends outbox records
//! to `doc-ingest-requests`. Searches and questions are passed on to a query
//! node by [`query_nodes`], those to a persona by way of [`personas`]; those that run as jobs wait in
//! `query-requests` ([`query_jobs`]). [`verify`] compares what all sides hold, and [`rebuilds`] has indexes
//! built anew.
//!
//! What happens to documents is written by the rows' own triggers; the relay appends it
//! to `document-lifecycle` ([`lifecycle`]), and [`webhooks`] consumes that topic. Who asked to be told
//! of the end of a file or a batch is sent mail by [`notices`].

mod config;
mod control;
mod dead_letters;
mod imports;
mod lifecycle;
mod mcp;
mod metrics;
mod notices;
mod openai;
mod outbound;
mod personas;
mod progress;
mod query_jobs;
mod query_nodes;
mod rebuilds;
mod relay;
mod resumable;
mod routes;
mod system;
mod trash;
mod upload;
mod verify;
mod webhooks;

pub use config::GatewayConfig;
pub use dead_letters::Ports as DeadLetterPorts;
pub use imports::Buckets;
pub use query_jobs::CONSUMER as QUERY_JOBS_CONSUMER;
pub use webhooks::CONSUMER as WEBHOOKS_CONSUMER;

use axum::Router;
use chrono::{DateTime, TimeDelta, Utc};
use query_nodes::QueryNodes;
use ragstream_core::ports::{
    Batches, BlobStore, Census, ChatSessions, Imports, Intake, JobControl, LifecycleLog, LogEnds, LogScan,
    Notices, Outbox, PartStore, Personas, ProgressLog, Publisher, QueryJobs, ResumableUploads, Trash,
    Webhooks,
};
use ragstream_runtime::{admin, config::ConfigError, health::Health, http, tasks::Tasks};
use ragstream_worker::{DeadLetters, Source};
use rebuilds::Rebuilds;
use relay::Queue;
use std::sync::Arc;
use tokio::{
    net::TcpListener,
    sync::{Notify, Semaphore},
};
use verify::Verifier;

/// What the gateway is tied to.
pub struct Ports {
    /// Rows.
    pub intake: Arc<dyn Intake>,
    /// Commands of users.
    pub control: Arc<dyn JobControl>,
    /// Blobs that are to be removed.
    pub trash: Arc<dyn Trash>,
    /// Records that wait for their way to the log.
    pub outbox: Arc<dyn Outbox>,
    /// Blob storage.
    pub blobs: Arc<dyn PartStore>,
    /// Resumable uploads on record.
    pub uploads: Arc<dyn ResumableUploads>,
    /// The log.
    pub publisher: Arc<dyn Publisher>,
    /// Dead letters, and what was sent back of them.
    pub dead_letters: DeadLetterPorts,
    /// What happened to documents.
    pub lifecycle: Arc<dyn LifecycleLog>,
    /// The same, for those who watch.
    pub progress: Arc<dyn ProgressLog>,
    /// Files that belong together.
    pub batches: Arc<dyn Batches>,
    /// What is to be fetched.
    pub imports: Arc<dyn Imports>,
    /// Buckets that it may be fetched from.
    pub buckets: Buckets,
    /// Who answers from one collection, and how.
    pub personas: Arc<dyn Personas>,
    /// What was said with them.
    pub sessions: Arc<dyn ChatSessions>,
    /// Who is to be told by mail.
    pub notices: Arc<dyn Notices>,
    /// Who wants to be told of it.
    pub webhooks: Arc<dyn Webhooks>,
    /// `document-lifecycle`, as a member of the group [`WEBHOOKS_CONSUMER`].
    pub events: Box<dyn Source>,
    /// Questions that run as jobs.
    pub query_jobs: Arc<dyn QueryJobs>,
    /// `query-requests`, as a member of the group [`QUERY_JOBS_CONSUMER`].
    pub query_requests: Box<dyn Source>,
    /// Where events go that a webhook did not take, and questions that are given up.
    pub undelivered: Arc<dyn DeadLetters>,
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
    pub(crate) control: Arc<dyn JobControl>,
    /// Tells the relay that there is something to append.
    pub(crate) outbox_filled: Arc<Notify>,
    /// Tells that there are blobs to remove.
    pub(crate) trash_filled: Arc<Notify>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) uploads: upload::Uploads,
    pub(crate) resumables: resumable::Resumables,
    pub(crate) batches: Arc<dyn Batches>,
    pub(crate) importer: imports::Importer,
    pub(crate) notifier: notices::Notifier,
    pub(crate) progress: progress::Progress,
    pub(crate) totalled: Arc<system::Totalled>,
    pub(crate) outbox: Arc<dyn Outbox>,
    pub(crate) lifecycle: Arc<dyn LifecycleLog>,
    pub(crate) log_ends: Arc<dyn LogEnds>,
    pub(crate) health: Health,
    pub(crate) started_at: DateTime<Utc>,
    pub(crate) dead_letters: Arc<dead_letters::DeadLetters>,
    pub(crate) hooks: webhooks::Hooks,
    pub(crate) query: QueryNodes,
    pub(crate) chats: personas::Chats,
    pub(crate) questions: query_jobs::Questions,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) rebuilds: Arc<Rebuilds>,
}

/// Serves on `listener`, relays what waits for its way to the log and tells webhooks, as
/// tasks of `tasks`.
///
/// # Errors
/// Where a setting can't be used.
pub fn run(
    config: GatewayConfig,
    ports: Ports,
    listener: TcpListener,
    tasks: &mut Tasks,
) -> Result<(), ConfigError> {
    let notifier = notices::Notifier::new(ports.notices.clone(), notices::Mailer::of(&config)?);
    let mcp_hosts = mcp::Hosts::of(&config)?;
    let outbox_filled = Arc::new(Notify::new());
    let trash_filled = Arc::new(Notify::new());
    let query = QueryNodes::new(&config.query_urls);
    let query_nodes = query.clone();
    let rebuilds = Arc::new(Rebuilds::new(query.clone()));
    let hooks = webhooks::Hooks::new(ports.webhooks.clone(), config.allow_private_addresses);
    let teller = hooks.worker(&config, ports.events, ports.undelivered.clone());
    let questions = query_jobs::Questions::new(&config, ports.query_jobs.clone(), outbox_filled.clone());
    let asker = questions.worker(&config, query.clone(), ports.query_requests, ports.undelivered);
    // Uploads go on without a query node, and while webhooks and query jobs wait for Kafka.
    let health = ports
        .health
        .with_optional(Arc::new(query.clone()))
        .with_optional(teller.health().as_probe("webhooks"))
        .with_optional(asker.health().as_probe("query_jobs"));
    // Bodies of both kinds of upload share them.
    let slots = Arc::new(Semaphore::new(config.max_concurrent_uploads));
    let acceptor = upload::Acceptor::new(ports.intake.clone(), outbox_filled.clone());
    let resumables = resumable::Resumables::new(
        &config,
        resumable::Ports {
            uploads: ports.uploads,
            batches: ports.batches.clone(),
            intake: ports.intake.clone(),
            store: ports.blobs.clone(),
            acceptor: acceptor.clone(),
            notifier: notifier.clone(),
            slots: slots.clone(),
        },
        tasks.token(),
    );
    let importer = imports::Importer {
        imports: ports.imports,
        acceptor: acceptor.clone(),
        blobs: ports.blobs.clone(),
        outbound: outbound::Outbound::new(config.allow_private_addresses),
        buckets: Arc::new(ports.buckets),
        max_file_bytes: config.max_file_bytes,
        begun: Arc::new(Notify::new()),
    };
    tasks.spawn("imports", importer.clone().run(tasks.token()));
    let totalled = Arc::new(system::Totalled::new(ports.progress.clone()));
    let progress = progress::Progress::new(ports.progress, ports.batches.clone(), tasks.token());
    tasks.spawn("live progress", progress.feed());
    tasks.spawn("resumable uploads", resumable::run_janitor(resumables.clone(), tasks.token()));
    let gateway = Gateway {
        uploads: upload::Uploads::new(
            &config,
            upload::Ports {
                acceptor,
                batches: ports.batches.clone(),
                blobs: ports.blobs.clone(),
                notifier: notifier.clone(),
                slots,
            },
        ),
        resumables,
        batches: ports.batches,
        importer,
        notifier: notifier.clone(),
        progress,
        totalled,
        outbox: ports.outbox.clone(),
        lifecycle: ports.lifecycle.clone(),
        log_ends: ports.dead_letters.ends.clone(),
        health: health.clone(),
        started_at: Utc::now(),
        verifier: Arc::new(Verifier::new(ports.log_scan, ports.census, query.clone())),
        rebuilds: rebuilds.clone(),
        chats: personas::Chats {
            personas: ports.personas,
            sessions: ports.sessions.clone(),
            query: query.clone(),
        },
        query,
        questions,
        dead_letters: Arc::new(dead_letters::DeadLetters::new(ports.dead_letters)),
        hooks,
        intake: ports.intake,
        control: ports.control,
        outbox_filled: outbox_filled.clone(),
        trash_filled: trash_filled.clone(),
        blobs: ports.blobs,
    };
    let records = lifecycle::Records {
        events: ports.lifecycle.clone(),
        webhooks: ports.webhooks,
        jobs: gateway.control.clone(),
        batches: gateway.batches.clone(),
        sessions: ports.sessions,
        notices: ports.notices,
        query_jobs: ports.query_jobs,
        keep: TimeDelta::days(i64::from(config.keep_records_days)),
    };
    tasks.spawn(
        "upload janitor",
        upload::run_janitor(gateway.intake.clone(), gateway.blobs.clone(), tasks.token()),
    );
    tasks.spawn("trash", trash::run(ports.trash, gateway.blobs.clone(), trash_filled, tasks.token()));
    let agents = mcp::service(gateway.clone(), mcp_hosts, tasks.token());
    let router: Router = routes::router(gateway, agents).merge(admin::routes(health));
    tasks.spawn("gateway http", http::serve(listener, router, tasks.token()));
    tasks.spawn("query nodes", query_nodes.watch(tasks.token()));
    let token = tasks.token();
    tasks.spawn("index rebuilds", async move { rebuilds.run(token).await });
    let outbox = Queue::outbox(ports.outbox, outbox_filled);
    tasks.spawn("outbox relay", outbox.run(ports.publisher.clone(), tasks.token()));
    let events = Queue::events(Arc::new(lifecycle::Events(ports.lifecycle.clone())));
    tasks.spawn("event relay", events.run(ports.publisher, tasks.token()));
    tasks.spawn("record janitor", lifecycle::run_janitor(records, tasks.token()));
    tasks.spawn("webhooks", teller.run(tasks.token()));
    tasks.spawn("query jobs", asker.run(tasks.token()));
    tasks.spawn("mail", notifier.run(tasks.token()));
    Ok(())
}
