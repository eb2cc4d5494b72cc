//! Whether the log, the rows and every query node hold the same chunks.
//!
//! Each side is read once, from one end to the other, and marks the chunks that it has.
//! They are not read at one moment: what differs, and only that, is looked up again a
//! few times, until nothing changes any more or the caller's patience is over.
//! What is still under way then is told apart from what is wrong; [`judge`] knows how.

mod comparison;
mod judge;

use crate::query_nodes::QueryNodes;
use axum::http::StatusCode;
use comparison::Comparison;
use judge::Verdict;
use ragstream_api::{
    admin::{InFlight, MAX_DIFFERENCES, VerifyResponse},
    problem::Problem,
};
use ragstream_core::{
    contents::LogContents,
    ports::{Census, LogScan, Suspect},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Between two looks at what differs: several relays, batches and reports of the pipeline.
const PAUSE: Duration = Duration::from_millis(500);

/// Compares the sides when asked.
pub(crate) struct Verifier {
    log: Arc<dyn LogScan>,
    rows: Arc<dyn Census>,
    nodes: QueryNodes,
    /// One at a time: each has all chunk ids in memory, about 240 bytes for each.
    free: Semaphore,
}

impl Verifier {
    pub(crate) fn new(log: Arc<dyn LogScan>, rows: Arc<dyn Census>, nodes: QueryNodes) -> Self {
        Self { log, rows, nodes, free: Semaphore::new(1) }
    }

    /// Compares, and waits at most `patience` for what is under way.
    pub(crate) async fn verify(&self, patience: Duration) -> Result<VerifyResponse, Problem> {
        let Ok(_one) = self.free.try_acquire() else {
            return Err(Problem::new(
                StatusCode::CONFLICT,
                "verify_running",
                "another verification is under way; ask again once it is done",
            ));
        };
        let begun = Instant::now();
        let log = self.log.read_on(LogContents::default()).await?;
        let mut comparison = Comparison::new(log, self.nodes.clone());
        comparison.read_rows(&*self.rows).await?;
        comparison.read_nodes().await;

        let deadline = Instant::now() + patience;
        let suspects = comparison.suspects();
        let mut verdicts = BTreeMap::new();
        if !suspects.is_empty() {
            loop {
                comparison.log = self.log.read_on(std::mem::take(&mut comparison.log)).await?;
                let now = comparison.look_again(&suspects, &*self.rows, deadline).await?;
                let before = std::mem::replace(&mut verdicts, now);
                let settled = verdicts == before && !verdicts.values().any(Verdict::is_in_flight);
                if settled || verdicts.is_empty() || Instant::now() >= deadline {
                    break;
                }
                tokio::time::sleep(PAUSE.min(deadline.saturating_duration_since(Instant::now()))).await;
            }
        }
        Ok(answer(&comparison, verdicts, begun.elapsed()))
    }
}

fn answer(comparison: &Comparison, verdicts: BTreeMap<Suspect, Verdict>, took: Duration) -> VerifyResponse {
    let (mut in_flight, mut differences) = (BTreeSet::new(), Vec::new());
    for (suspect, verdict) in verdicts {
        match verdict {
            Verdict::InFlight => {
                in_flight.insert(suspect);
            }
            Verdict::Differs(difference) => differences.push(*difference),
        }
    }
    let documents: BTreeSet<_> = in_flight.iter().map(|suspect| suspect.document_id).collect();
    let moving: BTreeSet<_> = in_flight.iter().filter_map(|suspect| suspect.chunk_id).collect();
    let (log, postgres, index) = comparison.summaries(&moving);
    let differences_total = differences.len() as u64;
    differences.sort_by_key(|difference| (difference.kind, difference.document_id, difference.chunk_id));
    differences.truncate(MAX_DIFFERENCES);
    VerifyResponse {
        consistent: differences.is_empty() && index.iter().all(|node| node.error.is_none()),
        log,
        postgres,
        index,
        in_flight: InFlight { chunks: moving.len() as u64, documents: documents.len() as u64 },
        unreadable_records: comparison.log.unreadable(),
        differences_total,
        differences,
        seconds: took.as_secs_f64(),
    }
}
