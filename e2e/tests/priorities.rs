//! What is urgent, and what is small, waits for no bulk import; and no collection for another.
//! Counted in jobs and chunks, not by the clock: the model is slow, and all else is quick.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::{Api, text},
    audit::audit,
    cluster::{Cluster, Kind},
    eventually, raw, text as texts,
};
use serde_json::{Value, json};

/// Documents of the import, and of the collection that overflows.
const DOCUMENTS: usize = 60;
/// Chunks of each document of the import.
const CHUNKS: usize = 2;
/// Jobs of a collection in the express lane, by the product's rule; and uploads of one request
/// that are accepted at the same moment.
const EXPRESS_JOBS: usize = 32;
const AT_ONCE: usize = 4;

/// Uploads so many documents in one request; their jobs.
async fn upload(api: &Api, name: &str, count: usize, fields: &[(&str, &str)]) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|i| format!("{name}-{i}")).collect();
    let chunks = if name == "import" { CHUNKS } else { 1 };
    let files = names.iter().map(|name| (name.as_str(), texts::document(name, chunks).into_bytes()));
    let answer = api.upload_many(files, fields).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    // One file is answered without a list.
    match answer.body["files"].as_array() {
        Some(files) => files.iter().map(|file| text(file, "job_id")).collect(),
        None => vec![text(&answer.body, "job_id")],
    }
}

async fn status(api: &Api, job: &str) -> Value {
    api.get(&format!("/api/v2/documents/status/{job}")).await.body
}

/// Those of the jobs that go by this lane, and how many of these are complete.
async fn of_lane(api: &Api, jobs: &[String], lane: &str) -> (Vec<String>, usize) {
    let (mut found, mut complete) = (Vec::new(), 0);
    for job in jobs {
        let status = status(api, job).await;
        if status["lane"] == lane {
            found.push(job.clone());
            complete += usize::from(status["stage"] == "complete");
        }
    }
    (found, complete)
}

async fn completes(api: &Api, jobs: &[String]) {
    for job in jobs {
        let job = api.finished(job).await;
        assert_eq!(job["stage"], "complete", "{job:#}");
    }
}

/// A cluster whose model takes a second for four chunks.
async fn slow_model(dir: &std::path::Path) -> Cluster {
    let mut cluster = Cluster::start(dir).await.common(&[("RAGSTREAM_PARTITIONS", "3".to_owned())]);
    cluster.add(Kind::Query, "query", &[]);
    cluster.add(Kind::Gateway, "gateway", &[]);
    cluster.add(Kind::Ingestion, "ingestion", &[]);
    let slow = [
        ("RAGSTREAM_FAULTS", "embed=delay:1s".to_owned()),
        ("RAGSTREAM_EMBEDDING_BATCH_MAX", "4".to_owned()),
    ];
    cluster.add(Kind::Embedding, "embedding", &slow);
    cluster.ready().await;
    cluster
}

