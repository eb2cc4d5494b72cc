//! A query node's inside on a log and rows in memory.
#![allow(clippy::unwrap_used)]

use crate::{
    rebuild::{Parts, Rebuilder},
    snapshots::Snapshots,
    view::{
        Generation, Standing, View,
        feed::{Feeds, keep},
        watch_catch_up,
    },
};
use async_trait::async_trait;
use ragstream_api::{
    documents::Span,
    search::{LegScore, Legs, Passage},
};
use ragstream_core::{
    chunk::Chunk,
    document::DocumentRef,
    event::{ChunkEmbedded, VersionCommitted},
    fault::{Fault, Result},
    id::{ChunkId, DocumentId, JobId, Version},
    ports::{CommitRecords, GivenUp, IndexLedger, LogEnds, Outgoing},
    topics::EMBEDDINGS,
    trace::TraceContext,
};
use ragstream_index::{Index, IndexConfig};
use ragstream_proto::encode::{self, Origin};
use ragstream_worker::{
    CommitMode, DeadLetter, DeadLetters, Event, Message, Position, Source, TopicPartition,
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

/// A passage that the vector leg found first.
pub(crate) fn passage(text: &str, similarity: f32) -> Passage {
    Passage {
        document_id: Uuid::nil(),
        external_id: None,
        chunk_id: Uuid::nil(),
        score: 0.1,
        text: text.into(),
        page: None,
        span: Span { start: 0, end: text.len() as u64 },
        filename: "a.md".into(),
        collection: "default".into(),
        version: 1,
        headings: Vec::new(),
        metadata: Default::default(),
        legs: Legs { vector: Some(LegScore { rank: 1, score: similarity }), keyword: None, rerank: None },
        snippet: None,
        context: None,
    }
}

pub(crate) const DIMENSION: usize = 4;
const PARTITIONS: i32 = 3;

/// A topic in memory.
#[derive(Default)]
pub(crate) struct MemoryLog(Mutex<BTreeMap<i32, Vec<Message>>>);

impl MemoryLog {
    /// A document of so many chunks, and its marker.
    pub(crate) fn document(&self, document: DocumentId, chunks: u32) {
        self.chunks(
            document,
            (0..chunks).map(|position| chunk("default", document, position, "words", vec![1.0; DIMENSION])),
        );
    }

    /// A document of these texts, each with its vector, and its marker.
    pub(crate) fn texts(&self, document: DocumentId, texts: &[(&str, Vec<f32>)]) {
        self.texts_in("default", document, texts);
    }

    /// The same in this collection.
    pub(crate) fn texts_in(&self, collection: &str, document: DocumentId, texts: &[(&str, Vec<f32>)]) {
        let chunks = texts.iter().zip(0..);
        self.chunks(
            document,
            chunks.map(|((text, vector), position)| {
                chunk(collection, document, position, text, vector.clone())
            }),
        );
    }

    fn chunks(&self, document: DocumentId, chunks: impl Iterator<Item = Outgoing>) {
        let mut count = 0;
        for record in chunks {
            self.append(document, record);
            count += 1;
        }
        let marker = VersionCommitted {
            document_id: document,
            version: Version(1),
            job_id: JobId::generate(),
            chunk_count: count,
        };
        self.append(document, encode::version_committed(&marker, &origin()));
    }

    /// A record that nobody can read.
    pub(crate) fn nonsense(&self, document: DocumentId) {
        let record = encode::document_deleted(document, &origin());
        self.append(document, Outgoing { value: Some("\u{ff}".into()), ..record });
    }

    fn append(&self, document: DocumentId, record: Outgoing) {
        let partition = i32::from(document.0.as_bytes()[15]) % PARTITIONS;
        let mut log = self.0.lock().unwrap();
        let records = log.entry(partition).or_default();
        records.push(Message {
            topic: EMBEDDINGS.into(),
            partition,
            offset: records.len() as i64,
            timestamp_ms: 0,
            key: Some(record.key.into()),
            value: record.value,
            headers: vec![],
            attempt: 1,
        });
    }

    fn record(&self, partition: i32, offset: i64) -> Option<Message> {
        self.0.lock().unwrap().get(&partition)?.get(offset as usize).cloned()
    }
}

#[async_trait]
impl LogEnds for MemoryLog {
    async fn ends(&self, _: &str) -> Result<BTreeMap<i32, Range<i64>>> {
        let log = self.0.lock().unwrap();
        let end = |partition| log.get(&partition).map_or(0, |records| records.len() as i64);
        Ok((0..PARTITIONS).map(|partition| (partition, 0..end(partition))).collect())
    }
}

fn origin() -> Origin {
    Origin { correlation_id: "c".into(), trace: TraceContext::root() }
}

pub(crate) fn chunk_id(document: DocumentId, position: u32) -> ChunkId {
    ChunkId::derive(document, Version(1), "c", position)
}

fn chunk(collection: &str, document: DocumentId, position: u32, text: &str, vector: Vec<f32>) -> Outgoing {
    let event = ChunkEmbedded {
        document: DocumentRef {
            document_id: document,
            version: Version(1),
            job_id: JobId::generate(),
            collection: collection.into(),
            external_id: None,
            filename: "a.txt".into(),
            content_type: "text/plain".into(),
            metadata: Default::default(),
        },
        chunk: Chunk {
            id: chunk_id(document, position),
            position,
            text: text.into(),
            span: 0..text.len() as u64,
            page: None,
            headings: vec![],
            tokens: 1,
        },
        model: "m".into(),
        vector,
    };
    encode::chunk_embedded(&event, &origin())
}

/// Reads all of a [`MemoryLog`].
struct Reader {
    log: Arc<MemoryLog>,
    next: BTreeMap<i32, i64>,
    paused: BTreeSet<i32>,
    first: bool,
    events: VecDeque<Event>,
}

impl Source for Reader {
    fn poll(&mut self, timeout: Duration) -> Result<Option<Event>> {
        if std::mem::take(&mut self.first) {
            let all = (0..PARTITIONS).map(|partition| TopicPartition::new(EMBEDDINGS, partition));
            return Ok(Some(Event::Assigned(all.collect())));
        }
        if self.events.is_empty() {
            for partition in (0..PARTITIONS).filter(|partition| !self.paused.contains(partition)) {
                let next = self.next.entry(partition).or_default();
                if let Some(message) = self.log.record(partition, *next) {
                    *next += 1;
                    self.events.push_back(Event::Message(message));
                }
            }
        }
        let event = self.events.pop_front();
        if event.is_none() {
            std::thread::sleep(timeout.min(Duration::from_millis(2)));
        }
        Ok(event)
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.paused.extend(partitions.iter().map(|at| at.partition));
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        for at in partitions {
            self.paused.remove(&at.partition);
        }
        Ok(())
    }

    fn commit(&mut self, _: &[Position], _: CommitMode) -> Result<()> {
        Ok(())
    }

    fn release(&mut self, _: &[TopicPartition]) -> Result<()> {
        Ok(())
    }

    fn close(&mut self) {}
}

/// Rows that remember how often each chunk was reported.
#[derive(Default)]
pub(crate) struct MemoryRows {
    pub(crate) chunks: Mutex<BTreeMap<ChunkId, usize>>,
    pub(crate) versions: Mutex<BTreeMap<DocumentId, usize>>,
    /// The database is away.
    pub(crate) away: AtomicBool,
}

impl MemoryRows {
    /// How often each chunk was reported: the numbers that there are.
    pub(crate) fn times(&self) -> BTreeSet<usize> {
        self.chunks.lock().unwrap().values().copied().collect()
    }
}

#[async_trait]
impl IndexLedger for MemoryRows {
    async fn mark_indexed(&self, chunks: &[ChunkId], complete: &[(DocumentId, Version)]) -> Result<()> {
        if self.away.load(Ordering::Relaxed) {
            return Err(Fault::unavailable("postgres_unavailable", "away for this test"));
        }
        let mut counts = self.chunks.lock().unwrap();
        chunks.iter().for_each(|id| *counts.entry(*id).or_default() += 1);
        let mut counts = self.versions.lock().unwrap();
        complete.iter().for_each(|(id, _)| *counts.entry(*id).or_default() += 1);
        Ok(())
    }

    async fn fail_chunk(&self, _: ChunkId, _: &GivenUp) -> Result<bool> {
        Ok(true)
    }

    async fn reopen(&self, _: &[(ChunkId, String)]) -> Result<()> {
        Ok(())
    }

    async fn commit_whole(&self, _: &[(DocumentId, Version)], _: &CommitRecords<'_>) -> Result<()> {
        Ok(())
    }
}

/// Counts dead letters.
#[derive(Default)]
pub(crate) struct Letters(pub(crate) AtomicUsize);

#[async_trait]
impl DeadLetters for Letters {
    async fn send(&self, _: &DeadLetter) -> Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// A node without its HTTP.
pub(crate) struct Rig {
    pub(crate) log: Arc<MemoryLog>,
    pub(crate) rows: Arc<MemoryRows>,
    pub(crate) letters: Arc<Letters>,
    pub(crate) view: Arc<View>,
    pub(crate) snapshots: Arc<Snapshots>,
    pub(crate) rebuilder: Arc<Rebuilder>,
    pub(crate) dir: TempDir,
    pub(crate) settings: IndexConfig,
    token: CancellationToken,
    _ends: DropGuard,
}

impl Rig {
    /// Nothing is in its log, and nobody looks how far it is.
    pub(crate) fn new() -> Self {
        let settings = IndexConfig { dimension: DIMENSION, build_threads: 1, ..IndexConfig::default() };
        let (log, rows, letters) =
            (Arc::<MemoryLog>::default(), Arc::<MemoryRows>::default(), Arc::default());
        let token = CancellationToken::new();
        let (source, dead_letters): (_, Arc<Letters>) = (log.clone(), letters);
        let feeds = Arc::new(Feeds {
            open_log: Box::new(move |next, _| {
                let (log, paused) = (source.clone(), BTreeSet::new());
                Ok(Box::new(Reader { log, next, paused, first: true, events: VecDeque::new() }))
            }),
            dead_letters: dead_letters.clone(),
            ledger: rows.clone(),
            token: token.clone(),
        });
        let news = Arc::new(watch::Sender::new(0));
        let index = Index::new(settings.clone()).unwrap();
        let live = Arc::new(Generation::new(0, index, Standing::Live, news.clone()));
        let feed = feeds.start(live, None).unwrap();
        let view = Arc::new(View::new(&feed, news.clone()));
        let (switched, next) = mpsc::channel(1);
        tokio::spawn(keep(feed, next, token.clone()));
        let dir = tempfile::tempdir().unwrap();
        let snapshots = Arc::new(Snapshots::new(view.clone(), dir.path().to_owned()));
        let rebuilder = Arc::new(Rebuilder::new(Parts {
            view: view.clone(),
            news,
            feeds,
            settings: settings.clone(),
            ends: log.clone(),
            snapshots: snapshots.clone(),
            switched,
        }));
        tokio::spawn(rebuilder.clone().run(token.clone()));
        let _ends = token.clone().drop_guard();
        Self { log, rows, letters: dead_letters, view, snapshots, rebuilder, dir, settings, token, _ends }
    }

    /// Looks how far it is, and waits until it has caught up.
    pub(crate) async fn caught_up(&self) {
        tokio::spawn(watch_catch_up(self.view.clone(), self.log.clone(), self.token.clone()));
        self.until("it has caught up", || self.view.require_caught_up().is_ok()).await;
    }

    /// Waits for a condition; a test that waits this long has failed.
    pub(crate) async fn until(&self, what: &str, condition: impl Fn() -> bool) {
        let waits = async {
            while !condition() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(90), waits).await;
        assert!(waited.is_ok(), "never happened: {what}");
    }
}
