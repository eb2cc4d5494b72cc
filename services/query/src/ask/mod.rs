//! Searches and questions.
//!
//! [`check`] says what is asked for, [`gate`] how much at once, [`retrieve`] finds passages.
//! A question is prepared first: what can be wrong with it is known before an answer begins,
//! which may then be given away while it is made.

pub(crate) mod check;
mod explain;
pub(crate) mod gate;
mod retrieve;
#[cfg(test)]
mod tests;

use crate::{
    answer::{
        Citations, UNANSWERED,
        claims::Compare,
        extract::{self, Extent, Terms},
        prompt::{Brief, Task},
        write::{Unwritten, write},
    },
    cache::Caches,
    embeddings::Embeddings,
    events::Sink,
    models::{Manner, Models},
    plan,
    view::View,
};
use check::Awaited;
use ragstream_api::{
    outage,
    problem::Problem,
    search::{
        AskRequest, ExplainRequest, ExplainResponse, Freshness, Passage, QueryMode, QueryResponse,
        SearchRequest, SearchResponse, Step, Timings,
    },
};
use ragstream_core::ports::{Embedder, LanguageModel};
use ragstream_index::Index;
use retrieve::{Found, Retriever, Search, add, ms};
use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

/// Most passages that a prompt is made of; fewer fit most models.
const PROMPT_PASSAGES: usize = 40;

/// Answers requests from the view.
pub(crate) struct Asker {
    retriever: Retriever,
    models: Models,
}

/// A question that can be answered.
pub(crate) struct Prepared {
    request: AskRequest,
    search: Search,
    manner: Manner,
    writer: Option<Arc<dyn LanguageModel>>,
    pub(crate) token_applied: Option<bool>,
    timings: Timings,
    begun: Instant,
}

/// An answer, without what it was asked for.
struct Answer {
    text: String,
    answered: bool,
    /// Who wrote it; `None`: it is quoted.
    model: Option<String>,
}

/// What an answer is made with.
struct Making<'a> {
    prepared: &'a Prepared,
    index: Arc<Index>,
    timings: Timings,
    positions: Option<BTreeMap<i32, i64>>,
    citations: Citations,
    steps: Vec<Step>,
    notes: Vec<String>,
    /// Whether the model failed: it is not asked again for this answer.
    without_model: bool,
}

impl Asker {
    pub(crate) fn new(view: Arc<View>, embedder: Arc<dyn Embedder>, models: Models) -> Self {
        Self { retriever: Retriever::new(view, embedder), models }
    }

    /// Texts to vectors, in turns with searches.
    pub(crate) fn embeddings(&self) -> Embeddings {
        Embeddings::new(self.retriever.embedder.clone(), self.retriever.gate.clone())
    }

    /// Retrieval alone.
    pub(crate) async fn search(&self, request: SearchRequest) -> Result<SearchResponse, Problem> {
        let begun = Instant::now();
        let reranker = self.models.reranker(request.rerank)?;
        let (mut search, awaited) = check::search(request)?;
        search.reranker = reranker;
        let mut timings = Timings::default();
        let token_applied = self.wait(awaited, &mut timings).await?;
        let index = self.retriever.view.index();
        let found = self.retriever.retrieve(&index, &search, &mut timings).await?;
        timings.total = ms(begun.elapsed());
        let freshness = self.freshness(found.positions, token_applied);
        Ok(SearchResponse { passages: found.passages, timings, freshness })
    }

    /// Why a document was or was not found.
    pub(crate) async fn explain(&self, request: ExplainRequest) -> Result<ExplainResponse, Problem> {
        self.wait(Awaited { token: None, wait: Duration::ZERO }, &mut Timings::default()).await?;
        explain::explain(&self.retriever, request).await
    }

