//! What a request asks for, checked.

use super::retrieve::Search;
use crate::models::Manner;
use ragstream_api::{
    problem::Problem,
    search::{
        AskRequest, MAX_EXPAND, MAX_HISTORY_BYTES, MAX_INSTRUCTIONS_BYTES, MAX_QUESTION_BYTES, MAX_TOP_K,
        MAX_WAIT_MS, OneOrMany, PerDocument, SearchMode, SearchRequest, wait_ms,
    },
};
use ragstream_core::token::ConsistencyToken;
use ragstream_index::Filter;
use std::time::Duration;

/// Longest answer that may be asked for, in tokens.
const MAX_ANSWER_TOKENS: u32 = 32_768;

/// What a request has to wait for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Awaited {
    pub(crate) token: Option<ConsistencyToken>,
    pub(crate) wait: Duration,
}

/// A search as it is asked for.
pub(crate) fn search(request: SearchRequest) -> Result<(Search, Awaited), Problem> {
    text("query", &request.query)?;
    if !(1..=MAX_TOP_K).contains(&request.top_k) {
        let why = format!("is {}: give 1 to {MAX_TOP_K}", request.top_k);
        return Err(Problem::invalid_field("top_k", why));
    }
    if request.expand > MAX_EXPAND {
        let why = format!("is {}: give at most {MAX_EXPAND}", request.expand);
        return Err(Problem::invalid_field("expand", why));
    }
    if let Some(diversity) = request.diversity.filter(|d| !(0.0..=1.0).contains(d)) {
        return Err(Problem::invalid_field("diversity", format!("is {diversity}: give 0 to 1")));
    }
    let awaited = awaited(request.min_token, request.wait_ms)?;
    let search = Search {
        text: request.query,
        top_k: request.top_k,
        filter: filter(request.collection, request.filter)?,
        legs: match request.mode {
            SearchMode::Hybrid => ragstream_index::Legs::Hybrid,
            SearchMode::Vector => ragstream_index::Legs::Vector,
            SearchMode::Keyword => ragstream_index::Legs::Keyword,
        },
        per_document: match request.per_document {
            PerDocument::All => ragstream_index::PerDocument::All,
            PerDocument::Best => ragstream_index::PerDocument::Best,
        },
        diversity: request.diversity,
        expand: request.expand,
        reranker: None,
        is_private: false,
    };
    Ok((search, awaited))
}

/// The first search of a question, in the manner of its mode.
pub(crate) fn question(request: &AskRequest, manner: &Manner) -> Result<(Search, Awaited), Problem> {
    let query = &request.query;
    text("question", &query.question)?;
    let history: usize = request.history.iter().map(|turn| turn.content.len()).sum();
    if history > MAX_HISTORY_BYTES {
        let why = format!("has {history} bytes: give at most {MAX_HISTORY_BYTES}");
        return Err(Problem::invalid_field("history", why));
    }
    if request.system_prompt.as_ref().is_some_and(|prompt| prompt.len() > MAX_INSTRUCTIONS_BYTES) {
        let why = format!("is longer than {MAX_INSTRUCTIONS_BYTES} bytes");
        return Err(Problem::invalid_field("system_prompt", why));
    }
    if let Some(temperature) = request.temperature.filter(|t| !(0.0..=2.0).contains(t)) {
        return Err(Problem::invalid_field("temperature", format!("is {temperature}: give 0 to 2")));
    }
    if let Some(tokens) = request.max_tokens.filter(|n| !(1..=MAX_ANSWER_TOKENS).contains(n)) {
        let why = format!("is {tokens}: give 1 to {MAX_ANSWER_TOKENS}");
        return Err(Problem::invalid_field("max_tokens", why));
    }
    search(SearchRequest {
        query: query.question.clone(),
        top_k: query.top_k,
        collection: query.collection.clone(),
        filter: query.filter.clone(),
        mode: SearchMode::Hybrid,
        rerank: query.rerank,
        per_document: query.per_document,
        diversity: manner.diversity,
        expand: query.expand,
        min_token: query.min_token.clone(),
        wait_ms: query.wait_ms,
    })
}

fn text(field: &str, text: &str) -> Result<(), Problem> {
    if text.trim().is_empty() {
        return Err(Problem::invalid_field(field, "is empty: say what to look for"));
    }
    if text.len() > MAX_QUESTION_BYTES {
        return Err(Problem::invalid_field(field, format!("is longer than {MAX_QUESTION_BYTES} bytes")));
    }
    Ok(())
}

fn awaited(token: Option<String>, asked: Option<u64>) -> Result<Awaited, Problem> {
    let wait = wait_ms(token.is_some(), asked);
    if wait > MAX_WAIT_MS {
        return Err(Problem::invalid_field("wait_ms", format!("is {wait}: give at most {MAX_WAIT_MS}")));
    }
    let parse = |token: String| {
        token
            .parse::<ConsistencyToken>()
            .map_err(|why| Problem::invalid_field("min_token", format!("is {why}")))
    };
    Ok(Awaited { token: token.map(parse).transpose()?, wait: Duration::from_millis(wait) })
}

fn filter(
    collection: Option<OneOrMany>,
    conditions: serde_json::Map<String, serde_json::Value>,
) -> Result<Filter, Problem> {
    let collections = collection.map(Into::into).unwrap_or_default();
    Filter::parse(collections, &conditions)
        .map_err(|error| Problem::unprocessable("invalid_field", error.to_string()))
}
