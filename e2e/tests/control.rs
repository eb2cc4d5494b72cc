//! Jobs held, ended and done again; documents deleted and updated, and what a replay
//! of the whole log makes of it.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::{Api, text},
    eventually,
    process::Standalone,
    topic,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// A document of so many chunks, roughly, all about one word.
fn long(word: &str, paragraphs: usize) -> String {
    let sentence = format!("The {word} stands by the river and the keeper of the {word} counts its stones. ");
    let paragraph = sentence.repeat(12);
    (0..paragraphs).map(|i| format!("# Part {i} of the {word}\n\n{paragraph}\n\n")).collect()
}

async fn upload(api: &Api, name: &str, content: &str, fields: &[(&str, &str)]) -> Value {
    let answer = api.upload(name, content, fields).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body
}

async fn command(api: &Api, job: &str, command: &str) -> (u16, Value) {
    let answer = api.post(&format!("/api/v2/jobs/{job}/{command}"), &json!({})).await;
    (answer.status.as_u16(), answer.body)
}

async fn delete(api: &Api, path: &str) -> (u16, Value) {
    let answer = api.send(api.client.delete(format!("{}{path}", api.base))).await;
    (answer.status.as_u16(), answer.body)
}

/// Waits until some of a job's chunks are embedded and some are not.
async fn half_done(api: &Api, job: &str) {
    eventually("some chunks are embedded", || async {
        let job = api.get(&format!("/api/v2/documents/status/{job}")).await.body;
        let count = |status: &str| job["chunk_status"][status].as_u64().unwrap_or(0);
        assert_ne!(job["stage"], "complete", "too small a document to be met half done");
        (count("pending") > 0 && count("embedded") + count("indexed") > 0).then_some(())
    })
    .await;
}

