//! The index comes back from whatever is left of it: a snapshot on disk, one in blob
//! storage, or the log alone. The contents are the same each time.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::{Api, text},
    eventually,
    process::{Standalone, free_port},
    role::Role,
};
use ragstream_testkit::{fresh_database, kafka};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Snapshots every second; copies in blob storage as often as given.
fn settings(upload_seconds: u32) -> [(&'static str, String); 2] {
    [
        ("RAGSTREAM_QUERY_SNAPSHOT_SECONDS", "1".to_owned()),
        ("RAGSTREAM_QUERY_SNAPSHOT_UPLOAD_SECONDS", upload_seconds.to_string()),
    ]
}

/// The checksum over all chunks that searches see, as the node logged it when it was
/// last caught up, and how many these are.
fn contents(log: &str) -> (String, String) {
    let line = log.lines().rev().find(|line| line.contains("the index has caught up")).unwrap();
    let field = |name: &str| {
        let rest = line.split(&format!("{name}=")).nth(1).unwrap();
        rest.split_whitespace().next().unwrap().trim_matches('"').to_owned()
    };
    (field("checksum"), field("chunks"))
}

fn folders(dir: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> =
        entries.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with(prefix)).collect();
    found.sort();
    found
}

fn flip_a_bit(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    fs::write(file, bytes).unwrap();
}

async fn upload(api: &Api, name: &str, words: &str) -> String {
    let answer = api.upload(name, format!("The {words} is told of in this short document."), &[]).await.body;
    assert_eq!(api.finished(&text(&answer, "job_id")).await["stage"], "complete");
    text(&answer, "document_id")
}

async fn finds(api: &Api, words: &str, document: &str) {
    let found = api.post("/api/v2/search", &json!({"query": words, "top_k": 1})).await.body;
    assert_eq!(found["passages"][0]["document_id"], document, "{found:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_snapshot_is_put_aside_and_nothing_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("data/index");
    let mut node = Standalone::start_with(dir.path(), &settings(0)).await;
    let first = upload(&node.api, "first.txt", "heron on the pond").await;
    eventually("a snapshot", || async { folders(&index, "snapshot-").pop() }).await;
    let second = upload(&node.api, "second.txt", "badger in the wood").await;
    eventually("another one", || async { folders(&index, "snapshot-").get(1).cloned() }).await;
    // The last one is written at the end.
    node.process.interrupt().await;
    let mut node = Standalone::start_with(dir.path(), &settings(0)).await;
    let before = contents(&node.process.log());
    assert_eq!(before.1, "2");
    node.process.interrupt().await;

    // The newest is damaged: the one before, and what the log has beyond it.
    let newest = folders(&index, "snapshot-").pop().unwrap();
    flip_a_bit(&newest.join("vectors.f32"));
    let mut node = Standalone::start_with(dir.path(), &settings(0)).await;
    let log = node.process.log();
    assert_eq!(log.matches("a damaged snapshot is not used").count(), 1, "{log}");
    assert_eq!(log.matches("index restored from its snapshot").count(), 2, "at the second start and now");
    assert_eq!(folders(&index, "damaged-").len(), 1);
    assert_eq!(contents(&log), before);
    finds(&node.api, "badger in the wood", &second).await;
    node.process.interrupt().await;

    // All of them are: the log.
    let all = folders(&index, "snapshot-");
    flip_a_bit(&all[0].join("chunks.jsonl"));
    for folder in &all[1..] {
        fs::write(folder.join("manifest.json"), "").unwrap();
    }
    let mut node = Standalone::start_with(dir.path(), &settings(0)).await;
    let log = node.process.log();
    assert_eq!(log.matches("a damaged snapshot is not used").count(), 1 + all.len(), "{log}");
    assert_eq!(log.matches("replaying the log from its beginning").count(), 2, "at the first start and now");
    assert_eq!(folders(&index, "damaged-").len(), 1, "only the last one is kept");
    assert_eq!(contents(&log), before);
    finds(&node.api, "heron on the pond", &first).await;
    node.process.interrupt().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_its_disk_starts_from_blob_storage() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Standalone::start_with(dir.path(), &settings(1)).await;
    let document = upload(&node.api, "owl.txt", "owl in the barn").await;
    // A clean end leaves a copy of all there is.
    node.process.interrupt().await;
    let mut node = Standalone::start_with(dir.path(), &settings(0)).await;
    let before = contents(&node.process.log());
    node.process.interrupt().await;

    let marker = node.process.log().len();
    fs::remove_dir_all(dir.path().join("data/index")).unwrap();
    let mut node = Standalone::start_with(dir.path(), &settings(1)).await;
    let log = node.process.log()[marker..].to_owned();
    let restored = log.lines().find(|line| line.contains("index restored from its snapshot")).unwrap();
    assert!(restored.contains("from=\"blob storage\""), "{restored}");
    assert_eq!(contents(&log), before);
    finds(&node.api, "owl in the barn", &document).await;
    node.process.interrupt().await;
    assert!(!node.process.log().contains("ERROR"));
}

#[tokio::test(flavor = "multi_thread")]
async fn blob_storage_that_is_away_keeps_no_node_from_serving() {
    let dir = tempfile::tempdir().unwrap();
    let away = format!("http://key:secret@127.0.0.1:{}/bucket", free_port());
    let mut env = settings(1).to_vec();
    env.extend([
        ("RAGSTREAM_KAFKA", kafka().await.bootstrap()),
        ("RAGSTREAM_POSTGRES", fresh_database("").await),
        ("RAGSTREAM_S3", away),
        ("RAGSTREAM_QUERY_SNAPSHOT_DIR", dir.path().join("snapshots").display().to_string()),
    ]);
    let mut query = Role::start("query", dir.path(), &env);
    query.ready().await;
    let answer = query.api.post("/api/v2/search", &json!({"query": "anything"})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    query.process.interrupt().await;
    assert!(query.process.log().contains("blob storage is not there"), "{}", query.process.log());
}
