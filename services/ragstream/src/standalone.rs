//! Every role in one process, on durable parts of its own.
//!
//! The services are the ones that run in production; only the addresses differ.
//! Kafka and PostgreSQL are supervised child processes on loopback, S3 is a
//! server over a folder in this process; each can be replaced by an existing
//! server by its address.

use crate::{
    addresses::Addresses,
    cli::StandaloneArgs,
    connect, demo,
    roles::{DRAIN, models, tie_embedding, tie_gateway, tie_ingestion, tie_query},
};
use anyhow::{Context, Result};
use ragstream_embedded::{Kafka, KafkaOptions, Parts, Postgres, PostgresOptions, S3Options, S3Server};
use ragstream_embedding::EmbeddingConfig;
use ragstream_gateway::GatewayConfig;
use ragstream_ingestion::IngestionConfig;
use ragstream_query::QueryConfig;
use ragstream_runtime::{
    config::{self, ConfigError},
    health::{Health, Status},
    shutdown,
    tasks::Tasks,
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long each part may take to stop before it is killed; what it has
/// acknowledged is on disk either way.
const STOP: Duration = Duration::from_secs(15);
/// How often to look whether everything is ready, at the start.
const LOOK: Duration = Duration::from_millis(50);

/// With a demo, the terminal is for the demo.
pub(crate) fn default_log_file(args: &StandaloneArgs) -> Option<PathBuf> {
    args.demo.as_ref().map(|_| args.data_dir.join("ragstream.log"))
}

/// The parts that were started here.
struct Embedded {
    kafka: Option<Kafka>,
    postgres: Option<Postgres>,
    s3: Option<S3Server>,
}

impl Embedded {
    /// Starts the parts that have no address, all at once, and fills their addresses in.
    async fn start(data_dir: &Path, addresses: &mut Addresses) -> Result<Self> {
        let kafka = async {
            if addresses.kafka.is_some() {
                return Ok(None);
            }
            let parts = Parts::locate().map_err(|e| ConfigError(e.to_string()))?;
            let options = KafkaOptions { dir: data_dir.join("kafka"), parts, port: None };
            Kafka::start(options).await.map(Some).context("Kafka could not be started")
        };
        let postgres = async {
            if addresses.postgres.is_some() {
                return Ok(None);
            }
            let options = PostgresOptions { dir: data_dir.join("postgres"), port: None };
            Postgres::start(options).await.map(Some).context("PostgreSQL could not be started")
        };
        let s3 = async {
            if addresses.s3.is_some() {
                return Ok(None);
            }
            let options = S3Options { dir: data_dir.join("s3"), port: None };
            S3Server::start(options).await.map(Some).context("the S3 server could not be started")
        };
        let (kafka, postgres, s3) = tokio::try_join!(kafka, postgres, s3)?;
        if let Some(kafka) = &kafka {
            addresses.kafka = Some(kafka.bootstrap());
        }
        if let Some(postgres) = &postgres {
            addresses.postgres = Some(postgres.url());
        }
        if let Some(s3) = &s3 {
            addresses.s3 = Some(s3.url());
        }
        Ok(Self { kafka, postgres, s3 })
    }

    async fn stop(self) {
        let kafka = async {
            if let Some(kafka) = self.kafka {
                kafka.stop(STOP).await;
            }
        };
        let postgres = async {
            if let Some(postgres) = self.postgres {
                postgres.stop(STOP).await;
            }
        };
        let s3 = async {
            if let Some(s3) = self.s3 {
                s3.stop(STOP).await;
            }
        };
        tokio::join!(kafka, postgres, s3);
    }
}

/// Settings of all services, laid out under the data folder.
struct Settings {
    gateway: GatewayConfig,
    ingestion: IngestionConfig,
    embedding: EmbeddingConfig,
    query: QueryConfig,
}

impl Settings {
    fn load(data_dir: &Path) -> Result<Self> {
        let work_dir = data_dir.join("work");
        // What a killed run left half extracted is of no use to anybody.
        match fs::remove_dir_all(&work_dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("can't clear {}", work_dir.display()));
            }
            _ => {}
        }
        Ok(Self {
            gateway: config::load("gateway")?,
            ingestion: IngestionConfig { work_dir, ..config::load("ingestion")? },
            embedding: config::load("embedding")?,
            query: QueryConfig { snapshot_dir: data_dir.join("index"), ..config::load("query")? },
        })
    }
}

