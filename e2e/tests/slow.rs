//! A model that takes far longer than a consumer may go without polling.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::text,
    audit::audit,
    cluster::{Cluster, Kind},
    eventually, text,
};

/// What each call of the model takes.
const CALL: &str = "30s";
/// A consumer that does not poll for this long is put out of its group: a third of a call, and
/// as long as a session lasts, which can't be longer.
const MAX_POLL_MS: &str = "10000";
/// What the log says once the express lane's partitions are assigned.
const PARTITION: &str = "chunk-processing/0";
/// Chunks of a batch: two calls are enough for all documents.
const BATCH: &str = "32";

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_model_keeps_its_partitions_and_embeds_each_chunk_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path()).await.common(&[
        ("RAGSTREAM_PARTITIONS", "3".to_owned()),
        ("RAGSTREAM_KAFKA_CONSUMER_MAX_POLL_INTERVAL_MS", MAX_POLL_MS.to_owned()),
    ]);
    cluster.add(Kind::Query, "query", &[]);
    cluster.add(Kind::Gateway, "gateway", &[]);
    cluster.add(Kind::Ingestion, "ingestion", &[]);
    cluster.add(
        Kind::Embedding,
        "embedding",
        &[
            ("RAGSTREAM_FAULTS", format!("embed=delay:{CALL}")),
            ("RAGSTREAM_EMBEDDING_BATCH_MAX", BATCH.to_owned()),
            // Long enough for all that is uploaded below to be in the first batches.
            ("RAGSTREAM_EMBEDDING_BATCH_LINGER_MS", "3000".to_owned()),
        ],
    );
    cluster.ready().await;
    eventually("an assignment", || {
        let told = cluster.role("embedding").log().contains(PARTITION);
        async move { told.then_some(()) }
    })
    .await;

    let names: Vec<String> = (0..8).map(|i| format!("slow-{i}")).collect();
    let files = names.iter().map(|name| (name.as_str(), text::document(name, 5).into_bytes()));
    let answer = cluster.gateway().upload_many(files, &[]).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    for file in answer.body["files"].as_array().unwrap() {
        let job = cluster.gateway().finished(&text(file, "job_id")).await;
        assert_eq!(job["stage"], "complete", "{job:#}");
    }
    let findings = audit(&cluster).await;
    assert!(findings.all().is_empty(), "{findings:#?}");

    let chunks = cluster.rows().await.chunks.len();
    let api = cluster.apis(Kind::Embedding).remove(0);
    assert_eq!(api.metric("ragstream_embedding_chunks_total", "").await as usize, chunks);
    assert_eq!(api.metric("ragstream_worker_stale_results_total", "").await, 0.0);
    // Not the newest of each key alone: all records that were ever appended.
    let records = cluster.records("chunk-embeddings");
    assert_eq!(records.iter().filter(|record| !record.key.contains(':')).count(), chunks);
    let calls = api.metric("ragstream_embedding_batch_seconds_count", "").await;
    assert!(calls >= 1.0);
    let log = cluster.role("embedding").log();
    // Once for each lane.
    assert_eq!(log.matches(r#""message":"assigned""#).count(), 2, "{log}");
    assert!(!log.contains(r#""message":"revoked""#) && !log.contains("max.poll.interval.ms"), "{log}");
    println!("{chunks} chunks in {calls} calls of {CALL}, max.poll.interval.ms={MAX_POLL_MS}: no rebalance");
}
