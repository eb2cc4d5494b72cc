//! A conversation as a question.

use super::Manner;
use crate::personas;
use axum::http::StatusCode;
use ragstream_api::{
    openai::{ChatCompletionRequest, ChatMessage, Content, Extension},
    problem::Problem,
    search::{AskRequest, DEFAULT_TOP_K, PerDocument, QueryRequest, Role, Turn},
};
use serde_json::{Map, Value};

/// What a query node is asked for a request, in a manner.
pub(super) fn of(request: ChatCompletionRequest, manner: Manner) -> Result<AskRequest, Problem> {
    supported(&request)?;
    let (question, history, instructions) = parts(request.messages)?;
    let stream = request.stream.unwrap_or(false);
    let Extension { collection, filter, top_k, mode, min_token } = request.ragstream.unwrap_or_default();
    let mut asked = match manner {
        Manner::Mode(of_model) => {
            let mode = mode.unwrap_or(of_model);
            AskRequest::from(QueryRequest {
                question,
                top_k: DEFAULT_TOP_K,
                collection,
                filter: Map::new(),
                mode,
                rerank: false,
                per_document: PerDocument::All,
                expand: 0,
                stream,
                min_token: None,
                wait_ms: None,
            })
        }
        Manner::Persona(_) if collection.is_some() || mode.is_some() => {
            return Err(Problem::invalid_field(
                "ragstream",
                "names a collection or a mode, and so does the persona: leave them out, or ask the model ragstream",
            ));
        }
        Manner::Persona(persona) => personas::asked(*persona, question, stream)?,
    };
    asked.query.filter = filter;
    asked.query.min_token = min_token;
    asked.query.top_k = top_k.unwrap_or(asked.query.top_k);
    // Who speaks to a persona does not make it somebody else: both are heard.
    asked.system_prompt = match (asked.system_prompt, instructions) {
        (Some(own), Some(given)) => Some(format!("{own}\n\n{given}")),
        (own, given) => own.or(given),
    };
    asked.history = personas::last(history);
    asked.temperature = request.temperature.or(asked.temperature);
    asked.max_tokens = request.max_completion_tokens.or(request.max_tokens).or(asked.max_tokens);
    Ok(asked)
}

/// Refuses what would have to change the answer's form.
fn supported(request: &ChatCompletionRequest) -> Result<(), Problem> {
    let refuse = |field: &str, why: &str| {
        let problem = Problem::invalid_field(field, why);
        Err(Problem { status: StatusCode::BAD_REQUEST.as_u16(), title: "Bad Request".into(), ..problem })
    };
    if request.n.is_some_and(|n| n != 1) {
        return refuse("n", "is to be 1: there is one answer to a question");
    }
    let form = request.response_format.as_ref().and_then(|format| format.get("type")?.as_str());
    if form.is_some_and(|form| form != "text") {
        return refuse("response_format", "is to be text: answers are sentences with citations");
    }
    let choice = request.tool_choice.as_ref();
    let is_free = choice.is_none_or(|choice| {
        choice.is_null() || matches!(choice, Value::String(choice) if choice == "auto" || choice == "none")
    });
    if !is_free {
        return refuse("tool_choice", "is to be auto or none: no tools are called here");
    }
    Ok(())
}

/// The question, what was said before it, and in what manner to answer.
fn parts(messages: Vec<ChatMessage>) -> Result<(String, Vec<Turn>, Option<String>), Problem> {
    let wrong = |why: &str| Problem::invalid_field("messages", why);
    let (mut turns, mut instructions) = (Vec::new(), Vec::new());
    for ChatMessage { role, content } in messages {
        let content = text(content)?;
        match role.as_str() {
            "system" | "developer" => instructions.push(content),
            "user" => turns.push(Turn { role: Role::User, content }),
            "assistant" => turns.push(Turn { role: Role::Assistant, content }),
            // What tools said in a conversation with another model: it may be what the question is about.
            "tool" | "function" => turns.push(Turn { role: Role::Assistant, content }),
            _ => {
                let why = format!("has the role {role:?}: known are system, developer, user and assistant");
                return Err(wrong(&why));
            }
        }
    }
    match turns.pop() {
        Some(Turn { role: Role::User, content }) if !content.trim().is_empty() => {
            let instructions = instructions.join("\n\n");
            Ok((content, turns, Some(instructions).filter(|text| !text.trim().is_empty())))
        }
        _ => Err(wrong("is to end with a message of the user: the question")),
    }
}

fn text(content: Option<Content>) -> Result<String, Problem> {
    match content {
        None => Ok(String::new()),
        Some(Content::Text(text)) => Ok(text),
        Some(Content::Parts(parts)) => {
            if let Some(other) = parts.iter().find(|part| part.kind != "text") {
                let why = format!(
                    "has a part of type {:?}: text alone is read; upload files as documents",
                    other.kind
                );
                return Err(Problem::invalid_field("messages", why));
            }
            let texts: Vec<String> = parts.into_iter().filter_map(|part| part.text).collect();
            Ok(texts.join("\n"))
        }
    }
}
