//! Personas: who answers from one collection, and how.

use super::{
    documents::page_size,
    events,
    extract::{Id, JsonBody, Params},
    sessions,
};
use crate::personas::{Answer, Chats, check_persona, no_persona};
use axum::{
    Json,
    extract::{Extension, FromRef, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ragstream_api::{
    personas::{ChatRequest, ChatResponse, PersonaRequest, PersonaResponse, PersonasResponse},
    problem::Problem,
};
use ragstream_core::id::PersonaId;
use ragstream_runtime::http::RequestContext;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use utoipa_axum::{router::OpenApiRouter, routes};

/// The routes of personas and of conversations with them.
pub(crate) fn routes<S>() -> OpenApiRouter<S>
where
    S: Clone + Send + Sync + 'static,
    Chats: FromRef<S>,
{
    OpenApiRouter::new()
        .routes(routes!(create, list))
        .routes(routes!(get, update, delete))
        .routes(routes!(chat))
        .routes(routes!(sessions::create, sessions::list))
        .routes(routes!(sessions::get, sessions::rename, sessions::delete))
}

/// Create a persona.
///
/// It answers from one collection, in a manner that its instructions describe. Collections come to be by uploads.
#[utoipa::path(
    post, path = "/api/v2/personas", tag = "personas", request_body = PersonaRequest,
    responses(
        (status = 201, body = PersonaResponse), (status = 400, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn create(
    State(chats): State<Chats>,
    JsonBody(request): JsonBody<PersonaRequest>,
) -> Result<Response, Problem> {
    let persona = chats.personas.create_persona(&check_persona(request)?).await?;
    tracing::info!(persona_id = %persona.persona_id, "persona created");
    created(format!("/api/v2/personas/{}", persona.persona_id), PersonaResponse::from(persona))
}

pub(super) fn created(path: String, body: impl Serialize) -> Result<Response, Problem> {
    let location = HeaderValue::try_from(path);
    let location = location.map_err(|e| Problem::bad_request("bad_path", e.to_string()))?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(body)).into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// At most so many, 1 to 1,000.
    limit: Option<u32>,
    /// Only personas before this one: `next` of the page before has it.
    before: Option<uuid::Uuid>,
}

/// Personas, newest first.
#[utoipa::path(
    get, path = "/api/v2/personas", tag = "personas", params(ListParams),
    responses(
        (status = 200, body = PersonasResponse), (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
pub(crate) async fn list(
    State(chats): State<Chats>,
    Params(params): Params<ListParams>,
) -> Result<Json<PersonasResponse>, Problem> {
    let limit = page_size(params.limit)?;
    let personas = chats.personas.personas(params.before.map(PersonaId), limit).await?;
    let full = personas.len() == limit as usize;
    let next = personas
        .last()
        .filter(|_| full)
        .map(|last| format!("/api/v2/personas?limit={limit}&before={}", last.persona_id));
    Ok(Json(PersonasResponse { personas: personas.into_iter().map(Into::into).collect(), next }))
}

/// A persona.
#[utoipa::path(
    get, path = "/api/v2/personas/{id}", tag = "personas", params(("id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = PersonaResponse), (status = 404, body = Problem), (status = 503, body = Problem)
    )
)]
pub(crate) async fn get(
    State(chats): State<Chats>,
    Id(id): Id<PersonaId>,
) -> Result<Json<PersonaResponse>, Problem> {
    Ok(Json(chats.persona(id).await?.into()))
}

/// Make a persona another: what is left out is as in a new one.
#[utoipa::path(
    put, path = "/api/v2/personas/{id}", tag = "personas", params(("id" = uuid::Uuid, Path)),
    request_body = PersonaRequest,
    responses(
        (status = 200, body = PersonaResponse), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
pub(crate) async fn update(
    State(chats): State<Chats>,
    Id(id): Id<PersonaId>,
    JsonBody(request): JsonBody<PersonaRequest>,
) -> Result<Json<PersonaResponse>, Problem> {
    let persona = chats.personas.update_persona(id, &check_persona(request)?).await?;
    Ok(Json(persona.ok_or_else(|| no_persona(id))?.into()))
}

/// Delete a persona, and what was said with it. Its documents stay.
#[utoipa::path(
    delete, path = "/api/v2/personas/{id}", tag = "personas", params(("id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn delete(State(chats): State<Chats>, Id(id): Id<PersonaId>) -> Result<StatusCode, Problem> {
    if !chats.personas.remove_persona(id).await? {
        return Err(no_persona(id));
    }
    tracing::info!(persona_id = %id, "persona deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// Ask a persona.
///
/// The answer's `session_id`, sent along with the next message, makes that a follow-up: what was said before is
/// known then. Message and answer are kept once the answer is whole; what breaks off leaves nothing. With
/// `stream`, the answer is Server-Sent Events: `passages`, `token` (`{"text"}`), and at the end `done` (all of the
/// answer) or `error` (a problem).
#[utoipa::path(
    post, path = "/api/v2/personas/{id}/chat", tag = "personas", params(("id" = uuid::Uuid, Path)),
    request_body = ChatRequest,
    responses(
        (status = 200, content((ChatResponse = "application/json"), (String = "text/event-stream"))),
        (status = 400, body = Problem),
        (status = 404, body = Problem),
        (status = 409, body = Problem, description = "Its documents are not complete: `progress` tells how far they are"),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn chat(
    State(chats): State<Chats>,
    Extension(context): Extension<RequestContext>,
    Id(id): Id<PersonaId>,
    JsonBody(request): JsonBody<ChatRequest>,
) -> Result<Response, Problem> {
    Ok(match chats.chat(id, request, &context).await? {
        Answer::Whole(answer) => answer,
        Answer::Events(told) => events::response(told),
    })
}
