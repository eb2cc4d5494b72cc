//! A text on its way: piece by piece, as it is read, into chunks, rows and the
//! log, and into blob storage as a whole.
//!
//! What holds, wherever it breaks off:
//! - Rows come before the events that ask for their embedding.
//! - The last chunks go out after the text is stored and their total is on
//!   record: whoever embeds the last of all finds what makes a version whole.
//! - The same bytes and settings give the same chunks: what an earlier attempt
//!   left is met again, and of other settings it is taken out.

use crate::{handler::Ingestion, metrics};
use bytes::Bytes;
use futures::{SinkExt, StreamExt, channel::mpsc};
use ragstream_chunk::Cutting;
use ragstream_core::{
    chunk::Chunk,
    document::text_key,
    event::{ChunkReady, IndexKey, IngestRequested},
    fault::{Fault, Result},
    id::{DocumentId, Version},
    lane::Lane,
    ports::{Attempt, Lineage},
    text::TextFacts,
};
use ragstream_extract::Extraction;
use ragstream_proto::encode::{self, Origin};
use std::time::{Duration, Instant};

/// Chunks whose rows are written, and whose events are appended, at once: bounds what a
/// large document holds in the producer's queue.
const BATCH: usize = 256;

/// Pieces between the cutting and the blob store; each is 1 MiB at most.
const PIPE: usize = 4;

/// What became of a document's text.
pub(crate) enum Outcome {
    /// Its chunks are in the log.
    Chunked,
    /// Its version is paused, superseded, cancelled or deleted, or chunked already.
    Unwanted,
}

/// How far the reading came.
enum Read {
    /// All pieces came and went.
    ToTheEnd,
    /// Nobody wants the rest.
    Unwanted,
    /// The blob store takes no more; its own error says why.
    NotStored,
}

/// One document's text.
pub(crate) struct Flow<'a> {
    ingestion: &'a Ingestion,
    event: &'a IngestRequested,
    /// The lane that the document came in by: its chunks go on in it.
    lane: Lane,
    origin: &'a Origin,
    attempt: Attempt,
    /// `None` only while it is at work.
    cutting: Option<Cutting>,
    /// Chunks that have no rows yet: the last ones, until more come.
    held: Vec<Chunk>,
    /// Bytes of text so far.
    bytes: u64,
    /// Time in which the extractor was waited for.
    extracting: Duration,
}

impl<'a> Flow<'a> {
    pub(crate) fn new(
        ingestion: &'a Ingestion,
        event: &'a IngestRequested,
        lane: Lane,
        origin: &'a Origin,
        attempt: Attempt,
    ) -> Self {
        let (held, bytes, extracting) = (Vec::new(), 0, Duration::ZERO);
        Self { ingestion, event, lane, origin, attempt, cutting: None, held, bytes, extracting }
    }

    /// From the first piece to the last chunk.
    pub(crate) async fn run(mut self, mut extraction: Extraction) -> Result<Outcome> {
        let (id, version) = self.ids();
        self.cutting = Some(self.ingestion.chunker.begin(extraction.head(), id, version));
        let (text, stored) = mpsc::channel(PIPE);
        let key = text_key(id, version);
        let put = self.ingestion.blobs.put(&key, stored.boxed());
        let (put, read) = tokio::join!(put, self.read(&mut extraction, text));
        metrics::EXTRACT_SECONDS.observe(self.extracting.as_secs_f64());
        match (read?, put) {
            (Read::Unwanted, _) => Ok(Outcome::Unwanted),
            (_, Err(fault)) => Err(fault),
            (Read::ToTheEnd, Ok(_)) => {
                let facts = extraction.facts().ok_or_else(|| {
                    Fault::failed("extractor_silent", "the extractor said nothing about the document")
                })?;
                self.end(facts).await
            }
            (Read::NotStored, Ok(_)) => {
                Err(Fault::failed("text_not_stored", "the blob store took only a part of the text"))
            }
        }
    }

    /// Reads and passes on; `text` closes in good order only where all was read.
    async fn read(
        &mut self,
        extraction: &mut Extraction,
        mut text: mpsc::Sender<Result<Bytes>>,
    ) -> Result<Read> {
        let read = self.pieces(extraction, &mut text).await;
        if !matches!(read, Ok(Read::ToTheEnd)) {
            let abandoned = Fault::invalid("text_abandoned", "the text did not come to its end");
            // A closed pipe means that the store gave up by itself.
            let _ = text.send(Err(abandoned)).await;
        }
        read
    }

