//! Two transactions at once, each held where the other could slip in between.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ragstream_core::{
    chunk::{Chunk, ChunkStatus},
    document::DocumentRef,
    id::Version,
    job::JobStage,
    ports::{EmbeddingLedger, IngestionLedger, Intake},
};
use ragstream_postgres::Ledger;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// How long anything may take: far more than it does.
const PATIENCE: Duration = Duration::from_secs(25);

/// Waits until so many transactions wait for locks, or this one waits for none and is done.
async fn until_waiting<T>(holder: &Client, count: i64, or_done: &JoinHandle<T>) {
    let deadline = Instant::now() + PATIENCE;
    while !or_done.is_finished() {
        // Else it stays as this transaction saw it first.
        holder.batch_execute("SELECT pg_stat_clear_snapshot()").await.unwrap();
        let waiting = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid IN
                       (SELECT pid FROM pg_stat_activity WHERE datname = current_database())";
        if holder.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) >= count {
            return;
        }
        assert!(Instant::now() < deadline, "never {count} that wait");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An update that has written everything but its record, and goes on once `holder` lets it.
async fn held_update(ledger: &Ledger, holder: &Client, name: &'static str) -> JoinHandle<DocumentRef> {
    holder.batch_execute("BEGIN; LOCK TABLE outbox IN EXCLUSIVE MODE").await.unwrap();
    let ledger = ledger.clone();
    let update =
        tokio::spawn(async move { accept(&ledger, upload(&format!("{name}-2"), Some(name))).await.document });
    until_waiting(holder, 1, &update).await;
    update
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_that_comes_back_during_an_update_does_not_reopen_the_old_version() {
    let (ledger, holder) = ledger_and_client().await;
    let old = accept(&ledger, upload("job-1", Some("job"))).await.document;
    let (id, version) = (old.document_id, old.version);
    assert!(ledger.fail_job(id, version, &given_up("t/0/1"), &leaves_nothing).await.unwrap());
    let update = held_update(&ledger, &holder, "job").await;

    let late = ledger.clone();
    let late = tokio::spawn(async move { late.reopen_job(id, version, "t/0/2").await });
    until_waiting(&holder, 2, &late).await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    let new = update.await.unwrap();
    assert_eq!((new.document_id, new.version), (id, Version(2)));
    assert!(!late.await.unwrap().unwrap(), "it is not the current version any more");
    assert_eq!(stage(&ledger, &old).await, JobStage::Failed);
    assert_eq!(stage(&ledger, &new).await, JobStage::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunks_letter_that_comes_back_during_an_update_does_not_reopen_the_old_version() {
    let (ledger, holder) = ledger_and_client().await;
    let old = accept(&ledger, upload("chunk-1", Some("chunk"))).await.document;
    let all = chunked(&ledger, &old, 2).await;
    assert!(EmbeddingLedger::fail_chunk(&ledger, all[0].id, &given_up("c/0/1")).await.unwrap());
    let update = held_update(&ledger, &holder, "chunk").await;

    let (late, chunk) = (ledger.clone(), all[0].id);
    let late = tokio::spawn(async move { late.reopen_chunks(&[(chunk, "c/0/2".into())]).await });
    until_waiting(&holder, 2, &late).await;
    holder.batch_execute("ROLLBACK").await.unwrap();
    let new = update.await.unwrap();
    late.await.unwrap().unwrap();
    assert_eq!(stage(&ledger, &old).await, JobStage::Failed);
    assert_eq!(stage(&ledger, &new).await, JobStage::Accepted);
    let job = ledger.job(old.job_id).await.unwrap().unwrap();
    assert_eq!(job.chunks[&ChunkStatus::Failed], 1, "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_does_not_go_on_while_one_chunk_comes_back_and_another_fails() {
    let (ledger, holder) = ledger_and_client().await;
    let document = accept(&ledger, upload("two", None)).await.document;
    let all: Vec<Chunk> = chunked(&ledger, &document, 2).await;
    let (first, second) = (all[0].id, all[1].id);
    assert!(EmbeddingLedger::fail_chunk(&ledger, first, &given_up("c/0/1")).await.unwrap());
    // Its failure has begun, and waits for the row.
    holder.batch_execute("BEGIN").await.unwrap();
    holder
        .execute("SELECT FROM document_chunks WHERE chunk_id::text = $1 FOR UPDATE", &[&second.to_string()])
        .await
        .unwrap();
    let failing = ledger.clone();
    let failing =
        tokio::spawn(async move { EmbeddingLedger::fail_chunk(&failing, second, &given_up("c/0/2")).await });
    until_waiting(&holder, 1, &failing).await;
    let reopening = ledger.clone();
    let reopening = tokio::spawn(async move { reopening.reopen_chunks(&[(first, "c/0/3".into())]).await });
    until_waiting(&holder, 2, &reopening).await;
    holder.batch_execute("ROLLBACK").await.unwrap();

    assert!(failing.await.unwrap().unwrap());
    reopening.await.unwrap().unwrap();
    let job = ledger.job(document.job_id).await.unwrap().unwrap();
    assert_eq!((job.stage, job.chunks[&ChunkStatus::Failed]), (JobStage::Failed, 1), "{job:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_waits_for_the_worker_that_records_chunks_and_not_the_worker_for_it() {
    let (ledger, holder) = ledger_and_client().await;
    let old = accept(&ledger, upload("busy-1", Some("busy"))).await.document;
    // A worker has the job's row, and is about to refer to the document's.
    holder.batch_execute("BEGIN").await.unwrap();
    let job = old.job_id.0.to_string();
    let begin = "UPDATE document_jobs SET stage = 'embedding' WHERE job_id::text = $1";
    holder.execute(begin, &[&job]).await.unwrap();
    let updating = ledger.clone();
    let update =
        tokio::spawn(async move { accept(&updating, upload("busy-2", Some("busy"))).await.document });
    until_waiting(&holder, 1, &update).await;
    let refer = "INSERT INTO document_chunks (chunk_id, document_id, version, position, span_start, span_end,
                                              tokens)
                 SELECT gen_random_uuid(), document_id, version, 0, 0, 1, 1 FROM document_jobs
                  WHERE job_id::text = $1";
    // Less than the server takes to call two that wait for each other a deadlock.
    holder.batch_execute("SET LOCAL lock_timeout = '500ms'").await.unwrap();
    holder.execute(refer, &[&job]).await.unwrap();
    holder.batch_execute("COMMIT").await.unwrap();

    let new = update.await.unwrap();
    assert_eq!((new.document_id, new.version), (old.document_id, Version(2)));
    assert_eq!(stage(&ledger, &old).await, JobStage::Cancelled);
}
