//! Each role as a process of its own: what it is tied to, and its life.

mod ties;

pub(crate) use ties::{extractor, models, tie_embedding, tie_gateway, tie_ingestion, tie_query};

use crate::{
    cli::{LogArgs, RoleArgs},
    connect,
};
use anyhow::{Context, Result};
use ragstream_embedding::EmbeddingConfig;
use ragstream_gateway::GatewayConfig;
use ragstream_ingestion::IngestionConfig;
use ragstream_query::QueryConfig;
use ragstream_runtime::{admin, config, health::Health, http, shutdown, tasks::Tasks, telemetry};
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpListener;

/// How long what is under way may take to finish after the first signal: below
/// the 30 s after which orchestrators kill.
pub(crate) const DRAIN: Duration = Duration::from_secs(25);

/// Starts logging and waits for a signal in the background; the tasks of the role.
fn begin(log: &LogArgs) -> Result<Tasks> {
    telemetry::init(&log.config(None))?;
    Ok(Tasks::new(shutdown::on_signal()?))
}

/// Binds where the role is to serve.
async fn bind(args: &RoleArgs, default_port: u16) -> Result<TcpListener> {
    let address = args.listen.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], default_port)));
    let listener = TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    Ok(listener)
}

/// Serves health and metrics of a role that has no other HTTP.
fn serve_admin(listener: TcpListener, health: Health, tasks: &mut Tasks) {
    tasks.spawn("admin http", http::serve(listener, admin::routes(health), tasks.token()));
}

pub(crate) async fn gateway(args: RoleArgs, log: &LogArgs) -> Result<()> {
    let config: GatewayConfig = config::load("gateway")?;
    let mut tasks = begin(log)?;
    let listener = bind(&args, 8000).await?;
    let token = tasks.token();
    let (a, t) = (&args.addresses, &token);
    let (log, ledger, blobs) =
        tokio::try_join!(connect::log(a, t), connect::ledger(a, t), connect::blobs(a, t))?;
    tie_gateway(config, &log, &ledger, &blobs, Health::default(), listener, &mut tasks)?;
    Ok(tasks.join(DRAIN).await?)
}

pub(crate) async fn ingestion(args: RoleArgs, log: &LogArgs) -> Result<()> {
    let config: IngestionConfig = config::load("ingestion")?;
    let mut tasks = begin(log)?;
    let listener = bind(&args, 8020).await?;
    let token = tasks.token();
    let (a, t) = (&args.addresses, &token);
    let (log, ledger, blobs) =
        tokio::try_join!(connect::log(a, t), connect::ledger(a, t), connect::blobs(a, t))?;
    let health = tie_ingestion(config, &args.addresses, &log, &ledger, &blobs, &mut tasks)?;
    serve_admin(listener, health.with(ledger).with(blobs).with(log.publisher), &mut tasks);
    Ok(tasks.join(DRAIN).await?)
}

pub(crate) async fn embedding(args: RoleArgs, log: &LogArgs) -> Result<()> {
    let config: EmbeddingConfig = config::load("embedding")?;
    let mut tasks = begin(log)?;
    let listener = bind(&args, 8030).await?;
    let token = tasks.token();
    let (a, t) = (&args.addresses, &token);
    let embedders = connect::embedders(a, config.sessions).await?;
    let (log, ledger) = tokio::try_join!(connect::log(a, t), connect::ledger(a, t))?;
    let health = tie_embedding(config, embedders, &log, &ledger, &mut tasks)?;
    serve_admin(listener, health.with(ledger).with(log.publisher), &mut tasks);
    Ok(tasks.join(DRAIN).await?)
}

pub(crate) async fn query(args: RoleArgs, log: &LogArgs) -> Result<()> {
    let config: QueryConfig = config::load("query")?;
    let mut tasks = begin(log)?;
    let listener = bind(&args, 8010).await?;
    let token = tasks.token();
    let (a, t) = (&args.addresses, &token);
    let models = models(a).await?;
    let embedder = connect::embedder(a, config.sessions).await?;
    let (log, ledger, blobs) =
        tokio::try_join!(connect::log(a, t), connect::ledger(a, t), connect::blobs_for_snapshots(a))?;
    tie_query(config, (embedder, models), &log, &ledger, &blobs, listener, &mut tasks).await?;
    Ok(tasks.join(DRAIN).await?)
}
