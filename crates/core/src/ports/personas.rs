use crate::{
    fault::Result,
    id::{PersonaId, SessionId},
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use std::fmt;

/// Who answers from one collection, and how.
#[derive(Clone, Debug, PartialEq)]
pub struct NewPersona {
    /// What people call it.
    pub name: String,
    /// What it is for.
    pub description: String,
    /// It answers from these documents alone.
    pub collection: String,
    /// What the model is told before everything else; may be empty.
    pub system_prompt: String,
    /// How questions are answered, by the name of the mode in requests.
    pub mode: String,
    /// The model; `None`: the one that is configured.
    pub model: Option<String>,
    /// The model's temperature; `None`: that of the mode.
    pub temperature: Option<f32>,
    /// Passages of an answer; `None`: as many as for any question.
    pub top_k: Option<u32>,
    /// Tokens of an answer at most; `None`: as configured.
    pub max_tokens: Option<u32>,
}

/// A persona on record.
#[derive(Clone, Debug, PartialEq)]
pub struct Persona {
    /// Its id.
    pub persona_id: PersonaId,
    /// Who it is.
    pub is: NewPersona,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Last change.
    pub updated_at: DateTime<Utc>,
}

/// Whether a collection can be asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CollectionState {
    /// It has no documents.
    Empty,
    /// The processing of some of its documents is not over.
    UnderWay {
        /// Documents whose processing is over, whatever became of it.
        done: u64,
        /// All documents.
        total: u64,
        /// Percent of all of them; below 100.
        percentage: f32,
    },
    /// It has documents, and none of them is under way.
    Ready,
}

/// Personas.
#[async_trait]
pub trait Personas: Send + Sync {
    /// Puts a new one on record.
    async fn create_persona(&self, persona: &NewPersona) -> Result<Persona>;

    /// Those there are, newest first, before `before`, at most `limit`.
    async fn personas(&self, before: Option<PersonaId>, limit: u32) -> Result<Vec<Persona>>;

    /// One of them.
    async fn persona(&self, persona_id: PersonaId) -> Result<Option<Persona>>;

    /// Makes it another; `None`: there is none.
    async fn update_persona(&self, persona_id: PersonaId, persona: &NewPersona) -> Result<Option<Persona>>;

    /// Removes it and what was said with it; whether there was one.
    async fn remove_persona(&self, persona_id: PersonaId) -> Result<bool>;

    /// Whether a collection can be asked, and how far its documents are where not.
    async fn collection_state(&self, collection: &str) -> Result<CollectionState>;
}

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Who asked.
    User,
    /// Who answered.
    Assistant,
}

impl Role {
    /// The name in rows and requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A conversation with a persona.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatSession {
    /// Its id.
    pub session_id: SessionId,
    /// With whom.
    pub persona_id: PersonaId,
    /// What it is about.
    pub title: Option<String>,
    /// Messages of both sides.
    pub messages: u32,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When something was last said, or its title changed.
    pub updated_at: DateTime<Utc>,
}

/// A message of a conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct ChatMessage {
    /// Its place in the conversation, from 1 on: questions are odd, answers even.
    pub number: u32,
    /// Whose.
    pub role: Role,
    /// What was said; `None` where it was not to be kept.
    pub text: Option<String>,
    /// What backs an answer: an array, as the answer had it.
    pub citations: serde_json::Value,
    /// When both of the pair were put on record.
    pub created_at: DateTime<Utc>,
}

/// A question and its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// With whom.
    pub persona_id: PersonaId,
    /// In which conversation.
    pub session_id: SessionId,
    /// The conversation begins with it.
    pub begins: bool,
    /// What the conversation is about, where it has no title.
    pub title: Option<String>,
    /// What was asked; `None`: not to be kept.
    pub question: Option<String>,
    /// What was answered; `None`: not to be kept.
    pub answer: Option<String>,
    /// What backs the answer: an array.
    pub citations: serde_json::Value,
}

/// What was said before, to be sent along with a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaidBefore {
    /// By whom.
    pub role: Role,
    /// What.
    pub text: String,
}

/// Conversations with personas. A question is on record together with its answer or not at all, and the
/// two follow each other, however many are asked at once.
#[async_trait]
pub trait ChatSessions: Send + Sync {
    /// Begins one without a message; `None`: there is no such persona.
    async fn begin_session(&self, persona_id: PersonaId, title: Option<&str>) -> Result<Option<ChatSession>>;

    /// Those with a persona, newest first, before `before`, at most `limit`.
    async fn sessions(
        &self,
        persona_id: PersonaId,
        before: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<ChatSession>>;

    /// One of those with this persona.
    async fn session(&self, persona_id: PersonaId, session_id: SessionId) -> Result<Option<ChatSession>>;

    /// Gives it another title; `None`: there is none.
    async fn rename_session(
        &self,
        persona_id: PersonaId,
        session_id: SessionId,
        title: &str,
    ) -> Result<Option<ChatSession>>;

    /// Removes it and its messages; whether there was one.
    async fn remove_session(&self, persona_id: PersonaId, session_id: SessionId) -> Result<bool>;

    /// The last messages before number `before`, at most `limit`, in the order in which they were said.
    async fn messages(
        &self,
        session_id: SessionId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<ChatMessage>>;

    /// The texts of the last messages that have one, at most `limit`, in the order in which they were said.
    async fn said_before(&self, session_id: SessionId, limit: u32) -> Result<Vec<SaidBefore>>;

    /// Puts a pair of messages on record; false and nothing where its persona or, but for one that begins,
    /// its session is gone.
    async fn add_exchange(&self, exchange: &Exchange) -> Result<bool>;

    /// Removes sessions that nothing happened to since `time`, at most `max`; returns how many.
    async fn forget_sessions(&self, time: DateTime<Utc>, max: u32) -> Result<u32>;
}
