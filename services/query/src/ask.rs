//! Searches and questions: check, wait, embed, retrieve, answer.

use crate::{
    answer::{self, Terms},
    metrics,
    view::{View, blocking},
};
use ragstream_api::{
    documents::Span,
    problem::Problem,
    search::{
        Citation, Freshness, LegScore, Legs, MAX_QUESTION_BYTES, MAX_TOP_K, MAX_WAIT_MS, Passage,
        QueryRequest, QueryResponse, SearchMode, SearchRequest, SearchResponse, Timings, wait_ms,
    },
};
use ragstream_core::{
    fault::{Fault, Result},
    ports::Embedder,
    token::ConsistencyToken,
};
use ragstream_index::{Filter, Hit, Index, SearchHits};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Requests at work at once, for each core: they are bound by the processor, so
/// more at once only take longer each.
const REQUESTS_PER_CORE: usize = 2;

/// Answers requests from the view.
pub(crate) struct Asker {
    view: Arc<View>,
    embedder: Arc<dyn Embedder>,
    slots: Semaphore,
}

/// A request that was checked.
struct Checked {
    text: String,
    top_k: usize,
    filter: Filter,
    legs: ragstream_index::Legs,
    token: Option<ConsistencyToken>,
    wait: Duration,
}

/// What retrieval gave.
struct Retrieved {
    /// What was searched, whatever serves by now.
    index: Arc<Index>,
    hits: SearchHits,
    timings: Timings,
    freshness: Freshness,
    begun: Instant,
}

impl Asker {
    pub(crate) fn new(view: Arc<View>, embedder: Arc<dyn Embedder>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { view, embedder, slots: Semaphore::new(cores * REQUESTS_PER_CORE) }
    }

    /// Retrieval alone.
    pub(crate) async fn search(&self, request: SearchRequest) -> Result<SearchResponse, Problem> {
        let Retrieved { hits, mut timings, freshness, begun, .. } = self.retrieve(check(request)?).await?;
        timings.total = ms(begun.elapsed());
        Ok(SearchResponse { passages: hits.hits.iter().map(passage).collect(), timings, freshness })
    }

    /// Retrieval, and an answer from what it found.
    pub(crate) async fn query(&self, request: QueryRequest) -> Result<QueryResponse, Problem> {
        let question = request.question.clone();
        let checked = check(SearchRequest {
            query: request.question,
            top_k: request.top_k,
            collection: request.collection,
            filter: request.filter,
            mode: SearchMode::Hybrid,
            min_token: request.min_token,
            wait_ms: request.wait_ms,
        })?;
        let Retrieved { index, hits, mut timings, freshness, begun } = self.retrieve(checked).await?;
        let answering = Instant::now();
        let passages: Vec<Passage> = hits.hits.iter().map(passage).collect();
        let terms = Terms::of(&question, &index);
        let extract = answer::extract(&terms, &passages, |text| index.analyze(text));
        observe("answer", answering.elapsed(), &mut timings.answer);
        observe("total", begun.elapsed(), &mut timings.total);
        Ok(QueryResponse {
            answer: extract.text,
            answered: !extract.quotes.is_empty(),
            method: "extractive".into(),
            citations: extract
                .quotes
                .into_iter()
                .enumerate()
                .map(|(i, quote)| citation(i + 1, &passages[quote.passage], quote.start, quote.text))
                .collect(),
            passages,
            timings,
            freshness,
        })
    }

    async fn retrieve(&self, request: Checked) -> Result<Retrieved, Problem> {
        let begun = Instant::now();
        let mut timings = Timings::default();
        // Other nodes know more: the gateway asks them.
        self.view.require_caught_up().map_err(|fault| {
            Problem::unavailable(fault.class, format!("{}; try again later", fault.message))
        })?;
        let token_applied = match request.token {
            None => None,
            Some(token) => Some(self.view.wait_for(token.document_id, token.version, request.wait).await),
        };
        observe("wait", begun.elapsed(), &mut timings.wait);

        let _slot = self
            .slots
            .acquire()
            .await
            .map_err(|_| Problem::unavailable("stopping", "the query node is stopping"))?;
        let vector = match request.legs {
            ragstream_index::Legs::Keyword => None,
            _ => {
                let embedding = Instant::now();
                let vector = self.embed(request.text.clone()).await?;
                observe("embed", embedding.elapsed(), &mut timings.embed);
                Some(vector)
            }
        };
        let index = self.view.index();
        let search = ragstream_index::SearchRequest {
            text: request.text,
            vector,
            top_k: request.top_k,
            filter: request.filter,
            mode: request.legs,
            ..Default::default()
        };
        let searching = Instant::now();
        let searched = index.clone();
        let hits = blocking(move || searched.search(&search)).await?;
        metrics::STEP_SECONDS.with_label_values(&["retrieve"]).observe(searching.elapsed().as_secs_f64());
        timings.vector = ms(hits.timings.vector);
        timings.keyword = ms(hits.timings.keyword);
        timings.fusion = ms(hits.timings.fusion);
        let freshness = Freshness { applied: hits.positions.clone(), lag: self.view.lag(), token_applied };
        Ok(Retrieved { index, hits, timings, freshness, begun })
    }

