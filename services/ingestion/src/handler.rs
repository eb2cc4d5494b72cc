//! One document's way through ingestion.

use crate::{
    flow::{Flow, Outcome},
    metrics,
    open::OpenAttempts,
    scratch::Scratch,
};
use async_trait::async_trait;
use ragstream_chunk::Chunker;
use ragstream_core::{
    event::{IndexKey, IngestRequested},
    fault::{Fault, Result},
    id::{ChunkId, DocumentId, Version},
    lane::Lane,
    ports::{Attempt, BlobStore, GivenUp, IngestionLedger, JobFailure, Publisher},
    topics,
};
use ragstream_extract::ChildExtractor;
use ragstream_proto::{
    decode,
    encode::{self, Origin},
};
use ragstream_worker::{Handler, Message, Verdict};
use std::{path::PathBuf, sync::Arc};
use tracing::Instrument;

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
        let (id, origin) = (document.document_id, Origin::following(|name| message.header(name)));
        let tombstones = |chunks: &[ChunkId]| {
            chunks.iter().map(|chunk| encode::gone(IndexKey::Chunk(*chunk), id, &origin)).collect()
        };
        self.ledger.fail_job(id, document.version, &given_up, &tombstones).await.map(drop)
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
            let outcome = self.ingest(&event, topics::lane_of(&message.topic), &origin).await;
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

    async fn ingest(&self, event: &IngestRequested, lane: Lane, origin: &Origin) -> Result<()> {
        let (id, version) = (event.document.document_id, event.document.version);
        let mut outcome = Ok(Outcome::Unwanted);
        if self.ledger.is_wanted(id, version).await? {
            outcome = self.work(event, lane, origin).await;
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

    async fn work(&self, event: &IngestRequested, lane: Lane, origin: &Origin) -> Result<Outcome> {
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
        let extraction = self.extractor.start(scratch.path(), &event.document.filename).await?;
        if !self.ledger.begin_chunking(id, version).await? {
            return Ok(Outcome::Unwanted);
        }
        Flow::new(self, event, lane, origin, attempt).run(extraction).await
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
}
