//! Composition: which adapter a service gets for each of its ports. The only
//! place that knows both.

use crate::{
    addresses::Addresses,
    connect::{self, Log},
};
use anyhow::{Context, Result};
use ragstream_chunk::{Chunker, ChunkerConfig};
use ragstream_core::{
    lane::Lane,
    ports::{Embedder, LanguageModel, Reranker},
    topics,
};
use ragstream_embedder::FastEmbedder;
use ragstream_embedding::EmbeddingConfig;
use ragstream_extract::{ChildExtractor, Limits};
use ragstream_gateway::GatewayConfig;
use ragstream_ingestion::IngestionConfig;
use ragstream_kafka::{KafkaDeadLetterLog, KafkaLogScan, group_source, view_source};
use ragstream_llm::{ChatConfig, ChatModel};
use ragstream_postgres::Ledger;
use ragstream_query::QueryConfig;
use ragstream_runtime::{config::ConfigError, health::Health, tasks::Tasks};
use ragstream_s3::{S3Blobs, S3Config};
use ragstream_worker::Source;
use std::{fs, sync::Arc, time::Duration};
use tokio::net::TcpListener;

/// The file in a query node's snapshot folder that keeps its name.
const NODE_NAME: &str = "node";

pub(crate) fn tie_gateway(
    config: GatewayConfig,
    log: &Log,
    ledger: &Arc<Ledger>,
    blobs: &Arc<S3Blobs>,
    health: Health,
    listener: TcpListener,
    tasks: &mut Tasks,
) -> Result<()> {
    let mut buckets = ragstream_gateway::Buckets::new();
    for url in &config.import_s3 {
        let bucket: S3Config =
            url.parse().map_err(|e| ConfigError(format!("RAGSTREAM_GATEWAY_IMPORT_S3: {e}")))?;
        buckets.insert(bucket.bucket.clone(), Arc::new(S3Blobs::new(&bucket)));
    }
    let ports = ragstream_gateway::Ports {
        intake: ledger.clone(),
        control: ledger.clone(),
        trash: ledger.clone(),
        outbox: ledger.clone(),
        blobs: blobs.clone(),
        uploads: ledger.clone(),
        publisher: log.faults.publisher(log.publisher.clone()),
        dead_letters: ragstream_gateway::DeadLetterPorts {
            log: Arc::new(KafkaDeadLetterLog::new(&log.config)),
            ends: log.publisher.clone(),
            publisher: log.publisher.clone(),
            ledger: ledger.clone(),
        },
        lifecycle: ledger.clone(),
        progress: ledger.clone(),
        batches: ledger.clone(),
        imports: ledger.clone(),
        buckets,
        personas: ledger.clone(),
        sessions: ledger.clone(),
        notices: ledger.clone(),
        webhooks: ledger.clone(),
        events: group_source(&log.config, ragstream_gateway::WEBHOOKS_CONSUMER, &[topics::LIFECYCLE])?,
        query_jobs: ledger.clone(),
        query_requests: group_source(
            &log.config,
            ragstream_gateway::QUERY_JOBS_CONSUMER,
            &[topics::QUERY_REQUESTS],
        )?,
        undelivered: log.dead_letters.clone(),
        log_scan: Arc::new(KafkaLogScan::new(&log.config)),
        census: ledger.clone(),
        // Uploads are accepted without Kafka: the outbox keeps them.
        health: health.with(ledger.clone()).with(blobs.clone()).with_optional(log.publisher.clone()),
    };
    Ok(ragstream_gateway::run(config, ports, listener, tasks)?)
}

/// What reads documents, under the limits of ingestion.
pub(crate) fn extractor(config: &IngestionConfig) -> Result<ChildExtractor> {
    let program = std::env::current_exe().context("can't find this program's own file")?;
    let limits = Limits {
        memory_bytes: config.extract_memory,
        wall: Duration::from_secs(config.extract_seconds),
        text_bytes: config.extract_output,
        ..Limits::default()
    };
    Ok(ChildExtractor::new(program, vec!["extract-child".into()], limits))
}

/// A member of a lane's consumer group, which for the express lane has the consumer's name.
///
/// A group each, and so a consumer each. Members share a group's partitions by their number
/// alone: of two topics, a member that joins takes all of the first from one that was there,
/// and then each has a lane. Nor does a record of one lane lie behind those of the other
/// that its client has fetched ahead.
fn member(log: &Log, consumer: &str, topic: fn(Lane) -> &'static str, lane: Lane) -> Result<Box<dyn Source>> {
    let group = match lane {
        Lane::Express => consumer.to_owned(),
        Lane::Bulk => format!("{consumer}-{lane}"),
    };
    Ok(log.faults.source(group_source(&log.config, &group, &[topic(lane)])?))
}

