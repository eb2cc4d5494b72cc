//! The decorators: each passes its points and leaves the rest to the port behind it.

use super::{
    gate::Gate,
    plan::{Action, Point},
};
use async_trait::async_trait;
use ragstream_core::{
    chunk::Chunk,
    fault::Result,
    id::{ChunkId, DocumentId, Version},
    ports::{
        Appended, Attempt, CommitPlan, CommitRecords, Embedder, EmbeddingLedger, GivenUp, IndexLedger,
        IngestionLedger, Lineage, ModelInfo, Outgoing, Probe, Publisher, Tombstones, Wanted,
    },
};
use ragstream_worker::{CommitMode, Event, Message, Position, Source, TopicPartition};
use std::{
    collections::VecDeque,
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

pub(super) struct FaultyPublisher {
    pub(super) inner: Arc<dyn Publisher>,
    pub(super) gate: Gate,
}

#[async_trait]
impl Probe for FaultyPublisher {
    fn component(&self) -> &'static str {
        self.inner.component()
    }

    async fn probe(&self) -> Result<()> {
        self.gate.check()?;
        self.inner.probe().await
    }
}

#[async_trait]
impl Publisher for FaultyPublisher {
    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Appended>> {
        self.gate.check()?;
        let appended = self.inner.append(records).await?;
        self.gate.pass(Point::AfterPublish).await?;
        Ok(appended)
    }
}

pub(super) struct FaultyEmbedder {
    pub(super) inner: Arc<dyn Embedder>,
    pub(super) gate: Gate,
}

impl Embedder for FaultyEmbedder {
    fn model(&self) -> &ModelInfo {
        self.inner.model()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Result<Vec<f32>>>> {
        self.gate.check()?;
        self.gate.pass_blocking(Point::Embed)?;
        self.inner.embed(texts)
    }

    fn tokens(&self, text: &str) -> Result<usize> {
        self.inner.tokens(text)
    }

    fn embed_question(&self, question: &str) -> Result<Vec<f32>> {
        self.gate.check()?;
        self.gate.pass_blocking(Point::Embed)?;
        self.inner.embed_question(question)
    }
}

/// Any of the ledgers; reads pass no point.
pub(super) struct FaultyLedger<L: ?Sized> {
    pub(super) inner: Arc<L>,
    pub(super) gate: Gate,
}

impl<L: ?Sized> FaultyLedger<L> {
    /// Lets a write take place, unless an outage lasts, and passes the point after it.
    async fn write<T>(&self, write: impl Future<Output = Result<T>>) -> Result<T> {
        self.gate.check()?;
        let written = write.await?;
        self.gate.pass(Point::AfterEffect).await?;
        Ok(written)
    }
}

#[async_trait]
impl IngestionLedger for FaultyLedger<dyn IngestionLedger> {
    async fn is_wanted(&self, document_id: DocumentId, version: Version) -> Result<bool> {
        self.gate.check()?;
        self.inner.is_wanted(document_id, version).await
    }

    async fn begin_attempt(&self, document_id: DocumentId, version: Version) -> Result<Option<Attempt>> {
        self.write(self.inner.begin_attempt(document_id, version)).await
    }

    async fn resume_attempt(&self, document_id: DocumentId, version: Version) -> Result<Option<Attempt>> {
        self.gate.check()?;
        self.inner.resume_attempt(document_id, version).await
    }

    async fn begin_chunking(&self, document_id: DocumentId, version: Version) -> Result<bool> {
        self.write(self.inner.begin_chunking(document_id, version)).await
    }

    async fn outdated_chunks(
        &self,
        document_id: DocumentId,
        version: Version,
        positions: Range<u32>,
        chunks: &[Chunk],
    ) -> Result<Vec<ChunkId>> {
        self.gate.check()?;
        self.inner.outdated_chunks(document_id, version, positions, chunks).await
    }

    async fn forget_chunks(&self, chunks: &[ChunkId]) -> Result<()> {
        self.write(self.inner.forget_chunks(chunks)).await
    }

    async fn add_chunks(&self, document_id: DocumentId, version: Version, chunks: &[Chunk]) -> Result<bool> {
        self.write(self.inner.add_chunks(document_id, version, chunks)).await
    }

    async fn record_chunks(
        &self,
        document_id: DocumentId,
        version: Version,
        last: &[Chunk],
        total: u32,
        lineage: &Lineage,
    ) -> Result<bool> {
        self.write(self.inner.record_chunks(document_id, version, last, total, lineage)).await
    }

    async fn fail_job(
        &self,
        document_id: DocumentId,
        version: Version,
        given_up: &GivenUp,
        tombstones: &Tombstones<'_>,
    ) -> Result<bool> {
        self.write(self.inner.fail_job(document_id, version, given_up, tombstones)).await
    }

