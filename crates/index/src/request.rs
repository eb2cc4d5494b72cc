//! What is asked of the index and what it answers.

use crate::{filter::Filter, record::ChunkRecord, view::View};
use chrono::{DateTime, Utc};
use ragstream_core::{
    event::IndexEvent,
    id::{ChunkId, DocumentId, Version},
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

/// An event and where it stood in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Positioned {
    /// Partition of `chunk-embeddings`.
    pub partition: i32,
    /// Offset within it.
    pub offset: i64,
    /// The record.
    pub event: IndexEvent,
}

/// What became of the events of one [`Index::apply`](crate::Index::apply): what the caller reports and logs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applied {
    /// Chunks that are now held, visible or not; those held before as well, so
    /// that a report that was lost is made again.
    pub indexed: Vec<ChunkId>,
    /// Versions whose marker was seen and that searches now see, repeated markers too.
    pub complete: Vec<(DocumentId, Version)>,
    /// Versions whose marker promised another number of chunks than are held.
    /// Such a version becomes visible, and is reported complete, as soon as the number fits.
    pub incomplete: Vec<Incomplete>,
    /// Chunks that can't be held.
    pub rejected: Vec<Rejected>,
    /// Late events of versions that are over: nothing was changed.
    pub stale: usize,
    /// Events at positions that were applied before: nothing was changed.
    pub repeated: usize,
}

/// A marker whose chunks are not (all) there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incomplete {
    /// The document.
    pub document_id: DocumentId,
    /// The version.
    pub version: Version,
    /// Chunks that the marker promised.
    pub expected: u32,
    /// Chunks that are held.
    pub held: usize,
}

/// A chunk that can't be held, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Where its record stands.
    pub partition: i32,
    /// Where its record stands.
    pub offset: i64,
    /// The chunk.
    pub chunk_id: ChunkId,
    /// In words, without document text.
    pub reason: String,
}

/// Which legs a search has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Legs {
    /// Vectors and keywords, fused.
    #[default]
    Hybrid,
    /// Vectors alone.
    Vector,
    /// Keywords alone.
    Keyword,
}

/// A question to the index.
#[derive(Clone, Debug, Default)]
pub struct SearchRequest {
    /// The words, for the keyword leg.
    pub text: String,
    /// The embedded question, for the vector leg: of the index's dimension,
    /// any length but zero. [`Legs::Vector`] needs one; [`Legs::Hybrid`]
    /// without one is the keyword leg alone.
    pub vector: Option<Vec<f32>>,
    /// Hits wanted, at most [`MAX_TOP_K`].
    pub top_k: usize,
    /// Which documents.
    pub filter: Filter,
    /// Which legs.
    pub mode: Legs,
    /// How many hits of one document.
    pub per_document: PerDocument,
    /// The λ of maximal marginal relevance, 0 to 1: hits are chosen one by one, each by
    /// `λ · score - (1 - λ) · similarity`, the similarity that of its vector to the nearest
    /// chosen before. 1 is the order of the scores; the lower, the less the hits repeat
    /// each other. `None`: no such choice.
    pub diversity: Option<f32>,
}

/// How many hits of one document a search may bring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PerDocument {
    /// All that rank high enough.
    #[default]
    All,
    /// The best one: as many documents as hits are wanted, where there are as many. Each leg
    /// ranks documents by their best chunk, and these are fused. The hit is the
    /// chunk of the leg that says more for the document; the other leg's score is that
    /// of its own best chunk.
    Best,
}

/// More hits than this are not given: nobody reads them, and each leg keeps
/// twice as many candidates in memory.
pub const MAX_TOP_K: usize = 1_000;

/// Where a chunk stood in one leg.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LegScore {
    /// 1 for the best chunk, or the best document with [`PerDocument::Best`].
    pub rank: usize,
    /// Cosine similarity or BM25.
    pub score: f32,
}

