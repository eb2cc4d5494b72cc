//! Which lane a job goes by, on a real PostgreSQL.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ragstream_core::{
    document::{Blob, Document, DocumentRef},
    id::JobId,
    lane::{EXPRESS_JOBS, EXPRESS_MAX_BYTES, Lane},
    ports::{
        ControlRecords, Controlled, IngestionLedger, Intake, JobCommand, JobControl, NewUpload, Outbox,
        Outgoing, Removed,
    },
};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_testkit::{MemoryPublisher, fresh_database};

/// An upload of a collection.
fn of(collection: &str, name: &str, priority: i16) -> NewUpload {
    NewUpload { collection: collection.into(), priority, ..upload(name, None) }
}

fn sized(upload: NewUpload, size: u64) -> NewUpload {
    NewUpload { blob: Blob { size, ..upload.blob.clone() }, ..upload }
}

async fn lane_of(ledger: &Ledger, job: JobId) -> Lane {
    ledger.job(job).await.unwrap().unwrap().lane
}

async fn lane(ledger: &Ledger, upload: NewUpload) -> Lane {
    let job = accept(ledger, upload).await.document.job_id;
    lane_of(ledger, job).await
}

struct Records;

impl ControlRecords for Records {
    fn request(&self, document: &Document, lane: Lane) -> Outgoing {
        record(&document.reference, lane)
    }

    fn gone(&self, _: &Removed) -> Vec<Outgoing> {
        Vec::new()
    }

    fn deleted(&self, _: &Removed) -> Vec<Outgoing> {
        Vec::new()
    }
}

async fn command(ledger: &Ledger, document: &DocumentRef, command: JobCommand) {
    let done = ledger.control(document.job_id, command, &Records).await.unwrap();
    assert!(matches!(done, Controlled::Done(_)), "{done:?}");
}

