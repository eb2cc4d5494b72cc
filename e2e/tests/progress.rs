//! Live progress, as watchers see it: streams that end, go on where they were left, and tell the same
//! over every gateway.
#![allow(clippy::unwrap_used)]

use futures::{SinkExt, StreamExt, future::join_all};
use ragstream_e2e::{
    PATIENCE,
    api::{Api, text},
    cluster::{Cluster, Kind},
    events::{Events, Message},
    eventually,
    text::document,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tokio_tungstenite::tungstenite::Message as Frame;

/// Watchers of the many, on so many jobs.
const WATCHERS: usize = 1_000;
const JOBS: usize = 100;

/// Every role, two gateways among them.
async fn two_gateways(dir: &std::path::Path) -> (Cluster, Api, Api) {
    let mut cluster = Cluster::start(dir).await.common(&[("RAGSTREAM_PARTITIONS", "3".to_owned())]);
    cluster.add_all().await;
    cluster.add(Kind::Gateway, "gateway-1", &[]);
    cluster.role("gateway-1").ready().await;
    let (one, other) = (cluster.gateway(), cluster.role("gateway-1").api.clone());
    (cluster, one, other)
}

fn kinds(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|m| m.event.as_str()).filter(|kind| kind.starts_with("document.")).collect()
}

fn percentages(messages: &[Message], kind: &str) -> Vec<f64> {
    messages.iter().filter(|m| m.event == kind).map(|m| m.data["percentage"].as_f64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_watched_to_its_end_and_taken_up_where_it_was_left() {
    let dir = tempfile::tempdir().unwrap();
    let (mut cluster, api, other) = two_gateways(dir.path()).await;
    let uploaded = api.upload("long.md", document("long", 120), &[]).await;
    assert_eq!(uploaded.status, 202, "{uploaded:?}");
    let job = text(&uploaded.body, "job_id");
    let path = format!("/api/v2/jobs/{job}/events");
    // Over the other gateway; and one that is left in the middle.
    let whole = Events::open(&other, &path, None).await.unwrap();
    let mut first = Events::open(&api, &path, None).await.unwrap();
    let left = first.until(|message| message.event == "document.chunked").await;
    drop(first);

    let whole = whole.rest().await;
    assert_eq!(whole[0].event, "progress", "how it is comes first");
    let percents = percentages(&whole, "progress");
    assert!(percents.is_sorted(), "{percents:?}");
    assert_eq!(percents.last(), Some(&100.0));
    let all = kinds(&whole);
    let expected = ["accepted", "text_extraction", "chunking", "chunked", "indexing", "complete"]
        .map(|kind| format!("document.{kind}"));
    assert_eq!(all, expected);
    assert_eq!(whole.last().unwrap().event, "document.complete", "then the stream ends");

    // Exactly what was missed.
    let last = &left.last().unwrap().id;
    let missed = Events::open(&api, &path, Some(last)).await.unwrap().rest().await;
    assert_eq!([kinds(&left), kinds(&missed)].concat(), expected);
    let end = &whole.last().unwrap().id;
    assert!(Events::open(&api, &path, Some(end)).await.is_none(), "all was told");
    // Who was never there is told all of it.
    let late = Events::open(&other, &path, None).await.unwrap().rest().await;
    assert_eq!(kinds(&late), expected);

    let status = api.get(&format!("/api/v2/documents/status/{job}")).await.body;
    let history: Vec<_> = status["history"].as_array().unwrap().iter().map(|h| text(h, "event")).collect();
    assert_eq!(history.first().map(String::as_str), Some("accepted"));
    assert_eq!(history.last().map(String::as_str), Some("complete"));
    assert_eq!(status["batches"]["done"], status["batches"]["total"]);

    for (path, status) in [
        ("/api/v2/jobs/0198c0de-0000-7000-8000-000000000000/events", 404),
        ("/api/v2/batches/0198c0de-0000-7000-8000-000000000000/events", 404),
        ("/api/v2/ws", 400),
    ] {
        assert_eq!(api.get(path).await.status, status, "{path}");
    }
    let bad = api.client.get(format!("{}{path}", api.base)).header("last-event-id", "x");
    assert_eq!(api.send(bad).await.status, 400);
    for role in cluster.roles() {
        assert!(role.complaints().is_empty(), "{}: {:#?}", role.name, role.complaints());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_of_many_files_fails_no_good_one_and_retries_the_failed_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (_cluster, api, other) = two_gateways(dir.path()).await;
    let mut files: Vec<(String, Vec<u8>)> = (0..57)
        .map(|n| (format!("report-{n}.md"), document(&format!("report{n}"), 2).into_bytes()))
        .collect();
    files.push(("empty.txt".into(), Vec::new()));
    files.push(("program.exe".into(), [b"MZ".to_vec(), vec![0; 4_000]].concat()));
    files.push(("broken.pdf".into(), b"%PDF-1.7\nthere is nothing of a PDF here".to_vec()));
    let uploaded =
        api.upload_many(files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())), &[]).await;
    assert_eq!(uploaded.status, 202, "{uploaded:?}");
    assert_eq!(uploaded.body["files"].as_array().unwrap().len(), 58);
    assert_eq!(uploaded.body["rejected"].as_array().unwrap().len(), 2);
    let batch = text(&uploaded.body, "batch_id");

    let told =
        Events::open(&other, &format!("/api/v2/batches/{batch}/events"), None).await.unwrap().rest().await;
    let percents = percentages(&told, "batch");
    assert!(percents.is_sorted(), "{percents:?}");
    let last = told.last().unwrap();
    assert_eq!(last.event, "batch", "the stream ends with the batch");
    assert_eq!(last.data["status"], "complete_with_failures");
    assert_eq!(last.data["files"], json!({"done": 60, "total": 60}));
    let outcomes = &last.data["outcomes"];
    assert_eq!(
        (&outcomes["complete"], &outcomes["failed"], &outcomes["rejected"]),
        (&json!(57), &json!(1), &json!(2))
    );

    let path = format!("/api/v2/batches/{batch}/files?limit=25");
    let (mut statuses, mut next) = (BTreeMap::new(), Some(path));
    while let Some(path) = next {
        let page = api.get(&path).await.body;
        for file in page["files"].as_array().unwrap() {
            *statuses.entry(text(file, "status")).or_insert(0) += 1;
            assert!(
                file["status"] == "complete" || !file["error"].is_null() || !file["job"]["failure"].is_null()
            );
        }
        next = page["next"].as_str().map(str::to_owned);
    }
    assert_eq!(
        statuses,
        BTreeMap::from([("complete".into(), 57), ("failed".into(), 1), ("rejected".into(), 2)])
    );

    let retried = api.post(&format!("/api/v2/batches/{batch}/retry"), &json!({})).await;
    assert_eq!(retried.body, json!({"done": 1, "refused": 0}));
    eventually("the failed one fails again", || async {
        let batch = api.get(&format!("/api/v2/batches/{batch}")).await.body;
        (batch["status"] == "complete_with_failures").then_some(())
    })
    .await;
    let listed = api.get("/api/v2/batches").await.body;
    assert_eq!(listed["batches"][0]["batch_id"], batch.as_str());

    // Files that come one by one, to a batch that was announced; one is here already.
    let announced = api.post("/api/v2/batches", &json!({"files_total": 3, "name": "three"})).await;
    assert_eq!(announced.status, 201, "{announced:?}");
    let batch = text(&announced.body, "batch_id");
    for name in ["one", "two", "one"] {
        let answer = api.upload(&format!("{name}.md"), document(name, 1), &[("batch_id", &batch)]).await;
        assert_eq!(answer.body["batch_id"], batch.as_str());
    }
    let told =
        Events::open(&api, &format!("/api/v2/batches/{batch}/events"), None).await.unwrap().rest().await;
    let last = &told.last().unwrap().data;
    assert_eq!((&last["status"], &last["outcomes"]["duplicate"]), (&json!("complete"), &json!(1)));
    let nowhere = api.upload("x.md", "x", &[("batch_id", "0198c0de-0000-7000-8000-000000000000")]).await;
    assert_eq!(nowhere.status, 422, "{nowhere:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_watchers_are_each_told_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let (_cluster, api, other) = two_gateways(dir.path()).await;
    let files: Vec<(String, Vec<u8>)> = (0..JOBS)
        .map(|n| (format!("watched-{n}.md"), document(&format!("watched{n}"), 3).into_bytes()))
        .collect();
    let uploaded =
        api.upload_many(files.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())), &[]).await;
    let jobs: Vec<String> =
        uploaded.body["files"].as_array().unwrap().iter().map(|file| text(file, "job_id")).collect();
    assert_eq!(jobs.len(), JOBS);
    let all = tokio::spawn({
        let (api, jobs) = (other.clone(), jobs.clone());
        async move { everything(&api, jobs).await }
    });
    let watchers = (0..WATCHERS).map(|n| {
        let api = if n % 2 == 0 { api.clone() } else { other.clone() };
        let path = format!("/api/v2/jobs/{}/events", jobs[n % JOBS]);
        async move { Events::open(&api, &path, None).await.unwrap().rest().await }
    });
    for told in join_all(watchers).await {
        let ends = told.iter().filter(|message| message.event == "document.complete").count();
        assert_eq!(ends, 1, "each is told once: {:?}", kinds(&told));
    }
    all.await.unwrap();
}

