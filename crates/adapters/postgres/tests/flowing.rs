//! Texts whose chunks come while they are still being read: nothing is whole before its end.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ragstream_core::{
    chunk::{Chunk, ChunkStatus},
    document::DocumentRef,
    id::ChunkId,
    job::JobStage,
    ports::{EmbeddingLedger, IngestionLedger, Intake, Lineage, Outgoing, Placement, Wanted},
};
use ragstream_postgres::Ledger;

/// A version that is being read, its first chunks on record; all of its chunks.
async fn begun(ledger: &Ledger, name: &str, first: usize, all: u32) -> (DocumentRef, Vec<Chunk>) {
    let document = accept(ledger, upload(name, None)).await.document;
    let (id, version) = (document.document_id, document.version);
    assert!(!ledger.begin_attempt(id, version).await.unwrap().unwrap().has_chunks);
    assert!(ledger.begin_chunking(id, version).await.unwrap());
    let chunks = chunks(&document, all);
    assert!(ledger.add_chunks(id, version, &chunks[..first]).await.unwrap());
    (document, chunks)
}

async fn embed(ledger: &Ledger, chunks: &[Chunk]) {
    let rows: Vec<_> = chunks.iter().map(|chunk| (chunk.id, 0, i64::from(chunk.position))).collect();
    assert!(ledger.mark_embedded(&rows, "model").await.unwrap().is_empty());
}

/// Chunks by which the version's marker would say that it is whole.
async fn whole(ledger: &Ledger, document: &DocumentRef) -> Option<u32> {
    let plans = ledger.begin_commit(&[(document.document_id, document.version)]).await.unwrap();
    plans.first().map(|plan| plan.chunk_count)
}