/// The topics of the records that wait, in order.
async fn requested(ledger: &Ledger) -> Vec<String> {
    let log = MemoryPublisher::default();
    ledger.relay(&log, 1000).await.unwrap();
    let topics = ["doc-ingest-requests", "doc-ingest-requests.bulk"];
    topics.into_iter().flat_map(|topic| log.of_topic(topic)).map(|record| record.topic).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn priority_and_size_decide_and_the_request_goes_to_that_topic() {
    let ledger = ledger().await;
    for (priority, size, expected) in [
        (9, EXPRESS_MAX_BYTES + 1, Lane::Express),
        (7, 1, Lane::Express),
        (6, EXPRESS_MAX_BYTES, Lane::Express),
        (5, EXPRESS_MAX_BYTES + 1, Lane::Bulk),
        (3, 1, Lane::Express),
        (2, 1, Lane::Bulk),
        (0, 1, Lane::Bulk),
    ] {
        let upload = sized(of("a", &format!("{priority}-{size}"), priority), size);
        let job = accept(&ledger, upload).await.document.job_id;
        let status = ledger.job(job).await.unwrap().unwrap();
        assert_eq!((status.priority, status.lane), (priority, expected), "{priority} {size}");
        let topic = ragstream_core::topics::ingest_requests(expected);
        assert_eq!(requested(&ledger).await, [topic], "{priority} {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_with_much_under_way_overflows_and_comes_back_when_it_is_done() {
    let ledger = ledger().await;
    let mut express = Vec::new();
    for i in 0..EXPRESS_JOBS {
        express.push(accept(&ledger, of("heavy", &format!("h{i}"), 5)).await.document);
        assert_eq!(lane_of(&ledger, express[i as usize].job_id).await, Lane::Express, "{i}");
    }
    assert_eq!(lane(&ledger, of("heavy", "over", 5)).await, Lane::Bulk);
    assert_eq!(lane(&ledger, of("light", "l", 5)).await, Lane::Express, "each collection has its own");
    assert_eq!(lane(&ledger, of("heavy", "urgent", 9)).await, Lane::Express, "urgent is urgent");
    // Neither the end of the one nor its place in the other counts twice.
    command(&ledger, &express[0], JobCommand::Cancel).await;
    assert_eq!(lane(&ledger, of("heavy", "still over", 5)).await, Lane::Bulk, "the urgent one counts");
    command(&ledger, &express[1], JobCommand::Pause).await;
    assert_eq!(lane(&ledger, of("heavy", "again", 5)).await, Lane::Express, "one is held");
    assert_eq!(lane(&ledger, of("heavy", "once", 5)).await, Lane::Bulk);
    // Whatever ends work there makes room: here failures, and all chunks being in the log.
    for document in &express[2..5] {
        let (id, version) = (document.document_id, document.version);
        ledger.begin_attempt(id, version).await.unwrap().unwrap();
        let given_up = given_up("doc-ingest-requests/0/1");
        assert!(ledger.fail_job(id, version, &given_up, &leaves_nothing).await.unwrap());
    }
    for i in 0..3 {
        assert_eq!(lane(&ledger, of("heavy", &format!("room {i}"), 5)).await, Lane::Express);
    }
    assert_eq!(lane(&ledger, of("heavy", "full", 5)).await, Lane::Bulk);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_keeps_its_lane_through_pause_resume_failure_and_retry() {
    let ledger = ledger().await;
    for (priority, topic) in [(0, "doc-ingest-requests.bulk"), (9, "doc-ingest-requests")] {
        let document = accept(&ledger, of("a", topic, priority)).await.document;
        assert_eq!(requested(&ledger).await, [topic]);
        command(&ledger, &document, JobCommand::Pause).await;
        command(&ledger, &document, JobCommand::Resume).await;
        assert_eq!(requested(&ledger).await, [topic], "resumed");
        let (id, version) = (document.document_id, document.version);
        ledger.begin_attempt(id, version).await.unwrap().unwrap();
        let given_up = given_up(&format!("{topic}/0/1"));
        assert!(ledger.fail_job(id, version, &given_up, &leaves_nothing).await.unwrap());
        command(&ledger, &document, JobCommand::Retry).await;
        assert_eq!(requested(&ledger).await, [topic], "tried again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_of_one_moment_go_express_up_to_a_few_too_many() {
    let ledger = ledger().await;
    let uploads = (0..100).map(|i| accept(&ledger, of("heavy", &format!("h{i}"), 5)));
    let accepted = futures::future::join_all(uploads).await;
    let mut express = 0;
    for accepted in &accepted {
        express += u32::from(lane_of(&ledger, accepted.document.job_id).await == Lane::Express);
    }
    // 16 connections: no more can be between their question and their commit.
    assert!((EXPRESS_JOBS..=EXPRESS_JOBS + 16).contains(&express), "{express}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_from_before_there_were_lanes_gets_them_and_keeps_its_rows() {
    let url = fresh_database("").await;
    let ledger = Ledger::new(&LedgerConfig::new(&url)).unwrap();
    ledger.apply_schema().await.unwrap();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let old = accept(&ledger, of("a", "old", 0)).await.document;
    // As it was: this takes the index along.
    client.execute("ALTER TABLE document_jobs DROP COLUMN lane, DROP COLUMN collection", &[]).await.unwrap();
    let ledger = Ledger::new(&LedgerConfig::new(&url)).unwrap();
    ledger.apply_schema().await.unwrap();
    ledger.apply_schema().await.unwrap();
    assert_eq!(lane_of(&ledger, old.job_id).await, Lane::Express, "its record is in that topic");
    assert_eq!(lane(&ledger, of("a", "new", 0)).await, Lane::Bulk);
    let refused = client.execute("UPDATE document_jobs SET lane = 'third'", &[]).await;
    assert!(refused.is_err());
    let index = client.query_one("SELECT to_regclass('document_jobs_express') IS NOT NULL", &[]).await;
    assert!(index.unwrap().get::<_, bool>(0));
}
