//! Dead letters in the rows: which were sent back, and what that reopens.
#![allow(clippy::unwrap_used)]

use ragstream_core::{
    chunk::{Chunk, ChunkStatus},
    document::{Blob, DocumentRef},
    id::{BatchId, ChunkId, DocumentId, JobId, RedriveId, Version},
    job::JobStage,
    ports::{
        CommitPlan, EmbeddingLedger, GivenUp, IndexLedger, IngestionLedger, Intake, JobFailure, Lineage,
        NewUpload, Outbox, Outgoing, Place, Placement, Redrive, RedriveLedger, RedrivenLetter,
    },
};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_testkit::{MemoryPublisher, fresh_database};
use std::collections::BTreeMap;

async fn ledger() -> Ledger {
    let ledger = Ledger::new(&LedgerConfig::new(fresh_database("").await)).unwrap();
    ledger.apply_schema().await.unwrap();
    ledger
}

fn place(offset: i64) -> Place {
    Place { topic: "chunk-processing".into(), partition: 3, offset }
}

fn letter(original: i64) -> RedrivenLetter {
    RedrivenLetter {
        original: place(original),
        letter: Place { topic: "chunk-processing.dlq".into(), partition: 0, offset: original * 10 },
        sent_offset: original + 1_000,
    }
}