async fn end(ledger: &Ledger, document: &DocumentRef, last: &[Chunk], total: u32) {
    let (id, version) = (document.document_id, document.version);
    assert!(ledger.record_chunks(id, version, last, total, &Lineage::default()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_is_not_whole_before_its_text_is_at_its_end() {
    let ledger = ledger().await;
    let (document, chunks) = begun(&ledger, "long", 2, 3).await;
    embed(&ledger, &chunks[..2]).await;
    assert_eq!(whole(&ledger, &document).await, None);
    assert_eq!(stage(&ledger, &document).await, JobStage::Chunking);
    end(&ledger, &document, &chunks[2..], 3).await;
    assert_eq!(whole(&ledger, &document).await, None);
    embed(&ledger, &chunks[2..]).await;

    // Read once more by a worker that did not know: not whole until it comes to the end too.
    let (id, version) = (document.document_id, document.version);
    assert!(ledger.begin_attempt(id, version).await.unwrap().unwrap().has_chunks);
    assert!(ledger.begin_chunking(id, version).await.unwrap());
    assert_eq!(whole(&ledger, &document).await, None);
    assert!(ledger.add_chunks(id, version, &chunks[..2]).await.unwrap());
    end(&ledger, &document, &chunks[2..], 3).await;
    assert_eq!(whole(&ledger, &document).await, Some(3));
    assert!(!ledger.add_chunks(id, version, &chunks[..2]).await.unwrap(), "it is about to be visible");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_breaks_off_takes_its_chunks_along() {
    let (ledger, client) = ledger_and_client().await;
    let (document, chunks) = begun(&ledger, "broken", 2, 3).await;
    embed(&ledger, &chunks[..1]).await;
    let (id, version) = (document.document_id, document.version);
    let tombstone = |chunk: &ChunkId| Outgoing {
        topic: "chunk-embeddings".into(),
        key: chunk.to_string(),
        value: None,
        headers: Vec::new(),
        placement: Placement::ByKey,
    };
    let tombstones = |chunks: &[ChunkId]| chunks.iter().map(tombstone).collect();
    assert!(ledger.fail_job(id, version, &given_up("t/0/1"), &tombstones).await.unwrap());
    let sql = "SELECT key FROM outbox WHERE topic = 'chunk-embeddings' ORDER BY key";
    let told: Vec<String> = client.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let mut gone: Vec<_> = chunks[..2].iter().map(|chunk| chunk.id.to_string()).collect();
    gone.sort();
    assert_eq!(told, gone);
    // What comes late of them is over for good.
    let late = (chunks[1].id, id, version);
    assert_eq!(ledger.wanted(&[late]).await.unwrap(), [Wanted::Gone]);
    assert_eq!(ledger.mark_embedded(&[(chunks[1].id, 0, 1)], "model").await.unwrap(), [chunks[1].id]);
    assert!(!ledger.add_chunks(id, version, &chunks).await.unwrap());
    assert!(!ledger.fail_job(id, version, &given_up("t/0/1"), &leaves_nothing).await.unwrap());

    // One that was whole keeps its chunks: they are in the log.
    let (document, chunks) = begun(&ledger, "whole", 1, 2).await;
    end(&ledger, &document, &chunks[1..], 2).await;
    let (id, version) = (document.document_id, document.version);
    assert!(ledger.fail_job(id, version, &given_up("t/0/2"), &leaves_nothing).await.unwrap());
    assert_eq!(ledger.chunks(id, 0, 9).await.unwrap().1.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_fails_early_fails_its_job_at_the_end_and_can_be_sent_back() {
    let ledger = ledger().await;
    let (document, chunks) = begun(&ledger, "early", 2, 3).await;
    assert!(EmbeddingLedger::fail_chunk(&ledger, chunks[0].id, &given_up("c/0/1")).await.unwrap());
    assert_eq!(stage(&ledger, &document).await, JobStage::Chunking);
    end(&ledger, &document, &chunks[2..], 3).await;
    let job = ledger.job(document.job_id).await.unwrap().unwrap();
    assert_eq!((job.stage, job.failure), (JobStage::Failed, Some(given_up("c/0/1").failure)));
    embed(&ledger, &chunks[1..]).await;

    ledger.reopen_chunks(&[(chunks[0].id, "c/0/2".into())]).await.unwrap();
    assert_eq!(stage(&ledger, &document).await, JobStage::Embedding);
    embed(&ledger, &chunks[..1]).await;
    assert_eq!(whole(&ledger, &document).await, Some(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_that_fails_while_its_text_ends_always_fails_its_job() {
    let ledger = ledger().await;
    for round in 0..40 {
        let (document, chunks) = begun(&ledger, &format!("race-{round}"), 2, 3).await;
        let (first, failing) = (chunks[0].id, ledger.clone());
        let fail = tokio::spawn(async move {
            EmbeddingLedger::fail_chunk(&failing, first, &given_up("c/0/1")).await.unwrap()
        });
        end(&ledger, &document, &chunks[2..], 3).await;
        assert!(fail.await.unwrap());
        let job = ledger.job(document.job_id).await.unwrap().unwrap();
        assert_eq!((job.stage, job.chunks[&ChunkStatus::Failed]), (JobStage::Failed, 1), "round {round}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_other_settings_are_known_by_their_positions() {
    let ledger = ledger().await;
    let (document, mut chunks) = begun(&ledger, "settings", 4, 4).await;
    let (id, version) = (document.document_id, document.version);
    let old: Vec<_> = chunks.iter().map(|chunk| chunk.id).collect();
    for chunk in &mut chunks[1..] {
        chunk.id = ChunkId::derive(id, version, "other", chunk.position);
    }
    let mut outdated = ledger.outdated_chunks(id, version, 0..2, &chunks[..2]).await.unwrap();
    assert_eq!(outdated, old[1..2]);
    // The last of the new ones: what lies behind it too.
    outdated = ledger.outdated_chunks(id, version, 2..u32::MAX, &chunks[2..3]).await.unwrap();
    outdated.sort();
    let mut rest = old[2..].to_vec();
    rest.sort();
    assert_eq!(outdated, rest);
    ledger.forget_chunks(&rest).await.unwrap();
    assert_eq!(ledger.chunks(id, 0, 9).await.unwrap().1.len(), 2);
}
