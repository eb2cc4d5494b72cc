//! Dead letters as a product: found, understood, sent back, and their jobs go on.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::{Api, text},
    eventually,
    process::{Standalone, binary},
    raw,
};
use ragstream_testkit::{fresh_database, kafka, s3};
use serde_json::{Value, json};
use std::process::{Command, Output, Stdio};

const TOPIC: &str = "doc-ingest-requests";
const LETTERS: &str = "doc-ingest-requests.dlq";
const GROUP: &str = "ragstream-ingestion";
/// Enough for a small file and far too little for [`tall`].
const LITTLE_MEMORY: u64 = 200 << 20;

/// A page with little text whose tree takes a quarter of a GiB.
fn tall(text: &str) -> Vec<u8> {
    format!("<html><body><p>{text}</p>{}</body></html>", "<i></i>".repeat(1_000_000)).into_bytes()
}

async fn letters(api: &Api, query: &str) -> Vec<Value> {
    let answer = api.get(&format!("/api/v2/dead-letters?{query}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["letters"].as_array().unwrap().clone()
}

async fn redrive(api: &Api, body: Value) -> Value {
    let answer = api.post("/api/v2/dead-letters/redrive", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

async fn stage(api: &Api, job: &str) -> String {
    text(&api.get(&format!("/api/v2/documents/status/{job}")).await.body, "stage")
}

async fn completes(api: &Api, job: &str) {
    eventually("completion", || async { (stage(api, job).await == "complete").then_some(()) }).await;
}

fn dlq(api: &Api, args: &[&str]) -> Output {
    let mut command = Command::new(binary());
    command.arg("dlq").args(args).args(["--url", &api.base]).stdin(Stdio::null());
    command.output().unwrap()
}

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_goes_on_once_its_cause_is_gone_however_it_is_sent_back() {
    let dir = tempfile::tempdir().unwrap();
    let brokers = kafka().await.bootstrap();
    let parts = [
        ("RAGSTREAM_KAFKA", brokers.clone()),
        ("RAGSTREAM_POSTGRES", fresh_database("").await),
        ("RAGSTREAM_S3", s3().await.url()),
        // One partition: whatever is behind something is behind it.
        ("RAGSTREAM_PARTITIONS", "1".to_owned()),
    ];
    let mut limited = parts.to_vec();
    limited.push(("RAGSTREAM_INGESTION_EXTRACT_MEMORY", LITTLE_MEMORY.to_string()));
    let mut node = Standalone::start_with(dir.path(), &limited).await;
    let api = node.api.clone();
    let upload = async |name: &str, bytes: Vec<u8>| {
        let answer = api.upload(name, bytes, &[]).await;
        (text(&answer.body, "document_id"), text(&answer.body, "job_id"))
    };
    let (first, first_job) = upload("first.html", tall("The first page tells of storms.")).await;
    let (second, second_job) = upload("second.html", tall("The second page tells of fog.")).await;
    let (_, good_job) = upload("good.txt", b"The herring gull nests on the cliff.".to_vec()).await;
    for job in [&first_job, &second_job] {
        let job = api.finished(job).await;
        assert_eq!(job["failure"]["class"], "extraction_out_of_memory", "{job:#}");
    }
    completes(&api, &good_job).await;

    // Found, by each of their properties, newest first.
    let all =
        eventually("two letters", || async { Some(letters(&api, "").await).filter(|l| l.len() == 2) }).await;
    assert!(all[0]["offset"].as_i64() > all[1]["offset"].as_i64());
    let since = text(&all[1], "stored_at").replace('+', "%2B");
    for (query, count) in [
        (format!("topic={TOPIC}"), 2),
        (format!("topic={LETTERS}&error_class=extraction_out_of_memory&error_kind=invalid"), 2),
        ("topic=chunk-processing".to_owned(), 0),
        ("error_kind=failed".to_owned(), 0),
        ("error_class=other".to_owned(), 0),
        (format!("document_id={first}"), 1),
        ("redriven=true".to_owned(), 0),
        ("redriven=false".to_owned(), 2),
        (format!("since={since}"), 2),
        (format!("until={since}"), 0),
        ("limit=1".to_owned(), 1),
    ] {
        assert_eq!(letters(&api, &query).await.len(), count, "{query}");
    }
    let page = api.get("/api/v2/dead-letters?limit=1").await.body;
    let next = api.get(&text(&page, "next")).await.body;
    assert_eq!((&page["letters"][0], &next["letters"][0]), (&all[0], &all[1]));
    assert!(next.get("next").is_none(), "{next:#}");

    // Understood.
    let letter = &letters(&api, &format!("document_id={first}")).await[0];
    assert_eq!(letter["value"]["type"], "ingest_requested");
    assert_eq!(letter["value"]["document"]["filename"], "first.html");
    assert_eq!((text(letter, "document_id"), text(letter, "job_id")), (first.clone(), first_job.clone()));
    assert_eq!((text(letter, "key"), letter["attempts"].as_i64()), (first.clone(), Some(1)));
    assert_eq!((text(&letter["original"], "topic"), letter["redrives"].as_i64()), (TOPIC.into(), Some(0)));
    assert_eq!(api.get(&text(letter, "link")).await.body["value"], letter["value"]);
    let gone = api.get(&format!("/api/v2/dead-letters/{LETTERS}/0/999999")).await;
    assert_eq!((gone.status.as_u16(), gone.body["type"].as_str()), (404, Some("/problems/not_found")));

    // A dry run does nothing.
    let before = raw::records(&brokers, TOPIC).len();
    let plan = redrive(&api, json!({"document_id": first, "dry_run": true})).await;
    assert_eq!((plan["matched"].as_i64(), plan["redriven"].as_i64()), (Some(1), Some(1)));
    assert!(plan.get("redrive_id").is_none());
    assert_eq!(raw::records(&brokers, TOPIC).len(), before);

    // Sent back too early: it fails again, and says that it was sent back.
    let done = redrive(&api, json!({"document_id": first})).await;
    assert_eq!(done["redriven"], 1, "{done:#}");
    let mine = format!("document_id={first}");
    let again = eventually("another letter", || async {
        Some(letters(&api, &mine).await).filter(|letters| letters.len() == 2)
    })
    .await;
    assert_eq!((again[0]["redrives"].as_i64(), again[0].get("redriven_at")), (Some(1), None));
    assert_eq!(again[1]["redrives"], 1);
    assert!(again[1].get("redriven_at").is_some());
    assert_eq!(again[0]["first_failure"], again[1]["first_failure"]);
    assert_eq!(again[0]["value"], again[1]["value"]);
    eventually("its failure on record", || async {
        (stage(&api, &first_job).await == "failed").then_some(())
    })
    .await;

    // The cause is gone, and all is read again from the beginning: the record that was
    // sent back and failed is no retry of itself.
    node.process.interrupt().await;
    raw::rewind(&brokers, GROUP, TOPIC);
    let mut node = Standalone::start_with(dir.path(), &parts).await;
    let api = node.api.clone();
    let end = raw::records(&brokers, TOPIC).len() as i64;
    eventually("all read again", || async {
        (raw::committed(&brokers, GROUP, TOPIC) == Some(end)).then_some(())
    })
    .await;
    assert_eq!(
        (stage(&api, &first_job).await, stage(&api, &second_job).await),
        ("failed".into(), "failed".into())
    );

    // Now it is sent back in time. The letter that was sent back already stays.
    let done = redrive(&api, json!({"document_id": first})).await;
    assert_eq!((done["matched"].as_i64(), done["redriven"].as_i64()), (Some(2), Some(1)), "{done:#}");
    assert_eq!(
        (text(&done["skipped"][0], "reason"), done["skipped"][0]["count"].as_i64()),
        ("already_redriven".into(), Some(1))
    );
    completes(&api, &first_job).await;
    let job = api.get(&format!("/api/v2/documents/status/{first_job}")).await.body;
    assert!(job.get("failure").is_none(), "{job:#}");

    // Any Kafka client will do: what a "copy message" of a Kafka UI writes.
    let copies = raw::records(&brokers, LETTERS);
    let copy = copies.iter().find(|letter| letter.key.as_deref() == Some(second.as_bytes())).unwrap();
    raw::append(&brokers, TOPIC, &raw::Record { partition: 0, ..copy.clone() }).await;
    completes(&api, &second_job).await;
    for (question, document) in [("page that tells of storms", &first), ("page that tells of fog", &second)] {
        let found = api.post("/api/v2/search", &json!({"query": question, "top_k": 1})).await.body;
        assert_eq!(&text(&found["passages"][0], "document_id"), document);
    }

    // On record.
    let audit = api.get("/api/v2/dead-letters/redrives").await.body;
    let audit = audit["redrives"].as_array().unwrap();
    assert_eq!(audit.len(), 2, "dry runs leave no trace");
    assert_eq!(
        (audit[0]["redriven"].as_i64(), audit[0]["skipped"]["already_redriven"].as_i64()),
        (Some(1), Some(1))
    );
    assert_eq!(audit[0]["filter"], json!({"document_id": first}));
    let entry = api.get(&text(&audit[1], "link")).await.body;
    assert_eq!(entry["letters"][0]["original"], json!({"topic": TOPIC, "partition": 0, "offset": 0}));
    assert_eq!(entry["letters"][0]["sent_to"]["offset"], again[0]["original"]["offset"]);
    assert_eq!(letters(&api, "redriven=true").await.len(), 2);

    the_command_line(&api, &first);
    node.process.interrupt().await;
}

fn the_command_line(api: &Api, document: &str) {
    let list = stdout(&dlq(api, &["list", "--topic", TOPIC]));
    assert!(list.contains("extraction_out_of_memory") && list.contains(document), "{list}");
    let page: Value = serde_json::from_str(&stdout(&dlq(api, &["list", "--limit", "1", "--json"]))).unwrap();
    let letter = &page["letters"][0];
    let place = format!("{}/{}/{}", text(letter, "topic"), letter["partition"], letter["offset"]);
    let more = stdout(&dlq(api, &["list", "--limit", "1"]));
    let before =
        more.lines().last().unwrap().split("--before ").nth(1).expect("it says how to go on").to_owned();
    let rest = stdout(&dlq(api, &["list", "--before", &before, "--json"]));
    assert_eq!(serde_json::from_str::<Value>(&rest).unwrap()["letters"].as_array().unwrap().len(), 2);
    let nothing = stdout(&dlq(api, &["list", "--error-class", "none", "--since", "2026-01-01T00:00:00Z"]));
    assert!(nothing.contains("no dead letters"), "{nothing}");

    let shown = stdout(&dlq(api, &["show", &place]));
    for part in [place.as_str(), "x-original-topic", "ingest_requested", "out_of_memory"] {
        assert!(shown.contains(part), "no {part} in {shown}");
    }

    let plan = stdout(&dlq(api, &["redrive", "--document-id", document, "--dry-run"]));
    assert!(plan.contains("2 letters match, 0 would be sent back, 2 left out"), "{plan}");
    assert!(plan.contains("2 already_redriven"), "{plan}");
    let refused = dlq(api, &["redrive", "--letter", &place]);
    assert_eq!(refused.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--yes"));
    let forced = stdout(&dlq(api, &["redrive", "--letter", &place, "--force", "--yes", "--json"]));
    let forced: Value = serde_json::from_str(&forced).unwrap();
    assert_eq!((forced["redriven"].as_i64(), forced["dry_run"].as_bool()), (Some(1), Some(false)));
    let unknown = dlq(api, &["list", "--topic", "secrets"]);
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("no topic with dead letters"));
}
