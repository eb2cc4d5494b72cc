//! Conversations with personas.

use super::{
    documents::page_size,
    extract::{Id, Ids, JsonBody, Params},
    personas::created,
};
use crate::personas::{Chats, check_title, no_persona, no_session};
use axum::{Json, extract::State, http::StatusCode, response::Response};
use ragstream_api::{
    personas::{ConversationResponse, SessionChange, SessionRequest, SessionResponse, SessionsResponse},
    problem::Problem,
};
use ragstream_core::id::{PersonaId, SessionId};
use serde::Deserialize;
use utoipa::IntoParams;

/// Begin a conversation without a message. A message begins one by itself, too.
#[utoipa::path(
    post, path = "/api/v2/personas/{id}/sessions", tag = "personas", params(("id" = uuid::Uuid, Path)),
    request_body = SessionRequest,
    responses(
        (status = 201, body = SessionResponse), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
pub(crate) async fn create(
    State(chats): State<Chats>,
    Id(id): Id<PersonaId>,
    JsonBody(request): JsonBody<SessionRequest>,
) -> Result<Response, Problem> {
    let title = request.title.map(check_title).transpose()?;
    let session = chats.sessions.begin_session(id, title.as_deref()).await?;
    let session = session.ok_or_else(|| no_persona(id))?;
    created(format!("/api/v2/personas/{id}/sessions/{}", session.session_id), SessionResponse::from(session))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// At most so many, 1 to 1,000.
    limit: Option<u32>,
    /// Only conversations before this one: `next` of the page before has it.
    before: Option<uuid::Uuid>,
}

/// Conversations with a persona, those first that began last.
///
/// They are kept for 90 days after their last message where the server is not configured otherwise.
#[utoipa::path(
    get, path = "/api/v2/personas/{id}/sessions", tag = "personas",
    params(("id" = uuid::Uuid, Path), ListParams),
    responses(
        (status = 200, body = SessionsResponse), (status = 404, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn list(
    State(chats): State<Chats>,
    Id(id): Id<PersonaId>,
    Params(params): Params<ListParams>,
) -> Result<Json<SessionsResponse>, Problem> {
    let limit = page_size(params.limit)?;
    chats.persona(id).await?;
    let sessions = chats.sessions.sessions(id, params.before.map(SessionId), limit).await?;
    let full = sessions.len() == limit as usize;
    let next = sessions
        .last()
        .filter(|_| full)
        .map(|last| format!("/api/v2/personas/{id}/sessions?limit={limit}&before={}", last.session_id));
    Ok(Json(SessionsResponse { sessions: sessions.into_iter().map(Into::into).collect(), next }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct MessageParams {
    /// At most so many messages, 1 to 1,000.
    limit: Option<u32>,
    /// Only messages before this number: `next` of the page before has it.
    before: Option<u32>,
}

/// A conversation with its last messages, in the order in which they were said.
#[utoipa::path(
    get, path = "/api/v2/personas/{id}/sessions/{session_id}", tag = "personas",
    params(("id" = uuid::Uuid, Path), ("session_id" = uuid::Uuid, Path), MessageParams),
    responses(
        (status = 200, body = ConversationResponse), (status = 404, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
pub(crate) async fn get(
    State(chats): State<Chats>,
    Ids(id, session_id): Ids<PersonaId, SessionId>,
    Params(params): Params<MessageParams>,
) -> Result<Json<ConversationResponse>, Problem> {
    let limit = page_size(params.limit)?;
    let session = chats.session(id, session_id).await?;
    let messages = chats.sessions.messages(session_id, params.before, limit).await?;
    let next = messages.first().filter(|first| first.number > 1).map(|first| {
        format!("/api/v2/personas/{id}/sessions/{session_id}?limit={limit}&before={}", first.number)
    });
    let messages = messages.into_iter().map(Into::into).collect();
    Ok(Json(ConversationResponse { session: session.into(), messages, next }))
}

/// Give a conversation another title.
#[utoipa::path(
    patch, path = "/api/v2/personas/{id}/sessions/{session_id}", tag = "personas",
    params(("id" = uuid::Uuid, Path), ("session_id" = uuid::Uuid, Path)), request_body = SessionChange,
    responses(
        (status = 200, body = SessionResponse), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
pub(crate) async fn rename(
    State(chats): State<Chats>,
    Ids(id, session_id): Ids<PersonaId, SessionId>,
    JsonBody(change): JsonBody<SessionChange>,
) -> Result<Json<SessionResponse>, Problem> {
    let title = check_title(change.title)?;
    let session = chats.sessions.rename_session(id, session_id, &title).await?;
    Ok(Json(session.ok_or_else(|| no_session(session_id))?.into()))
}

/// Delete a conversation.
#[utoipa::path(
    delete, path = "/api/v2/personas/{id}/sessions/{session_id}", tag = "personas",
    params(("id" = uuid::Uuid, Path), ("session_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn delete(
    State(chats): State<Chats>,
    Ids(id, session_id): Ids<PersonaId, SessionId>,
) -> Result<StatusCode, Problem> {
    match chats.sessions.remove_session(id, session_id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_session(session_id)),
    }
}
