//! Who has which chunk.

use super::judge::{Evidence, Verdict, judge};
use crate::query_nodes::QueryNodes;
use futures::{TryStreamExt, future::join_all};
use ragstream_api::admin::{IndexSummary, MAX_LOOKUP, NodeSummary, ShownChunk, SideSummary};
use ragstream_core::{
    checksum::share,
    chunk::ChunkStatus,
    contents::{LogContents, Standing},
    fault::Result,
    id::{ChunkId, DocumentId, Version},
    ports::{Census, RowState, Suspect},
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

/// Between two looks at whether a node has come as far as the log was read.
const BEHIND_PAUSE: Duration = Duration::from_millis(100);

/// Marks of a chunk: a bit for each side that has it.
type Marks = u64;
const LOG: Marks = 1;
const ROWS: Marks = 2;

fn node_mark(node: usize) -> Marks {
    4 << node
}

/// Nodes that have a bit. More are not compared: that is said of each.
const MAX_NODES: usize = 60;

/// A query node, as far as it is compared.
struct Node {
    url: String,
    error: Option<String>,
    behind: bool,
}

/// Who has which chunk.
pub(super) struct Comparison {
    pub(super) log: LogContents,
    nodes: QueryNodes,
    each: Vec<Node>,
    marks: HashMap<ChunkId, Marks>,
    /// Chunks that the log does not have, and what others say whose they are.
    strangers: HashMap<ChunkId, (DocumentId, Version)>,
}

impl Comparison {
    /// What the log has.
    pub(super) fn new(log: LogContents, nodes: QueryNodes) -> Self {
        let each = nodes.urls().enumerate().map(|(i, url)| Node {
            url: url.to_owned(),
            error: (i >= MAX_NODES).then(|| format!("only {MAX_NODES} nodes can be compared")),
            behind: false,
        });
        let each = each.collect();
        let marks = log.visible().map(|(id, _)| (id, LOG)).collect();
        Self { log, nodes, each, marks, strangers: HashMap::new() }
    }

    fn mark(&mut self, id: ChunkId, document_id: DocumentId, version: Version, mark: Marks) {
        *self.marks.entry(id).or_default() |= mark;
        if self.log.chunk_of(id).is_none() {
            self.strangers.entry(id).or_insert((document_id, version));
        }
    }

    /// What the rows have.
    pub(super) async fn read_rows(&mut self, rows: &dyn Census) -> Result<()> {
        let mut chunks = rows.visible_rows();
        while let Some(row) = chunks.try_next().await? {
            let mark = if row.indexed { ROWS } else { 0 };
            self.mark(row.chunk_id, row.document_id, row.version, mark);
        }
        Ok(())
    }

    /// What each node has: where its sum is the log's, without a look at each chunk.
    pub(super) async fn read_nodes(&mut self) {
        let (count, sum) = self.log.summary();
        for i in 0..self.each.len().min(MAX_NODES) {
            let url = self.each[i].url.clone();
            let nodes = self.nodes.clone();
            let read = match nodes.index_summary(&url).await {
                Ok(IndexSummary { chunks, checksum, .. }) if (chunks, checksum) == (count, sum) => {
                    self.marks
                        .values_mut()
                        .filter(|marks| **marks & LOG != 0)
                        .for_each(|marks| *marks |= node_mark(i));
                    Ok(())
                }
                Ok(_) => {
                    let mark = |ShownChunk { chunk_id, document_id, version }| {
                        self.mark(ChunkId(chunk_id), DocumentId(document_id), Version(version), node_mark(i));
                    };
                    nodes.each_shown(&url, mark).await
                }
                Err(error) => Err(error),
            };
            self.each[i].error = read.err();
        }
    }

    /// The marks of a chunk that all have.
    fn all(&self) -> Marks {
        let nodes = self.each.iter().enumerate().filter(|(_, node)| node.error.is_none());
        nodes.fold(LOG | ROWS, |all, (i, _)| all | node_mark(i))
    }

    /// What not all sides have, and what the log has besides what it shows.
    pub(super) fn suspects(&self) -> Vec<Suspect> {
        let all = self.all();
        let differing = self.marks.iter().filter(|(_, marks)| **marks & all != all).map(|(id, _)| *id);
        let hidden = self.log.chunks().filter(|(_, record)| record.standing != Standing::Visible);
        let chunks: BTreeSet<ChunkId> = differing.chain(hidden.map(|(id, _)| id)).collect();
        let markers = self.log.live_markers().filter(|marker| marker.standing != Standing::Visible);
        chunks
            .into_iter()
            .filter_map(|id| self.suspect(id))
            .chain(markers.map(|marker| Suspect {
                chunk_id: None,
                document_id: marker.document_id,
                version: marker.version,
            }))
            .collect()
    }

    fn suspect(&self, id: ChunkId) -> Option<Suspect> {
        let record = self.log.chunk_of(id).map(|record| (record.document_id, record.version));
        let (document_id, version) = record.or_else(|| self.strangers.get(&id).copied())?;
        Some(Suspect { chunk_id: Some(id), document_id, version })
    }

    /// Looks suspects up on all sides but the log, which was just read further. What is in
    /// order by now has no verdict; what there is no time for is judged as it was.
    pub(super) async fn look_again(
        &mut self,
        suspects: &[Suspect],
        rows: &dyn Census,
        deadline: Instant,
    ) -> Result<BTreeMap<Suspect, Verdict>> {
        self.wait_for_nodes(deadline).await;
        let mut verdicts = BTreeMap::new();
        for batch in suspects.chunks(MAX_LOOKUP) {
            let states = rows.look(batch).await?;
            self.look_at_nodes(batch).await;
            for (suspect, row) in batch.iter().zip(states) {
                if let Some(verdict) = self.judge(*suspect, row) {
                    verdicts.insert(*suspect, verdict);
                }
            }
        }
        Ok(verdicts)
    }

    /// Waits until each node has applied what was read of the log.
    async fn wait_for_nodes(&mut self, deadline: Instant) {
        let (nodes, log) = (&self.nodes, self.log.positions());
        let waits = self.each.iter().map(|node| async move {
            loop {
                let summary = match &node.error {
                    Some(error) => Err(error.clone()),
                    None => nodes.index_summary(&node.url).await,
                };
                let is_behind = |summary: &IndexSummary| {
                    let position = |partition| summary.positions.get(partition).copied().unwrap_or_default();
                    log.iter().any(|(partition, end)| position(partition) < *end)
                };
                match summary {
                    Ok(summary) if is_behind(&summary) && Instant::now() < deadline => {
                        tokio::time::sleep(BEHIND_PAUSE).await;
                    }
                    summary => return summary.map(|summary| is_behind(&summary)),
                }
            }
        });
        let found = join_all(waits).await;
        for (node, found) in self.each.iter_mut().zip(found) {
            match found {
                Ok(behind) => node.behind = behind,
                Err(error) => node.error = Some(error),
            }
        }
    }

    async fn look_at_nodes(&mut self, batch: &[Suspect]) {
        let ids: Vec<ChunkId> = batch.iter().filter_map(|suspect| suspect.chunk_id).collect();
        for id in &ids {
            // Rows are judged by their state; the log has been read further.
            let in_log = self.log.chunk_of(*id).is_some_and(|record| record.standing == Standing::Visible);
            let marks = self.marks.entry(*id).or_default();
            *marks = *marks & !LOG | if in_log { LOG } else { 0 };
        }
        if ids.is_empty() {
            return;
        }
        let nodes = &self.nodes;
        let asked = self.each.iter().map(|node| {
            let uuids = ids.iter().map(|id| id.0).collect();
            async move {
                match &node.error {
                    Some(error) => Err(error.clone()),
                    None => nodes.shown(&node.url, uuids).await,
                }
            }
        });
        for (i, shown) in join_all(asked).await.into_iter().enumerate() {
            match shown {
                Ok(shown) => {
                    for (id, shown) in ids.iter().zip(shown) {
                        let marks = self.marks.entry(*id).or_default();
                        *marks = *marks & !node_mark(i) | if shown { node_mark(i) } else { 0 };
                    }
                }
                Err(error) => self.each[i].error = Some(error),
            }
        }
    }

    fn judge(&mut self, suspect: Suspect, row: RowState) -> Option<Verdict> {
        let marker =
            suspect.chunk_id.is_none().then(|| self.log.marker_of(suspect.document_id, suspect.version));
        let record = match suspect.chunk_id {
            Some(id) => self.log.chunk_of(id),
            None => marker.as_ref().and_then(Option::as_ref),
        };
        let in_rows = row.visible && row.status == Some(ChunkStatus::Indexed);
        let (mut shown_by, mut not_shown_by) = (BTreeSet::new(), BTreeSet::new());
        let mut nodes_behind = false;
        if let Some(id) = suspect.chunk_id {
            let marks = self.marks.entry(id).or_default();
            *marks = *marks & !ROWS | if in_rows { ROWS } else { 0 };
            let marks = *marks;
            let mut agree = (marks & LOG != 0) == in_rows;
            for (i, node) in self.each.iter().enumerate().filter(|(_, node)| node.error.is_none()) {
                let shown = marks & node_mark(i) != 0;
                if shown { &mut shown_by } else { &mut not_shown_by }.insert(node.url.clone());
                if node.behind {
                    nodes_behind = true;
                } else {
                    agree &= shown == in_rows;
                }
            }
            nodes_behind &= agree;
        }
        judge(Evidence { suspect, record, row, shown_by, not_shown_by, nodes_behind })
    }

    /// The sums of each side, without these chunks.
    pub(super) fn summaries(
        &self,
        without: &BTreeSet<ChunkId>,
    ) -> (SideSummary, SideSummary, Vec<NodeSummary>) {
        let mut sums = vec![(0u64, 0u64); 2 + self.each.len().min(MAX_NODES)];
        for (id, marks) in self.marks.iter().filter(|(id, _)| !without.contains(id)) {
            let share = share(*id);
            for (side, (count, sum)) in sums.iter_mut().enumerate() {
                if marks >> side & 1 != 0 {
                    *count += 1;
                    *sum = sum.wrapping_add(share);
                }
            }
        }
        let side = |(chunks, sum): (u64, u64)| SideSummary::new(chunks, sum);
        let index = self.each.iter().enumerate().map(|(i, node)| NodeSummary {
            node: node.url.clone(),
            held: sums.get(2 + i).filter(|_| node.error.is_none()).map(|sum| side(*sum)),
            error: node.error.clone(),
        });
        (side(sums[0]), side(sums[1]), index.collect())
    }
}
