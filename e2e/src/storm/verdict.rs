//! After the storm: what is there is held against what was promised.

use super::{
    chaos::{Chaos, Tally},
    ledger::{Document, Fate},
};
use crate::{
    audit::{Findings, audit, ghosts},
    cluster::{Cluster, Kind},
    rows::{Chunk, Rows},
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::{Duration, Instant},
};
use tokio::time::{sleep, timeout};

/// Without any progress for so long, what is not at its end is stuck: far past a session's
/// end, every backoff, and the start of a role on a busy machine.
const STUCK_AFTER: Duration = Duration::from_secs(300);
/// How long a role may take to say whether it is ready.
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// How long a verification waits for what is on its way.
const VERIFY_WAIT_MS: u64 = 60_000;
/// The count of roles that are ready.
const READY: &str = "ready roles";
/// Findings of a kind that are printed.
const PRINTED: usize = 20;

/// The outcome of a storm.
#[derive(Debug)]
pub struct Report {
    documents: usize,
    /// By their status.
    chunks: BTreeMap<String, usize>,
    searches: usize,
    tally: Tally,
    findings: Findings,
    wrong: Vec<String>,
    verified: String,
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
        let statuses: Vec<_> = self.chunks.iter().map(|(status, n)| format!("{status} {n}")).collect();
        writeln!(f, "chunks       {} ({})", self.chunks.values().sum::<usize>(), statuses.join(", "))?;
        writeln!(f, "searches     {}", self.searches)?;
        writeln!(f, "{}", self.tally)?;
        writeln!(f, "duplicates   {}", duplicates.len())?;
        writeln!(f, "lost         {}", lost.len())?;
        writeln!(f, "stuck        {}", stuck.len())?;
        writeln!(f, "leftovers    {}", leftovers.len())?;
        writeln!(f, "dead letters {}", letters.len())?;
        writeln!(f, "wrong answers {}", self.wrong.len())?;
        writeln!(f, "verify       {}", self.verified)?;
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
async fn progress(cluster: &mut Cluster, rows: &Rows) -> BTreeMap<String, usize> {
    let mut counts = statuses(&rows.chunks);
    for job in rows.jobs.values() {
        *counts.entry(job.stage.clone()).or_default() += 1;
    }
    counts.insert("outbox".to_owned(), rows.outbox as usize);
    for role in cluster.roles() {
        let ready = timeout(LONGEST_LOOK, role.api.is_ready()).await == Ok(true);
        *counts.entry(READY.to_owned()).or_default() += usize::from(ready);
    }
    counts
}

/// Chunks by their status.
fn statuses(chunks: &BTreeMap<String, Chunk>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for chunk in chunks.values() {
        *counts.entry(chunk.status.clone()).or_default() += 1;
    }
    counts
}

/// Waits until all roles are ready and nothing is under way, or nothing moves any more.
pub(super) async fn drain(cluster: &mut Cluster, chaos: &mut Chaos) -> Rows {
    let roles = cluster.roles().count();
    let mut last = BTreeMap::new();
    let mut moved = Instant::now();
    loop {
        chaos.raise_the_dead(cluster);
        let rows = cluster.rows().await;
        let now = progress(cluster, &rows).await;
        let over = rows.outbox == 0 && rows.unfinished().next().is_none() && now[READY] == roles;
        if now != last {
            moved = Instant::now();
            last = now;
        }
        if over || moved.elapsed() > STUCK_AFTER {
            return rows;
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// Whether it is indexed, or failed with a reason.
fn has_end(chunk: &Chunk) -> bool {
    chunk.status == "indexed" || chunk.status == "failed" && chunk.failure.is_some()
}

/// All chunks that have rows, once each has its end: an index may have to say so yet.
async fn settled(cluster: &Cluster) -> BTreeMap<String, Chunk> {
    let begun = Instant::now();
    loop {
        let chunks = cluster.rows().await.chunks;
        if chunks.values().all(has_end) || begun.elapsed() > STUCK_AFTER {
            return chunks;
        }
        sleep(Duration::from_millis(250)).await;
    }
}

/// Holds rows, log and indexes against what the clients were told.
pub(super) async fn judge(
    cluster: &mut Cluster,
    rows: Rows,
    documents: &[Document],
    wrong: Vec<String>,
    tally: Tally,
    searches: usize,
    drained: Duration,
) -> Report {
    let mut findings = audit(cluster).await;
    let chunks = settled(cluster).await;
    let endless = chunks.values().filter(|chunk| !has_end(chunk));
    findings.stuck.extend(endless.map(|chunk| format!("{chunk:?} has no end")));
    for document in documents {
        if let Some(lost) = broken(document, &rows) {
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
        match ghosts(&node, &deleted).await {
            Some(ghosts) => findings
                .leftovers
                .extend(ghosts.iter().map(|id| format!("{} shows deleted chunk {id}", node.base))),
            None => findings.stuck.push(format!("{} answers no search", node.base)),
        }
    }
    for role in cluster.roles() {
        if !role.api.is_ready().await {
            findings.stuck.push(format!("{} is not ready", role.name));
        }
    }
    let verified = verify(cluster, &mut findings).await;
    let stuck = documents.iter().filter(|document| document.paused);
    findings.stuck.extend(stuck.map(|document| format!("{document:?} could not be resumed")));
    Report {
        documents: documents.len(),
        chunks: statuses(&chunks),
        searches,
        tally,
        findings,
        wrong,
        verified,
        drained,
    }
}

/// What the product says of itself, in words; differences are findings.
async fn verify(cluster: &Cluster, findings: &mut Findings) -> String {
    let answer = cluster.gateway().post("/api/v2/admin/verify", &json!({"wait_ms": VERIFY_WAIT_MS})).await;
    let verified = &answer.body;
    if verified["consistent"] == true {
        return format!("consistent, {} visible chunks", verified["postgres"]["chunks"]);
    }
    let differences = verified["differences"].as_array().map_or(&[][..], Vec::as_slice);
    findings.lost.extend(differences.iter().map(|difference| format!("verify: {difference}")));
    if differences.is_empty() {
        findings.stuck.push(format!("verify: {answer:?}"));
    }
    format!("{} differences", differences.len())
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
