//! Searches and questions, passed on to a query node.

use crate::Gateway;
use axum::{
    body::Bytes,
    extract::{Extension, State},
    response::Response,
};
use ragstream_api::{
    problem::Problem,
    search::{QueryRequest, QueryResponse, SearchRequest, SearchResponse},
};
use ragstream_runtime::http::RequestContext;

/// Retrieval alone: the passages that match best.
#[utoipa::path(
    post, path = "/api/v2/search", tag = "asking", request_body = SearchRequest,
    responses(
        (status = 200, body = SearchResponse),
        (status = 400, body = Problem),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn search(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    body: Bytes,
) -> Result<Response, Problem> {
    gateway.query.ask("/api/v2/search", body, &context).await
}

/// A question, answered from the documents with citations.
///
/// With `"stream": true` the answer is `text/event-stream`: the events `passages`, `step`, `token` and `done`
/// or `error`.
#[utoipa::path(
    post, path = "/api/v2/query", tag = "asking", request_body = QueryRequest,
    responses(
        (status = 200, body = QueryResponse),
        (status = 400, body = Problem),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn query(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    body: Bytes,
) -> Result<Response, Problem> {
    gateway.query.ask("/api/v2/query", body, &context).await
}
