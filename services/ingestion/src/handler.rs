//! One document's way through ingestion.

use crate::{metrics, open::OpenAttempts, scratch::Scratch};
use async_trait::async_trait;
use futures::{StreamExt, stream};
use ragstream_chunk::Chunker;
use ragstream_core::{
    chunk::Chunk,
    document::text_key,
    event::{ChunkReady, IndexKey, IngestRequested},
    fault::{Fault, Result},
    id::{DocumentId, Version},
    ports::{Attempt, BlobStore, GivenUp, IngestionLedger, JobFailure, Lineage, Publisher},
    text::DocumentText,
};
use ragstream_extract::ChildExtractor;
use ragstream_proto::{
    decode,
    encode::{self, Origin},
};
use ragstream_worker::{Handler, Message, Verdict};
use std::{path::PathBuf, sync::Arc};
use tracing::Instrument;

/// Chunk events appended at once: bounds what a large document holds in the
/// producer's queue.
const APPEND_BATCH: usize = 256;

/// Attempts on record after which a document is given up whatever happened to
/// them. Failures that are reported end sooner, by the worker's own count: this
/// one stops a document that takes the whole process down each time.
const MAX_RECORDED_ATTEMPTS: u32 = 10;

pub(crate) struct Ingestion {
    pub(crate) ledger: Arc<dyn IngestionLedger>,
    pub(crate) open: OpenAttempts,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) publisher: Arc<dyn Publisher>,
    pub(crate) extractor: ChildExtractor,
    pub(crate) chunker: Arc<Chunker>,
    pub(crate) work_dir: PathBuf,
}

/// What became of a request.
enum Outcome {
    /// Its chunks are in the log.
    Chunked,
    /// Its version is paused, superseded, cancelled or deleted, or chunked already.
    Unwanted,
}

#[async_trait]
impl Handler for Ingestion {
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(batch.len());
        for message in batch {
            verdicts.push(self.message(message).await.into());
        }
        verdicts
    }

    async fn give_up(&self, message: &Message, fault: &Fault) -> Result<()> {
        let Ok(event) = decode::ingest_requested(message.value.as_deref()) else {
            return Ok(());
        };
        metrics::DOCUMENTS.with_label_values(&[fault.class]).inc();
        let document = &event.document;
        let given_up = GivenUp { failure: JobFailure::from(fault), place: message.place() };
        self.ledger.fail_job(document.document_id, document.version, &given_up).await.map(drop)
    }
}

impl Ingestion {
    async fn message(&self, message: &Message) -> Result<()> {
        let event = decode::ingest_requested(message.value.as_deref())?;
        let origin = Origin::following(|name| message.header(name));
        let span = tracing::info_span!(
            "ingest",
            correlation_id = origin.correlation_id,
            trace_id = origin.trace.trace_id(),
            document_id = %event.document.document_id,
            version = event.document.version.0,
        );
        async {
            if message.is_sent_back() {
                self.reopen(&event, &message.place()).await?;
            }
            let outcome = self.ingest(&event, &origin).await;
            self.open.ended(event.document.document_id, event.document.version, &outcome);
            outcome
        }
        .instrument(span)
        .await
    }

    /// A dead letter that was sent back is a retry of its job.
    async fn reopen(&self, event: &IngestRequested, place: &str) -> Result<()> {
        let document = &event.document;
        if self.ledger.reopen_job(document.document_id, document.version, place).await? {
            tracing::info!("job taken up again by its dead letter");
        }
        Ok(())
    }

    async fn ingest(&self, event: &IngestRequested, origin: &Origin) -> Result<()> {
        let (id, version) = (event.document.document_id, event.document.version);
        let mut outcome = Ok(Outcome::Unwanted);
        if self.ledger.is_wanted(id, version).await? {
            outcome = self.work(event, origin).await;
        }
        // The bytes of a version that is deleted or replaced meanwhile may be gone under
        // our hands: what fails then is nobody's fault.
        let failed = matches!(&outcome, Err(fault) if !fault.is_unavailable());
        if failed && !self.ledger.is_wanted(id, version).await? {
            outcome = Ok(Outcome::Unwanted);
        }
        match outcome? {
            Outcome::Unwanted => metrics::DOCUMENTS.with_label_values(&["superseded"]).inc(),
            Outcome::Chunked => metrics::DOCUMENTS.with_label_values(&["chunked"]).inc(),
        }
        Ok(())
    }

