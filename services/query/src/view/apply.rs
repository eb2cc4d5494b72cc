//! Applies the records that the worker reads, and tells the rows.

use super::View;
use async_trait::async_trait;
use ragstream_core::{
    event::{IndexEvent, IndexKey},
    fault::{Fault, Result},
    id::{DocumentId, Version},
    ports::{GivenUp, IndexLedger, JobFailure},
};
use ragstream_index::Positioned;
use ragstream_proto::{decode, encode::Origin};
use ragstream_worker::{Handler, Message, Verdict};
use std::{
    collections::HashMap,
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
        for (index, message) in batch.iter().enumerate() {
            let event = decode::index_event(message.key_str(), message.value.as_deref());
            if let Ok(IndexEvent::Commit(marker)) = &event {
                markers.insert((marker.document_id, marker.version), message);
            }
            match event {
                Ok(event) => {
                    events.push(Positioned { partition: message.partition, offset: message.offset, event })
                }
                Err(fault) => verdicts[index] = Some(fault.into()),
            }
        }
        let rest = match self.view.apply(events, &*self.ledger).await {
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

impl Apply {
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
