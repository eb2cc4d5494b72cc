//! A thousand documents from sixteen clients, and `kill -9` in the middle of it.
#![allow(clippy::unwrap_used)]

use futures::{StreamExt, stream};
use ragstream_e2e::{
    PATIENCE,
    api::text,
    eventually,
    process::{Standalone, children_of},
    topic,
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

const DOCUMENTS: usize = 1_000;
const CLIENTS: usize = 16;
/// Uploads that were answered before the process is killed.
const KILL_AFTER: usize = 400;

fn document(i: usize) -> String {
    format!("Report {i}. Station {} measured {} millimetres of rain in week {}.", i * 7, i % 90, i % 52)
}

/// Uploads all documents; one that gets no answer is tried again, as a client
/// would. What was answered is told as it comes.
async fn upload_all(api: ragstream_e2e::api::Api, answered: Arc<AtomicUsize>) -> Vec<Value> {
    stream::iter(0..DOCUMENTS)
        .map(|i| {
            let (api, answered) = (api.clone(), answered.clone());
            async move {
                let name = format!("report-{i}.txt");
                let upload = eventually("an answer to an upload", || async {
                    let request = api.upload_request([(name.as_str(), document(i).into_bytes())], &[]);
                    let answer = api.try_send(request).await.ok()?;
                    answer.status.is_success().then_some(answer.body)
                })
                .await;
                answered.fetch_add(1, Ordering::Relaxed);
                upload
            }
        })
        .buffer_unordered(CLIENTS)
        .collect()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_acknowledged_is_lost_or_doubled_by_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Standalone::start(dir.path()).await;
    let answered = Arc::new(AtomicUsize::new(0));
    let uploads = tokio::spawn(upload_all(node.api.clone(), answered.clone()));
    eventually("the middle of it", || async {
        (answered.load(Ordering::Relaxed) >= KILL_AFTER).then_some(())
    })
    .await;

    let children = children_of(node.process.pid());
    assert!(children.len() >= 2, "Kafka and PostgreSQL are children: {children:?}");
    node.process.kill();
    eventually("the end of its children", || async { children.iter().all(|pid| !alive(*pid)).then_some(()) })
        .await;

    // The same address again, for the clients that are still trying.
    let listen = node.api.base.trim_start_matches("http://").to_owned();
    let mut node = Standalone::start_at(dir.path(), &listen, &[]).await;
    let uploads = tokio::time::timeout(PATIENCE, uploads).await.unwrap().unwrap();
    let api = &node.api;

    let documents: BTreeSet<String> = uploads.iter().map(|body| text(body, "document_id")).collect();
    assert_eq!(documents.len(), DOCUMENTS, "every upload is a document of its own");
    for upload in &uploads {
        let job = api.finished(&text(upload, "job_id")).await;
        assert_eq!(job["stage"], "complete", "{job:#}");
    }
    let mut rows = BTreeSet::new();
    for document in &documents {
        let chunks = api.get(&format!("/api/v2/documents/{document}/chunks")).await.body;
        for chunk in chunks["chunks"].as_array().unwrap() {
            assert_eq!(chunk["status"], "indexed", "{chunk:#}");
            assert!(rows.insert(text(chunk, "chunk_id")), "a chunk has two rows");
        }
    }
    let visible = api.metric("ragstream_index_chunks_visible", "").await;
    assert_eq!(visible as usize, rows.len(), "chunk rows = indexed chunks");
    let records = topic::records(&node.kafka(), "chunk-embeddings");
    let keys: BTreeSet<String> = topic::live_keys(&records)
        .into_iter()
        .filter(|k| !k.starts_with("commit:"))
        .map(str::to_owned)
        .collect();
    assert_eq!(keys, rows, "chunk rows = records in the log");
    for topic in ["doc-ingest-requests", "chunk-processing"] {
        for letters in [format!("{topic}.dlq"), format!("{topic}.bulk.dlq")] {
            assert_eq!(topic::records(&node.kafka(), &letters).len(), 0, "{letters}");
        }
    }
    node.process.interrupt().await;
}

/// Whether a process runs (a zombie does not).
fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().next()).is_some_and(|state| state != "Z")
}
