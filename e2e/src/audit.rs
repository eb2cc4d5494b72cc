//! What must hold of a cluster at rest: rows, log and indexes have the same chunks,
//! each once.

use crate::{
    api::Api,
    cluster::{Cluster, Kind},
    rows::Rows,
    topic::live_keys,
};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use tokio::time::Instant;

/// How long an index may take to apply the rest of the log.
const CATCH_UP: Duration = Duration::from_secs(300);
/// Documents of one search: their chunks have to fit into one answer.
const DOCUMENTS: usize = 20;
/// Passages of one answer.
const TOP_K: usize = 1_000;

/// What does not hold, in words.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Chunks that rows, log or an index lack.
    pub lost: Vec<String>,
    /// Chunks that are there more than once.
    pub duplicates: Vec<String>,
    /// Jobs that are not final though nothing is left to do, and chunks without an end.
    pub stuck: Vec<String>,
    /// What log or an index have and no row knows: of something that is over.
    pub leftovers: Vec<String>,
    /// Dead letters.
    pub letters: Vec<String>,
}

impl Findings {
    /// All of them.
    pub fn all(&self) -> Vec<&str> {
        [&self.lost, &self.duplicates, &self.stuck, &self.leftovers, &self.letters]
            .into_iter()
            .flatten()
            .map(String::as_str)
            .collect()
    }
}

/// Looks at everything. Roles and parts have to run, and all jobs have to be at their end:
/// what comes after it, saying farewell to what is over, is waited for.
pub async fn audit(cluster: &Cluster) -> Findings {
    let deadline = Instant::now() + CATCH_UP;
    loop {
        let findings = look(cluster).await;
        if findings.leftovers.is_empty() || Instant::now() > deadline {
            return findings;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn look(cluster: &Cluster) -> Findings {
    let rows = cluster.rows().await;
    let mut findings = Findings::default();
    rows_alone(&rows, &mut findings);
    let expected = shown(&rows);
    log(cluster, &expected, &rows, &mut findings);
    for node in cluster.apis(Kind::Query) {
        index(&node, &expected, &mut findings).await;
    }
    for letter in cluster.dead_letters() {
        let header = |name: &str| letter.headers.get(name).cloned().unwrap_or_default();
        findings.letters.push(format!(
            "{} {}: {} ({})",
            header("x-original-topic"),
            letter.key,
            header("x-error-message"),
            header("x-error-class")
        ));
    }
    findings
}

/// Chunks of the versions that searches have to find, by document.
fn shown(rows: &Rows) -> BTreeMap<String, BTreeSet<String>> {
    let visible = rows.documents.values().filter_map(|document| Some((&document.id, document.visible?)));
    visible
        .map(|(id, version)| {
            (id.clone(), rows.chunks_of(id, version).map(|chunk| chunk.id.clone()).collect())
        })
        .collect()
}

fn rows_alone(rows: &Rows, findings: &mut Findings) {
    for job in rows.unfinished() {
        findings.stuck.push(format!("job {} of {} is {}", job.id, job.document, job.stage));
    }
    if rows.outbox > 0 {
        findings.stuck.push(format!("{} records wait in the outbox", rows.outbox));
    }
    for document in rows.documents.values() {
        let Some(job) = rows.jobs.get(&document.job) else {
            findings.lost.push(format!("document {} has no job", document.id));
            continue;
        };
        let chunks: Vec<_> = rows.chunks_of(&document.id, document.version).collect();
        if job.stage == "complete" && job.chunks != Some(chunks.len() as i32) {
            findings.lost.push(format!(
                "document {} is complete with {} rows of {:?} chunks",
                document.id,
                chunks.len(),
                job.chunks
            ));
        }
        for chunk in chunks {
            let ended = match (chunk.status.as_str(), job.stage.as_str()) {
                ("indexed", _) => true,
                ("failed", _) => chunk.failure.is_some(),
                (_, "complete") => false,
                (_, _) => true,
            };
            if !ended {
                findings.stuck.push(format!("chunk {} of {} is {}", chunk.id, document.id, chunk.status));
            }
        }
        if job.stage == "complete" {
            let old =
                rows.chunks.values().filter(|c| c.document == document.id && c.version < document.version);
            findings
                .leftovers
                .extend(old.map(|c| format!("row of {} of version {} of {}", c.id, c.version, document.id)));
        }
        if job.stage == "failed" && job.failure.is_none() {
            findings.lost.push(format!("document {} failed without a reason", document.id));
        }
    }
}

fn log(
    cluster: &Cluster,
    expected: &BTreeMap<String, BTreeSet<String>>,
    rows: &Rows,
    findings: &mut Findings,
) {
    let records = cluster.records("chunk-embeddings");
    let live: BTreeSet<&str> = live_keys(&records).into_iter().filter(|key| !key.contains(':')).collect();
    for (document, chunks) in expected {
        for chunk in chunks.iter().filter(|chunk| !live.contains(chunk.as_str())) {
            findings.lost.push(format!("chunk {chunk} of {document} is not in the log"));
        }
    }
    for chunk in live.into_iter().filter(|chunk| !rows.chunks.contains_key(*chunk)) {
        findings.leftovers.push(format!("chunk {chunk} is in the log and has no row"));
    }
}

/// What a query node finds of these documents, and how often.
async fn held(node: &Api, documents: &[&String], mode: &str) -> Option<BTreeMap<String, usize>> {
    let request =
        json!({"query": "storm", "mode": mode, "top_k": TOP_K, "filter": {"document_id": documents}});
    let request = node.client.post(format!("{}/api/v2/search", node.base)).json(&request);
    let answer = node.try_send(request).await.ok().filter(|answer| answer.status.is_success())?;
    let mut held = BTreeMap::new();
    for passage in answer.body["passages"].as_array()? {
        *held.entry(passage["chunk_id"].as_str()?.to_owned()).or_default() += 1;
    }
    Some(held)
}

async fn index(node: &Api, expected: &BTreeMap<String, BTreeSet<String>>, findings: &mut Findings) {
    let deadline = Instant::now() + CATCH_UP;
    let documents: Vec<&String> = expected.keys().collect();
    // Every chunk has a vector; the word of the query is in every text of a test.
    for (documents, mode) in
        documents.chunks(DOCUMENTS).flat_map(|some| [(some, "vector"), (some, "keyword")])
    {
        let wanted: BTreeSet<&String> = documents.iter().flat_map(|id| &expected[*id]).collect();
        let found = loop {
            let found = held(node, documents, mode).await;
            let done = found.as_ref().is_some_and(|found| wanted.iter().all(|id| found.contains_key(*id)));
            if done || Instant::now() > deadline {
                break found.unwrap_or_default();
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let at = format!("{} ({mode})", node.base);
        findings.lost.extend(
            wanted.iter().filter(|id| !found.contains_key(**id)).map(|id| format!("{at} lacks chunk {id}")),
        );
        findings.leftovers.extend(
            found
                .keys()
                .filter(|id| !wanted.contains(id))
                .map(|id| format!("{at} shows chunk {id}, which is over")),
        );
        let twice = found.iter().filter(|(_, times)| **times > 1);
        findings.duplicates.extend(twice.map(|(id, times)| format!("{at} shows chunk {id} {times} times")));
    }
}

/// Which of these documents an index still shows. `None`: the node does not answer.
pub async fn ghosts(node: &Api, documents: &[&String]) -> Option<Vec<String>> {
    let mut ghosts = Vec::new();
    for documents in documents.chunks(DOCUMENTS) {
        ghosts.extend(held(node, documents, "vector").await?.into_keys());
    }
    Some(ghosts)
}
