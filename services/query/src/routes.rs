//! The routes of a query node; users reach them through the gateway.

use crate::{ask::Asker, metrics};
use axum::{
    Json, Router,
    body::Bytes,
    extract::State,
    http::HeaderName,
    response::{AppendHeaders, IntoResponse, Response},
    routing::post,
};
use ragstream_api::{
    problem::Problem,
    search::{Freshness, QueryRequest, SearchRequest, TOKEN_APPLIED},
};
use serde::de::DeserializeOwned;
use std::sync::Arc;

pub(crate) fn router(asker: Arc<Asker>) -> Router {
    Router::new().route("/api/v2/search", post(search)).route("/api/v2/query", post(query)).with_state(asker)
}

async fn search(State(asker): State<Arc<Asker>>, body: Bytes) -> Result<Response, Problem> {
    let answer = async { asker.search(parse::<SearchRequest>(&body)?).await }.await;
    count("search", answer.as_ref().map(|_| "ok"));
    answer.map(|answer| (applied(&answer.freshness), Json(answer)).into_response())
}

async fn query(State(asker): State<Arc<Asker>>, body: Bytes) -> Result<Response, Problem> {
    let answer = async { asker.query(parse::<QueryRequest>(&body)?).await }.await;
    count("query", answer.as_ref().map(|a| if a.answered { "ok" } else { "unanswered" }));
    answer.map(|answer| (applied(&answer.freshness), Json(answer)).into_response())
}

/// Tells the gateway whether another node may know more, without a look into the answer.
fn applied(freshness: &Freshness) -> AppendHeaders<Option<(HeaderName, &'static str)>> {
    let applied = freshness.token_applied.map(|applied| if applied { "true" } else { "false" });
    AppendHeaders(applied.map(|applied| (HeaderName::from_static(TOKEN_APPLIED), applied)))
}

/// The body of a request, or what is wrong with it.
pub(crate) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(body).map_err(|e| {
        Problem::bad_request(
            "invalid_json",
            format!("the body is not the JSON object that is expected here: {e}; /docs shows it"),
        )
    })
}

fn count(kind: &str, outcome: Result<&str, &Problem>) {
    let outcome = outcome.unwrap_or_else(|problem| if problem.status < 500 { "refused" } else { "failed" });
    metrics::ASKED.with_label_values(&[kind, outcome]).inc();
}
