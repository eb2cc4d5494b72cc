//! The part of OpenAI's API that is answered under `/v1`: chat completions, embeddings, models.
//!
//! Shapes are those of <https://platform.openai.com/docs/api-reference>. Requests may hold more than is
//! named here, for clients send much that has no meaning for answers from documents; what would change
//! the answer's form is refused, the rest is left aside. Answers hold `citations` besides.

use crate::{
    problem::Problem,
    search::{Citation, OneOrMany, QueryMode},
};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// Most texts of one request for embeddings, as OpenAI has it.
pub const MAX_INPUTS: usize = 2_048;

/// Body of `POST /v1/chat/completions`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ChatCompletionRequest {
    /// `ragstream`, `ragstream-<mode>` or `persona-<id>`: `GET /v1/models` lists them.
    pub model: String,
    /// The conversation. Its last message is the question; `system` and `developer` say in what manner to answer.
    pub messages: Vec<ChatMessage>,
    /// Whether to answer as Server-Sent Events while the answer is made.
    #[serde(default)]
    pub stream: Option<bool>,
    /// 0 to 2.
    #[serde(default)]
    pub temperature: Option<f32>,
    /// Longest answer, in tokens.
    #[serde(default)]
    pub max_completion_tokens: Option<u32>,
    /// The same, by its older name.
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// How many answers: one.
    #[serde(default)]
    pub n: Option<u32>,
    /// The form of the answer: text.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub response_format: Option<Value>,
    /// Whether a tool has to be called: none can be.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub tool_choice: Option<Value>,
    /// What other servers have no name for: where to look.
    #[serde(default)]
    pub ragstream: Option<Extension>,
}

/// What `extra_body={"ragstream": {...}}` of a client may say.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Extension {
    /// Only these collections.
    #[serde(default)]
    pub collection: Option<OneOrMany>,
    /// As in a search.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub filter: Map<String, Value>,
    /// How many passages to answer from, 1 to 1,000.
    #[serde(default)]
    pub top_k: Option<usize>,
    /// How to answer, in the place of the model's manner.
    #[serde(default)]
    pub mode: Option<QueryMode>,
    /// The `consistency_token` of an upload that the answer must know.
    #[serde(default)]
    pub min_token: Option<String>,
}

/// One message of a conversation.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct ChatMessage {
    /// `system`, `developer`, `user` or `assistant`.
    pub role: String,
    /// What it says: text, or parts of which each is text.
    #[serde(default)]
    pub content: Option<Content>,
}

/// What a message says.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Content {
    /// Text.
    Text(String),
    /// Parts of it.
    Parts(Vec<Part>),
}

/// A part of a message.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct Part {
    /// `text`; nothing else can be read.
    #[serde(rename = "type")]
    pub kind: String,
    /// The text.
    #[serde(default)]
    pub text: Option<String>,
}

/// Answer to `POST /v1/chat/completions`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChatCompletion {
    /// Its name.
    pub id: String,
    /// `chat.completion`.
    pub object: &'static str,
    /// Made at, in seconds since 1970.
    pub created: i64,
    /// The model that was asked for.
    pub model: String,
    /// One.
    pub choices: Vec<Choice>,
    /// Where the answer's `[n]` lead.
    pub citations: Vec<Citation>,
}

/// An answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Choice {
    /// 0.
    pub index: u32,
    /// What it says.
    pub message: AnswerMessage,
    /// `stop`.
    pub finish_reason: &'static str,
    /// Nothing.
    pub logprobs: Option<Value>,
}

/// What an answer says.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AnswerMessage {
    /// `assistant`.
    pub role: &'static str,
    /// The answer, with `[n]` after what citation n backs.
    pub content: String,
    /// Nothing.
    pub refusal: Option<String>,
}

/// A piece of an answer that is streamed.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChatCompletionChunk {
    /// The answer's name.
    pub id: String,
    /// `chat.completion.chunk`.
    pub object: &'static str,
    /// The answer was begun at, in seconds since 1970.
    pub created: i64,
    /// The model that was asked for.
    pub model: String,
    /// One.
    pub choices: Vec<ChunkChoice>,
    /// Where the answer's `[n]` lead: with the last piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub citations: Option<Vec<Citation>>,
}