    /// Checks a question, and waits for what it has to see.
    pub(crate) async fn prepare(&self, request: AskRequest) -> Result<Prepared, Problem> {
        let begun = Instant::now();
        let mode = request.query.mode;
        let manner = Manner::of(mode);
        let (mut search, awaited) = check::question(&request, &manner)?;
        let writer = self.models.writer_for(mode)?;
        let reranker = self.models.reranker(request.query.rerank)?;
        search.reranker = if manner.reranks { self.models.reranker.clone() } else { reranker };
        search.expand = search.expand.max(manner.expand);
        search.is_private = mode == QueryMode::Private;
        let mut timings = Timings::default();
        let token_applied = self.wait(awaited, &mut timings).await?;
        Ok(Prepared { request, search, manner, writer, token_applied, timings, begun })
    }

    /// Answers, and gives away what there is of it while it is made.
    pub(crate) async fn answer(
        &self,
        prepared: &Prepared,
        sink: &mut Sink,
    ) -> Result<QueryResponse, Problem> {
        let index = self.retriever.view.index();
        let contents = index.contents_within(&prepared.search.filter);
        let key = Caches::key(&prepared.request, contents.checksum);
        if let Some(known) = key.and_then(|key| self.retriever.caches.answer(&key)) {
            sink.passages(&known.passages).await?;
            sink.words(&known.answer).await?;
            let mut timings = prepared.timings;
            add("total", prepared.begun.elapsed(), &mut timings.total);
            let freshness = self.freshness(contents.positions, prepared.token_applied);
            return Ok(QueryResponse { timings, freshness, cached: true, ..QueryResponse::clone(&known) });
        }
        let mut making = Making {
            prepared,
            index,
            timings: prepared.timings,
            positions: None,
            citations: Citations::default(),
            steps: Vec::new(),
            notes: Vec::new(),
            without_model: false,
        };
        let history = &prepared.request.history;
        let asked = prepared.request.query.question.trim();
        let standalone = plan::standalone(making.writer(), history, asked, &making.index).await;
        let question = standalone.as_deref().unwrap_or(asked);
        let search = Search { text: question.to_owned(), ..prepared.search.clone() };
        let (answer, passages) = match prepared.request.query.mode {
            QueryMode::Deep => self.deep(&mut making, search, sink).await?,
            QueryMode::SuperDeep => self.super_deep(&mut making, search, sink).await?,
            QueryMode::Basic | QueryMode::Creative | QueryMode::Private | QueryMode::Uncensored => {
                let found = self.find(&mut making, &search).await?;
                sink.passages(&found).await?;
                let answer = self.make(&mut making, Task::Answer, question, &found, &[], sink).await?;
                (answer, found)
            }
        };
        let mut timings = making.timings;
        add("total", prepared.begun.elapsed(), &mut timings.total);
        let is_final = !making.without_model;
        let response = QueryResponse {
            answer: answer.text,
            answered: answer.answered,
            method: if answer.model.is_some() { "generative" } else { "extractive" }.into(),
            mode: prepared.request.query.mode,
            model: answer.model,
            standalone_question: standalone,
            steps: making.steps,
            notes: making.notes,
            cached: false,
            citations: making.citations.into_vec(),
            passages,
            timings,
            freshness: self.freshness(making.positions.unwrap_or_default(), prepared.token_applied),
        };
        if let Some(key) = key.filter(|_| is_final) {
            self.retriever.caches.keep_answer(key, &response);
        }
        Ok(response)
    }

    /// The question in several wordings.
    async fn deep(
        &self,
        making: &mut Making<'_>,
        search: Search,
        sink: &mut Sink,
    ) -> Result<(Answer, Vec<Passage>), Problem> {
        let first = self.retriever.retrieve(&making.index, &search, &mut making.timings).await?;
        let wordings = plan::wordings(making.writer(), &search.text, &first.passages, &making.index).await;
        let (found, shares) =
            self.retriever.retrieve_all(&making.index, &search, &wordings, &mut making.timings).await?;
        let found = making.seen(found);
        for (question, passages) in wordings.into_iter().zip(shares) {
            let step = Step { question, answer: None, passages };
            sink.step(&step).await?;
            making.steps.push(step);
        }
        sink.passages(&found).await?;
        let answer = self.make(making, Task::Analyse, &search.text, &found, &[], sink).await?;
        Ok((answer, found))
    }

