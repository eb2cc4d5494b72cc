//! OpenAI's API: chat completions, embeddings, models.

use super::{events, extract::JsonBody};
use crate::{
    Gateway,
    openai::{Answer, Door},
};
use axum::{
    Json,
    extract::{DefaultBodyLimit, Extension, Path, State},
    response::{IntoResponse, Response},
};
use ragstream_api::{
    openai::{
        ChatCompletion, ChatCompletionChunk, ChatCompletionRequest, EmbeddingsRequest, EmbeddingsResponse,
        Model, ModelsResponse, OpenAiProblem,
    },
    problem::Problem,
};
use ragstream_runtime::http::RequestContext;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};

/// Largest body of texts to embed: 2,048 of a thousand bytes each, twice over.
const MAX_EMBEDDINGS_BYTES: usize = 4 << 20;

/// The routes below `/v1`.
pub(crate) fn routes() -> OpenApiRouter<Gateway> {
    OpenApiRouter::new()
        .routes(routes!(chat_completions))
        .routes(routes!(embeddings).layer(DefaultBodyLimit::max(MAX_EMBEDDINGS_BYTES)))
        .routes(routes!(models))
        .routes(routes!(model))
}

/// Answer the last message of a conversation, for clients of OpenAI's API.
///
/// `model` is `ragstream`, `ragstream-deep` and so on for the other modes, or `persona-<id>`. With `stream`, the
/// answer is Server-Sent Events in OpenAI's form. Where to look may be said in `ragstream`
/// (`extra_body` of the Python client).
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "OpenAI", request_body = ChatCompletionRequest,
    responses(
        (status = 200, content((ChatCompletion = "application/json"), (ChatCompletionChunk = "text/event-stream"))),
        (status = 400, body = OpenAiProblem), (status = 404, body = OpenAiProblem),
        (status = 409, body = OpenAiProblem), (status = 422, body = OpenAiProblem),
        (status = 503, body = OpenAiProblem)
    )
)]
pub(crate) async fn chat_completions(
    State(door): State<Door>,
    Extension(context): Extension<RequestContext>,
    request: Result<JsonBody<ChatCompletionRequest>, Problem>,
) -> Result<Response, OpenAiProblem> {
    let JsonBody(request) = request?;
    Ok(match door.complete(request, &context).await? {
        Answer::Whole(answer) => Json(answer).into_response(),
        Answer::Events(told) => events::response(told),
    })
}

/// Texts to vectors, by the model that documents are embedded with, for clients of OpenAI's API.
///
/// A text longer than the model reads is refused, not cut off.
#[utoipa::path(
    post, path = "/v1/embeddings", tag = "OpenAI", request_body = EmbeddingsRequest,
    responses(
        (status = 200, body = EmbeddingsResponse), (status = 400, body = OpenAiProblem),
        (status = 404, body = OpenAiProblem), (status = 422, body = OpenAiProblem), (status = 503, body = OpenAiProblem)
    )
)]
pub(crate) async fn embeddings(
    State(door): State<Door>,
    Extension(context): Extension<RequestContext>,
    request: Result<JsonBody<EmbeddingsRequest>, Problem>,
) -> Result<Json<EmbeddingsResponse>, OpenAiProblem> {
    let JsonBody(request) = request?;
    Ok(Json(door.embed(request, &context).await?))
}

/// What may be asked for by name.
#[utoipa::path(
    get, path = "/v1/models", tag = "OpenAI",
    responses((status = 200, body = ModelsResponse), (status = 503, body = OpenAiProblem))
)]
pub(crate) async fn models(
    State(gateway): State<Gateway>,
    State(door): State<Door>,
    Extension(context): Extension<RequestContext>,
) -> Result<Json<ModelsResponse>, OpenAiProblem> {
    Ok(Json(door.models(gateway.started_at, &context).await?))
}

/// One of them.
#[utoipa::path(
    get, path = "/v1/models/{model}", tag = "OpenAI", params(("model" = String, Path)),
    responses((status = 200, body = Model), (status = 404, body = OpenAiProblem), (status = 503, body = OpenAiProblem))
)]
pub(crate) async fn model(
    State(gateway): State<Gateway>,
    State(door): State<Door>,
    Extension(context): Extension<RequestContext>,
    Path(name): Path<String>,
) -> Result<Json<Model>, OpenAiProblem> {
    Ok(Json(door.model(&name, gateway.started_at, &context).await?))
}