#[tokio::test(flavor = "multi_thread")]
async fn urgent_and_small_uploads_wait_for_no_import() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = slow_model(dir.path()).await;
    let api = cluster.gateway();
    let import = upload(&api, "import", DOCUMENTS, &[("priority", "0"), ("collection", "archive")]).await;
    let total = DOCUMENTS * CHUNKS;
    eventually("most of the import before the model", || async {
        (cluster.rows().await.chunks.len() > total * 3 / 4).then_some(())
    })
    .await;

    let urgent = upload(&api, "urgent", 1, &[("priority", "9"), ("collection", "archive")]).await;
    let small = upload(&api, "small", 1, &[("collection", "desk")]).await;
    completes(&api, &urgent).await;
    completes(&api, &small).await;
    let (bulk, complete) = of_lane(&api, &import, "bulk").await;
    let embedded = cluster.rows().await.chunks.values().filter(|chunk| chunk.status != "pending").count();
    println!("{complete} of {DOCUMENTS} documents and {embedded} of {total} chunks came before both");
    assert_eq!(bulk.len(), DOCUMENTS);
    assert!(complete < DOCUMENTS / 2, "{complete} of the import came first");
    for (job, priority) in [(&urgent[0], 9), (&small[0], 5)] {
        let job = status(&api, job).await;
        assert_eq!((job["priority"].as_i64(), text(&job, "lane")), (Some(priority), "express".into()));
    }

    // Nothing starves: all of the import comes to its end too, and each record went by its lane.
    completes(&api, &import).await;
    let findings = audit(&cluster).await;
    assert!(findings.all().is_empty(), "{findings:#?}");
    let verified = api.post("/api/v2/admin/verify", &json!({})).await.body;
    assert_eq!(verified["consistent"], true, "{verified:#}");
    assert_eq!(cluster.records("doc-ingest-requests.bulk").len(), DOCUMENTS);
    assert_eq!(cluster.records("doc-ingest-requests").len(), 2);
    let rows = cluster.rows().await;
    let by_lane = [cluster.records("chunk-processing").len(), cluster.records("chunk-processing.bulk").len()];
    assert_eq!(by_lane.iter().sum::<usize>(), rows.chunks.len());
    assert_eq!(by_lane[0], 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_that_overflows_holds_up_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = slow_model(dir.path()).await;
    let api = cluster.gateway();
    let heavy = upload(&api, "heavy", DOCUMENTS, &[("collection", "heavy")]).await;
    let (over, _) = of_lane(&api, &heavy, "bulk").await;
    let express = DOCUMENTS - over.len();
    assert!((EXPRESS_JOBS..=EXPRESS_JOBS + AT_ONCE).contains(&express), "{express} went express");

    let light = upload(&api, "light", 1, &[("collection", "light")]).await;
    completes(&api, &light).await;
    let (_, complete) = of_lane(&api, &heavy, "bulk").await;
    println!("{complete} of {} documents that overflowed came before another collection's", over.len());
    assert!(complete <= over.len() / 2, "{complete} of {} came first", over.len());
    completes(&api, &heavy).await;
    // The lane is free again.
    let later = upload(&api, "later", 1, &[("collection", "heavy")]).await;
    assert_eq!(status(&api, &later[0]).await["lane"], "express");
    completes(&api, &later).await;
    let verified = api.post("/api/v2/admin/verify", &json!({})).await.body;
    assert_eq!(verified["consistent"], true, "{verified:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_goes_back_to_the_lane_it_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path()).await;
    cluster.add_all().await;
    let api = cluster.gateway();
    let topic = "doc-ingest-requests.bulk";
    let broken = api.upload("broken.pdf", b"%PDF-1.7 and then nothing".to_vec(), &[("priority", "1")]).await;
    let job = api.finished(&text(&broken.body, "job_id")).await;
    assert_eq!((job["stage"].as_str(), job["lane"].as_str()), (Some("failed"), Some("bulk")), "{job:#}");
    let letters = async || {
        let found = api.get(&format!("/api/v2/dead-letters?topic={topic}")).await.body;
        found["letters"].as_array().unwrap().clone()
    };
    let letter = eventually("its letter", || async { letters().await.into_iter().next() }).await;
    assert_eq!(letter["value"]["type"], "ingest_requested", "{letter:#}");
    assert_eq!(letter["document_id"], job["document_id"]);
    let body = json!({"topic": topic});
    let done = api.post("/api/v2/dead-letters/redrive", &body).await.body;
    assert_eq!(done["redriven"], 1, "{done:#}");
    eventually("another letter", || async { (letters().await.len() == 2).then_some(()) }).await;
    let brokers = cluster.brokers();
    assert_eq!(raw::records(brokers, topic).len(), 2);
    assert!(raw::records(brokers, "doc-ingest-requests").is_empty());
    let listed = letters().await;
    assert!(listed.iter().all(|letter| letter["original"]["topic"] == topic), "{listed:#?}");
}
