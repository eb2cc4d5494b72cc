//! Starting, stopping, starting again.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{api::text, process::Standalone};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_second_start_has_everything_and_the_index_comes_from_its_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    // Copies of snapshots elsewhere have a test of their own.
    let no_copies = [("RAGSTREAM_QUERY_SNAPSHOT_UPLOAD_SECONDS", "0".to_owned())];
    let mut node = Standalone::start_with(dir.path(), &no_copies).await;
    let upload =
        node.api.upload("owl.txt", "The barn owl hunts voles over the meadow at dusk.", &[]).await.body;
    node.api.finished(&text(&upload, "job_id")).await;
    node.process.interrupt().await;

    let mut node = Standalone::start_with(dir.path(), &no_copies).await;
    assert!(node.process.log().contains("index restored from its snapshot"), "{}", node.process.log());
    let found = node.api.post("/api/v2/search", &json!({"query": "barn owl"})).await.body;
    assert_eq!(found["passages"][0]["document_id"], upload["document_id"]);
    node.process.interrupt().await;

    // Without its snapshot the index is made from the log.
    std::fs::remove_dir_all(dir.path().join("data/index")).unwrap();
    let mut node = Standalone::start_with(dir.path(), &no_copies).await;
    let found = node.api.post("/api/v2/search", &json!({"query": "barn owl"})).await.body;
    assert_eq!(found["passages"][0]["document_id"], upload["document_id"]);
    node.process.interrupt().await;

    let log = node.process.log();
    let alarming: Vec<_> =
        log.lines().filter(|line| line.contains("ERROR") || line.contains("WARN")).collect();
    assert!(alarming.is_empty(), "{alarming:#?}");
}
