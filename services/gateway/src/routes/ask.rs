//! Searches and questions, passed on to a query node.

use crate::Gateway;
use axum::{
    body::Bytes,
    extract::{Extension, State},
    response::Response,
};
use ragstream_api::{
    problem::Problem,
    search::{ExplainRequest, ExplainResponse, QueryRequest, QueryResponse, SearchRequest, SearchResponse},
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

/// Why a document or a chunk was or was not found by a search: how it stands in the index, whether it passes
/// the filter, its rank in each leg.
#[utoipa::path(
    post, path = "/api/v2/query/explain", tag = "asking", request_body = ExplainRequest,
    responses(
        (status = 200, body = ExplainResponse),
        (status = 400, body = Problem),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn explain(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    body: Bytes,
) -> Result<Response, Problem> {
    gateway.query.ask("/api/v2/query/explain", body, &context).await
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
