//! From a text to passages.

use super::gate::Gate;
use crate::{
    cache::Caches,
    metrics,
    view::{View, blocking},
};
use ragstream_api::{
    problem::Problem,
    search::{Context, LegScore, Legs, Passage, Snippet, Timings},
};
use ragstream_core::{
    fault::{Fault, Result},
    ports::{Embedder, Reranker},
};
use ragstream_index::{Filter, Hit, Index, PerDocument};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

/// Passages that a cross-encoder reads, where fewer are wanted: it takes some ten milliseconds
/// for each, and what is further down it rarely puts first.
const RERANK_DEPTH: usize = 30;
/// Characters of a snippet: two lines of a page of results.
const SNIPPET_CHARS: usize = 240;
/// How little the first ranks of a list count more than the next, where several wordings of a
/// question find lists of about the same worth (Cormack, Clarke, Büttcher 2009).
const K: f32 = 60.0;

/// What to look for.
#[derive(Clone)]
pub(crate) struct Search {
    pub(crate) text: String,
    pub(crate) top_k: usize,
    pub(crate) filter: Filter,
    pub(crate) legs: ragstream_index::Legs,
    pub(crate) per_document: PerDocument,
    pub(crate) diversity: Option<f32>,
    pub(crate) expand: usize,
    pub(crate) reranker: Option<Arc<dyn Reranker>>,
    /// Whether the text is to be remembered nowhere.
    pub(crate) is_private: bool,
}

/// What was found.
pub(crate) struct Found {
    pub(crate) passages: Vec<Passage>,
    /// The next offset of each partition, at the moment of the search.
    pub(crate) positions: BTreeMap<i32, i64>,
}

/// A passage on its way there.
struct Candidate {
    hit: Hit,
    passage: Passage,
}

/// Searches what serves.
pub(crate) struct Retriever {
    pub(crate) view: Arc<View>,
    pub(crate) embedder: Arc<dyn Embedder>,
    pub(crate) caches: Arc<Caches>,
    pub(crate) gate: Arc<Gate>,
}

impl Retriever {
    pub(crate) fn new(view: Arc<View>, embedder: Arc<dyn Embedder>) -> Self {
        Self { view, embedder, caches: Arc::new(Caches::new()), gate: Arc::new(Gate::new()) }
    }

    /// Passages for one text, in order, with their neighbours and snippets.
    pub(crate) async fn retrieve(
        &self,
        index: &Arc<Index>,
        search: &Search,
        timings: &mut Timings,
    ) -> Result<Found, Problem> {
        let _entered = self.gate.enter().await?;
        let (candidates, positions) = self.candidates(index, search, timings).await?;
        let passages = self.ordered(index, search, candidates, timings).await?;
        Ok(Found { passages, positions })
    }

    /// Passages for several wordings of one question, put together by reciprocal ranks.
    pub(crate) async fn retrieve_all(
        &self,
        index: &Arc<Index>,
        search: &Search,
        wordings: &[String],
        timings: &mut Timings,
    ) -> Result<(Found, Vec<usize>), Problem> {
        let _entered = self.gate.enter().await?;
        let mut lists = Vec::new();
        for text in std::iter::once(&search.text).chain(wordings) {
            let search = Search { text: text.clone(), ..search.clone() };
            lists.push(self.candidates(index, &search, timings).await?);
        }
        let positions = lists.first().map(|(_, positions)| positions.clone()).unwrap_or_default();
        let ids: Vec<Vec<_>> =
            lists[1..].iter().map(|(list, _)| list.iter().map(|c| c.passage.chunk_id).collect()).collect();
        let candidates = fuse(lists.into_iter().map(|(list, _)| list).collect());
        let passages = self.ordered(index, search, candidates, timings).await?;
        let among = |ids: &Vec<_>| passages.iter().filter(|p| ids.contains(&p.chunk_id)).count();
        let shares = ids.iter().map(among).collect();
        Ok((Found { passages, positions }, shares))
    }