    async fn work(&self, event: &IngestRequested, origin: &Origin) -> Result<Outcome> {
        let (id, version) = (event.document.document_id, event.document.version);
        let scratch = Scratch::fetch(&*self.blobs, &event.blob, &self.work_dir).await?;
        // On record before anything looks at the bytes: they may take the process down.
        let Some(attempt) = self.begin(id, version).await? else {
            return Ok(Outcome::Unwanted);
        };
        if attempt.number > MAX_RECORDED_ATTEMPTS {
            return Err(Fault::invalid(
                "too_many_attempts",
                format!("extraction was begun {} times and never came to an end", attempt.number - 1),
            ));
        }
        let text = self.extract(event, &scratch).await?;
        drop(scratch);
        if !self.ledger.begin_chunking(id, version).await? {
            return Ok(Outcome::Unwanted);
        }
        let (text, chunks) = self.cut(text, event).await?;
        self.store_text(event, &text).await?;
        let lineage = Lineage {
            extractor: text.extractor.clone(),
            chunker: self.chunker.name().to_owned(),
            pages: text.pages.last().map(|last| last.page),
            text_bytes: text.text.len() as u64,
            title: text.title.clone(),
            properties: text.metadata.clone(),
        };
        if attempt.chunked_before {
            self.retire_outdated(event, &chunks, origin).await?;
        }
        if !self.ledger.record_chunks(id, version, &chunks, &lineage).await? {
            // A deletion may have come before the text: it would lie there for ever.
            self.blobs.delete(&text_key(id, version)).await?;
            return Ok(Outcome::Unwanted);
        }
        let (count, bytes) = (chunks.len(), lineage.text_bytes);
        self.append(event, chunks, origin).await?;
        metrics::CHUNKS.inc_by(count as u64);
        metrics::TEXT_BYTES.inc_by(bytes);
        tracing::debug!(chunks = count, bytes, extractor = lineage.extractor, "document chunked");
        Ok(Outcome::Chunked)
    }

    /// An outage uses up no attempt: the one that it interrupted goes on.
    async fn begin(&self, id: DocumentId, version: Version) -> Result<Option<Attempt>> {
        if self.open.has(id, version) {
            return self.ledger.resume_attempt(id, version).await;
        }
        let attempt = self.ledger.begin_attempt(id, version).await?;
        if attempt.is_some() {
            self.open.begun(id, version);
        }
        Ok(attempt)
    }

    async fn extract(&self, event: &IngestRequested, scratch: &Scratch) -> Result<DocumentText> {
        let timer = metrics::EXTRACT_SECONDS.start_timer();
        let text = self.extractor.extract(scratch.path(), &event.document.filename).await?;
        timer.observe_duration();
        Ok(text)
    }

    async fn cut(&self, text: DocumentText, event: &IngestRequested) -> Result<(DocumentText, Vec<Chunk>)> {
        let chunker = self.chunker.clone();
        let (id, version) = (event.document.document_id, event.document.version);
        let (text, chunks) = tokio::task::spawn_blocking(move || {
            let chunks = chunker.chunks(&text, id, version);
            (text, chunks)
        })
        .await
        .map_err(|e| Fault::failed("chunker_panicked", "the chunker panicked").caused_by(e))?;
        let chunks = chunks?;
        if chunks.is_empty() {
            return Err(Fault::invalid("empty_document", "there is no text in the document"));
        }
        Ok((text, chunks))
    }

    async fn store_text(&self, event: &IngestRequested, text: &DocumentText) -> Result<()> {
        let key = text_key(event.document.document_id, event.document.version);
        let bytes = text.text.clone().into_bytes().into();
        self.blobs.put(&key, stream::once(async { Ok(bytes) }).boxed()).await.map(drop)
    }

    /// Other settings cut other chunks: those of an earlier attempt leave the log
    /// and the rows, for the version would never be whole with them.
    async fn retire_outdated(
        &self,
        event: &IngestRequested,
        chunks: &[Chunk],
        origin: &Origin,
    ) -> Result<()> {
        let (id, version) = (event.document.document_id, event.document.version);
        let outdated = self.ledger.outdated_chunks(id, version, chunks).await?;
        for outdated in outdated.chunks(APPEND_BATCH) {
            let tombstones =
                outdated.iter().map(|chunk| encode::gone(IndexKey::Chunk(*chunk), id, origin)).collect();
            self.publisher.append(tombstones).await?;
            self.ledger.forget_chunks(outdated).await?;
        }
        Ok(())
    }

    async fn append(&self, event: &IngestRequested, chunks: Vec<Chunk>, origin: &Origin) -> Result<()> {
        let chunk_count = chunks.len() as u32;
        let mut chunks = chunks.into_iter().peekable();
        while chunks.peek().is_some() {
            let records = chunks
                .by_ref()
                .take(APPEND_BATCH)
                .map(|chunk| {
                    let ready = ChunkReady { document: event.document.clone(), chunk, chunk_count };
                    encode::chunk_ready(&ready, origin)
                })
                .collect();
            self.publisher.append(records).await?;
        }
        Ok(())
    }
}
