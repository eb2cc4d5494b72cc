//! An answer as it is made, in the form of OpenAI's streams.

use super::Label;
use crate::query_nodes::answer::{self, DONE, ERROR, unreadable};
use axum::{body::Body, response::sse::Event};
use futures::{
    StreamExt,
    future::ready,
    stream::{self, BoxStream},
};
use ragstream_api::{
    openai::{ChatCompletionChunk, ChunkChoice, Delta, OpenAiProblem},
    problem::Problem,
    search::{Citation, QueryResponse},
};
use serde::Deserialize;
use serde_json::json;

/// What ends a stream, whatever came before.
const OVER: &str = "[DONE]";

/// The words of an answer, by the query node.
#[derive(Deserialize)]
struct Words {
    text: String,
}

/// The pieces of an answer, up to its end.
pub(super) fn told(answer: Body, label: Label) -> BoxStream<'static, Event> {
    let begin = Delta { role: Some("assistant"), content: Some(String::new()) };
    let begin = stream::iter([piece(&label, begin, None)]);
    let pieces = answer::events(answer).filter_map(move |event| {
        let piece = match event {
            Ok(event) => match event.event.as_str() {
                "token" => Some(words(&event.data, &label)),
                DONE => Some(end(&event.data, &label)),
                ERROR => Some(error(serde_json::from_str(&event.data).unwrap_or_else(|_| unreadable()))),
                // Passages and steps have no place in these streams.
                _ => None,
            },
            Err(problem) => Some(error(problem)),
        };
        ready(piece)
    });
    begin.chain(pieces).chain(stream::iter([Event::default().data(OVER)])).boxed()
}

fn words(data: &str, label: &Label) -> Event {
    match serde_json::from_str::<Words>(data) {
        Ok(Words { text }) => piece(label, Delta { role: None, content: Some(text) }, None),
        Err(_) => error(unreadable()),
    }
}

fn end(data: &str, label: &Label) -> Event {
    match serde_json::from_str::<QueryResponse>(data) {
        Ok(answer) => piece(label, Delta::default(), Some(answer.citations)),
        Err(_) => error(unreadable()),
    }
}

/// One piece; the last one has citations.
fn piece(label: &Label, delta: Delta, citations: Option<Vec<Citation>>) -> Event {
    let finish_reason = citations.is_some().then_some("stop");
    let chunk = ChatCompletionChunk {
        id: label.id.clone(),
        object: "chat.completion.chunk",
        created: label.created,
        model: label.model.clone(),
        choices: vec![ChunkChoice { index: 0, delta, finish_reason }],
        citations,
    };
    // Strings and numbers, which are JSON.
    Event::default().data(serde_json::to_string(&chunk).unwrap_or_default())
}

fn error(problem: Problem) -> Event {
    Event::default().data(json!({ "error": OpenAiProblem::from(problem).error }).to_string())
}
