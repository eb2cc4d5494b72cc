//! Why a document was found where it was, or not at all.

use crate::{
    config::IndexConfig,
    error::IndexError,
    fusion::fuse,
    keyword::{self, index::Vocabulary, terms::Side},
    record::ChunkRecord,
    request::{DocumentState, LegScore, Legs, SearchRequest},
    top::{Scored, Top},
    vector::{dot::Dot, scan::scan},
    view::View,
};
use ragstream_core::id::{ChunkId, DocumentId};
use std::{collections::HashSet, sync::Arc};

/// Chunks of a document that are explained: the best ones.
const EXPLAINED_CHUNKS: usize = 3;

/// What is to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A document, by its best chunks.
    Document(DocumentId),
    /// One chunk.
    Chunk(ChunkId),
}

/// How a document fared in a search. All of it is of one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The document; `None` where a chunk was named that is not held.
    pub document_id: Option<DocumentId>,
    /// Whether anything is held of it.
    pub known: bool,
    /// Whether its deletion was applied.
    pub deleted: bool,
    /// Its versions: which one searches see, which ones wait for their chunks or marker.
    pub state: DocumentState,
    /// The first condition of the filter that its visible version fails, by its path, as
    /// in `filter.year.gte`. `None` where it passes, or none is visible.
    pub failed_condition: Option<String>,
    /// Visible chunks that pass the filter: what the ranks are among.
    pub candidates: usize,
    /// How far down a leg takes part in the fusion: what ranks below gets nothing for it.
    pub leg_depth: usize,
    /// Its best chunks, best first.
    pub chunks: Vec<ExplainedChunk>,
}

/// How a chunk fared.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedChunk {
    /// The chunk.
    pub record: Arc<ChunkRecord>,
    /// Whether searches see it.
    pub visible: bool,
    /// Its true place by cosine similarity, however far down. A walk of the graph, which
    /// large searches take, may miss one in a hundred of the first.
    pub vector: Option<LegScore>,
    /// Its place by BM25, however far down; `None` where no term of the question is in it.
    pub keyword: Option<LegScore>,
    /// Its place and score after the fusion; `None` where no leg has it within `leg_depth`.
    pub fused: Option<LegScore>,
    /// The distinct terms of the question, rarest first.
    pub terms: Vec<TermFound>,
}

/// A term of the question, and whether a chunk holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct TermFound {
    /// As it is indexed: normalised and stemmed.
    pub term: String,
    /// Inverse document frequency: what it weighs.
    pub weight: f32,
    /// Whether the text, the headings or the file name has it.
    pub found: bool,
}

/// What explanations are made from.
pub(crate) struct Explainer<'a> {
    pub(crate) view: &'a View,
    pub(crate) dot: Dot,
    pub(crate) vocabulary: &'a Vocabulary,
    /// As a search has it.
    pub(crate) depth: usize,
}

impl Explainer<'_> {
    /// `row` is that of the chunk, where one was named; `question` the vector, of length 1.
    pub(crate) fn explain(
        &self,
        request: &SearchRequest,
        document: DocumentId,
        row: Option<u32>,
        question: Option<&[f32]>,
    ) -> Result<Explanation, IndexError> {
        let view = self.view;
        let entry = view.documents.get(document);
        let shown = entry.and_then(|entry| entry.shown());
        let allowed = view.select(&request.filter);
        let vectors = question.map_or_else(Vec::new, |question| {
            let mut top = Top::new(view, allowed.len(), request.per_document);
            scan(view, &allowed, 0, question, self.dot, &mut top);
            top.into_sorted()
        });
        let keywords = match request.mode {
            Legs::Vector => Vec::new(),
            _ => {
                let (text, all) = (&request.text, allowed.len());
                keyword::search::search(view, self.vocabulary, text, &allowed, all, request.per_document)?
            }
        };
        let within = |leg: &[Scored]| leg[..leg.len().min(self.depth)].to_vec();
        let fused = fuse(view, &within(&vectors), &within(&keywords), self.depth, request.per_document);
        let place = |leg: &[Scored], row: u32| {
            let index = leg.iter().position(|scored| scored.row == row)?;
            Some(LegScore { rank: index + 1, score: leg[index].score })
        };

        let rows: Vec<u32> = match row {
            Some(row) => vec![row],
            None => shown.map_or_else(Vec::new, |held| held.rows.clone()),
        };
        let own: HashSet<u32> = rows.iter().copied().collect();
        // Only the best of many are looked for one by one.
        let best = fused.iter().map(|fused| fused.row);
        let best = best.chain(vectors.iter().chain(&keywords).map(|scored| scored.row)).chain(rows);
        let mut seen = HashSet::new();
        let best = best.filter(|row| own.contains(row) && seen.insert(*row)).take(EXPLAINED_CHUNKS);
        let weights = self.weights(&request.text)?;
        let chunks = best.filter_map(|row| {
            let record = view.record(row)?.clone();
            let rank = fused.iter().position(|fused| fused.row == row);
            Some(ExplainedChunk {
                visible: view.visible.contains(row),
                vector: place(&vectors, row),
                keyword: place(&keywords, row),
                fused: rank.map(|index| LegScore { rank: index + 1, score: fused[index].hit.score }),
                terms: self.terms(&weights, &record),
                record,
            })
        });
        Ok(Explanation {
            document_id: Some(document),
            known: entry.is_some_and(|entry| !entry.is_deleted()),
            deleted: entry.is_some_and(|entry| entry.is_deleted()),
            state: view.state(document),
            failed_condition: shown
                .and_then(|held| request.filter.failure(&held.reference))
                .map(str::to_owned),
            candidates: allowed.len(),
            leg_depth: self.depth,
            chunks: chunks.collect(),
        })
    }

    /// Of a chunk that is not held.
    pub(crate) fn unknown(&self, request: &SearchRequest) -> Explanation {
        Explanation {
            document_id: None,
            known: false,
            deleted: false,
            state: DocumentState::default(),
            failed_condition: None,
            candidates: self.view.select(&request.filter).len(),
            leg_depth: self.depth,
            chunks: Vec::new(),
        }
    }

    fn weights(&self, text: &str) -> Result<Vec<(String, f32)>, IndexError> {
        Ok(self.vocabulary.weights(&self.view.searcher, &self.vocabulary.question(text))?)
    }

    fn terms(&self, weights: &[(String, f32)], record: &ChunkRecord) -> Vec<TermFound> {
        let texts = std::iter::once(&record.chunk.text).chain(&record.chunk.headings);
        let texts = texts.chain(std::iter::once(&record.document.filename));
        let held: HashSet<String> =
            texts.flat_map(|text| self.vocabulary.terms.of(text, Side::Document)).collect();
        let found = |(term, weight): &(String, f32)| TermFound {
            term: term.clone(),
            weight: *weight,
            found: held.contains(term),
        };
        weights.iter().map(found).collect()
    }
}

/// The vector of a request, of length 1; `None` where no leg needs it.
pub(crate) fn question(
    request: &SearchRequest,
    config: &IndexConfig,
) -> Result<Option<Vec<f32>>, IndexError> {
    match (&request.vector, request.mode) {
        (_, Legs::Keyword) | (None, Legs::Hybrid) => Ok(None),
        (None, Legs::Vector) => Err(IndexError::Request("a vector search needs a vector".into())),
        (Some(vector), _) => {
            let vector = crate::vector::unit::unit(vector.clone(), config.dimension);
            vector.map(Some).map_err(IndexError::Request)
        }
    }
}
