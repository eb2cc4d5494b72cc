//! What the rows say of chunks, on a real PostgreSQL.
#![allow(clippy::unwrap_used)]

use futures::TryStreamExt;
use ragstream_core::{
    chunk::{Chunk, ChunkStatus},
    document::{Blob, DocumentRef},
    id::{BatchId, ChunkId, DocumentId, JobId, Version},
    job::JobStage,
    ports::{
        Census, CensusRow, EmbeddingLedger, IndexLedger, IngestionLedger, Intake, Lineage, NewUpload, Outbox,
        Outgoing, Placement, RowState, Suspect,
    },
};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_testkit::{MemoryPublisher, fresh_database};

async fn upload(
    ledger: &Ledger,
    sha256: &str,
    external_id: &str,
    chunks: u32,
) -> (DocumentRef, Vec<ChunkId>) {
    let upload = NewUpload {
        document_id: DocumentId::generate(),
        job_id: JobId::generate(),
        batch_id: BatchId::generate(),
        collection: "default".into(),
        external_id: Some(external_id.into()),
        filename: "a.txt".into(),
        content_type: "text/plain".into(),
        metadata: Default::default(),
        priority: 5,
        blob: Blob { key: format!("uploads/{sha256}"), size: 3, sha256: sha256.into() },
        correlation_id: "c".into(),
    };
    let request = |document: &DocumentRef, _| Outgoing {
        topic: "doc-ingest-requests".into(),
        key: document.document_id.to_string(),
        value: None,
        headers: vec![],
        placement: Placement::ByKey,
    };
    let document = ledger.accept(upload, &request).await.unwrap().document;
    let (id, version) = (document.document_id, document.version);
    ledger.begin_attempt(id, version).await.unwrap().unwrap();
    let chunks: Vec<_> = (0..chunks)
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

async fn complete(ledger: &Ledger, document: &DocumentRef, chunks: &[ChunkId]) {
    let places: Vec<_> = chunks.iter().map(|id| (*id, 0, 7)).collect();
    ledger.mark_embedded(&places, "m").await.unwrap();
    let version = (document.document_id, document.version);
    let plans = ledger.begin_commit(&[version]).await.unwrap();
    ledger.finish_commit(&plans, &|_| Vec::new()).await.unwrap();
    ledger.mark_indexed(chunks, &[version]).await.unwrap();
}

fn suspect(document: &DocumentRef, chunk: ChunkId) -> Suspect {
    Suspect { chunk_id: Some(chunk), document_id: document.document_id, version: document.version }
}

async fn ledger() -> Ledger {
    let ledger = Ledger::new(&LedgerConfig::new(fresh_database("").await)).unwrap();
    ledger.apply_schema().await.unwrap();
    ledger
}

async fn relay_all(ledger: &Ledger) {
    while ledger.relay(&MemoryPublisher::new(), 100).await.unwrap() > 0 {}
}

#[tokio::test(flavor = "multi_thread")]
async fn the_census_has_the_chunks_of_visible_versions() {
    let ledger = ledger().await;
    let (first, old) = upload(&ledger, "a", "x", 3).await;
    assert_eq!(ledger.visible_rows().try_collect::<Vec<_>>().await.unwrap(), [], "nothing is visible yet");
    complete(&ledger, &first, &old).await;
    // An update on its way does not count.
    upload(&ledger, "b", "x", 2).await;
    // More than a statement gives at once, one of them not as it should be.
    let (large, many) = upload(&ledger, "c", "y", 10_500).await;
    complete(&ledger, &large, &many[1..]).await;
    ledger.mark_indexed(&[], &[(large.document_id, large.version)]).await.unwrap();

    let mut found: Vec<CensusRow> = ledger.visible_rows().try_collect().await.unwrap();
    found.sort_by_key(|row| row.chunk_id);
    let expected = |document: &DocumentRef, chunk: &ChunkId| CensusRow {
        chunk_id: *chunk,
        document_id: document.document_id,
        version: document.version,
        indexed: *chunk != many[0],
    };
    let of_first = old.iter().map(|chunk| expected(&first, chunk));
    let mut all: Vec<_> = of_first.chain(many.iter().map(|chunk| expected(&large, chunk))).collect();
    all.sort_by_key(|row| row.chunk_id);
    assert_eq!(found.len(), all.len());
    assert_eq!(found, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_says_what_is_known_and_what_is_under_way() {
    let ledger = ledger().await;
    let (first, old) = upload(&ledger, "a", "x", 1).await;
    relay_all(&ledger).await;
    let known = |status, stage, moving| RowState {
        status,
        document_known: true,
        stage: Some(stage),
        moving,
        ..RowState::default()
    };
    let look = async |suspect| ledger.look(&[suspect]).await.unwrap()[0];
    let mine = suspect(&first, old[0]);
    assert_eq!(look(mine).await, known(Some(ChunkStatus::Pending), JobStage::Embedding, true));
    complete(&ledger, &first, &old).await;
    let visible = RowState { visible: true, ..known(Some(ChunkStatus::Indexed), JobStage::Complete, false) };
    assert_eq!(look(mine).await, visible);
    let marker = Suspect { chunk_id: None, ..mine };
    assert_eq!(look(marker).await, RowState { status: None, ..visible });

    // An update is on its way: first its request, then its chunks, which move nothing of
    // what is visible until they take its place.
    let (second, new) = upload(&ledger, "b", "x", 1).await;
    assert!(look(mine).await.moving, "a record waits in the outbox");
    relay_all(&ledger).await;
    assert_eq!(look(mine).await, visible);
    ledger.mark_embedded(&[(new[0], 0, 9)], "m").await.unwrap();
    let plans = ledger.begin_commit(&[(second.document_id, second.version)]).await.unwrap();
    assert!(look(mine).await.moving, "the update takes its place");
    ledger.finish_commit(&plans, &|_| Vec::new()).await.unwrap();
    ledger.mark_indexed(&new, &[(second.document_id, second.version)]).await.unwrap();
    let over = RowState { retired: true, ..known(None, JobStage::Complete, false) };
    assert_eq!(look(mine).await, over);

    // In order, and nothing is known of what never was.
    let stranger = suspect(&DocumentRef { document_id: DocumentId::generate(), ..first.clone() }, old[0]);
    let stranger = Suspect { chunk_id: Some(ChunkId::generate()), ..stranger };
    let states = ledger.look(&[stranger, suspect(&second, new[0]), stranger]).await.unwrap();
    assert_eq!(states, [RowState::default(), visible, RowState::default()]);
    assert_eq!(second.version, Version(2));
}