/// What a piece adds to the answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ChunkChoice {
    /// 0.
    pub index: u32,
    /// What it adds.
    pub delta: Delta,
    /// `stop`, with the last piece.
    pub finish_reason: Option<&'static str>,
}

/// An addition.
#[derive(Clone, Debug, Default, Serialize, ToSchema)]
pub struct Delta {
    /// `assistant`, with the first piece.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<&'static str>,
    /// The next words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

/// Body of `POST /v1/embeddings`.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct EmbeddingsRequest {
    /// The model of this server: `GET /v1/models` has its name.
    pub model: String,
    /// A text, or up to 2,048 of them.
    #[schema(value_type = OneOrMany)]
    pub input: Value,
    /// `float` or `base64` (little-endian `f32`).
    #[serde(default)]
    pub encoding_format: Option<String>,
    /// The length of the model's vectors; no other can be had.
    #[serde(default)]
    pub dimensions: Option<usize>,
}

/// Answer to `POST /v1/embeddings`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EmbeddingsResponse {
    /// `list`.
    pub object: &'static str,
    /// One for each text, in order.
    pub data: Vec<Embedding>,
    /// Name of the model.
    pub model: String,
    /// What was read.
    pub usage: EmbeddingsUsage,
}

/// A vector.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Embedding {
    /// `embedding`.
    pub object: &'static str,
    /// Its text's place.
    pub index: usize,
    /// The numbers, or their bytes as base64.
    pub embedding: Vector,
}

/// A vector's numbers.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Vector {
    /// As they are.
    Numbers(Vec<f32>),
    /// Their bytes.
    Base64(String),
}

/// Tokens that were read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EmbeddingsUsage {
    /// By the model's own tokenizer.
    pub prompt_tokens: usize,
    /// The same.
    pub total_tokens: usize,
}

/// Answer to `GET /v1/models`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ModelsResponse {
    /// `list`.
    pub object: &'static str,
    /// What may be asked for by name.
    pub data: Vec<Model>,
}

/// What may be asked for by name.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Model {
    /// Its name in requests.
    pub id: String,
    /// `model`.
    pub object: &'static str,
    /// Made at, in seconds since 1970.
    pub created: i64,
    /// `ragstream`.
    pub owned_by: &'static str,
    /// What people call it, where it is a persona.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A problem as OpenAI's clients read it: what RFC 9457 has, and `error`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OpenAiProblem {
    /// For everybody else.
    #[serde(flatten)]
    pub problem: Problem,
    /// For those clients.
    pub error: OpenAiError,
}

/// An error as OpenAI tells it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OpenAiError {
    /// What is wrong and what to do about it.
    pub message: String,
    /// `invalid_request_error`, or `server_error` where trying again may help.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The field that is wrong, where it is one.
    pub param: Option<String>,
    /// A stable name of the error.
    pub code: String,
}

impl From<Problem> for OpenAiProblem {
    fn from(problem: Problem) -> Self {
        let code = problem.kind.rsplit('/').next().unwrap_or_default().to_owned();
        let kind = if problem.status < 500 { "invalid_request_error" } else { "server_error" };
        // Problems of a field begin with its name: `top_k` is 0.
        let param =
            problem.detail.strip_prefix('`').and_then(|rest| Some(rest.split_once('`')?.0.to_owned()));
        let error = OpenAiError { message: problem.detail.clone(), kind, param, code };
        Self { problem, error }
    }
}

impl IntoResponse for OpenAiProblem {
    fn into_response(self) -> Response {
        let mut response = self.problem.clone().into_response();
        let retry_after = response.headers_mut().remove(header::RETRY_AFTER);
        let status: StatusCode = response.status();
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.extend(retry_after.map(|seconds| (header::RETRY_AFTER, seconds)));
        response
    }
}