/// A chunk found.
#[derive(Clone, Debug, PartialEq)]
pub struct Hit {
    /// Its id.
    pub chunk_id: ChunkId,
    /// The weighted sum of the legs' scores, as a share of what the first of both has: 0 to 1.
    pub score: f32,
    /// In the vector leg, if it was among its candidates.
    pub vector: Option<LegScore>,
    /// In the keyword leg, if it was among its candidates.
    pub keyword: Option<LegScore>,
    /// Text, span, page, headings and document.
    pub record: Arc<ChunkRecord>,
}

/// How a vector leg went about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VectorPath {
    /// It looked at every row that passes the filter.
    Exact,
    /// It walked the graph.
    Graph,
}

/// How long each step took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Filter and vector leg.
    pub vector: Duration,
    /// Keyword leg.
    pub keyword: Duration,
    /// Fusion, records.
    pub fusion: Duration,
}

/// The answer: best first, or as [`diversity`](SearchRequest::diversity) chose. All of it is
/// of one moment between two calls of `apply`.
#[derive(Clone, Debug)]
pub struct SearchHits {
    /// At most `top_k`.
    pub hits: Vec<Hit>,
    /// How long it took.
    pub timings: Timings,
    /// Visible chunks that pass the filter.
    pub candidates: usize,
    /// How the vector leg went, if there was one.
    pub vector_path: Option<VectorPath>,
    /// Next offset to read for each partition, at that moment: how fresh the answer is.
    pub positions: BTreeMap<i32, i64>,
    /// That moment: kept in memory as long as the answer is.
    pub(crate) view: Arc<View>,
}

impl SearchHits {
    /// Up to `n` chunks before and up to `n` behind a hit's in its document, in order, itself
    /// left out: which side one is on, its position tells. Of the same moment as the hits.
    pub fn neighbours(&self, hit: &Hit, n: usize) -> Vec<Arc<ChunkRecord>> {
        self.view.neighbours(&hit.record, n)
    }
}

/// A document as the index holds it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DocumentState {
    /// The version that searches see.
    pub visible: Option<Version>,
    /// Chunks of it.
    pub visible_chunks: usize,
    /// Chunks held of each version, the visible one too.
    pub held: BTreeMap<Version, usize>,
    /// Chunks that the marker of each version promised.
    pub markers: BTreeMap<Version, u32>,
}

/// What searches see, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Contents {
    /// Next offset to read for each partition.
    pub positions: BTreeMap<i32, i64>,
    /// Chunks that searches see.
    pub chunks: usize,
    /// [`checksum`](ragstream_core::checksum::checksum) of their ids.
    pub checksum: u64,
}

/// How an index has a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Searches see it.
    Visible,
    /// It waits for its version to be whole.
    Staged,
    /// It is not held.
    Absent,
}

/// Sizes of the index.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IndexStats {
    /// Chunks that searches see.
    pub visible: usize,
    /// Chunks that wait for their marker.
    pub staged: usize,
    /// Retired chunks that still take memory.
    pub dead: usize,
    /// Documents that searches see.
    pub documents: usize,
    /// The graph, if there is one.
    pub graph: Option<GraphStats>,
    /// Bytes of the vectors, dead ones too, without the graph's own copy.
    pub vector_bytes: usize,
    /// Documents of the keyword index, dead ones too until their segment is merged.
    pub keyword_documents: u64,
    /// Segments of the keyword index.
    pub keyword_segments: usize,
    /// [`checksum`](ragstream_core::checksum::checksum) of the visible chunk ids.
    pub checksum: u64,
}

/// Sizes of the graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GraphStats {
    /// Distinct vectors.
    pub nodes: usize,
    /// Rows behind them, dead ones too.
    pub rows: usize,
    /// Nodes that the graph does not find, which are compared one by one.
    pub lost: usize,
    /// Rows that came after, which are compared one by one.
    pub tail: usize,
}

/// A snapshot that was written.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotInfo {
    /// Its folder.
    pub path: PathBuf,
    /// Its number, one more than the one before.
    pub number: u64,
    /// When: what it holds is at least as new.
    pub taken_at: DateTime<Utc>,
    /// Next offset to read for each partition after restoring it.
    pub positions: BTreeMap<i32, i64>,
    /// Chunks in it, staged ones too.
    pub chunks: usize,
    /// Bytes of its files.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
}