    async fn pieces(
        &mut self,
        extraction: &mut Extraction,
        text: &mut mpsc::Sender<Result<Bytes>>,
    ) -> Result<Read> {
        loop {
            let asked = Instant::now();
            let piece = extraction.next().await?;
            self.extracting += asked.elapsed();
            let Some(piece) = piece else { break };
            self.bytes += piece.text.len() as u64;
            if text.send(Ok(Bytes::from(piece.text.clone()))).await.is_err() {
                return Ok(Read::NotStored);
            }
            let chunks = self.cut(|mut cutting| (cutting.push(piece), Some(cutting))).await?;
            if !self.pass_on(chunks).await? {
                return Ok(Read::Unwanted);
            }
        }
        let chunks = self.cut(|cutting| (cutting.finish(), None)).await?;
        if !self.pass_on(chunks).await? {
            return Ok(Read::Unwanted);
        }
        if self.held.is_empty() {
            return Err(Fault::invalid("empty_document", "there is no text in the document"));
        }
        Ok(Read::ToTheEnd)
    }

    /// Cuts, on a thread where it may take its time.
    async fn cut(
        &mut self,
        cut: impl FnOnce(Cutting) -> (Result<Vec<Chunk>>, Option<Cutting>) + Send + 'static,
    ) -> Result<Vec<Chunk>> {
        let panicked = || Fault::failed("chunker_panicked", "the chunker panicked");
        let cutting = self.cutting.take().ok_or_else(panicked)?;
        let (chunks, cutting) =
            tokio::task::spawn_blocking(move || cut(cutting)).await.map_err(|e| panicked().caused_by(e))?;
        self.cutting = cutting;
        chunks
    }

    /// All but the last chunks get their rows and go to the log; whether they are wanted.
    async fn pass_on(&mut self, chunks: Vec<Chunk>) -> Result<bool> {
        let (id, version) = self.ids();
        self.held.extend(chunks);
        while self.held.len() > BATCH {
            let rest = self.held.split_off(BATCH);
            let batch = std::mem::replace(&mut self.held, rest);
            let next = self.held.first().map_or(u32::MAX, |chunk| chunk.position);
            self.retire_outdated(&batch, next).await?;
            if !self.ingestion.ledger.add_chunks(id, version, &batch).await? {
                return Ok(false);
            }
            self.append(batch, None).await?;
        }
        Ok(true)
    }

    /// The last chunks, and what there is to say of all.
    async fn end(mut self, facts: TextFacts) -> Result<Outcome> {
        let (id, version) = self.ids();
        let last = std::mem::take(&mut self.held);
        let total = last.last().map_or(0, |chunk| chunk.position + 1);
        let lineage = Lineage {
            extractor: facts.extractor,
            chunker: self.ingestion.chunker.name().to_owned(),
            pages: facts.pages,
            text_bytes: self.bytes,
            title: facts.title,
            properties: facts.metadata,
        };
        self.retire_outdated(&last, u32::MAX).await?;
        if !self.ingestion.ledger.record_chunks(id, version, &last, total, &lineage).await? {
            // A deletion may have come before the text: it would lie there for ever.
            self.ingestion.blobs.delete(&text_key(id, version)).await?;
            return Ok(Outcome::Unwanted);
        }
        self.append(last, Some(total)).await?;
        metrics::TEXT_BYTES.inc_by(self.bytes);
        tracing::debug!(
            chunks = total,
            bytes = self.bytes,
            extractor = lineage.extractor,
            "document chunked"
        );
        Ok(Outcome::Chunked)
    }

    /// Other settings cut other chunks: those of an earlier attempt, up to `next`, leave the
    /// log and the rows, for the version would never be whole with them.
    async fn retire_outdated(&self, chunks: &[Chunk], next: u32) -> Result<()> {
        let (id, version) = self.ids();
        let Some(first) = chunks.first().filter(|_| self.attempt.has_chunks) else { return Ok(()) };
        let Ingestion { ledger, publisher, .. } = self.ingestion;
        let outdated = ledger.outdated_chunks(id, version, first.position..next, chunks).await?;
        for outdated in outdated.chunks(BATCH) {
            let gone = |chunk: &_| encode::gone(IndexKey::Chunk(*chunk), id, self.origin);
            publisher.append(outdated.iter().map(gone).collect()).await?;
            ledger.forget_chunks(outdated).await?;
        }
        Ok(())
    }

    async fn append(&self, chunks: Vec<Chunk>, chunk_count: Option<u32>) -> Result<()> {
        let count = chunks.len() as u64;
        let ready = |chunk| {
            let ready = ChunkReady { document: self.event.document.clone(), chunk, chunk_count };
            encode::chunk_ready(&ready, self.lane, self.origin)
        };
        self.ingestion.publisher.append(chunks.into_iter().map(ready).collect()).await?;
        metrics::CHUNKS.inc_by(count);
        Ok(())
    }

    fn ids(&self) -> (DocumentId, Version) {
        (self.event.document.document_id, self.event.document.version)
    }
}
