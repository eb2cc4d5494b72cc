//! Applies the records that a worker reads to its generation.

use super::generation::{Generation, Records, Standing};
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
    sync::Arc,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The generation that another one follows until it takes its place.
pub(crate) type Follow = watch::Receiver<Option<Arc<Generation>>>;

/// Applies what the worker reads, in order.
pub(crate) struct Apply {
    pub(super) generation: Arc<Generation>,
    pub(super) ledger: Arc<dyn IndexLedger>,
    /// Nothing is applied that this one has not applied: both stand at the same place
    /// whenever it stands still.
    pub(super) follow: Option<Follow>,
    pub(super) token: CancellationToken,
}

/// What became of a batch, as far as it was this generation's to tell.
#[derive(Default)]
struct Told {
    applied: Applied,
    unreadable: Vec<(i32, i64)>,
}

#[async_trait]
impl Handler for Apply {
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict> {
        let mut records = Records::default();
        let mut faults = HashMap::new();
        let mut markers = HashMap::new();
        let mut sent_back = SentBack::default();
        for message in batch {
            let (partition, offset) = (message.partition, message.offset);
            match decode::index_event(message.key_str(), message.value.as_deref()) {
                Ok(event) => {
                    if let IndexEvent::Commit(marker) = &event {
                        markers.insert((marker.document_id, marker.version), message);
                    }
                    if let IndexEvent::Chunk(chunk) = &event
                        && message.is_sent_back()
                    {
                        let document = &chunk.document;
                        sent_back.chunks.push((chunk.chunk.id, message.place()));
                        let origin = Origin::following(|name| message.header(name));
                        sent_back.versions.insert((document.document_id, document.version), origin);
                    }
                    records.events.push(Positioned { partition, offset, event });
                }
                Err(fault) => {
                    records.unreadable.push((partition, offset));
                    faults.insert((partition, offset), fault);
                }
            }
        }
        let told = match self.apply_retries(records, &sent_back).await {
            Ok(told) => told,
            Err(fault) => return vec![fault.into(); batch.len()],
        };
        self.tell(&told.applied, &markers);
        let rejected = told.applied.rejected.into_iter().map(|rejected| {
            let fault = Fault::invalid("unusable_vector", rejected.reason);
            ((rejected.partition, rejected.offset), fault)
        });
        let unreadable = told.unreadable.iter().filter_map(|at| Some((*at, faults.remove(at)?)));
        let mut given_up: HashMap<(i32, i64), Fault> = unreadable.chain(rejected).collect();
        let verdict = |message: &Message| match given_up.remove(&(message.partition, message.offset)) {
            Some(fault) => fault.into(),
            None => Verdict::Done,
        };
        batch.iter().map(verdict).collect()
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
    async fn apply_retries(&self, records: Records, sent_back: &SentBack) -> Result<Told> {
        // One that follows reads what the one before it has seen to.
        if sent_back.chunks.is_empty() || self.follow.is_some() {
            return self.apply(records).await;
        }
        self.ledger.reopen(&sent_back.chunks).await?;
        let told = self.apply(records).await?;
        let versions: Vec<_> = sent_back.versions.keys().copied().collect();
        let records = |plan: &CommitPlan| match sent_back.versions.get(&(plan.document_id, plan.version)) {
            Some(origin) => [vec![encode::marker(plan, origin)], encode::farewell(plan, origin)].concat(),
            None => Vec::new(),
        };
        self.ledger.commit_whole(&versions, &records).await?;
        tracing::debug!(chunks = sent_back.chunks.len(), "dead letters that were sent back are applied");
        Ok(told)
    }

    async fn apply(&self, mut records: Records) -> Result<Told> {
        let mut told = Told::default();
        loop {
            // Before the look, so that nothing that comes after it is missed.
            let mut news = self.generation.news().subscribe();
            let mut follow = self.follow.clone();
            let leader = follow.as_mut().and_then(|follow| follow.borrow_and_update().clone());
            let beyond = match leader {
                Some(leader) => records.split_off(&leader.contents().positions),
                None => Records::default(),
            };
            let unreadable = records.unreadable.clone();
            let (standing, applied) = self.generation.apply(records, &*self.ledger).await?;
            if standing == Standing::Live {
                told.applied = merge(told.applied, applied);
                told.unreadable.extend(unreadable);
            }
            if beyond.is_empty() {
                return Ok(told);
            }
            records = beyond;
            let led = async {
                match &mut follow {
                    Some(follow) => follow.changed().await.is_ok(),
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = news.changed() => {}
                _ = led => {}
                () = self.token.cancelled() => {
                    return Err(Fault::unavailable("stopping", "the index is not needed any more"));
                }
            }
        }
    }

    /// What is worth a line of the log: versions that can't be shown yet, and the end of
    /// each document's trip, under the correlation id and trace of its upload.
    fn tell(&self, applied: &Applied, markers: &HashMap<(DocumentId, Version), &Message>) {
        for version in &applied.incomplete {
            tracing::warn!(
                document_id = %version.document_id,
                version = version.version.0,
                expected = version.expected,
                held = version.held,
                "a version's marker came before all of its chunks; it is shown once they are here"
            );
        }
        // A replay tells nothing new.
        if !self.generation.is_caught_up() {
            return;
        }
        for (document_id, version) in &applied.complete {
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

fn merge(mut all: Applied, more: Applied) -> Applied {
    all.indexed.extend(more.indexed);
    all.complete.extend(more.complete);
    all.incomplete.extend(more.incomplete);
    all.rejected.extend(more.rejected);
    all.stale += more.stale;
    all.repeated += more.repeated;
    all
}
