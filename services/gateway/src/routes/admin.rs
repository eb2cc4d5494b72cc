//! Operating.

use crate::Gateway;
use axum::{Json, body::Bytes, extract::State, http::StatusCode};
use ragstream_api::{
    admin::{MAX_VERIFY_WAIT_MS, RebuildResponse, VerifyRequest, VerifyResponse},
    problem::Problem,
};
use std::time::Duration;

/// Build every query node's index anew from the log.
///
/// One after the other, each beside the index that serves, which goes on and stays fresh
/// until the new one takes its place. Where this is under way, says how far it is.
#[utoipa::path(
    post, path = "/api/v2/admin/rebuild", tag = "operating",
    responses((status = 202, body = RebuildResponse))
)]
pub(crate) async fn begin_rebuild(State(gateway): State<Gateway>) -> (StatusCode, Json<RebuildResponse>) {
    (StatusCode::ACCEPTED, Json(gateway.rebuilds.begin()))
}

/// How far the rebuilding of indexes is that this gateway was asked for last.
#[utoipa::path(
    get, path = "/api/v2/admin/rebuild", tag = "operating",
    responses((status = 200, body = RebuildResponse))
)]
pub(crate) async fn rebuild_status(State(gateway): State<Gateway>) -> Json<RebuildResponse> {
    Json(gateway.rebuilds.status())
}

/// Compare the log, PostgreSQL and every query node.
///
/// Each chunk that they do not agree about is named, with what to do about it. Documents
/// that are under way are waited for and, where that takes longer, counted apart.
#[utoipa::path(
    post, path = "/api/v2/admin/verify", tag = "operating",
    request_body(content = Option<VerifyRequest>),
    responses(
        (status = 200, body = VerifyResponse),
        (status = 409, body = Problem, description = "One is under way"),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn verify(
    State(gateway): State<Gateway>,
    body: Bytes,
) -> Result<Json<VerifyResponse>, Problem> {
    let request = match body.is_empty() {
        true => VerifyRequest::default(),
        false => serde_json::from_slice(&body)
            .map_err(|e| Problem::bad_request("invalid_json", format!("{e}; /docs shows what goes here")))?,
    };
    if request.wait_ms > MAX_VERIFY_WAIT_MS {
        let why = format!("`wait_ms` is {}: give at most {MAX_VERIFY_WAIT_MS}", request.wait_ms);
        return Err(Problem::unprocessable("invalid_field", why));
    }
    gateway.verifier.verify(Duration::from_millis(request.wait_ms)).await.map(Json)
}