    async fn candidates(
        &self,
        index: &Arc<Index>,
        search: &Search,
        timings: &mut Timings,
    ) -> Result<(Vec<Candidate>, BTreeMap<i32, i64>), Problem> {
        let vector = match search.legs {
            ragstream_index::Legs::Keyword => None,
            _ => {
                let embedding = Instant::now();
                let vector = self.embed(&search.text, search.is_private).await?;
                add("embed", embedding.elapsed(), &mut timings.embed);
                Some(vector.to_vec())
            }
        };
        let top_k = if search.reranker.is_some() { search.top_k.max(RERANK_DEPTH) } else { search.top_k };
        let request = ragstream_index::SearchRequest {
            text: search.text.clone(),
            vector,
            top_k,
            filter: search.filter.clone(),
            mode: search.legs,
            per_document: search.per_document,
            // The index has the weight of the match, λ; people ask for its opposite.
            diversity: search.diversity.map(|diversity| 1.0 - diversity),
        };
        let searching = Instant::now();
        let searched = index.clone();
        let hits = blocking(move || searched.search(&request)).await?;
        metrics::STEP_SECONDS.with_label_values(&["retrieve"]).observe(searching.elapsed().as_secs_f64());
        timings.vector += ms(hits.timings.vector);
        timings.keyword += ms(hits.timings.keyword);
        timings.fusion += ms(hits.timings.fusion);
        let candidates = hits.hits.into_iter().map(|hit| Candidate { passage: passage(&hit), hit });
        Ok((candidates.collect(), hits.positions))
    }

    /// The best of the candidates as they are shown.
    async fn ordered(
        &self,
        index: &Arc<Index>,
        search: &Search,
        mut candidates: Vec<Candidate>,
        timings: &mut Timings,
    ) -> Result<Vec<Passage>, Problem> {
        if let Some(reranker) = search.reranker.clone().filter(|_| candidates.len() > 1) {
            let reranking = Instant::now();
            let text = search.text.clone();
            candidates.truncate(search.top_k.max(RERANK_DEPTH));
            candidates =
                tokio::task::spawn_blocking(move || rerank(&*reranker, &text, candidates)).await.map_err(
                    |e| Fault::failed("reranker_panicked", "the reranker panicked").caused_by(e),
                )??;
            add("rerank", reranking.elapsed(), &mut timings.rerank);
        }
        candidates.truncate(search.top_k);
        let (index, text, expand) = (index.clone(), search.text.clone(), search.expand);
        let shown = tokio::task::spawn_blocking(move || {
            candidates.into_iter().map(|candidate| show(&index, &text, expand, candidate)).collect()
        })
        .await
        .map_err(|e| Fault::failed("index_panicked", "the index panicked").caused_by(e))?;
        Ok(shown)
    }

    /// The vector of a text.
    pub(crate) async fn embed(&self, text: &str, is_private: bool) -> Result<Arc<[f32]>, Problem> {
        if let Some(vector) = self.caches.vector(text).filter(|_| !is_private) {
            return Ok(vector);
        }
        let (embedder, owned) = (self.embedder.clone(), text.to_owned());
        let outcome = tokio::task::spawn_blocking(move || embedder.embed_question(&owned))
            .await
            .map_err(|e| Fault::failed("model_panicked", "the model panicked").caused_by(e))?;
        let vector: Arc<[f32]> = outcome.map_err(|fault| self.too_long(fault))?.into();
        if !is_private {
            self.caches.keep_vector(text, vector.clone());
        }
        Ok(vector)
    }

    fn too_long(&self, fault: Fault) -> Problem {
        match fault.class {
            "chunk_too_long" => Problem::unprocessable(
                "question_too_long",
                format!(
                    "the question has more tokens than the model reads ({}): shorten it, or search with \
                     \"mode\": \"keyword\"",
                    self.embedder.model().max_tokens
                ),
            ),
            _ => fault.into(),
        }
    }
}

