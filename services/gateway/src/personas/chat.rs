//! A message to a persona, and its answer.

use super::{Chats, history, keeper::Keeper, stream};
use crate::query_nodes::answer::read;
use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response, sse::Event},
};
use futures::stream::BoxStream;
use ragstream_api::{
    personas::{ChatRequest, MAX_MESSAGE_BYTES},
    problem::Problem,
    search::{AskRequest, DEFAULT_TOP_K, OneOrMany, PerDocument, QueryMode, QueryRequest, Turn},
};
use ragstream_core::{
    id::{PersonaId, SessionId},
    ports::Persona,
};
use ragstream_runtime::http::RequestContext;
use serde_json::{Map, Value};

/// Where query nodes answer for personas.
const ASK: &str = "/internal/ask";

/// How an answer comes.
pub(crate) enum Answer {
    /// In one piece, or as the query node's refusal.
    Whole(Response),
    /// As it is made.
    Events(BoxStream<'static, Event>),
}

impl Chats {
    /// Asks for a persona, and keeps what was said.
    pub(crate) async fn chat(
        &self,
        persona_id: PersonaId,
        request: ChatRequest,
        context: &RequestContext,
    ) -> Result<Answer, Problem> {
        let ChatRequest { message, session_id, stream, history } = request;
        check(&message)?;
        let persona = self.persona(persona_id).await?;
        self.ready(&persona).await?;
        let asked = asked(persona, message.clone(), stream)?;
        let is_private = asked.query.mode == QueryMode::Private;
        let session_id = session_id.map(SessionId);
        if let Some(session_id) = session_id {
            self.session(persona_id, session_id).await?;
        }
        let before = match (history, session_id) {
            (Some(given), _) => given,
            (None, Some(session_id)) if !is_private => self.said_before(session_id).await?,
            (None, _) => Vec::new(),
        };
        let keeper = Keeper {
            sessions: self.sessions.clone(),
            persona_id,
            session_id: session_id.unwrap_or_else(SessionId::generate),
            begins: session_id.is_none(),
            message,
            is_private,
        };
        let asked = AskRequest { history: history::last(before), ..asked };
        let body =
            serde_json::to_vec(&asked).map_err(|e| Problem::bad_request("bad_question", e.to_string()))?;
        let answer = self.query.ask(ASK, body.into(), context).await?;
        if answer.status() != StatusCode::OK {
            return Ok(Answer::Whole(answer));
        }
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        match kind.is_some_and(|kind| kind.starts_with("text/event-stream")) {
            true => Ok(Answer::Events(stream::told(answer.into_body(), keeper))),
            false => Ok(Answer::Whole(whole(answer, &keeper).await?)),
        }
    }

    async fn said_before(&self, session_id: SessionId) -> Result<Vec<Turn>, Problem> {
        let said = self.sessions.said_before(session_id, history::MAX_TURNS as u32).await?;
        Ok(said.into_iter().map(Into::into).collect())
    }
}

fn check(message: &str) -> Result<(), Problem> {
    if message.trim().is_empty() || message.len() > MAX_MESSAGE_BYTES || message.contains('\0') {
        return Err(Problem::invalid_field(
            "message",
            format_args!("must be a question of {MAX_MESSAGE_BYTES} bytes at most, without a zero"),
        ));
    }
    Ok(())
}

/// How it answers. A mode that this release does not know is nobody's to guess: it may be one in which
/// nothing is kept.
fn mode_of(persona: &Persona) -> Result<QueryMode, Problem> {
    let name = &persona.is.mode;
    serde_json::from_value(Value::String(name.clone())).map_err(|_| {
        let detail =
            format!("its mode {name:?} is not known here: give the persona another, or ask a newer server");
        Problem::unprocessable("unknown_mode", detail)
    })
}

/// What a query node is asked for a persona, without what was said before.
pub(crate) fn asked(persona: Persona, question: String, stream: bool) -> Result<AskRequest, Problem> {
    let mode = mode_of(&persona)?;
    let persona = persona.is;
    let query = QueryRequest {
        question,
        top_k: persona.top_k.map_or(DEFAULT_TOP_K, |passages| passages as usize),
        collection: Some(OneOrMany::One(persona.collection)),
        filter: Map::new(),
        mode,
        rerank: false,
        per_document: PerDocument::All,
        expand: 0,
        stream,
        min_token: None,
        wait_ms: None,
    };
    Ok(AskRequest {
        query,
        history: Vec::new(),
        system_prompt: Some(persona.system_prompt).filter(|prompt| !prompt.trim().is_empty()),
        model: persona.model,
        temperature: persona.temperature,
        max_tokens: persona.max_tokens,
    })
}

async fn whole(answer: Response, keeper: &Keeper) -> Result<Response, Problem> {
    let mut answer: Map<String, Value> = read(answer).await?;
    keeper.keep(&mut answer).await?;
    Ok(Json(answer).into_response())
}
