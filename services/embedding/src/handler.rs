//! A micro-batch's way through the pool.

use crate::{context::with_headings, metrics, thread::EmbedThreads};
use async_trait::async_trait;
use ragstream_core::{
    event::{ChunkEmbedded, ChunkReady, IndexKey},
    fault::{Fault, Result},
    id::{ChunkId, DocumentId, Version},
    ports::{CommitPlan, EmbeddingLedger, GivenUp, JobFailure, ModelInfo, Publisher, Wanted},
};
use ragstream_proto::{
    decode,
    encode::{self, Origin},
};
use ragstream_worker::{Handler, Message, Verdict};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) struct Embedding {
    pub(crate) model: ModelInfo,
    pub(crate) threads: EmbedThreads,
    pub(crate) ledger: Arc<dyn EmbeddingLedger>,
    pub(crate) publisher: Arc<dyn Publisher>,
}

/// A chunk of the batch, and its message's place in it.
struct Item {
    index: usize,
    event: ChunkReady,
    origin: Origin,
}

#[async_trait]
impl Handler for Embedding {
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict> {
        let mut verdicts: Vec<Option<Verdict>> = vec![None; batch.len()];
        let mut items = Vec::with_capacity(batch.len());
        for (index, message) in batch.iter().enumerate() {
            match decode::chunk_ready(message.value.as_deref()) {
                Ok(event) => {
                    items.push(Item { index, event, origin: Origin::following(|name| message.header(name)) })
                }
                Err(fault) => verdicts[index] = Some(fault.into()),
            }
        }
        // What is not decided on the way is done, or shares the fate of the whole.
        let rest = Verdict::from(self.take(items, batch, &mut verdicts).await);
        verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| rest.clone())).collect()
    }

    async fn give_up(&self, message: &Message, fault: &Fault) -> Result<()> {
        let Ok(event) = decode::chunk_ready(message.value.as_deref()) else {
            return Ok(());
        };
        let given_up = GivenUp { failure: JobFailure::from(fault), place: message.place() };
        self.ledger.fail_chunk(event.chunk.id, &given_up).await.map(drop)
    }
}

impl Embedding {
    async fn take(
        &self,
        items: Vec<Item>,
        batch: &[Message],
        verdicts: &mut [Option<Verdict>],
    ) -> Result<()> {
        // Dead letters that were sent back are retries of their chunks.
        let sent_back: Vec<_> = items
            .iter()
            .filter(|item| batch[item.index].is_sent_back())
            .map(|item| (item.event.chunk.id, batch[item.index].place()))
            .collect();
        if !sent_back.is_empty() {
            self.ledger.reopen_chunks(&sent_back).await?;
        }
        self.process(items, verdicts).await
    }

    async fn process(&self, items: Vec<Item>, verdicts: &mut [Option<Verdict>]) -> Result<()> {
        if items.is_empty() {
            return Ok(());
        }
        let asked: Vec<_> = items
            .iter()
            .map(|item| {
                let document = &item.event.document;
                (item.event.chunk.id, document.document_id, document.version)
            })
            .collect();
        let wanted = self.ledger.wanted(&asked).await?;
        // Versions that this batch may complete: those of chunks in the log before too,
        // for a crash may have come between the last chunk and the marker.
        let mut versions: BTreeMap<(DocumentId, Version), Origin> = BTreeMap::new();
        let mut fresh = Vec::new();
        let mut gone = Vec::new();
        for (item, wanted) in items.into_iter().zip(wanted) {
            let document = &item.event.document;
            let version = (document.document_id, document.version);
            match wanted {
                Wanted::Yes => fresh.push(item),
                Wanted::Embedded => {
                    versions.insert(version, item.origin);
                }
                Wanted::No => {}
                // A worker that died may have appended it: what is over leaves the log.
                Wanted::Gone => gone.push((item.event.chunk.id, document.document_id, item.origin)),
            }
        }
        let embedded = self.embed(fresh, verdicts).await?;
        gone.extend(self.append(&embedded).await?);
        self.bury(&gone).await?;
        for (event, origin) in embedded {
            versions.insert((event.document.document_id, event.document.version), origin);
        }
        self.commit(versions).await
    }