    async fn reopen_job(&self, document_id: DocumentId, version: Version, place: &str) -> Result<bool> {
        self.write(self.inner.reopen_job(document_id, version, place)).await
    }
}

#[async_trait]
impl EmbeddingLedger for FaultyLedger<dyn EmbeddingLedger> {
    async fn wanted(&self, chunks: &[(ChunkId, DocumentId, Version)]) -> Result<Vec<Wanted>> {
        self.gate.check()?;
        self.inner.wanted(chunks).await
    }

    async fn mark_embedded(&self, chunks: &[(ChunkId, i32, i64)], model: &str) -> Result<Vec<ChunkId>> {
        self.write(self.inner.mark_embedded(chunks, model)).await
    }

    async fn begin_commit(&self, versions: &[(DocumentId, Version)]) -> Result<Vec<CommitPlan>> {
        self.write(self.inner.begin_commit(versions)).await
    }

    async fn finish_commit(&self, plans: &[CommitPlan], farewell: &CommitRecords<'_>) -> Result<()> {
        self.write(self.inner.finish_commit(plans, farewell)).await
    }

    async fn fail_chunk(&self, chunk_id: ChunkId, given_up: &GivenUp) -> Result<bool> {
        self.write(self.inner.fail_chunk(chunk_id, given_up)).await
    }

    async fn reopen_chunks(&self, chunks: &[(ChunkId, String)]) -> Result<()> {
        self.write(self.inner.reopen_chunks(chunks)).await
    }
}

#[async_trait]
impl IndexLedger for FaultyLedger<dyn IndexLedger> {
    async fn mark_indexed(&self, chunks: &[ChunkId], complete: &[(DocumentId, Version)]) -> Result<()> {
        self.write(self.inner.mark_indexed(chunks, complete)).await
    }

    async fn fail_chunk(&self, chunk_id: ChunkId, given_up: &GivenUp) -> Result<bool> {
        self.write(self.inner.fail_chunk(chunk_id, given_up)).await
    }

    async fn reopen(&self, chunks: &[(ChunkId, String)]) -> Result<()> {
        self.write(self.inner.reopen(chunks)).await
    }

    async fn commit_whole(
        &self,
        versions: &[(DocumentId, Version)],
        records: &CommitRecords<'_>,
    ) -> Result<()> {
        self.write(self.inner.commit_whole(versions, records)).await
    }
}

/// A consumer. Messages that a fault keeps back wait in order; polling goes on, so that
/// partitions can move away meanwhile, and take what is kept of them along.
pub(super) struct FaultySource {
    pub(super) inner: Box<dyn Source>,
    pub(super) gate: Gate,
    pub(super) kept: VecDeque<Message>,
    pub(super) kept_until: Option<Instant>,
}

impl FaultySource {
    fn keep(&mut self, message: Message, time: Duration) {
        self.kept.push_back(message);
        self.kept_until = Some(Instant::now() + time);
    }

    fn is_keeping(&self) -> bool {
        self.kept_until.is_some_and(|until| Instant::now() < until)
    }

    fn message(&mut self, message: Message) -> Result<Option<Event>> {
        match self.gate.strike(Point::BeforeHandle) {
            Some(Action::Unavailable(time)) => {
                self.keep(message, time);
                self.gate.close(time);
                self.gate.check().map(|()| None)
            }
            Some(Action::Hold(time) | Action::Delay(time)) => {
                self.keep(message, time);
                Ok(None)
            }
            Some(Action::Crash) | None => Ok(Some(Event::Message(message))),
        }
    }
}

impl Source for FaultySource {
    fn poll(&mut self, timeout: Duration) -> Result<Option<Event>> {
        self.gate.check()?;
        if !self.is_keeping()
            && let Some(message) = self.kept.pop_front()
        {
            return Ok(Some(Event::Message(message)));
        }
        match self.inner.poll(timeout)? {
            Some(Event::Message(message)) if self.is_keeping() => {
                self.kept.push_back(message);
                Ok(None)
            }
            Some(Event::Message(message)) => self.message(message),
            Some(Event::Revoked { partitions, lost }) => {
                self.kept.retain(|message| !partitions.contains(&message.topic_partition()));
                Ok(Some(Event::Revoked { partitions, lost }))
            }
            event => Ok(event),
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.pause(partitions)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.resume(partitions)
    }

    fn commit(&mut self, positions: &[Position], mode: CommitMode) -> Result<()> {
        self.gate.check()?;
        self.gate.pass_blocking(Point::BeforeCommit)?;
        self.inner.commit(positions, mode)
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.inner.release(partitions)
    }

    fn close(&mut self) {
        self.inner.close();
    }
}
