//! Uploads and chunks for the tests of the ledgers.
#![allow(clippy::unwrap_used, dead_code)]

use ragstream_core::{
    chunk::Chunk,
    document::{Blob, DocumentRef},
    id::{BatchId, ChunkId, DocumentId, JobId},
    job::JobStage,
    lane::Lane,
    ports::{
        Accepted, GivenUp, IngestionLedger, Intake, JobFailure, Lineage, NewUpload, Outgoing, Placement,
    },
    topics::ingest_requests,
};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_testkit::fresh_database;
use tokio_postgres::{Client, NoTls};

pub async fn ledger() -> Ledger {
    ledger_and_client().await.0
}

/// A database of its own, and a connection past the ledger.
pub async fn ledger_and_client() -> (Ledger, Client) {
    let url = fresh_database("").await;
    let ledger = Ledger::new(&LedgerConfig::new(&url)).unwrap();
    ledger.apply_schema().await.unwrap();
    // A second role starts later.
    ledger.apply_schema().await.unwrap();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    (ledger, client)
}

pub fn upload(sha256: &str, external_id: Option<&str>) -> NewUpload {
    NewUpload {
        document_id: DocumentId::generate(),
        job_id: JobId::generate(),
        batch_id: BatchId::generate(),
        collection: "default".into(),
        external_id: external_id.map(Into::into),
        filename: "a.txt".into(),
        content_type: "text/plain".into(),
        metadata: serde_json::json!({"k": [1, "ü"]}).as_object().unwrap().clone(),
        priority: 5,
        blob: Blob { key: format!("uploads/{sha256}"), size: 3, sha256: sha256.into() },
        correlation_id: "c".into(),
    }
}

pub fn given_up(place: &str) -> GivenUp {
    let failure = JobFailure { class: "chunk_too_long".into(), message: "too long".into() };
    GivenUp { failure, place: place.into() }
}

/// For failures of what has no chunks.
pub fn leaves_nothing(chunks: &[ChunkId]) -> Vec<Outgoing> {
    assert!(chunks.is_empty(), "{chunks:?}");
    Vec::new()
}

pub fn record(document: &DocumentRef, lane: Lane) -> Outgoing {
    Outgoing {
        topic: ingest_requests(lane).into(),
        key: document.document_id.to_string(),
        value: Some(document.version.to_string().into_bytes().into()),
        headers: vec![("h".into(), "v".into())],
        placement: Placement::ByKey,
    }
}

pub async fn accept(ledger: &Ledger, upload: NewUpload) -> Accepted {
    ledger.accept(upload, &record).await.unwrap()
}

pub fn chunks(document: &DocumentRef, count: u32) -> Vec<Chunk> {
    (0..count)
        .map(|position| Chunk {
            id: ChunkId::derive(document.document_id, document.version, "c", position),
            position,
            text: "text".into(),
            span: u64::from(position)..u64::from(position) + 4,
            page: Some(1),
            headings: vec!["One, \"two\"".into()],
            tokens: 1,
        })
        .collect()
}

pub async fn chunked(ledger: &Ledger, document: &DocumentRef, count: u32) -> Vec<Chunk> {
    let (id, version) = (document.document_id, document.version);
    assert!(ledger.begin_attempt(id, version).await.unwrap().is_some());
    assert!(ledger.begin_chunking(id, version).await.unwrap());
    let chunks = chunks(document, count);
    assert!(
        ledger.record_chunks(id, version, &chunks, chunks.len() as u32, &Lineage::default()).await.unwrap()
    );
    chunks
}

pub async fn stage(ledger: &Ledger, document: &DocumentRef) -> JobStage {
    ledger.job(document.job_id).await.unwrap().unwrap().stage
}
