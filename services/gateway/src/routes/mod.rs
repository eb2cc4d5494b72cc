//! The routes of the API, and its specification.

mod admin;
mod ask;
mod documents;
mod extract;
mod jobs;
mod uploads;

use crate::Gateway;
use axum::{Json, Router, response::Redirect, routing::get};
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
        (name = "asking", description = "Search, and ask questions"),
        (name = "operating", description = "Look after it")
    )
)]
struct Spec;

/// All routes of the gateway; `/docs` shows them.
pub(crate) fn router(gateway: Gateway) -> Router {
    let (api, spec) = OpenApiRouter::with_openapi(Spec::openapi())
        .routes(routes!(uploads::upload).layer(uploads::no_body_limit()))
        .routes(routes!(jobs::status))
        .routes(routes!(documents::list))
        .routes(routes!(documents::get))
        .routes(routes!(documents::content))
        .routes(routes!(documents::text))
        .routes(routes!(documents::chunks))
        .routes(routes!(ask::search))
        .routes(routes!(ask::query))
        .routes(routes!(admin::verify))
        .routes(routes!(admin::begin_rebuild, admin::rebuild_status))
        .with_state(gateway)
        .split_for_parts();
    let ui = SwaggerUi::new("/docs").config(Config::new(["/openapi.json"]));
    api.route("/openapi.json", get(move || async move { Json(spec) }))
        .route("/", get(|| async { Redirect::temporary("/docs") }))
        .merge(ui)
}
