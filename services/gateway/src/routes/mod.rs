//! The routes of the API, and its specification.

mod admin;
mod ask;
mod batches;
mod dashboard;
mod dead_letters;
pub(crate) mod documents;
mod events;
pub(crate) mod extract;
mod imports;
pub(crate) mod jobs;
mod openai;
pub(crate) mod personas;
mod query_jobs;
mod ranges;
mod resumable;
mod sessions;
mod socket;
mod system;
mod uploads;
mod webhooks;

use crate::{Gateway, mcp};
use axum::{
    Json, Router, middleware,
    routing::{get, post},
};
use utoipa::OpenApi;
use utoipa_axum::{
    router::{OpenApiRouter, UtoipaMethodRouterExt},
    routes,
};
use utoipa_swagger_ui::{Config, SwaggerUi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Ragstream",
        description = "Documents in over HTTP, cited answers out. Every error is an RFC 9457 \
                       `application/problem+json`."
    ),
    tags(
        (name = "documents", description = "Upload documents and follow their processing"),
        (name = "resumable uploads", description = "Large files, by the tus protocol: any tus client works"),
        (name = "jobs", description = "Follow the processing of documents, hold it, end it, do it again"),
        (name = "batches", description = "Files that belong together: their progress, and commands to all of them"),
        (name = "live progress", description = "Server-Sent Events and a WebSocket, over any gateway"),
        (name = "asking", description = "Search, and ask questions"),
        (name = "personas", description = "Experts that answer from one collection in a manner of their own, and conversations with them"),
        (name = "OpenAI", description = "The same for clients of OpenAI's API, unchanged: `base_url` is this server and `/v1`"),
        (name = "dead letters", description = "What was given up: list, inspect, send back"),
        (name = "webhooks", description = "Be told of what happens to documents"),
        (name = "operating", description = "Look after it")
    ),
    // What webhooks are sent, and what problems refer to.
    components(schemas(ragstream_api::webhooks::EventBody, ragstream_api::problem::FileProblem))
)]
pub(crate) struct Spec;

/// All routes of the gateway; `/docs` shows them, but for agents' door, whose protocol tells by itself what
/// there is.
pub(crate) fn router(gateway: Gateway, agents: mcp::Service) -> Router {
    let (api, spec) = OpenApiRouter::with_openapi(Spec::openapi())
        .routes(routes!(uploads::upload).layer(uploads::no_body_limit()))
        .merge(
            OpenApiRouter::new()
                .routes(routes!(resumable::create, resumable::options))
                .routes(routes!(resumable::head, resumable::get, resumable::patch, resumable::delete))
                .route("/api/v2/uploads/{upload_id}", post(resumable::overridden))
                .layer(middleware::from_fn(resumable::versioned))
                .layer(uploads::no_body_limit()),
        )
        .routes(routes!(jobs::status))
        .routes(routes!(jobs::list))
        .routes(routes!(jobs::pause))
        .routes(routes!(jobs::resume))
        .routes(routes!(jobs::cancel))
        .routes(routes!(jobs::retry))
        .routes(routes!(jobs::forget))
        .routes(routes!(events::of_job))
        .routes(routes!(events::of_batch))
        .routes(routes!(events::of_all))
        .routes(routes!(socket::socket))
        .routes(routes!(batches::create, batches::list))
        .routes(routes!(batches::get))
        .routes(routes!(batches::files))
        .routes(routes!(batches::pause))
        .routes(routes!(batches::resume))
        .routes(routes!(batches::cancel))
        .routes(routes!(batches::retry))
        .routes(routes!(imports::import))
        .routes(routes!(documents::list))
        .routes(routes!(documents::get, documents::delete))
        .routes(routes!(documents::content))
        .routes(routes!(documents::text))
        .routes(routes!(documents::chunks))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::get))
        .routes(routes!(dead_letters::redrive))
        .routes(routes!(dead_letters::redrives))
        .routes(routes!(dead_letters::show_redrive))
        .routes(routes!(ask::search))
        .routes(routes!(ask::query))
        .routes(routes!(ask::explain))
        .merge(personas::routes())
        .merge(openai::routes())
        .routes(routes!(query_jobs::create))
        .routes(routes!(query_jobs::status, query_jobs::delete))
        .routes(routes!(query_jobs::result))
        .routes(routes!(query_jobs::cancel))
        .routes(routes!(webhooks::create, webhooks::list))
        .routes(routes!(webhooks::get, webhooks::delete))
        .routes(routes!(webhooks::test))
        .routes(routes!(webhooks::deliveries))
        .routes(routes!(system::status))
        .routes(routes!(admin::verify))
        .routes(routes!(admin::begin_rebuild, admin::rebuild_status))
        .with_state(gateway)
        .split_for_parts();
    let ui = SwaggerUi::new("/docs").config(Config::new(["/openapi.json"]));
    api.route("/openapi.json", get(move || async move { Json(spec) }))
        .route_service("/mcp", agents)
        .merge(dashboard::routes())
        .merge(ui)
}