    /// The question in parts, one after the other, and the whole from them.
    async fn super_deep(
        &self,
        making: &mut Making<'_>,
        search: Search,
        sink: &mut Sink,
    ) -> Result<(Answer, Vec<Passage>), Problem> {
        let parts = plan::parts(making.writer(), &search.text, &making.index).await;
        let mut all: Vec<Passage> = Vec::new();
        let mut answered: Vec<(String, String)> = Vec::new();
        let alone = parts.len() == 1;
        for part in parts {
            let found = self.find(making, &Search { text: part.clone(), ..search.clone() }).await?;
            if alone {
                sink.passages(&found).await?;
                let answer = self.make(making, Task::Answer, &part, &found, &[], sink).await?;
                making.steps.push(step(part, &answer, found.len()));
                return Ok((answer, found));
            }
            let answer = self.make(making, Task::Answer, &part, &found, &answered, &mut Sink::none()).await?;
            let step = step(part.clone(), &answer, found.len());
            sink.step(&step).await?;
            making.steps.push(step);
            if answer.answered {
                answered.push((part, answer.text));
            }
            all.extend(found);
        }
        let mut known = HashSet::new();
        all.retain(|passage| known.insert(passage.chunk_id));
        sink.passages(&all).await?;
        let answer = match making.writer().is_some() && !answered.is_empty() {
            true => {
                // What backs the parts goes first: a prompt has room for some.
                let cited: HashSet<_> = making.citations.chunks().collect();
                let mut ordered = all.clone();
                ordered.sort_by_key(|passage| !cited.contains(&passage.chunk_id));
                self.make(making, Task::Combine, &search.text, &ordered, &answered, sink).await?
            }
            false => {
                let texts: Vec<String> = answered.into_iter().map(|(_, text)| text).collect();
                let is_answered = !texts.is_empty();
                let text = if is_answered { texts.join("\n\n") } else { UNANSWERED.to_owned() };
                sink.words(&text).await?;
                Answer { text, answered: is_answered, model: None }
            }
        };
        Ok((answer, all))
    }

    async fn find(&self, making: &mut Making<'_>, search: &Search) -> Result<Vec<Passage>, Problem> {
        let found = self.retriever.retrieve(&making.index, search, &mut making.timings).await?;
        Ok(making.seen(found))
    }

    /// An answer from passages: written where there is a model, else quoted.
    async fn make(
        &self,
        making: &mut Making<'_>,
        task: Task,
        question: &str,
        passages: &[Passage],
        parts: &[(String, String)],
        sink: &mut Sink,
    ) -> Result<Answer, Problem> {
        let answering = Instant::now();
        let index = making.index.clone();
        let analyze = |text: &str| index.analyze(text);
        let terms = Terms::of(question, &index);
        let prepared = making.prepared;
        let is_related = task == Task::Combine || extract::may_be_about(&terms, passages, analyze);
        if is_related && let Some(model) = making.writer().and(prepared.writer.clone()) {
            let request = &prepared.request;
            let manner = &prepared.manner;
            let brief = Brief {
                task,
                question,
                passages: &passages[..passages.len().min(PROMPT_PASSAGES)],
                history: &request.history,
                instructions: request.system_prompt.as_deref(),
                guarded: manner.guarded,
                free: manner.free,
                parts,
                model: request.model.as_deref(),
                temperature: request.temperature.unwrap_or(manner.temperature),
                max_tokens: request.max_tokens.unwrap_or(manner.max_tokens),
                window: model.info().context_tokens,
            };
            let compare =
                Arc::new(Meaning { index: index.clone(), embedder: self.retriever.embedder.clone() });
            let citations = making.citations.clone();
            match write(&*model, &brief, compare, citations, sink).await {
                Ok(written) => {
                    add("answer", answering.elapsed(), &mut making.timings.answer);
                    if written.dropped > 0 {
                        making.notes.push(format!(
                            "left out, for no passage backs it: {} of the statements",
                            written.dropped
                        ));
                    }
                    if written.answered {
                        making.citations = written.citations;
                    }
                    let model = request.model.clone().unwrap_or_else(|| model.info().name.clone());
                    return Ok(Answer { text: written.text, answered: written.answered, model: Some(model) });
                }
                Err(Unwritten::Gone(problem)) => return Err(problem),
                // Half an answer can't be taken back; and what was asked for is another model.
                Err(Unwritten::Model(fault)) if sink.has_spoken() || !manner.guarded => {
                    return Err(fault.into());
                }
                Err(Unwritten::Model(fault)) => {
                    outage::log("answers", &fault);
                    making.without_model = true;
                    making.notes.push(format!("{}: the answer is quoted from the documents", fault.message));
                }
            }
        }
        let extent = Extent { quotes: prepared.manner.quotes, spread: prepared.manner.spread };
        let quotes = extract::extract(&terms, passages, extent, &mut making.citations, analyze);
        add("answer", answering.elapsed(), &mut making.timings.answer);
        for (i, quote) in quotes.iter().enumerate() {
            sink.words(&if i == 0 { quote.clone() } else { format!(" {quote}") }).await?;
        }
        if quotes.is_empty() {
            sink.words(UNANSWERED).await?;
            return Ok(Answer { text: UNANSWERED.to_owned(), answered: false, model: None });
        }
        Ok(Answer { text: quotes.join(" "), answered: true, model: None })
    }

