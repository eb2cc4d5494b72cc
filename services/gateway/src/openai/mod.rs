//! The door for clients of OpenAI's API: their requests as ours, and our answers as theirs.
//!
//! [`question`] makes a conversation a question, [`stream`] passes an answer on while it is made. Which
//! [`Manner`] a request is answered in is told by the model that it names: `ragstream` and its modes, or a
//! persona. Nothing of a conversation is kept: these clients send all of it each time.

mod question;
mod stream;
#[cfg(test)]
mod tests;

use crate::{
    Gateway,
    personas::Chats,
    query_nodes::{QueryNodes, answer::read},
};
use axum::{
    extract::FromRef,
    http::StatusCode,
    response::{Response, sse::Event},
};
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use ragstream_api::{
    embeddings::{EmbedRequest, EmbedResponse},
    openai::{
        AnswerMessage, ChatCompletion, ChatCompletionRequest, Choice, Embedding, EmbeddingsRequest,
        EmbeddingsResponse, EmbeddingsUsage, MAX_INPUTS, Model, ModelsResponse, Vector,
    },
    problem::Problem,
    search::{AskRequest, QueryMode, QueryResponse},
};
use ragstream_core::{id::PersonaId, ports::Persona};
use ragstream_runtime::http::RequestContext;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

/// Where query nodes answer, and embed.
const ASK: &str = "/internal/ask";
const EMBED: &str = "/internal/embed";

/// Personas that are listed as models, newest first: what a person picks one of.
const LISTED_PERSONAS: u32 = 1_000;

/// The model that answers in the manner of `basic`, and the beginning of the names of the others.
const NAME: &str = "ragstream";
const PERSONA: &str = "persona-";
const MODES: [QueryMode; 6] = [
    QueryMode::Basic,
    QueryMode::Deep,
    QueryMode::SuperDeep,
    QueryMode::Creative,
    QueryMode::Private,
    QueryMode::Uncensored,
];

/// What these routes share.
#[derive(Clone)]
pub(crate) struct Door {
    chats: Chats,
    query: QueryNodes,
}

impl FromRef<Gateway> for Door {
    fn from_ref(gateway: &Gateway) -> Self {
        Self { chats: gateway.chats.clone(), query: gateway.query.clone() }
    }
}

/// Who answers.
enum Manner {
    Mode(QueryMode),
    Persona(Box<Persona>),
}

/// How an answer comes.
pub(crate) enum Answer {
    Whole(Box<ChatCompletion>),
    Events(BoxStream<'static, Event>),
}

/// What all pieces of an answer say of it.
#[derive(Clone)]
struct Label {
    id: String,
    created: i64,
    model: String,
}

impl Door {
    /// Answers the last message of a conversation.
    pub(crate) async fn complete(
        &self,
        request: ChatCompletionRequest,
        context: &RequestContext,
    ) -> Result<Answer, Problem> {
        let manner = self.manner(&request.model).await?;
        let label = Label {
            id: format!("chatcmpl-{}", Uuid::now_v7().simple()),
            created: Utc::now().timestamp(),
            model: request.model.clone(),
        };
        let asked: AskRequest = question::of(request, manner)?;
        let streams = asked.query.stream;
        let answer = self.ask(ASK, &asked, context).await?;
        if streams && answer.status() == StatusCode::OK {
            return Ok(Answer::Events(stream::told(answer.into_body(), label)));
        }
        let answer: QueryResponse = read(answer).await?;
        let message = AnswerMessage { role: "assistant", content: answer.answer, refusal: None };
        let choice = Choice { index: 0, message, finish_reason: "stop", logprobs: None };
        Ok(Answer::Whole(Box::new(ChatCompletion {
            id: label.id,
            object: "chat.completion",
            created: label.created,
            model: label.model,
            choices: vec![choice],
            citations: answer.citations,
        })))
    }

    /// Texts to vectors.
    pub(crate) async fn embed(
        &self,
        request: EmbeddingsRequest,
        context: &RequestContext,
    ) -> Result<EmbeddingsResponse, Problem> {
        let texts = texts_of(request.input)?;
        let is_base64 = match request.encoding_format.as_deref() {
            None | Some("float") => false,
            Some("base64") => true,
            Some(_) => {
                return Err(Problem::invalid_field("encoding_format", "is unknown: give float or base64"));
            }
        };
        let embedded: EmbedResponse = read(self.ask(EMBED, &EmbedRequest { texts }, context).await?).await?;
        if request.model != embedded.model {
            return Err(no_model(&request.model));
        }
        let length = embedded.vectors.first().map_or(0, Vec::len);
        if let Some(wanted) = request.dimensions.filter(|wanted| *wanted != length) {
            let why = format!("is {wanted}: vectors of {} have {length} numbers", embedded.model);
            return Err(Problem::invalid_field("dimensions", why));
        }
        let vector = |vector: Vec<f32>| match is_base64 {
            true => Vector::Base64(
                BASE64.encode(vector.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()),
            ),
            false => Vector::Numbers(vector),
        };
        let data = embedded.vectors.into_iter().enumerate();
        Ok(EmbeddingsResponse {
            object: "list",
            data: data
                .map(|(index, v)| Embedding { object: "embedding", index, embedding: vector(v) })
                .collect(),
            model: embedded.model,
            usage: EmbeddingsUsage { prompt_tokens: embedded.tokens, total_tokens: embedded.tokens },
        })
    }

