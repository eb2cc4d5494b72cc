//! Connections to the parts, made ready to use: schema, topics, bucket.

use crate::{addresses::Addresses, faults::Faults};
use anyhow::{Context, Result};
use backon::{ExponentialBuilder, Retryable};
use futures::future::try_join_all;
use ragstream_core::fault::Fault;
use ragstream_embedder::{CrossEncoder, EmbedderConfig, FastEmbedder, RerankerConfig};
use ragstream_kafka::{KafkaConfig, KafkaDeadLetters, KafkaPublisher, TopicSettings, ensure_topics};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_runtime::config::ConfigError;
use ragstream_s3::{S3Blobs, S3Config};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a role waits for blob storage that it can do without.
const BLOBS_PATIENCE: Duration = Duration::from_secs(3);
/// Longest pause between tries while a part is not there yet.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Kafka: the log.
pub(crate) struct Log {
    pub(crate) config: KafkaConfig,
    pub(crate) publisher: Arc<KafkaPublisher>,
    pub(crate) dead_letters: Arc<KafkaDeadLetters>,
    /// What is to go wrong on the way to the parts.
    pub(crate) faults: Faults,
}

/// Connects, and creates the topics where they are missing. Waits for the broker as long as it takes.
pub(crate) async fn log(addresses: &Addresses, token: &CancellationToken) -> Result<Log> {
    let faults = addresses.faults.clone().unwrap_or_default();
    faults.warn();
    let config =
        KafkaConfig::new(Addresses::required(&addresses.kafka, "kafka")?).tuned_by(std::env::vars_os())?;
    // First: it finds settings that librdkafka refuses, and needs no broker.
    let publisher = Arc::new(KafkaPublisher::new(&config)?);
    let topics = TopicSettings { partitions: addresses.partitions, replication: addresses.replication };
    patiently("Kafka", token, || ensure_topics(&config, topics)).await?;
    let dead_letters = Arc::new(KafkaDeadLetters::new(&publisher));
    Ok(Log { config, publisher, dead_letters, faults })
}

/// Connects, and applies the schema.
pub(crate) async fn ledger(addresses: &Addresses, token: &CancellationToken) -> Result<Arc<Ledger>> {
    let url = Addresses::required(&addresses.postgres, "postgres")?;
    let ledger = Ledger::new(&LedgerConfig::new(url)).map_err(bad_configuration)?;
    patiently("PostgreSQL", token, || ledger.apply_schema()).await?;
    Ok(Arc::new(ledger))
}

/// Connects, and creates the bucket where it is missing.
pub(crate) async fn blobs(addresses: &Addresses, token: &CancellationToken) -> Result<Arc<S3Blobs>> {
    let blobs = S3Blobs::new(&s3_config(addresses)?);
    patiently("blob storage", token, || blobs.ensure_bucket()).await?;
    Ok(Arc::new(blobs))
}

/// The same for a role that can do without for as long as it takes: waits for a moment only.
pub(crate) async fn blobs_for_snapshots(addresses: &Addresses) -> Result<Arc<S3Blobs>> {
    let blobs = S3Blobs::new(&s3_config(addresses)?);
    if !matches!(timeout(BLOBS_PATIENCE, blobs.ensure_bucket()).await, Ok(Ok(()))) {
        tracing::warn!("blob storage is not there: snapshots are kept on this machine alone until it is");
    }
    Ok(Arc::new(blobs))
}

fn s3_config(addresses: &Addresses) -> Result<S3Config> {
    let url = Addresses::required(&addresses.s3, "s3")?;
    Ok(url.parse().map_err(|e| ConfigError(format!("--s3: {e}")))?)
}

/// Loads the model with so many sessions.
pub(crate) async fn embedder(addresses: &Addresses, sessions: usize) -> Result<Arc<FastEmbedder>> {
    let config =
        EmbedderConfig { sessions, ..EmbedderConfig::new(addresses.model_dir()?, addresses.onnxruntime()?) };
    let embedder = tokio::task::spawn_blocking(move || FastEmbedder::load(&config))
        .await
        .context("loading the model panicked")?
        .map_err(|e| ConfigError(format!("the model can't be loaded: {e}")))?;
    Ok(Arc::new(embedder))
}

/// Loads the model so many times, one session each: an embedder for each thread of the pool.
pub(crate) async fn embedders(addresses: &Addresses, count: usize) -> Result<Vec<Arc<FastEmbedder>>> {
    try_join_all((0..count.max(1)).map(|_| embedder(addresses, 1))).await
}

/// Loads the reranker, where one is named.
pub(crate) async fn reranker(addresses: &Addresses) -> Result<Option<Arc<CrossEncoder>>> {
    let Some(dir) = addresses.reranker_dir() else { return Ok(None) };
    let config = RerankerConfig::new(dir, addresses.onnxruntime()?);
    let reranker = tokio::task::spawn_blocking(move || CrossEncoder::load(&config))
        .await
        .context("loading the reranker panicked")?
        .map_err(|e| ConfigError(format!("RAGSTREAM_RERANKER_DIR: the reranker can't be loaded: {e}")))?;
    Ok(Some(Arc::new(reranker)))
}

fn bad_configuration(fault: Fault) -> anyhow::Error {
    ConfigError(fault.to_string()).into()
}

/// Repeats `work` while its part is unavailable; says so once.
async fn patiently<F, Fut>(part: &str, token: &CancellationToken, work: F) -> Result<()>
where
    F: FnMut() -> Fut,
    Fut: Future<Output = Result<(), Fault>>,
{
    let mut told = false;
    let attempt = work
        .retry(ExponentialBuilder::new().with_max_delay(MAX_BACKOFF).with_jitter().without_max_times())
        .when(Fault::is_unavailable)
        .notify(|fault, _| {
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(part, error = %fault, "waiting for a part that is not there yet");
            }
        });
    tokio::select! {
        done = attempt => done.with_context(|| format!("{part} can't be used")),
        () = token.cancelled() => anyhow::bail!("stopped while waiting for {part}"),
    }
}
