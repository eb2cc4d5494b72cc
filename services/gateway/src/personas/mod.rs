//! Personas, and conversations with them.
//!
//! A message goes to a query node together with what was said before it ([`history`]). Its answer is told
//! once both are on record ([`keeper`]), a stream of events up to its last one as it comes ([`stream`]):
//! who has an answer finds it in the conversation, and what breaks off leaves nothing there.

mod chat;
mod check;
mod history;
mod keeper;
mod stream;
#[cfg(test)]
mod tests;

pub(crate) use chat::{Answer, asked};
pub(crate) use check::{persona as check_persona, title as check_title};
pub(crate) use history::last;

use crate::{Gateway, query_nodes::QueryNodes};
use axum::extract::FromRef;
use ragstream_api::{personas::Readiness, problem::Problem};
use ragstream_core::{
    id::{PersonaId, SessionId},
    ports::{ChatSession, ChatSessions, CollectionState, Persona, Personas},
};
use std::sync::Arc;

/// What who asks too early is told to wait, in seconds: a small document is searchable by then.
const ASK_AGAIN_SECONDS: u64 = 5;

/// What the routes of personas share.
#[derive(Clone)]
pub(crate) struct Chats {
    pub(crate) personas: Arc<dyn Personas>,
    pub(crate) sessions: Arc<dyn ChatSessions>,
    pub(crate) query: QueryNodes,
}

impl FromRef<Gateway> for Chats {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.chats.clone()
    }
}

impl Chats {
    pub(crate) async fn persona(&self, persona_id: PersonaId) -> Result<Persona, Problem> {
        self.personas.persona(persona_id).await?.ok_or_else(|| no_persona(persona_id))
    }

    pub(crate) async fn session(
        &self,
        persona_id: PersonaId,
        session_id: SessionId,
    ) -> Result<ChatSession, Problem> {
        let session = self.sessions.session(persona_id, session_id).await?;
        session.ok_or_else(|| no_session(session_id))
    }

    /// Refuses what is asked before the persona's documents are complete.
    pub(crate) async fn ready(&self, persona: &Persona) -> Result<(), Problem> {
        let collection = &persona.is.collection;
        let (detail, progress, retry_after) = match self.personas.collection_state(collection).await? {
            CollectionState::Ready => return Ok(()),
            CollectionState::Empty => {
                let detail =
                    format!("there are no documents in its collection {collection:?}: upload some first");
                (detail, Readiness { done: 0, total: 0, percentage: 0 }, None)
            }
            CollectionState::UnderWay { done, total, percentage } => {
                let detail = format!(
                    "{done} of the {total} documents in its collection {collection:?} are processed; ask \
                     again once all are"
                );
                // Below 100 by the port's word.
                (detail, Readiness { done, total, percentage: percentage as u8 }, Some(ASK_AGAIN_SECONDS))
            }
        };
        Err(Problem {
            progress: Some(progress),
            retry_after,
            ..Problem::conflict("persona_not_ready", detail)
        })
    }
}

pub(crate) fn no_persona(persona_id: PersonaId) -> Problem {
    Problem::not_found(format!("there is no persona {persona_id}"))
}

pub(crate) fn no_session(session_id: SessionId) -> Problem {
    Problem::not_found(format!("there is no conversation {session_id} with this persona"))
}
