//! Conversations with personas.

use crate::{error::fault, pool::Ledger};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ragstream_core::{
    fault::Result,
    id::{PersonaId, SessionId},
    ports::{ChatMessage, ChatSession, ChatSessions, Exchange, Role, SaidBefore},
};
use tokio_postgres::{Row, types::Json};

/// A pair of messages with the two numbers that the session in `held` gave it: nobody else is given any
/// before this is over.
macro_rules! pair {
    ($held:literal) => {
        concat!(
            "WITH held AS (",
            $held,
            " RETURNING session_id, messages)
             INSERT INTO persona_messages (session_id, number, role, text, citations)
             SELECT session_id, messages - 1, 'user', $4::text, '[]'::json FROM held
             UNION ALL SELECT session_id, messages, 'assistant', $5::text, $6::json FROM held"
        )
    };
}

/// The persona is locked against its removal.
const FIRST: &str = pair!(
    "INSERT INTO persona_sessions (session_id, persona_id, title, messages)
     SELECT $1, persona_id, $3, 2 FROM personas WHERE persona_id = $2 FOR KEY SHARE"
);
const NEXT: &str = pair!(
    "UPDATE persona_sessions SET messages = messages + 2, title = coalesce(title, $3), updated_at = now()
      WHERE session_id = $1 AND persona_id = $2"
);

#[async_trait]
impl ChatSessions for Ledger {
    async fn begin_session(&self, persona_id: PersonaId, title: Option<&str>) -> Result<Option<ChatSession>> {
        let client = self.client().await?;
        let row = client
            .query_opt(
                "INSERT INTO persona_sessions (session_id, persona_id, title)
                 SELECT $1, persona_id, $3 FROM personas WHERE persona_id = $2 FOR KEY SHARE RETURNING *",
                &[&SessionId::generate().0, &persona_id.0, &title],
            )
            .await
            .map_err(fault)?;
        Ok(row.as_ref().map(session))
    }

    async fn sessions(
        &self,
        persona_id: PersonaId,
        before: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<ChatSession>> {
        let client = self.client().await?;
        // Ids are UUIDv7: their order is that of the beginnings.
        let statement = client
            .prepare_cached(
                "SELECT * FROM persona_sessions
                  WHERE persona_id = $1 AND ($2::uuid IS NULL OR session_id < $2)
                  ORDER BY session_id DESC LIMIT $3",
            )
            .await
            .map_err(fault)?;
        let rows = client
            .query(&statement, &[&persona_id.0, &before.map(|id| id.0), &i64::from(limit)])
            .await
            .map_err(fault)?;
        Ok(rows.iter().map(session).collect())
    }

    async fn session(&self, persona_id: PersonaId, session_id: SessionId) -> Result<Option<ChatSession>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached("SELECT * FROM persona_sessions WHERE session_id = $1 AND persona_id = $2")
            .await
            .map_err(fault)?;
        let row = client.query_opt(&statement, &[&session_id.0, &persona_id.0]).await.map_err(fault)?;
        Ok(row.as_ref().map(session))
    }

    async fn rename_session(
        &self,
        persona_id: PersonaId,
        session_id: SessionId,
        title: &str,
    ) -> Result<Option<ChatSession>> {
        let client = self.client().await?;
        let row = client
            .query_opt(
                "UPDATE persona_sessions SET title = $3, updated_at = now()
                  WHERE session_id = $1 AND persona_id = $2 RETURNING *",
                &[&session_id.0, &persona_id.0, &title],
            )
            .await
            .map_err(fault)?;
        Ok(row.as_ref().map(session))
    }

    async fn remove_session(&self, persona_id: PersonaId, session_id: SessionId) -> Result<bool> {
        let client = self.client().await?;
        let removed = client
            .execute(
                "DELETE FROM persona_sessions WHERE session_id = $1 AND persona_id = $2",
                &[&session_id.0, &persona_id.0],
            )
            .await
            .map_err(fault)?;
        Ok(removed == 1)
    }

    async fn messages(
        &self,
        session_id: SessionId,
        before: Option<u32>,
        limit: u32,
    ) -> Result<Vec<ChatMessage>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT * FROM persona_messages WHERE session_id = $1 AND number < $2
                  ORDER BY number DESC LIMIT $3",
            )
            .await
            .map_err(fault)?;
        let before = before.and_then(|number| i32::try_from(number).ok()).unwrap_or(i32::MAX);
        let rows =
            client.query(&statement, &[&session_id.0, &before, &i64::from(limit)]).await.map_err(fault)?;
        Ok(rows.iter().rev().map(message).collect())
    }

    async fn said_before(&self, session_id: SessionId, limit: u32) -> Result<Vec<SaidBefore>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT role, text FROM persona_messages WHERE session_id = $1 AND text IS NOT NULL
                  ORDER BY number DESC LIMIT $2",
            )
            .await
            .map_err(fault)?;
        let rows = client.query(&statement, &[&session_id.0, &i64::from(limit)]).await.map_err(fault)?;
        Ok(rows.iter().rev().map(|row| SaidBefore { role: role(row), text: row.get("text") }).collect())
    }

    async fn add_exchange(&self, exchange: &Exchange) -> Result<bool> {
        let client = self.client().await?;
        let statement = if exchange.begins { FIRST } else { NEXT };
        let statement = client.prepare_cached(statement).await.map_err(fault)?;
        let Exchange { persona_id, session_id, title, question, answer, citations, .. } = exchange;
        let added = client
            .execute(&statement, &[&session_id.0, &persona_id.0, title, question, answer, &Json(citations)])
            .await
            .map_err(fault)?;
        Ok(added == 2)
    }

    async fn forget_sessions(&self, time: DateTime<Utc>, max: u32) -> Result<u32> {
        let client = self.client().await?;
        let forgotten = client
            .execute(
                "DELETE FROM persona_sessions WHERE updated_at < $1 AND session_id IN (
                     SELECT session_id FROM persona_sessions WHERE updated_at < $1
                      ORDER BY updated_at LIMIT $2)",
                &[&time, &i64::from(max)],
            )
            .await
            .map_err(fault)?;
        Ok(forgotten as u32)
    }
}

fn role(row: &Row) -> Role {
    match row.get("role") {
        "user" => Role::User,
        // The table allows no third.
        _ => Role::Assistant,
    }
}

fn session(row: &Row) -> ChatSession {
    ChatSession {
        session_id: SessionId(row.get("session_id")),
        persona_id: PersonaId(row.get("persona_id")),
        title: row.get("title"),
        messages: row.get::<_, i32>("messages") as u32,
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    }
}

fn message(row: &Row) -> ChatMessage {
    ChatMessage {
        number: row.get::<_, i32>("number") as u32,
        role: role(row),
        text: row.get("text"),
        citations: row.get::<_, Json<serde_json::Value>>("citations").0,
        created_at: row.get("created_at"),
    }
}
