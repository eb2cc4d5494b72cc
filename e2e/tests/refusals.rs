//! Bad input: each gets a clear problem, and nothing is left behind.
#![allow(clippy::unwrap_used)]

use ragstream_core::ports::BlobStore;
use ragstream_e2e::{
    api::{Answer, text},
    eventually,
    process::{Standalone, blob_store_of},
};
use ragstream_s3::S3Blobs;
use serde_json::json;
use std::path::Path;

fn assert_problem(answer: &Answer, status: u16, class: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.content_type, "application/problem+json", "{answer:?}");
    assert_eq!(answer.body["type"], format!("/problems/{class}"), "{answer:?}");
    assert_eq!(answer.body["status"], status);
    assert!(text(&answer.body, "detail").len() > 10, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_refused_with_a_reason_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let node = Standalone::start(dir.path()).await;
    let api = &node.api;
    let upload_url = format!("{}/api/v2/documents/upload", api.base);

    assert_problem(&api.upload("empty.txt", "", &[]).await, 422, "empty_file");
    assert_problem(&api.upload("empty.pdf", "", &[]).await, 422, "empty_file");
    let random: Vec<u8> = (0..4096_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    assert_problem(&api.upload("program.bin", random, &[]).await, 415, "unsupported_format");
    assert_problem(&api.upload("a.txt", "text", &[("metadata", "{")]).await, 422, "invalid_field");
    assert_problem(&api.upload("a.txt", "text", &[("collection", "no spaces")]).await, 422, "invalid_field");
    assert_problem(&api.upload("a.txt", "text", &[("colour", "red")]).await, 422, "unknown_field");
    assert_problem(&api.upload_many([], &[("collection", "x")]).await, 400, "no_file");

    let cut = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"a.txt\"\r\n\r\nbroken off";
    let request =
        api.client.post(&upload_url).header("content-type", "multipart/form-data; boundary=b").body(cut);
    assert_problem(&api.send(request).await, 400, "malformed_multipart");
    let request = api.client.post(&upload_url).body("not a form");
    assert_problem(&api.send(request).await, 400, "malformed_multipart");

    for path in ["/api/v2/search", "/api/v2/query"] {
        let url = format!("{}{path}", api.base);
        assert_problem(&api.send(api.client.post(&url).body("{")).await, 400, "invalid_json");
        assert_problem(&api.post(path, &json!({})).await, 400, "invalid_json");
        assert_problem(&api.post(path, &json!({"question": "x", "colour": 1})).await, 400, "invalid_json");
        assert_problem(&api.post(path, &json!({"question": " "})).await, 422, "invalid_field");
        assert_problem(&api.post(path, &json!({"question": "x", "top_k": 0})).await, 422, "invalid_field");
        assert_problem(
            &api.post(path, &json!({"question": "x", "min_token": "?"})).await,
            422,
            "invalid_field",
        );
    }

    let unknown = "00000000-0000-7000-8000-000000000000";
    for path in ["documents/status/", "documents/"] {
        assert_problem(&api.get(&format!("/api/v2/{path}{unknown}")).await, 404, "not_found");
        assert_problem(&api.get(&format!("/api/v2/{path}no-id")).await, 404, "not_found");
    }
    for part in ["content", "text", "chunks"] {
        assert_problem(&api.get(&format!("/api/v2/documents/{unknown}/{part}")).await, 404, "not_found");
    }
    assert_problem(&api.get("/api/v2/nothing").await, 404, "not_found");
    assert_problem(&api.get("/api/v2/search").await, 405, "method_not_allowed");

    // Nothing of all that is left: no document, and no file in the store.
    assert_eq!(api.get("/api/v2/documents").await.body["documents"], json!([]));
    eventually("the removal of what was stored", || async {
        (stored_uploads(dir.path()).await == 0).then_some(())
    })
    .await;
}

/// Uploads that lie in the node's blob store.
async fn stored_uploads(dir: &Path) -> usize {
    match blob_store_of(dir) {
        Some(url) => S3Blobs::new(&url.parse().unwrap()).list("uploads/", None).await.unwrap().len(),
        None => files_in_uploads(&dir.join("data/s3")),
    }
}

fn files_in_uploads(dir: &Path) -> usize {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.path() {
            path if path.is_dir() => files_in_uploads(&path),
            path => usize::from(path.parent().is_some_and(|parent| parent.ends_with("uploads"))),
        })
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_file_of_a_batch_fails_alone_and_a_corrupt_one_fails_its_job() {
    let dir = tempfile::tempdir().unwrap();
    let node = Standalone::start(dir.path()).await;
    let api = &node.api;
    let files = [
        ("good.txt", b"The herring gull nests on the cliff above the bay.".to_vec()),
        ("empty.txt", Vec::new()),
        ("broken.pdf", b"%PDF-1.7\nthis is no PDF at all".to_vec()),
    ];
    let answer = api.upload_many(files, &[]).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let taken = answer.body["files"].as_array().unwrap();
    let jobs: Vec<_> = taken.iter().map(|file| (text(file, "filename"), text(file, "job_id"))).collect();
    assert_eq!(jobs.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["good.txt", "broken.pdf"]);
    assert_eq!(answer.body["rejected"][0]["filename"], "empty.txt");
    assert_eq!(api.finished(&jobs[0].1).await["stage"], "complete");
    let broken = api.finished(&jobs[1].1).await;
    assert_eq!(
        (broken["stage"].as_str(), broken["failure"]["class"].as_str()),
        (Some("failed"), Some("corrupt_document"))
    );

    let letters = ragstream_e2e::topic::records(&node.kafka(), "doc-ingest-requests.dlq");
    assert_eq!(letters.len(), 1);
    let headers = &letters[0].headers;
    assert_eq!(headers["x-original-topic"], "doc-ingest-requests");
    assert_eq!(headers["x-error-class"], "corrupt_document");
    assert!(
        ["x-original-partition", "x-original-offset", "x-attempts"].iter().all(|h| headers.contains_key(*h))
    );
}