/// Watches everything over a WebSocket, until all of these jobs have ended.
async fn everything(api: &Api, jobs: Vec<String>) {
    let url = format!("{}/api/v2/ws", api.base.replace("http://", "ws://"));
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    let say = |value: Value| Frame::Text(value.to_string().into());
    socket.send(say(json!({"ping": 7}))).await.unwrap();
    socket.send(Frame::Text("nonsense".into())).await.unwrap();
    // From the beginning on: some jobs may have ended by now.
    socket.send(say(json!({"subscribe": {"all": true, "last_event_id": 0}}))).await.unwrap();
    let mut open: BTreeSet<String> = jobs.into_iter().collect();
    let (mut pongs, mut errors) = (0, 0);
    let listen = async {
        while !open.is_empty() {
            let Frame::Text(frame) = socket.next().await.unwrap().unwrap() else { continue };
            let message: Value = serde_json::from_str(&frame).unwrap();
            match message["type"].as_str().unwrap() {
                "event" if message["data"]["type"] == "document.complete" => {
                    open.remove(message["data"]["job_id"].as_str().unwrap());
                }
                "pong" => pongs += i32::from(message["data"] == 7),
                "error" => errors += i32::from(message["data"]["status"] == 400),
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, listen).await.expect("every job's end is told");
    assert_eq!((pongs, errors), (1, 1));
}