pub(crate) async fn run(args: StandaloneArgs) -> Result<()> {
    let begun = Instant::now();
    let token = shutdown::on_signal()?;
    fs::create_dir_all(&args.data_dir)
        .with_context(|| format!("can't create the data folder {}", args.data_dir.display()))?;
    let data_dir = fs::canonicalize(&args.data_dir)?;
    // First of all: an address that is taken is found before anything is started.
    let listener =
        TcpListener::bind(args.listen).await.with_context(|| format!("can't listen on {}", args.listen))?;
    let url = format!("http://{}", listener.local_addr()?);
    let settings = Settings::load(&data_dir)?;
    let mut addresses = args.addresses.clone();
    let given = addresses.clone();
    let started = tokio::select! {
        started = async { tokio::try_join!(
            Embedded::start(&data_dir, &mut addresses),
            connect::embedders(&given, settings.embedding.sessions),
            connect::embedder(&given, settings.query.sessions),
            models(&given),
        ) } => started,
        () = token.cancelled() => anyhow::bail!("stopped while starting"),
    };
    let (embedded, pool, embedder, models) = started?;
    let served = async {
        let (tasks, health) = roles(settings, &addresses, (pool, embedder, models), listener, &token).await?;
        tokio::spawn(welcome(health, addresses, url, args.demo, begun, token.clone()));
        Ok::<_, anyhow::Error>(tasks.join(DRAIN).await?)
    }
    .await;
    token.cancel();
    embedded.stop().await;
    tracing::info!("stopped");
    served
}

type Model = std::sync::Arc<ragstream_embedder::FastEmbedder>;

/// All roles, tied to the same parts, as tasks of one group.
async fn roles(
    settings: Settings,
    addresses: &Addresses,
    (pool, embedder, models): (Vec<Model>, Model, ragstream_query::Models),
    listener: TcpListener,
    token: &CancellationToken,
) -> Result<(Tasks, Health)> {
    let mut tasks = Tasks::new(token.clone());
    let (log, ledger, blobs) = tokio::try_join!(
        connect::log(addresses, token),
        connect::ledger(addresses, token),
        connect::blobs(addresses, token)
    )?;
    let query_listener = TcpListener::bind(("127.0.0.1", 0)).await.context("can't listen on loopback")?;
    let gateway = GatewayConfig {
        query_urls: vec![format!("http://{}", query_listener.local_addr()?)],
        ..settings.gateway
    };
    let health =
        tie_query(settings.query, (embedder, models), &log, &ledger, &blobs, query_listener, &mut tasks)
            .await?
            .and(tie_ingestion(settings.ingestion, addresses, &log, &ledger, &blobs, &mut tasks)?)
            .and(tie_embedding(settings.embedding, pool, &log, &ledger, &mut tasks)?);
    tie_gateway(gateway, &log, &ledger, &blobs, health.clone(), listener, &mut tasks)?;
    Ok((tasks, health))
}

/// Says when everything is ready, and shows what it can do where that was asked for.
async fn welcome(
    health: Health,
    addresses: Addresses,
    url: String,
    samples: Option<PathBuf>,
    begun: Instant,
    token: CancellationToken,
) {
    let ready = async {
        while health.report().await.status != Status::Up {
            tokio::time::sleep(LOOK).await;
        }
    };
    tokio::select! {
        () = ready => {}
        () = token.cancelled() => return,
    }
    let kafka = addresses.kafka.unwrap_or_default();
    tracing::info!(%url, kafka, seconds = begun.elapsed().as_secs_f32(), "ready");
    if let Some(samples) = samples {
        let shown = tokio::select! {
            shown = demo::show(&url, &kafka, &samples) => shown,
            () = token.cancelled() => return,
        };
        if let Err(error) = shown {
            eprintln!("ragstream: the demonstration failed: {error:#}");
            tracing::error!(error = format!("{error:#}"), "the demonstration failed");
        }
    }
}