    async fn embed(&self, text: String) -> Result<Vec<f32>, Problem> {
        let embedder = self.embedder.clone();
        let outcome = tokio::task::spawn_blocking(move || {
            let mut vectors = embedder.embed(&[&text])?;
            vectors.pop().unwrap_or_else(|| Err(Fault::failed("model_output", "the model gave no vector")))
        })
        .await
        .map_err(|e| Fault::failed("model_panicked", "the model panicked").caused_by(e))?;
        outcome.map_err(|fault| match fault.class {
            "chunk_too_long" => Problem::unprocessable(
                "question_too_long",
                format!(
                    "the question has more tokens than the model reads ({}): shorten it, or search with \
                     \"mode\": \"keyword\"",
                    self.embedder.model().max_tokens
                ),
            ),
            _ => fault.into(),
        })
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn observe(step: &str, time: Duration, into: &mut f64) {
    metrics::STEP_SECONDS.with_label_values(&[step]).observe(time.as_secs_f64());
    *into = ms(time);
}

fn check(request: SearchRequest) -> Result<Checked, Problem> {
    let invalid =
        |field: &str, why: String| Problem::unprocessable("invalid_field", format!("`{field}` {why}"));
    if request.query.trim().is_empty() {
        return Err(invalid("question", "is empty: say what to look for".into()));
    }
    if request.query.len() > MAX_QUESTION_BYTES {
        return Err(invalid("question", format!("is longer than {MAX_QUESTION_BYTES} bytes")));
    }
    if !(1..=MAX_TOP_K).contains(&request.top_k) {
        return Err(invalid("top_k", format!("is {}: give 1 to {MAX_TOP_K}", request.top_k)));
    }
    let wait = wait_ms(request.min_token.is_some(), request.wait_ms);
    if wait > MAX_WAIT_MS {
        return Err(invalid("wait_ms", format!("is {wait}: give at most {MAX_WAIT_MS}")));
    }
    let token = request
        .min_token
        .map(|token| {
            token.parse::<ConsistencyToken>().map_err(|why| invalid("min_token", format!("is {why}")))
        })
        .transpose()?;
    Ok(Checked {
        text: request.query,
        top_k: request.top_k,
        filter: Filter::parse(request.collection.map(Into::into).unwrap_or_default(), &request.filter)
            .map_err(|error| Problem::unprocessable("invalid_field", error.to_string()))?,
        legs: match request.mode {
            SearchMode::Hybrid => ragstream_index::Legs::Hybrid,
            SearchMode::Vector => ragstream_index::Legs::Vector,
            SearchMode::Keyword => ragstream_index::Legs::Keyword,
        },
        token,
        wait: Duration::from_millis(wait),
    })
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
        legs: Legs { vector: hit.vector.map(leg), keyword: hit.keyword.map(leg) },
    }
}

fn citation(number: usize, passage: &Passage, start: usize, quote: String) -> Citation {
    let from = passage.span.start + start as u64;
    Citation {
        number,
        document_id: passage.document_id,
        external_id: passage.external_id.clone(),
        filename: passage.filename.clone(),
        page: passage.page,
        span: Span { start: from, end: from + quote.len() as u64 },
        quote,
        chunk_id: passage.chunk_id,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::testing::Rig;
    use ragstream_core::ports::ModelInfo;

    struct NoModel(ModelInfo);

    impl Embedder for NoModel {
        fn model(&self) -> &ModelInfo {
            &self.0
        }

        fn embed(&self, _: &[&str]) -> Result<Vec<Result<Vec<f32>>>> {
            Err(Fault::failed("no_model", "a test asked for a vector"))
        }
    }

    #[tokio::test]
    async fn a_node_that_has_not_caught_up_leaves_the_answer_to_others() {
        let rig = Rig::new();
        let model = ModelInfo { name: "m".into(), dimension: 4, max_tokens: 9 };
        let asker = Asker::new(rig.view.clone(), Arc::new(NoModel(model)));
        let request = serde_json::json!({"query": "anything", "mode": "keyword"});
        let refused = asker.search(serde_json::from_value(request).unwrap()).await.unwrap_err();
        assert_eq!((refused.status, refused.retry_after.is_some()), (503, true));
        assert_eq!(refused.kind, "/problems/index_catching_up");
        assert!(rig.rebuilder.begin().is_err(), "nor is there anything to rebuild");
    }
}