/// Lists of the same kind as one: each passage by the sum of its reciprocal ranks.
fn fuse(lists: Vec<Vec<Candidate>>) -> Vec<Candidate> {
    let count = lists.len() as f32;
    let mut fused: HashMap<uuid::Uuid, (f32, Candidate)> = HashMap::new();
    for list in lists {
        for (rank, candidate) in list.into_iter().enumerate() {
            let share = (K + 1.0) / (K + 1.0 + rank as f32) / count;
            fused
                .entry(candidate.passage.chunk_id)
                .and_modify(|(score, _)| *score += share)
                .or_insert((share, candidate));
        }
    }
    let mut candidates: Vec<Candidate> = fused
        .into_values()
        .map(|(score, Candidate { hit, passage })| Candidate { hit, passage: Passage { score, ..passage } })
        .collect();
    candidates.sort_by(|a, b| {
        let (a, b) = (&a.passage, &b.passage);
        b.score.total_cmp(&a.score).then_with(|| a.chunk_id.cmp(&b.chunk_id))
    });
    candidates
}

fn rerank(reranker: &dyn Reranker, question: &str, mut candidates: Vec<Candidate>) -> Result<Vec<Candidate>> {
    let texts: Vec<&str> = candidates.iter().map(|c| c.passage.text.as_str()).collect();
    let scores = reranker.rerank(question, &texts)?;
    if scores.len() != candidates.len() {
        return Err(Fault::failed("reranker_output", "the reranker left passages out"));
    }
    let mut order: Vec<usize> = (0..candidates.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    for (rank, i) in order.iter().enumerate() {
        candidates[*i].passage.legs.rerank = Some(LegScore { rank: rank + 1, score: scores[*i] });
    }
    candidates.sort_by_key(|c| c.passage.legs.rerank.map_or(usize::MAX, |leg| leg.rank));
    Ok(candidates)
}

/// A passage with what a person sees beside its text.
fn show(index: &Index, text: &str, expand: usize, candidate: Candidate) -> Passage {
    let Candidate { hit, mut passage } = candidate;
    let snippet = index.snippet(&passage.text, text, SNIPPET_CHARS);
    passage.snippet = Some(Snippet {
        text: snippet.text,
        highlights: snippet.highlights.into_iter().map(|r| (r.start as u64..r.end as u64).into()).collect(),
    });
    if expand > 0 {
        let (before, after): (Vec<_>, Vec<_>) = index
            .neighbours(&hit, expand)
            .into_iter()
            .partition(|other| other.chunk.position < hit.record.chunk.position);
        let texts = |records: Vec<Arc<ragstream_index::ChunkRecord>>| {
            records.into_iter().map(|record| record.chunk.text.clone()).collect()
        };
        passage.context = Some(Context { before: texts(before), after: texts(after) });
    }
    passage
}

fn passage(hit: &Hit) -> Passage {
    let record = &hit.record;
    let document = &record.document;
    let leg = |leg: ragstream_index::LegScore| LegScore { rank: leg.rank, score: leg.score };
    Passage {
        document_id: document.document_id.0,
        external_id: document.external_id.clone(),
        chunk_id: hit.chunk_id.0,
        score: hit.score,
        text: record.chunk.text.clone(),
        page: record.chunk.page,
        span: record.chunk.span.clone().into(),
        filename: document.filename.clone(),
        collection: document.collection.clone(),
        version: document.version.0,
        headings: record.chunk.headings.clone(),
        metadata: document.metadata.clone(),
        legs: Legs { vector: hit.vector.map(leg), keyword: hit.keyword.map(leg), rerank: None },
        snippet: None,
        context: None,
    }
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Counts a step's time, which may be one of several.
pub(crate) fn add(step: &str, time: Duration, into: &mut f64) {
    metrics::STEP_SECONDS.with_label_values(&[step]).observe(time.as_secs_f64());
    *into += ms(time);
}