    /// Runs the model; a chunk that it refuses gets its verdict and is left out.
    async fn embed(
        &self,
        items: Vec<Item>,
        verdicts: &mut [Option<Verdict>],
    ) -> Result<Vec<(ChunkEmbedded, Origin)>> {
        if items.is_empty() {
            return Ok(Vec::new());
        }
        let vectors = self.vectors(&items).await?;
        let mut embedded = Vec::with_capacity(items.len());
        for (item, vector) in items.into_iter().zip(vectors) {
            let ChunkReady { document, chunk, .. } = item.event;
            match vector {
                Ok(vector) => {
                    let event = ChunkEmbedded { document, chunk, model: self.model.name.clone(), vector };
                    embedded.push((event, item.origin));
                }
                Err(fault) => verdicts[item.index] = Some(fault.into()),
            }
        }
        metrics::CHUNKS.inc_by(embedded.len() as u64);
        Ok(embedded)
    }

    /// The model's outcomes, in order. A chunk whose headings were too many is embedded without.
    async fn vectors(&self, items: &[Item]) -> Result<Vec<Result<Vec<f32>>>> {
        let bare = |item: &Item| item.event.chunk.text.clone();
        let contexts = items.iter().map(|item| with_headings(&item.event.chunk, self.model.max_tokens));
        let contexts: Vec<Option<String>> = contexts.collect();
        let has_context: Vec<bool> = contexts.iter().map(Option::is_some).collect();
        let texts = contexts.into_iter().zip(items).map(|(text, item)| text.unwrap_or_else(|| bare(item)));
        let mut vectors = self.threads.embed(texts.collect()).await?;
        let is_too_long =
            |at: &usize| has_context[*at] && matches!(&vectors[*at], Err(f) if f.class == "chunk_too_long");
        let again: Vec<usize> = (0..vectors.len().min(items.len())).filter(is_too_long).collect();
        if !again.is_empty() {
            let texts = again.iter().map(|&at| bare(&items[at])).collect();
            for (at, vector) in again.into_iter().zip(self.threads.embed(texts).await?) {
                vectors[at] = vector;
            }
        }
        Ok(vectors)
    }

    /// Records first, rows second: a row never says `embedded` of what is not in the
    /// log. Returns the chunks whose version was cancelled or deleted meanwhile.
    async fn append(
        &self,
        embedded: &[(ChunkEmbedded, Origin)],
    ) -> Result<Vec<(ChunkId, DocumentId, Origin)>> {
        if embedded.is_empty() {
            return Ok(Vec::new());
        }
        let records = embedded.iter().map(|(event, origin)| encode::chunk_embedded(event, origin)).collect();
        let appended = self.publisher.append(records).await?;
        let rows: Vec<_> = embedded
            .iter()
            .zip(appended)
            .map(|((event, _), at)| (event.chunk.id, at.partition, at.offset))
            .collect();
        let gone = self.ledger.mark_embedded(&rows, &self.model.name).await?;
        let is_gone = |(event, _): &&(ChunkEmbedded, Origin)| gone.contains(&event.chunk.id);
        Ok(embedded
            .iter()
            .filter(is_gone)
            .map(|(event, origin)| (event.chunk.id, event.document.document_id, origin.clone()))
            .collect())
    }

    /// Tombstones for chunks that are over for good.
    async fn bury(&self, gone: &[(ChunkId, DocumentId, Origin)]) -> Result<()> {
        if gone.is_empty() {
            return Ok(());
        }
        let tombstone = |(chunk, document, origin): &(ChunkId, DocumentId, Origin)| {
            encode::gone(IndexKey::Chunk(*chunk), *document, origin)
        };
        self.publisher.append(gone.iter().map(tombstone).collect()).await.map(drop)
    }

    /// Appends the markers of versions that are whole now; tombstones for the chunks
    /// that they retire follow with the rows.
    async fn commit(&self, versions: BTreeMap<(DocumentId, Version), Origin>) -> Result<()> {
        if versions.is_empty() {
            return Ok(());
        }
        let asked: Vec<_> = versions.keys().copied().collect();
        let plans = self.ledger.begin_commit(&asked).await?;
        if plans.is_empty() {
            return Ok(());
        }
        let origin = |plan: &CommitPlan| versions.get(&(plan.document_id, plan.version));
        let markers = plans.iter().filter_map(|plan| Some(encode::marker(plan, origin(plan)?)));
        self.publisher.append(markers.collect()).await?;
        let farewell =
            |plan: &CommitPlan| origin(plan).map_or_else(Vec::new, |origin| encode::farewell(plan, origin));
        self.ledger.finish_commit(&plans, &farewell).await?;
        metrics::VERSIONS.inc_by(plans.len() as u64);
        Ok(())
    }
}
