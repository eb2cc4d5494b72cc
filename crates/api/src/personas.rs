//! Personas, and conversations with them.

use crate::search::{
    Citation, MAX_INSTRUCTIONS_BYTES, MAX_QUESTION_BYTES, QueryMode, QueryResponse, Role, Turn,
};
use chrono::{DateTime, Utc};
use ragstream_core::{
    document::DEFAULT_COLLECTION,
    ports::{self, ChatMessage, ChatSession, Persona, SaidBefore},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// Longest name of a persona and title of a conversation, in characters.
pub const MAX_NAME: usize = 200;
/// Longest description, in characters.
pub const MAX_DESCRIPTION: usize = 2_000;
/// Longest instructions, in bytes: what a query node takes.
pub const MAX_SYSTEM_PROMPT: usize = MAX_INSTRUCTIONS_BYTES;
/// Longest name of a model, in bytes.
pub const MAX_MODEL: usize = 200;
/// Highest temperature: that of the OpenAI API.
pub const MAX_TEMPERATURE: f32 = 2.0;
/// Most tokens of an answer that may be asked for.
pub const MAX_TOKENS: u32 = 32_768;
/// Longest message, in bytes: that of a question.
pub const MAX_MESSAGE_BYTES: usize = MAX_QUESTION_BYTES;

fn default_collection() -> String {
    DEFAULT_COLLECTION.to_owned()
}

/// Body of `POST /api/v2/personas` and `PUT /api/v2/personas/{id}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PersonaRequest {
    /// What people call it: 1 to 200 characters.
    pub name: String,
    /// What it is for: 2,000 characters at most.
    #[serde(default)]
    pub description: String,
    /// It answers from the documents of this collection alone; `default` where absent.
    #[serde(default = "default_collection")]
    pub collection: String,
    /// Who it is and how it answers, as the model is told: 16 KiB at most.
    #[serde(default)]
    pub system_prompt: String,
    /// How it answers. `private`: of what is said, nothing is kept but that it was.
    #[serde(default)]
    pub mode: QueryMode,
    /// The model; as configured where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model's temperature, 0 to 2; that of the mode where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Passages to answer from, 1 to 1,000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Tokens of an answer at most, 1 to 32,768; as configured where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
}

/// A persona.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PersonaResponse {
    /// Its id.
    pub persona_id: Uuid,
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// It answers from the documents of this collection alone.
    pub collection: String,
    /// Who it is and how it answers.
    pub system_prompt: String,
    /// How it answers. One that this release does not know is told as it was stored.
    #[schema(value_type = QueryMode)]
    pub mode: String,
    /// The model, where it has one of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The model's temperature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f32>,
    /// Passages to answer from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<u32>,
    /// Tokens of an answer at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    /// Created at.
    pub created_at: DateTime<Utc>,
    /// Last changed at.
    pub updated_at: DateTime<Utc>,
}

impl From<Persona> for PersonaResponse {
    fn from(persona: Persona) -> Self {
        let Persona { persona_id, is, created_at, updated_at } = persona;
        Self {
            persona_id: persona_id.0,
            name: is.name,
            description: is.description,
            collection: is.collection,
            system_prompt: is.system_prompt,
            mode: is.mode,
            model: is.model,
            temperature: is.temperature,
            top_k: is.top_k,
            max_tokens: is.max_tokens,
            created_at,
            updated_at,
        }
    }
}

/// A page of personas, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PersonasResponse {
    /// The personas.
    pub personas: Vec<PersonaResponse>,
    /// The link to the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

impl From<ports::Role> for Role {
    fn from(role: ports::Role) -> Self {
        match role {
            ports::Role::User => Self::User,
            ports::Role::Assistant => Self::Assistant,
        }
    }
}

impl From<SaidBefore> for Turn {
    fn from(said: SaidBefore) -> Self {
        Self { role: said.role.into(), content: said.text }
    }
}

/// Body of `POST /api/v2/personas/{id}/chat`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChatRequest {
    /// The question: 16 KiB at most.
    pub message: String,
    /// The conversation that it belongs to; a new one where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<Uuid>,
    /// Answer as Server-Sent Events, word by word.
    #[serde(default)]
    pub stream: bool,
    /// What was said before, oldest first, in the place of what is on record: for clients that keep it
    /// themselves, and for `private`, where nothing is on record. The last 20 messages are used, of 24 KiB
    /// together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<Turn>>,
}

/// Answer of a persona.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ChatResponse {
    /// The conversation: send it along with what is asked next.
    pub session_id: Uuid,
    /// The answer, as to any question.
    #[serde(flatten)]
    pub answer: QueryResponse,
}

/// Body of `POST /api/v2/personas/{id}/sessions`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionRequest {
    /// What it is about, 1 to 200 characters; the beginning of its first message where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// Body of `PATCH /api/v2/personas/{id}/sessions/{session_id}`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionChange {
    /// What it is about, 1 to 200 characters.
    pub title: String,
}

/// A conversation with a persona.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionResponse {
    /// Its id.
    pub session_id: Uuid,
    /// With whom.
    pub persona_id: Uuid,
    /// What it is about, once that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Messages of both sides.
    pub message_count: u32,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When something was last said, or its title changed.
    pub updated_at: DateTime<Utc>,
}

impl From<ChatSession> for SessionResponse {
    fn from(session: ChatSession) -> Self {
        Self {
            session_id: session.session_id.0,
            persona_id: session.persona_id.0,
            title: session.title,
            message_count: session.messages,
            created_at: session.created_at,
            updated_at: session.updated_at,
        }
    }
}

/// A page of conversations, newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionsResponse {
    /// The conversations.
    pub sessions: Vec<SessionResponse>,
    /// The link to the next page, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A message of a conversation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct MessageResponse {
    /// Its place in the conversation, from 1 on.
    pub number: u32,
    /// Whose.
    pub role: Role,
    /// What was said; absent where it was not to be kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// What backs an answer.
    #[schema(value_type = Vec<Citation>)]
    pub citations: Value,
    /// When the question was answered.
    pub created_at: DateTime<Utc>,
}

impl From<ChatMessage> for MessageResponse {
    fn from(message: ChatMessage) -> Self {
        let ChatMessage { number, role, text, citations, created_at } = message;
        Self { number, role: role.into(), text, citations, created_at }
    }
}

/// A conversation with its last messages.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConversationResponse {
    /// The conversation.
    #[serde(flatten)]
    pub session: SessionResponse,
    /// The last of its messages, in the order in which they were said.
    pub messages: Vec<MessageResponse>,
    /// The link to those before, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// How far the documents of a persona are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Readiness {
    /// Documents whose processing is over, whatever became of it.
    pub done: u64,
    /// All documents of its collection.
    pub total: u64,
    /// Percent of all of them, rounded down; 100 is never told, for then it answers.
    pub percentage: u8,
}