    /// Waits until the node knows what the request has to see.
    async fn wait(&self, awaited: Awaited, timings: &mut Timings) -> Result<Option<bool>, Problem> {
        let begun = Instant::now();
        // Other nodes know more: the gateway asks them.
        self.retriever.view.require_caught_up().map_err(|fault| {
            Problem::unavailable(fault.class, format!("{}; try again later", fault.message))
        })?;
        let applied = match awaited.token {
            None => None,
            Some(token) => {
                Some(self.retriever.view.wait_for(token.document_id, token.version, awaited.wait).await)
            }
        };
        add("wait", begun.elapsed(), &mut timings.wait);
        Ok(applied)
    }

    fn freshness(&self, applied: BTreeMap<i32, i64>, token_applied: Option<bool>) -> Freshness {
        Freshness { applied, lag: self.retriever.view.lag(), token_applied }
    }
}

impl Making<'_> {
    /// The model, unless it has failed.
    fn writer(&self) -> Option<&dyn LanguageModel> {
        self.prepared.writer.as_deref().filter(|_| !self.without_model)
    }

    /// Notes how fresh the answer is: as its first search.
    fn seen(&mut self, found: Found) -> Vec<Passage> {
        self.positions.get_or_insert(found.positions);
        found.passages
    }
}

fn step(question: String, answer: &Answer, passages: usize) -> Step {
    Step { question, answer: answer.answered.then(|| answer.text.clone()), passages }
}

/// Compares by the words of the index and the vectors of the model.
struct Meaning {
    index: Arc<Index>,
    embedder: Arc<dyn Embedder>,
}

impl Compare for Meaning {
    fn weights(&self, text: &str) -> Vec<(String, f32)> {
        self.index.term_weights(text)
    }

    fn terms(&self, text: &str) -> Vec<String> {
        self.index.analyze(text)
    }

    fn similarity(&self, statement: &str, texts: &[&str]) -> Vec<f32> {
        let mut all = vec![statement];
        all.extend(texts);
        // What can't be embedded is like nothing.
        let Ok(vectors) = self.embedder.embed(&all) else { return vec![0.0; texts.len()] };
        let mut vectors = vectors.into_iter();
        let Some(Ok(statement)) = vectors.next() else { return vec![0.0; texts.len()] };
        let near = |other: Vec<f32>| statement.iter().zip(other).map(|(a, b)| a * b).sum();
        vectors.map(|vector| vector.map_or(0.0, near)).collect()
    }
}
