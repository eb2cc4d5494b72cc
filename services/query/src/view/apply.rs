//! Applies the records that the worker reads, and tells the rows.

use super::View;
use async_trait::async_trait;
use ragstream_core::{
    event::{IndexEvent, IndexKey},
    fault::{Fault, Result},
    id::{ChunkId, DocumentId, Version},
    ports::{CommitPlan, GivenUp, IndexLedger, JobFailure},
};
use ragstream_index::{Applied, Positioned};
use ragstream_proto::{
    decode,
    encode::{self, Origin},
};
use ragstream_worker::{Handler, Message, Verdict};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, atomic::Ordering},
};

/// Applies what the worker reads, in order.
pub(crate) struct Apply {
    pub(crate) view: Arc<View>,
    pub(crate) ledger: Arc<dyn IndexLedger>,
}

#[async_trait]
impl Handler for Apply {
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict> {
        let mut verdicts: Vec<Option<Verdict>> = vec![None; batch.len()];
        let mut events = Vec::with_capacity(batch.len());
        let mut markers = HashMap::new();
        let mut sent_back = SentBack::default();
        for (index, message) in batch.iter().enumerate() {
            let event = decode::index_event(message.key_str(), message.value.as_deref());
            if let Ok(IndexEvent::Commit(marker)) = &event {
                markers.insert((marker.document_id, marker.version), message);
            }
            if let Ok(IndexEvent::Chunk(chunk)) = &event
                && message.is_sent_back()
            {
                let document = &chunk.document;
                sent_back.chunks.push((chunk.chunk.id, message.place()));
                let origin = Origin::following(|name| message.header(name));
                sent_back.versions.insert((document.document_id, document.version), origin);
            }
            match event {
                Ok(event) => {
                    events.push(Positioned { partition: message.partition, offset: message.offset, event })
                }
                Err(fault) => verdicts[index] = Some(fault.into()),
            }
        }
        let rest = match self.apply(events, &sent_back).await {
            Ok(applied) => {
                let unreadable = batch.iter().zip(&verdicts).filter(|(_, verdict)| verdict.is_some());
                self.view.skip(unreadable.map(|(message, _)| (message.partition, message.offset)));
                for rejected in &applied.rejected {
                    let at = |m: &Message| m.partition == rejected.partition && m.offset == rejected.offset;
                    if let Some(index) = batch.iter().position(at) {
                        verdicts[index] =
                            Some(Fault::invalid("unusable_vector", rejected.reason.clone()).into());
                    }
                }
                self.tell(&applied.complete, &markers);
                for version in &applied.incomplete {
                    tracing::warn!(
                        document_id = %version.document_id,
                        version = version.version.0,
                        expected = version.expected,
                        held = version.held,
                        "a version's marker came before all of its chunks; it is shown once they are here"
                    );
                }
                Verdict::Done
            }
            Err(fault) => fault.into(),
        };
        verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| rest.clone())).collect()
    }

    async fn give_up(&self, message: &Message, fault: &Fault) -> Result<()> {
        // The key is readable where the value may not be.
        let Some(Ok(IndexKey::Chunk(chunk_id))) = message.key_str().map(str::parse) else {
            return Ok(());
        };
        let given_up = GivenUp { failure: JobFailure::from(fault), place: message.place() };
        self.ledger.fail_chunk(chunk_id, &given_up).await.map(drop)
    }
}

/// Chunks whose records are dead letters that were sent back: retries.
#[derive(Default)]
struct SentBack {
    chunks: Vec<(ChunkId, String)>,
    versions: BTreeMap<(DocumentId, Version), Origin>,
}

impl Apply {
    /// Rows of chunks that were sent back are reopened first, so that they follow the
    /// index. Nobody else will ask whether that made their version whole: its
    /// marker may never have been written, or was read when its job had failed.
    async fn apply(&self, events: Vec<Positioned>, sent_back: &SentBack) -> Result<Applied> {
        if sent_back.chunks.is_empty() {
            return self.view.apply(events, &*self.ledger).await;
        }
        self.ledger.reopen(&sent_back.chunks).await?;
        let applied = self.view.apply(events, &*self.ledger).await?;
        let versions: Vec<_> = sent_back.versions.keys().copied().collect();
        let records = |plan: &CommitPlan| match sent_back.versions.get(&(plan.document_id, plan.version)) {
            Some(origin) => encode::commit(plan, origin),
            None => Vec::new(),
        };
        self.ledger.commit_whole(&versions, &records).await?;
        tracing::debug!(chunks = sent_back.chunks.len(), "dead letters that were sent back are applied");
        Ok(applied)
    }

    /// The end of each document's trip, under the correlation id and trace of its upload.
    fn tell(&self, complete: &[(DocumentId, Version)], markers: &HashMap<(DocumentId, Version), &Message>) {
        // A replay tells nothing new.
        if !self.view.caught_up.load(Ordering::Acquire) {
            return;
        }
        for (document_id, version) in complete {
            let Some(marker) = markers.get(&(*document_id, *version)) else { continue };
            let origin = Origin::following(|name| marker.header(name));
            tracing::info!(
                correlation_id = origin.correlation_id,
                trace_id = origin.trace.trace_id(),
                %document_id,
                version = version.0,
                "document searchable"
            );
        }
    }
}
