//! After the storm: what is there is held against what was promised.

use super::{
    chaos::Tally,
    ledger::{Document, Fate},
};
use crate::{
    audit::{Findings, audit, ghosts},
    cluster::{Cluster, Kind},
    rows::Rows,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};
use tokio::time::sleep;

/// Without any progress for so long, what is not at its end is stuck: past a session's end
/// and every backoff.
const STUCK_AFTER: Duration = Duration::from_secs(120);
/// Findings of a kind that are printed.
const PRINTED: usize = 20;

/// The outcome of a storm.
#[derive(Debug)]
pub struct Report {
    documents: usize,
    chunks: usize,
    searches: usize,
    tally: Tally,
    findings: Findings,
    wrong: Vec<String>,
    drained: Duration,
}

impl Report {
    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.findings.all().is_empty() && self.wrong.is_empty() && self.tally.deaths.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Findings { lost, duplicates, stuck, leftovers, letters } = &self.findings;
        writeln!(f, "documents    {}", self.documents)?;
        writeln!(f, "chunks       {}", self.chunks)?;
        writeln!(f, "searches     {}", self.searches)?;
        writeln!(f, "{}", self.tally)?;
        writeln!(f, "duplicates   {}", duplicates.len())?;
        writeln!(f, "lost         {}", lost.len())?;
        writeln!(f, "stuck        {}", stuck.len())?;
        writeln!(f, "leftovers    {}", leftovers.len())?;
        writeln!(f, "dead letters {}", letters.len())?;
        writeln!(f, "wrong answers {}", self.wrong.len())?;
        writeln!(f, "drained in   {:.1} s", self.drained.as_secs_f64())?;
        for (kind, findings) in [
            ("duplicate", duplicates),
            ("lost", lost),
            ("stuck", stuck),
            ("leftover", leftovers),
            ("dead letter", letters),
            ("wrong", &self.wrong),
            ("own death", &self.tally.deaths),
        ] {
            for finding in findings.iter().take(PRINTED) {
                writeln!(f, "{kind}: {finding}")?;
            }
        }
        Ok(())
    }
}

/// How far everything is.
fn progress(rows: &Rows) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    let stages = rows.jobs.values().map(|job| &job.stage);
    for name in stages.chain(rows.chunks.values().map(|chunk| &chunk.status)) {
        *counts.entry(name.clone()).or_default() += 1;
    }
    counts.insert("outbox".to_owned(), rows.outbox as usize);
    counts
}

/// Waits until nothing is under way, or nothing moves any more.
pub(super) async fn drain(cluster: &mut Cluster) -> Rows {
    let mut rows = cluster.rows().await;
    let mut moved = Instant::now();
    while (rows.outbox > 0 || rows.unfinished().next().is_some()) && moved.elapsed() < STUCK_AFTER {
        sleep(Duration::from_millis(250)).await;
        let now = cluster.rows().await;
        if progress(&now) != progress(&rows) {
            moved = Instant::now();
        }
        rows = now;
    }
    rows
}

/// Holds rows, log and indexes against what the clients were told.
pub(super) async fn judge(
    cluster: &Cluster,
    rows: &Rows,
    documents: &[Document],
    wrong: Vec<String>,
    tally: Tally,
    searches: usize,
    drained: Duration,
) -> Report {
    let mut findings = audit(cluster).await;
    for document in documents {
        if let Some(lost) = broken(document, rows) {
            findings.lost.push(lost);
        }
    }
    let known: BTreeSet<&String> = documents.iter().map(|document| &document.id).collect();
    let unknown = rows.documents.keys().filter(|id| !known.contains(id));
    findings.duplicates.extend(unknown.map(|id| format!("document {id}, which no client was told of")));
    let deleted: Vec<&String> = documents
        .iter()
        .filter(|document| document.fate == Fate::Deleted)
        .map(|document| &document.id)
        .collect();
    for node in cluster.apis(Kind::Query) {
        let ghosts = ghosts(&node, &deleted).await;
        findings.leftovers.extend(ghosts.iter().map(|id| format!("{} shows deleted chunk {id}", node.base)));
    }
    let stuck = documents.iter().filter(|document| document.paused);
    findings.stuck.extend(stuck.map(|document| format!("{document:?} could not be resumed")));
    Report {
        documents: documents.len(),
        chunks: rows.chunks.len(),
        searches,
        tally,
        findings,
        wrong,
        drained,
    }
}

/// What is not as its client was told.
fn broken(document: &Document, rows: &Rows) -> Option<String> {
    let row = rows.documents.get(&document.id);
    if document.fate == Fate::Deleted {
        return row.map(|row| format!("{} was deleted and has a row: {row:?}", document.id));
    }
    let Some(row) = row else { return Some(format!("{document:?} has no row")) };
    let Some(job) = rows.jobs.get(&row.job) else { return Some(format!("{row:?} has no job")) };
    if (i64::from(row.version), &row.job) != (document.version, &document.job) {
        return Some(format!("{document:?} is {row:?}"));
    }
    let expected = if document.fate == Fate::Cancelled { "cancelled" } else { "complete" };
    if job.stage != expected {
        return Some(format!("{document:?} has to be {expected} and is {job:?}"));
    }
    if expected == "complete" && row.visible != Some(row.version) {
        return Some(format!("{row:?} is complete and not visible"));
    }
    None
}