pub(crate) fn tie_ingestion(
    config: IngestionConfig,
    addresses: &Addresses,
    log: &Log,
    ledger: &Arc<Ledger>,
    blobs: &Arc<S3Blobs>,
    tasks: &mut Tasks,
) -> Result<Health> {
    let chunking = config
        .chunking
        .parse::<ChunkerConfig>()
        .map_err(|e| ConfigError(format!("RAGSTREAM_INGESTION_CHUNKING: {e}")))?;
    let tokenizer = addresses.model_dir()?.join("tokenizer.json");
    let chunker = Chunker::new(tokenizer, chunking).map_err(|e| ConfigError(e.to_string()))?;
    fs::create_dir_all(&config.work_dir)
        .with_context(|| format!("can't create the work folder {}", config.work_dir.display()))?;
    let extractor = extractor(&config)?;
    let ports = ragstream_ingestion::Ports {
        requests: member(log, ragstream_ingestion::CONSUMER, topics::ingest_requests, Lane::Express)?,
        bulk_requests: member(log, ragstream_ingestion::CONSUMER, topics::ingest_requests, Lane::Bulk)?,
        dead_letters: log.dead_letters.clone(),
        ledger: log.faults.ingestion(ledger.clone()),
        blobs: blobs.clone(),
        publisher: log.faults.publisher(log.publisher.clone()),
        extractor,
        chunker,
    };
    let worker = ragstream_ingestion::run(config, ports, tasks);
    Ok(Health::default().with(worker.as_probe("ingestion")))
}

pub(crate) fn tie_embedding(
    config: EmbeddingConfig,
    embedders: Vec<Arc<FastEmbedder>>,
    log: &Log,
    ledger: &Arc<Ledger>,
    tasks: &mut Tasks,
) -> Result<Health> {
    let model = embedders.first().context("the pool has no model")?.model().clone();
    let ports = ragstream_embedding::Ports {
        chunks: member(log, ragstream_embedding::CONSUMER, topics::chunks, Lane::Express)?,
        bulk_chunks: member(log, ragstream_embedding::CONSUMER, topics::chunks, Lane::Bulk)?,
        dead_letters: log.dead_letters.clone(),
        ledger: log.faults.embedding(ledger.clone()),
        publisher: log.faults.publisher(log.publisher.clone()),
        embedders: embedders.into_iter().map(|embedder| log.faults.embedder(embedder)).collect(),
        model,
    };
    let worker = ragstream_embedding::run(config, ports, tasks).context("can't start the model's threads")?;
    Ok(Health::default().with(worker.as_probe("embedding")))
}

pub(crate) async fn tie_query(
    config: QueryConfig,
    (embedder, models): (Arc<FastEmbedder>, ragstream_query::Models),
    log: &Log,
    ledger: &Arc<Ledger>,
    blobs: &Arc<S3Blobs>,
    listener: TcpListener,
    tasks: &mut Tasks,
) -> Result<Health> {
    let (kafka, faults) = (log.config.clone(), log.faults.clone());
    let node = node_name(&config)?;
    let observer = node.clone();
    let ports = ragstream_query::Ports {
        open_log: Box::new(move |start, consumer| {
            view_source(&kafka, topics::EMBEDDINGS, start, format!("{consumer}-{observer}"))
                .map(|source| faults.source(source))
        }),
        ends: log.publisher.clone(),
        dead_letters: log.dead_letters.clone(),
        ledger: log.faults.index(ledger.clone()),
        blobs: blobs.clone(),
        node,
        embedder,
        models,
        health: Health::default(),
    };
    Ok(ragstream_query::run(config, ports, listener, tasks).await?)
}

/// The models that are named. Nothing is asked of those elsewhere yet: a node serves without them too.
/// The reranker is on this machine, and is loaded.
pub(crate) async fn models(addresses: &Addresses) -> Result<ragstream_query::Models> {
    let model = |config: Option<ChatConfig>| -> Result<Option<Arc<dyn LanguageModel>>> {
        let Some(config) = config else { return Ok(None) };
        let model = ChatModel::new(config).map_err(|fault| ConfigError(fault.to_string()))?;
        Ok(Some(Arc::new(model)))
    };
    Ok(ragstream_query::Models {
        writer: model(addresses.writer()?)?,
        uncensored: model(addresses.uncensored()?)?,
        reranker: connect::reranker(addresses).await?.map(|reranker| reranker as Arc<dyn Reranker>),
    })
}

/// A name for a query node that lasts as long as its snapshots: under it operators see its lag.
fn node_name(config: &QueryConfig) -> Result<String> {
    let dir = &config.snapshot_dir;
    fs::create_dir_all(dir).with_context(|| format!("can't create the snapshot folder {}", dir.display()))?;
    let file = dir.join(NODE_NAME);
    if let Ok(name) = fs::read_to_string(&file)
        && !name.trim().is_empty()
    {
        return Ok(name.trim().to_owned());
    }
    let name = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
    fs::write(&file, &name).with_context(|| format!("can't write {}", file.display()))?;
    Ok(name)
}
