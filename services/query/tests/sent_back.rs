//! Records that an index refused, and that are sent back once the cause is gone: their
//! rows and their job follow, on a real log and real rows.
#![allow(clippy::unwrap_used)]

use ragstream_core::{
    chunk::{Chunk, ChunkStatus},
    document::{Blob, DocumentRef},
    event::ChunkEmbedded,
    fault::Result,
    id::{BatchId, ChunkId, DocumentId, JobId},
    job::JobStage,
    ports::{
        DeadLetterLog, Embedder, EmbeddingLedger, IngestionLedger, Intake, JobStatus, Lineage, LogEnds,
        ModelInfo, NewUpload, Outbox, Outgoing, Placement, Publisher, RawPublisher, RawRecord, StoredRecord,
    },
    topics::{EMBEDDINGS, dead_letters_of, header},
    trace::TraceContext,
};
use ragstream_kafka::{
    KafkaConfig, KafkaDeadLetterLog, KafkaDeadLetters, KafkaPublisher, TopicSettings, ensure_topics,
    view_source,
};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_proto::encode::{self, Origin};
use ragstream_query::{Ports, QueryConfig};
use ragstream_runtime::{
    health::{Health, Status},
    tasks::{TaskError, Tasks},
};
use ragstream_testkit::{MemoryBlobs, fresh_database, unique};
use std::{
    collections::BTreeMap,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;

const MODEL: &str = "test-model";

/// A model of which only the vectors' length matters here.
struct Model(ModelInfo);

impl Embedder for Model {
    fn model(&self) -> &ModelInfo {
        &self.0
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Result<Vec<f32>>>> {
        Ok(texts.iter().map(|_| Ok(unit(self.0.dimension))).collect())
    }

    fn tokens(&self, text: &str) -> Result<usize> {
        Ok(text.split_whitespace().count())
    }
}

fn unit(dimension: usize) -> Vec<f32> {
    (0..dimension).map(|i| if i == 0 { 1.0 } else { 0.0 }).collect()
}

/// Asks until there is an answer; a test that waits this long has failed.
async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, probe: impl Fn() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(90);
    loop {
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct World {
    kafka: KafkaConfig,
    publisher: Arc<KafkaPublisher>,
    ledger: Ledger,
}

struct Node {
    token: CancellationToken,
    running: JoinHandle<Result<(), TaskError>>,
    _dir: TempDir,
}

impl Node {
    async fn stop(self) {
        self.token.cancel();
        self.running.await.unwrap().unwrap();
    }
}

impl World {
    async fn new() -> Self {
        let kafka = KafkaConfig::new(ragstream_testkit::kafka().await.bootstrap());
        ensure_topics(&kafka, TopicSettings { partitions: 1, replication: 1 }).await.unwrap();
        let ledger = Ledger::new(&LedgerConfig::new(fresh_database("").await)).unwrap();
        ledger.apply_schema().await.unwrap();
        Self { publisher: Arc::new(KafkaPublisher::new(&kafka).unwrap()), kafka, ledger }
    }

    /// A new query node, with an index of its own, for vectors of this length.
    async fn node(&self, dimension: usize) -> Node {
        let dir = tempfile::tempdir().unwrap();
        let (kafka, observer) = (self.kafka.clone(), unique("observer"));
        let model = ModelInfo { name: MODEL.into(), dimension, max_tokens: 256 };
        let ports = Ports {
            models: ragstream_query::Models::default(),
            open_log: Box::new(move |start, _| view_source(&kafka, EMBEDDINGS, start, observer.clone())),
            ends: self.publisher.clone(),
            dead_letters: Arc::new(KafkaDeadLetters::new(&self.publisher)),
            ledger: Arc::new(self.ledger.clone()),
            blobs: Arc::new(MemoryBlobs::new()),
            node: unique("node"),
            embedder: Arc::new(Model(model)),
            health: Health::default(),
        };
        let config = QueryConfig { snapshot_dir: dir.path().join("index"), ..QueryConfig::default() };
        let token = CancellationToken::new();
        let mut tasks = Tasks::new(token.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let health = ragstream_query::run(config, ports, listener, &mut tasks).await.unwrap();
        let running = tokio::spawn(tasks.join(Duration::from_secs(30)));
        eventually("the node has caught up", || async {
            (health.report().await.status == Status::Up).then_some(())
        })
        .await;
        Node { token, running, _dir: dir }
    }

    async fn job(&self, document: &DocumentRef) -> JobStatus {
        self.ledger.job(document.job_id).await.unwrap().unwrap()
    }

    async fn reaches(&self, document: &DocumentRef, stage: JobStage) -> JobStatus {
        eventually(&format!("the stage {stage}"), || async {
            // What the gateway does all the time.
            self.ledger.relay(&*self.publisher, 100).await.unwrap();
            Some(self.job(document).await).filter(|job| job.stage == stage)
        })
        .await
    }

    /// A version whose chunks are in the log, embedded with vectors of length 3.
    async fn embedded(&self, count: u32) -> (DocumentRef, Vec<ChunkId>) {
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
        let ignored = |document: &DocumentRef, _| Outgoing {
            topic: "doc-ingest-requests".into(),
            key: document.document_id.to_string(),
            value: None,
            headers: vec![],
            placement: Placement::ByKey,
        };
        let document = self.ledger.accept(upload, &ignored).await.unwrap().document;
        let version = document.version;
        self.ledger.begin_attempt(id, version).await.unwrap().unwrap();
        assert!(self.ledger.begin_chunking(id, version).await.unwrap());
        let chunks: Vec<Chunk> = (0..count)
            .map(|position| Chunk {
                id: ChunkId::derive(id, version, "c", position),
                position,
                text: format!("text {position}"),
                span: 0..4,
                page: None,
                headings: vec![],
                tokens: 1,
            })
            .collect();
        assert!(
            self.ledger
                .record_chunks(id, version, &chunks, chunks.len() as u32, &Lineage::default())
                .await
                .unwrap()
        );
        let origin = Origin { correlation_id: "c".into(), trace: TraceContext::root() };
        let records = chunks.iter().map(|chunk| {
            let (document, chunk) = (document.clone(), chunk.clone());
            let event = ChunkEmbedded { document, chunk, model: MODEL.into(), vector: unit(3) };
            encode::chunk_embedded(&event, &origin)
        });
        self.publisher.append(records.collect()).await.unwrap();
        (document, chunks.into_iter().map(|chunk| chunk.id).collect())
    }

    /// All letters, once there are this many.
    async fn letters(&self, count: usize) -> Vec<StoredRecord> {
        let topic = dead_letters_of(EMBEDDINGS);
        eventually(&format!("{count} letters"), || async {
            let end = self.publisher.ends(&topic).await.unwrap()[&0].end;
            let mut reader = KafkaDeadLetterLog::new(&self.kafka).open().unwrap();
            let records = reader.read(&topic, 0, 0..end, usize::MAX).await.unwrap().records;
            assert!(records.len() <= count, "{} letters", records.len());
            Some(records).filter(|records| records.len() == count)
        })
        .await
    }

    /// What any tool does that copies a message: key, value and headers.
    async fn copy_back(&self, letters: &[StoredRecord]) {
        let copies: Vec<RawRecord> = letters
            .iter()
            .map(|letter| RawRecord {
                topic: EMBEDDINGS.into(),
                key: letter.key.clone(),
                value: letter.value.clone(),
                headers: letter.headers.clone(),
                placement: Placement::At(letter.header(header::ORIGINAL_PARTITION).unwrap().parse().unwrap()),
            })
            .collect();
        for outcome in self.publisher.append_raw(&copies).await.unwrap() {
            outcome.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_was_refused_and_is_sent_back_brings_its_chunk_and_its_job_back() {
    let world = World::new().await;
    let (document, chunks) = world.embedded(2).await;
    let version = (document.document_id, document.version);

    // This node was given another model: it refuses both, before the pool has marked them.
    let wrong = world.node(4).await;
    let job = world.reaches(&document, JobStage::Failed).await;
    assert_eq!(job.failure.unwrap().class, "unusable_vector");
    let first = world.letters(2).await;
    let failed = BTreeMap::from([(ChunkStatus::Failed, 2)]);
    eventually("both failed", || async { (world.job(&document).await.chunks == failed).then_some(()) }).await;
    let rows: Vec<_> = chunks.iter().enumerate().map(|(i, id)| (*id, 0, i as i64)).collect();
    world.ledger.mark_embedded(&rows, MODEL).await.unwrap();
    assert!(world.ledger.begin_commit(&[version]).await.unwrap().is_empty(), "so the pool writes no marker");

    // Sent back too early: they fail again, as new records, and their job with them.
    world.copy_back(&first).await;
    let letters = world.letters(4).await;
    eventually("both failed", || async { (world.job(&document).await.chunks == failed).then_some(()) }).await;
    world.reaches(&document, JobStage::Failed).await;
    wrong.stop().await;

    // The cause is gone: the index has them, and still they count as failed, until
    // somebody sends them back.
    let right = world.node(3).await;
    assert_eq!(world.job(&document).await.stage, JobStage::Failed);
    world.copy_back(&letters[2..]).await;
    let job = world.reaches(&document, JobStage::Complete).await;
    assert_eq!(job.chunks, BTreeMap::from([(ChunkStatus::Indexed, 2)]));
    assert!(job.failure.is_none());

    // Whoever reads all of it from the beginning changes nothing, whatever it makes of it.
    right.stop().await;
    world.node(3).await.stop().await;
    world.node(4).await.stop().await;
    world.ledger.relay(&*world.publisher, 100).await.unwrap();
    let job = world.job(&document).await;
    assert_eq!((job.stage, job.chunks), (JobStage::Complete, BTreeMap::from([(ChunkStatus::Indexed, 2)])));
}