/// The documents that a search finds, with everything that was asked for applied.
async fn found(api: &Api, query: &str, token: Option<&str>) -> BTreeSet<String> {
    let mut body = json!({"query": query, "top_k": 100, "mode": "keyword"});
    if let Some(token) = token {
        body["min_token"] = token.into();
        body["wait_ms"] = 30_000.into();
    }
    let answer = api.post("/api/v2/search", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_ne!(answer.body["freshness"]["token_applied"], false, "{answer:?}");
    answer.body["passages"].as_array().unwrap().iter().map(|p| text(p, "document_id")).collect()
}

fn files_below(dir: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    entries
        .flatten()
        .flat_map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => files_below(&entry.path()),
            _ => vec![entry.path().display().to_string()],
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_deleted_document_is_found_again_replay_included() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Standalone::start(dir.path()).await;
    let api = node.api.clone();
    let kept = upload(&api, "kept.md", &long("lighthouse", 2), &[]).await;
    let gone = upload(&api, "gone.md", &long("windmill", 3), &[("external_id", "mill")]).await;
    let (kept_id, gone_id) = (text(&kept, "document_id"), text(&gone, "document_id"));
    api.finished(&text(&kept, "job_id")).await;
    api.finished(&text(&gone, "job_id")).await;
    let updated = upload(&api, "gone.md", &long("watermill", 2), &[("external_id", "mill")]).await;
    api.finished(&text(&updated, "job_id")).await;
    // The version before went with its bytes and its text.
    if std::env::var("RAGSTREAM_TEST_S3").unwrap_or_default().is_empty() {
        eventually("the blobs of the old version are gone", || async {
            let files = files_below(&dir.path().join("data/s3"));
            let left = files.iter().filter(|file| file.contains(&gone_id)).count();
            (left == 1).then_some(())
        })
        .await;
    }
    // And one in the middle of its processing.
    let busy = upload(&api, "busy.md", &long("treadmill", 150), &[]).await;
    let busy_id = text(&busy, "document_id");
    half_done(&api, &text(&busy, "job_id")).await;

    let mut tokens = Vec::new();
    for id in [&gone_id, &busy_id] {
        let path = format!("/api/v2/documents/{id}");
        let (status, body) = delete(&api, &path).await;
        assert_eq!(status, 202, "{body}");
        tokens.push(text(&body, "consistency_token"));
        assert_eq!(delete(&api, &path).await.0, 404);
        for part in ["", "/content", "/text", "/chunks"] {
            assert_eq!(api.get(&format!("{path}{part}")).await.status, 404, "{part}");
        }
    }
    assert_eq!(api.get(&format!("/api/v2/documents/status/{}", text(&busy, "job_id"))).await.status, 404);
    for token in &tokens {
        assert!(found(&api, "mill windmill watermill treadmill", Some(token)).await.is_empty());
    }
    if std::env::var("RAGSTREAM_TEST_S3").unwrap_or_default().is_empty() {
        eventually("only the blobs of the kept document are left", || async {
            let files = files_below(&dir.path().join("data/s3"));
            (files.iter().filter(|f| f.contains("uploads")).count() == 1
                && files.iter().filter(|f| f.contains("texts")).count() == 1)
                .then_some(())
        })
        .await;
    }
    // Once the pool is done with what was on its way, the log holds nothing but the deletions.
    let after = upload(&api, "after.md", &long("harbour", 1), &[]).await;
    api.finished(&text(&after, "job_id")).await;
    let kafka = node.kafka();
    eventually("the log holds nothing of the deleted documents", || async {
        let records = topic::records(&kafka, "chunk-embeddings");
        let live = topic::live_keys(&records);
        let deletions = live.iter().filter(|key| key.starts_with("deleted:")).count();
        let markers = live.iter().filter(|key| key.starts_with("commit:")).count();
        let shown = [&kept_id, &text(&after, "document_id")].len();
        let chunks = live.len() - deletions - markers;
        let held = records_of(&api, &[&kept_id, &text(&after, "document_id")]).await;
        ((deletions, markers, chunks) == (2, shown, held)).then_some(())
    })
    .await;

    // A replay of the whole log, without any snapshot.
    let before = found(&api, "lighthouse harbour mill", None).await;
    node.process.interrupt().await;
    std::fs::remove_dir_all(dir.path().join("data/index")).unwrap();
    let node = Standalone::start(dir.path()).await;
    assert_eq!(found(&node.api, "lighthouse harbour mill", None).await, before);
    assert_eq!(before, BTreeSet::from([kept_id, text(&after, "document_id")]));
    assert!(found(&node.api, "windmill watermill treadmill", None).await.is_empty());
}

/// How many chunks these documents have.
async fn records_of(api: &Api, documents: &[&str]) -> usize {
    let mut count = 0;
    for id in documents {
        let chunks = api.get(&format!("/api/v2/documents/{id}/chunks?limit=1000")).await.body;
        count += chunks["chunks"].as_array().unwrap().len();
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn searches_see_the_old_version_or_the_new_one_never_both_and_never_neither() {
    let dir = tempfile::tempdir().unwrap();
    let node = Standalone::start(dir.path()).await;
    let api = &node.api;
    let id = [("external_id", "timetable")];
    let first = upload(api, "timetable.md", &long("timetable version1", 4), &id).await;
    let document = text(&first, "document_id");
    api.finished(&text(&first, "job_id")).await;
    let done = Arc::new(AtomicBool::new(false));
    let searches = tokio::spawn({
        let (api, done, document) = (api.clone(), done.clone(), document.clone());
        async move {
            let mut seen = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let body = json!({"query": "timetable", "top_k": 100, "filter": {"document_id": document}});
                let answer = api.post("/api/v2/search", &body).await.body;
                let passages = answer["passages"].as_array().unwrap();
                let versions: BTreeSet<i64> =
                    passages.iter().map(|passage| passage["version"].as_i64().unwrap()).collect();
                assert_eq!(versions.len(), 1, "{versions:?}");
                seen.extend(versions);
            }
            seen
        }
    });
    for version in 2..=8 {
        let next = upload(api, "timetable.md", &long(&format!("timetable version{version}"), 4), &id).await;
        assert_eq!(next["version"], version);
        api.finished(&text(&next, "job_id")).await;
    }
    done.store(true, Ordering::Relaxed);
    let seen = searches.await.unwrap();
    assert!(seen.is_sorted(), "an old version came back: {seen:?}");
    assert!(seen.first() == Some(&1) && seen.contains(&7), "the searches met the updates: {seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_held_goes_on_and_is_ended_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let node = Standalone::start(dir.path()).await;
    let api = &node.api;
    let job = text(&upload(api, "long.md", &long("aqueduct", 150), &[]).await, "job_id");
    let path = format!("/api/v2/documents/status/{job}");
    half_done(api, &job).await;
    let (status, body) = command(api, &job, "pause").await;
    assert_eq!((status, body["stage"].as_str()), (200, Some("paused")), "{body}");
    let listed = api.get("/api/v2/jobs?active=true").await.body;
    assert_eq!(listed["jobs"][0]["job_id"], job.as_str());
    // Another document goes past it, and it stays where it is.
    let other = upload(api, "other.md", &long("viaduct", 1), &[]).await;
    api.finished(&text(&other, "job_id")).await;
    let held = api.get(&path).await.body;
    assert_eq!(held["stage"], "paused");
    assert!(held["chunk_status"]["pending"].as_u64().unwrap() > 0, "{held}");
    assert!(found(api, "aqueduct", None).await.is_empty());
    let (status, problem) = command(api, &job, "retry").await;
    assert_eq!((status, problem["type"].as_str()), (409, Some("/problems/wrong_stage")));

    assert_eq!(command(api, &job, "resume").await.0, 200);
    assert_eq!(api.finished(&job).await["stage"], "complete");
    assert_eq!(found(api, "aqueduct", None).await.len(), 1);
    assert_eq!(command(api, &job, "cancel").await.0, 409);
    assert_eq!(delete(api, &format!("/api/v2/jobs/{job}")).await.0, 204);
    assert_eq!(api.get(&path).await.status, 404);

    // An update that is cancelled leaves the version before as it was.
    let first = upload(api, "menu.md", &long("cathedral", 1), &[("external_id", "menu")]).await;
    api.finished(&text(&first, "job_id")).await;
    let second = upload(api, "menu.md", &long("monastery", 150), &[("external_id", "menu")]).await;
    let job = text(&second, "job_id");
    let (status, body) = command(api, &job, "cancel").await;
    assert_eq!((status, body["stage"].as_str()), (200, Some("cancelled")), "{body}");
    assert_eq!(delete(api, &format!("/api/v2/jobs/{}", text(&other, "job_id"))).await.0, 204);
    // Whatever was under way of it is past once something that came later is done.
    let last = upload(api, "last.md", &long("bridge", 1), &[]).await;
    api.finished(&text(&last, "job_id")).await;
    assert_eq!(api.get(&format!("/api/v2/documents/status/{job}")).await.body["stage"], "cancelled");
    assert_eq!(found(api, "cathedral", None).await.len(), 1);
    assert!(found(api, "monastery", None).await.is_empty());

    // A failed one can be done again; it fails again for its reason, and once more.
    let broken = upload(api, "broken.pdf", "%PDF-1.7 and nothing else that makes sense", &[]).await;
    let job = text(&broken, "job_id");
    for _ in 0..2 {
        let failed = api.finished(&job).await;
        assert_eq!(failed["stage"], "failed", "{failed}");
        assert_eq!(command(api, &job, "retry").await.0, 200);
    }
    assert_eq!(api.finished(&job).await["stage"], "failed");
    assert_eq!(command(api, &uuid(), "pause").await.0, 404);
}

fn uuid() -> String {
    "00000000-0000-7000-8000-000000000000".into()
}
