//! Searches and questions, passed on to a query node.
//!
//! A query node's answer, a problem included, is passed back as it is. One that
//! can't be reached is skipped; which is tried first goes round.

use super::QueryNodes;
use crate::metrics;
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
    response::Response,
};
use ragstream_api::problem::Problem;
use ragstream_core::topics::header::TRACEPARENT;
use ragstream_runtime::http::{REQUEST_ID, RequestContext};
use std::{sync::atomic::Ordering, time::Duration};

/// How long it may take to answer: the longest wait for a token, and the work.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

impl QueryNodes {
    /// Asks one of the nodes.
    pub(crate) async fn ask(
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
                .timeout(ANSWER_TIMEOUT)
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