fn redrive(redriven: u32, skipped: &[(&str, u32)]) -> Redrive {
    Redrive {
        id: RedriveId::generate(),
        at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        correlation_id: "c".into(),
        filter: serde_json::json!({ "error_class": "inference", "n": [1] }),
        force: true,
        matched: 9,
        redriven,
        skipped: skipped.iter().map(|(reason, count)| ((*reason).to_owned(), *count)).collect(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_back_is_on_record_by_its_original_place() {
    let ledger = ledger().await;
    let first = redrive(2, &[("no_origin", 7)]);
    ledger.record_redrive(&first, &[letter(1), letter(2)]).await.unwrap();
    // Told twice, after an answer that was lost.
    ledger.record_redrive(&first, &[letter(1), letter(2)]).await.unwrap();
    let second = redrive(1, &[]);
    ledger.record_redrive(&second, &[letter(2)]).await.unwrap();

    let asked = [place(1), place(2), place(3), Place { partition: 4, ..place(1) }];
    let redriven = ledger.redriven(&asked).await.unwrap();
    let times: BTreeMap<_, _> = redriven.iter().map(|(place, known)| (place.offset, known.times)).collect();
    assert_eq!(times, BTreeMap::from([(1, 1), (2, 2)]));
    assert!(redriven[&place(2)].at >= redriven[&place(1)].at);
    assert!(ledger.redriven(&[]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_has_every_redrive_newest_first_with_its_counts_and_letters() {
    let ledger = ledger().await;
    let mut all = Vec::new();
    for n in 0..5 {
        let one = redrive(n, &[("already_redriven", n)]);
        ledger.record_redrive(&one, &[]).await.unwrap();
        all.push(one);
    }
    // A redrive goes on: its counts are set to what they are by now.
    all[4].redriven = 2;
    all[4].skipped.insert("no_origin".into(), 1);
    ledger.record_redrive(&all[4], &[letter(2), letter(1)]).await.unwrap();
    all.reverse();
    let page = ledger.redrives(None, 2).await.unwrap();
    assert_eq!(page, all[..2]);
    assert_eq!(ledger.redrives(Some(page[1].id), 10).await.unwrap(), all[2..]);

    let (shown, letters) = ledger.redrive(all[0].id).await.unwrap().unwrap();
    assert_eq!((&shown, letters), (&all[0], vec![letter(1), letter(2)]));
    assert!(ledger.redrive(RedriveId::generate()).await.unwrap().is_none());
}

/// A job with this many chunks.
async fn chunked(ledger: &Ledger, count: u32) -> (DocumentRef, Vec<ChunkId>) {
    let id = DocumentId::generate();
    let upload = NewUpload {
        document_id: id,
        job_id: JobId::generate(),
        batch_id: BatchId::generate(),
        collection: "default".into(),
        external_id: None,
        filename: "a.txt".into(),
        content_type: "text/plain".into(),
        metadata: Default::default(),
        priority: 5,
        blob: Blob { key: format!("uploads/{id}"), size: 3, sha256: id.to_string() },
        correlation_id: "c".into(),
    };
    let record = |document: &DocumentRef, _| outgoing(&document.document_id.to_string());
    let document = ledger.accept(upload, &record).await.unwrap().document;
    let version = document.version;
    assert!(ledger.begin_attempt(id, version).await.unwrap().is_some());
    assert!(ledger.begin_chunking(id, version).await.unwrap());
    let chunks: Vec<Chunk> = (0..count)
        .map(|position| Chunk {
            id: ChunkId::derive(id, version, "c", position),
            position,
            text: "text".into(),
            span: 0..4,
            page: None,
            headings: vec![],
            tokens: 1,
        })
        .collect();
    assert!(
        ledger.record_chunks(id, version, &chunks, chunks.len() as u32, &Lineage::default()).await.unwrap()
    );
    (document, chunks.into_iter().map(|chunk| chunk.id).collect())
}

fn outgoing(key: &str) -> Outgoing {
    Outgoing {
        topic: "doc-ingest-requests".into(),
        key: key.to_owned(),
        value: None,
        headers: vec![],
        placement: Placement::ByKey,
    }
}

fn given_up(place: &str) -> GivenUp {
    let failure = JobFailure { class: "inference".into(), message: "the model failed".into() };
    GivenUp { failure, place: place.to_owned() }
}

async fn stage(ledger: &Ledger, document: &DocumentRef) -> JobStage {
    ledger.job(document.job_id).await.unwrap().unwrap().stage
}

async fn status(ledger: &Ledger, document: &DocumentRef) -> BTreeMap<ChunkStatus, u32> {
    ledger.job(document.job_id).await.unwrap().unwrap().chunks
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_are_sent_back_at_the_same_time_reopen_their_job_whoever_is_last() {
    let ledger = ledger().await;
    for _ in 0..20 {
        let (document, chunks) = chunked(&ledger, 8).await;
        for chunk in &chunks {
            EmbeddingLedger::fail_chunk(&ledger, *chunk, &given_up("chunk-processing/0/1")).await.unwrap();
        }
        assert_eq!(stage(&ledger, &document).await, JobStage::Failed);
        let workers = chunks.iter().map(|chunk| {
            let (ledger, chunk) = (ledger.clone(), *chunk);
            tokio::spawn(async move { ledger.reopen_chunks(&[(chunk, "chunk-processing/0/2".into())]).await })
        });
        for worker in futures::future::join_all(workers).await {
            worker.unwrap().unwrap();
        }
        assert_eq!(stage(&ledger, &document).await, JobStage::Embedding);
        assert_eq!(status(&ledger, &document).await, BTreeMap::from([(ChunkStatus::Pending, 8)]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_by_which_a_chunk_failed_does_not_reopen_it() {
    let ledger = ledger().await;
    let (document, chunks) = chunked(&ledger, 1).await;
    IndexLedger::fail_chunk(&ledger, chunks[0], &given_up("chunk-embeddings/0/1")).await.unwrap();
    ledger.reopen(&[(chunks[0], "chunk-embeddings/0/1".into())]).await.unwrap();
    assert_eq!(stage(&ledger, &document).await, JobStage::Failed, "it was only read again");
    ledger.reopen(&[(chunks[0], "chunk-embeddings/0/2".into())]).await.unwrap();
    assert_eq!(stage(&ledger, &document).await, JobStage::Embedding);
    assert!(ledger.job(document.job_id).await.unwrap().unwrap().failure.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_is_whole_by_a_letter_gets_its_marker_by_the_outbox() {
    let ledger = ledger().await;
    let publisher = MemoryPublisher::default();
    let (document, chunks) = chunked(&ledger, 2).await;
    ledger.relay(&publisher, 100).await.unwrap();
    let version = (document.document_id, document.version);
    let marker = |plan: &CommitPlan| {
        assert_eq!((plan.version, plan.chunk_count), (Version(1), 2));
        vec![outgoing(&format!("marker of {}", plan.document_id))]
    };
    // An index gives one up before the pool has marked it: the pool finds no whole version.
    IndexLedger::fail_chunk(&ledger, chunks[0], &given_up("chunk-embeddings/0/1")).await.unwrap();
    ledger.mark_embedded(&[(chunks[0], 0, 1), (chunks[1], 0, 2)], "m").await.unwrap();
    assert!(ledger.begin_commit(&[version]).await.unwrap().is_empty());

    ledger.commit_whole(&[version], &marker).await.unwrap();
    assert_eq!(ledger.relay(&publisher, 100).await.unwrap(), 0, "not whole, and its job failed");
    ledger.reopen(&[(chunks[0], "chunk-embeddings/0/3".into())]).await.unwrap();
    ledger.commit_whole(&[version], &marker).await.unwrap();
    assert_eq!(ledger.relay(&publisher, 100).await.unwrap(), 0, "not whole yet");
    ledger.mark_indexed(&[chunks[0]], &[]).await.unwrap();
    ledger.commit_whole(&[version], &marker).await.unwrap();
    assert_eq!(ledger.relay(&publisher, 100).await.unwrap(), 1);
    assert_eq!(stage(&ledger, &document).await, JobStage::Indexing);
    ledger.mark_indexed(&chunks, &[version]).await.unwrap();
    assert_eq!(stage(&ledger, &document).await, JobStage::Complete);
    // A replay.
    ledger.commit_whole(&[version], &marker).await.unwrap();
    assert_eq!(ledger.relay(&publisher, 100).await.unwrap(), 0);
}