    /// All that may be asked for by name.
    pub(crate) async fn models(
        &self,
        started_at: DateTime<Utc>,
        context: &RequestContext,
    ) -> Result<ModelsResponse, Problem> {
        let created = started_at.timestamp();
        let mut data: Vec<Model> = MODES.into_iter().map(|mode| model(name_of(mode), created)).collect();
        let nothing = EmbedRequest::default();
        let embedding: EmbedResponse = read(self.ask(EMBED, &nothing, context).await?).await?;
        data.push(model(embedding.model, created));
        let personas = self.chats.personas.personas(None, LISTED_PERSONAS).await?;
        data.extend(personas.into_iter().map(|persona| Model {
            name: Some(persona.is.name),
            ..model(format!("{PERSONA}{}", persona.persona_id), persona.created_at.timestamp())
        }));
        Ok(ModelsResponse { object: "list", data })
    }

    /// One of them.
    pub(crate) async fn model(
        &self,
        name: &str,
        started_at: DateTime<Utc>,
        context: &RequestContext,
    ) -> Result<Model, Problem> {
        let models = self.models(started_at, context).await?;
        models.data.into_iter().find(|model| model.id == name).ok_or_else(|| no_model(name))
    }

    async fn manner(&self, model: &str) -> Result<Manner, Problem> {
        if let Some(mode) = MODES.into_iter().find(|mode| name_of(*mode) == model) {
            return Ok(Manner::Mode(mode));
        }
        let id: Option<Uuid> = model.strip_prefix(PERSONA).and_then(|id| id.parse().ok());
        let id = PersonaId(id.ok_or_else(|| no_model(model))?);
        let persona = self.chats.personas.persona(id).await?.ok_or_else(|| no_model(model))?;
        self.chats.ready(&persona).await?;
        Ok(Manner::Persona(Box::new(persona)))
    }

    async fn ask(
        &self,
        path: &'static str,
        request: &impl Serialize,
        context: &RequestContext,
    ) -> Result<Response, Problem> {
        let body =
            serde_json::to_vec(request).map_err(|e| Problem::bad_request("bad_question", e.to_string()))?;
        self.query.ask(path, body.into(), context).await
    }
}

/// `ragstream-super-deep`: names of models have hyphens.
fn name_of(mode: QueryMode) -> String {
    match mode {
        QueryMode::Basic => NAME.to_owned(),
        other => format!("{NAME}-{}", other.as_str().replace('_', "-")),
    }
}

fn model(id: String, created: i64) -> Model {
    Model { id, object: "model", created, owned_by: NAME, name: None }
}

fn no_model(name: &str) -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "model_not_found",
        format!("there is no model {name:?} for this here: GET /v1/models lists what there is"),
    )
}

/// What is to be embedded: a text, or several.
fn texts_of(input: Value) -> Result<Vec<String>, Problem> {
    let wrong = |why: &str| Problem::invalid_field("input", why);
    let texts = match input {
        Value::String(text) => vec![text],
        Value::Array(items) => {
            let text = |item| match item {
                Value::String(text) => Ok(text),
                // What LangChain's client sends unless `check_embedding_ctx_length` is false.
                Value::Number(_) | Value::Array(_) => Err(wrong(
                    "has numbers of tokens, which mean something to another model's tokenizer alone: send \
                     text",
                )),
                _ => Err(wrong("is to be a text or an array of texts")),
            };
            items.into_iter().map(text).collect::<Result<_, _>>()?
        }
        _ => return Err(wrong("is to be a text or an array of texts")),
    };
    if texts.is_empty() || texts.len() > MAX_INPUTS {
        return Err(wrong(&format!("has {} texts: give 1 to {MAX_INPUTS}", texts.len())));
    }
    if texts.iter().any(|text| text.trim().is_empty()) {
        return Err(wrong("has a text without words"));
    }
    Ok(texts)
}
