//! Searches and questions, passed on to a query node.
//!
//! A query node's answer, a problem included, is passed back as it is. One that
//! can't be reached is skipped; which is tried first goes round.

use crate::{Gateway, metrics};
use async_trait::async_trait;
use axum::{
    body::{Body, Bytes},
    extract::{Extension, State},
    http::{HeaderMap, header},
    response::Response,
};
use futures::future::join_all;
use ragstream_api::{
    problem::Problem,
    search::{QueryRequest, QueryResponse, SearchRequest, SearchResponse},
};
use ragstream_core::{fault::Fault, ports::Probe, topics::header::TRACEPARENT};
use ragstream_runtime::http::{REQUEST_ID, RequestContext};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How long a query node may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long it may take to answer: the longest wait for a token, and the work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// The query nodes that this gateway knows.
#[derive(Clone)]
pub(crate) struct QueryNodes {
    client: reqwest::Client,
    urls: Arc<Vec<String>>,
    next: Arc<AtomicUsize>,
}

impl QueryNodes {
    pub(crate) fn new(urls: &[String]) -> Self {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .no_proxy()
            .build()
            .unwrap_or_default();
        let urls = urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Self { client, urls: Arc::new(urls), next: Arc::new(AtomicUsize::new(0)) }
    }

    async fn ask(
        &self,
        path: &'static str,
        body: Bytes,
        context: &RequestContext,
    ) -> Result<Response, Problem> {
        let timer = metrics::ASK_SECONDS.with_label_values(&[path]).start_timer();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let mut skipped = None;
        for i in 0..self.urls.len() {
            let url = &self.urls[(first + i) % self.urls.len()];
            let request = self
                .client
                .post(format!("{url}{path}"))
                .header(header::CONTENT_TYPE, "application/json")
                .header(REQUEST_ID, &context.correlation_id)
                .header(TRACEPARENT, context.trace.child().to_string())
                .body(body.clone());
            match request.send().await {
                Ok(answer) => {
                    timer.observe_duration();
                    return Ok(pass_back(answer));
                }
                Err(error) if error.is_connect() => {
                    tracing::warn!(url, error = %error, "query node can't be reached");
                    skipped = Some(error);
                }
                Err(error) => {
                    tracing::warn!(url, error = %error, "query node did not answer");
                    return Err(Problem::unavailable(
                        "query_unavailable",
                        "the query node did not answer in time; try again later",
                    ));
                }
            }
        }
        let why =
            if skipped.is_some() { "no query node can be reached" } else { "no query node is configured" };
        Err(Problem::unavailable("query_unavailable", format!("{why}; try again later")))
    }
}

#[async_trait]
impl Probe for QueryNodes {
    fn component(&self) -> &'static str {
        "query"
    }

    /// Whether any of the nodes is ready.
    async fn probe(&self) -> Result<(), Fault> {
        let ready = self.urls.iter().map(|url| async move {
            let answer = self.client.get(format!("{url}/readyz")).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        });
        match join_all(ready).await.contains(&true) {
            true => Ok(()),
            false => Err(Fault::unavailable("query_unavailable", "no query node is ready")),
        }
    }
}

fn pass_back(answer: reqwest::Response) -> Response {
    let mut headers = HeaderMap::new();
    for name in [header::CONTENT_TYPE, header::RETRY_AFTER] {
        if let Some(value) = answer.headers().get(&name) {
            headers.insert(name, value.clone());
        }
    }
    let status = answer.status();
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

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
