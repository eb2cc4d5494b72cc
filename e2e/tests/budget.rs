//! The error budget: a release for which everything fails stops before it drains a topic,
//! and the next one makes good what it left.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::text,
    process::{Standalone, repository},
    raw,
};
use ragstream_testkit::{fresh_database, kafka, s3};
use serde_json::json;
use std::collections::BTreeSet;

const DOCUMENTS: usize = 90;
/// Of the loop's defaults.
const BUDGET: usize = 50;

/// As a release would whose statements do not fit the schema.
const BROKEN: &str = "
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'this release does not fit'; END $$;
    CREATE TRIGGER refuse BEFORE INSERT ON document_chunks EXECUTE FUNCTION refuse();";

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_for_which_everything_fails_stops_and_what_it_gave_up_can_be_redriven() {
    let dir = tempfile::tempdir().unwrap();
    let brokers = kafka().await.bootstrap();
    let schema = std::fs::read_to_string(repository().join("init-db.sql")).unwrap();
    let postgres = fresh_database(&format!("{schema}{BROKEN}")).await;
    let parts = [
        ("RAGSTREAM_KAFKA", brokers.clone()),
        ("RAGSTREAM_POSTGRES", postgres.clone()),
        ("RAGSTREAM_S3", s3().await.url()),
        // What is under way when the budget is used up may be given up too.
        ("RAGSTREAM_INGESTION_CONCURRENCY", "2".to_owned()),
    ];
    let mut node = Standalone::start_with(dir.path(), &parts).await;
    let names: Vec<String> = (0..DOCUMENTS).map(|i| format!("ship-{i}.txt")).collect();
    let files = names.iter().map(|name| (name.as_str(), format!("The log of {name} is short.").into_bytes()));
    // Urgent: all in one topic, whose letters are counted.
    let uploads = node.api.upload_many(files, &[("priority", "9")]).await;
    assert_eq!(uploads.status, 202, "{uploads:?}");
    let jobs: Vec<String> =
        uploads.body["files"].as_array().unwrap().iter().map(|file| text(file, "job_id")).collect();

    // What an operator sees: the process ends, with a code and a reason.
    let status = node.process.end().await;
    assert_eq!(status.code(), Some(1), "{}", node.process.log());
    let log = node.process.log();
    let alarm = log.lines().find(|line| line.contains("worker stopped by itself")).expect(&log);
    assert!(alarm.contains("ERROR") && alarm.contains("ragstream-ingestion"), "{alarm}");
    for part in ["50 messages in a row ran out of attempts", "database_refused", "this release does not fit"]
    {
        assert!(alarm.contains(part), "no {part:?} in {alarm}");
    }
    assert!(log.contains("ragstream: ingestion failed"), "{log}");
    let letters = raw::records(&brokers, "doc-ingest-requests.dlq");
    let given_up: BTreeSet<_> = letters.iter().map(|letter| letter.key.clone()).collect();
    assert!((BUDGET..DOCUMENTS).contains(&given_up.len()), "{} were given up", given_up.len());
    assert!(letters.iter().all(|letter| letter.header("x-attempts") == "5"));

    // A release that fits: what was not given up goes on by itself, the rest by its letters.
    let (client, connection) = tokio_postgres::connect(&postgres, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("DROP TRIGGER refuse ON document_chunks").await.unwrap();
    let node = Standalone::start_with(dir.path(), &parts).await;
    let body = json!({"topic": "doc-ingest-requests", "error_class": "database_refused"});
    let done = node.api.post("/api/v2/dead-letters/redrive", &body).await.body;
    assert_eq!(done["redriven"].as_u64(), Some(given_up.len() as u64), "{done:#}");
    for job in &jobs {
        ragstream_e2e::eventually("completion", || async {
            let job = node.api.get(&format!("/api/v2/documents/status/{job}")).await.body;
            (job["stage"] == "complete").then_some(())
        })
        .await;
    }
}
