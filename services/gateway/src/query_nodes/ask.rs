//! Searches and questions, passed on to a query node.
//!
//! Nodes that are ready come first, in turns; then the others, for one that is not ready
//! may still answer. The next is asked where one can't be reached, breaks off, says 502 or
//! 503, or takes too long for a search: asking twice does no harm. Any other answer, a
//! problem included, is passed back as it is.
//!
//! A request with a token waits on the node that it meets first. Where that has not
//! applied the upload by then, another may have: the other ready nodes are asked too,
//! without any further wait, and the first that has applied it answers.

use super::{Node, QueryNodes};
use crate::metrics;
use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use ragstream_api::{
    problem::Problem,
    search::{MAX_WAIT_MS, TOKEN_APPLIED, wait_ms},
};
use ragstream_core::topics::header::TRACEPARENT;
use ragstream_runtime::http::{REQUEST_ID, RequestContext};
use serde::Deserialize;
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// How long retrieval may take beyond the wait for a token, before another node is asked.
const SEARCH_PATIENCE: Duration = Duration::from_secs(10);
/// How long an answer may take beyond that wait: a model may write several pages, in several steps.
const ANSWER_PATIENCE: Duration = Duration::from_secs(300);
/// Answers up to this size are read before they are passed on, so that another node can
/// be asked where one dies in the middle. Larger ones and streams of events go on as they come.
const WHOLE_BYTES: u64 = 1 << 20;

/// The path of a search; questions have another one.
const SEARCH: &str = "/api/v2/search";

/// What of a request matters here. The node checks it all.
#[derive(Default, Deserialize)]
struct Head {
    #[serde(default)]
    min_token: Option<String>,
    #[serde(default)]
    wait_ms: Option<u64>,
}

/// A request on its way through the nodes.
struct Question<'a> {
    path: &'static str,
    body: Bytes,
    context: &'a RequestContext,
    /// When the wait for its token ends, where it has one.
    until: Option<Instant>,
}

/// What one node did with it.
enum Outcome {
    /// This is its answer.
    Answered(Response),
    /// It answered, but has not applied the upload.
    Stale(Response),
    /// Another one may do better.
    Next(Response),
    /// Nobody else is to be asked.
    TooLong,
}

impl QueryNodes {
    /// Asks until one answers.
    pub(crate) async fn ask(
        &self,
        path: &'static str,
        body: Bytes,
        context: &RequestContext,
    ) -> Result<Response, Problem> {
        let patience = if path == SEARCH { SEARCH_PATIENCE } else { ANSWER_PATIENCE };
        self.ask_within(path, body, context, [patience, ANSWER_PATIENCE]).await
    }

    /// Each node has the first of these times to answer, the last one of them the second.
    async fn ask_within(
        &self,
        path: &'static str,
        body: Bytes,
        context: &RequestContext,
        [patience, last_patience]: [Duration; 2],
    ) -> Result<Response, Problem> {
        let timer = metrics::ASK_SECONDS.with_label_values(&[path]).start_timer();
        let question = Question { path, until: until(&body), body, context };
        let (mut stale, mut refused) = (None, None);
        let mut left = self.nodes.len();
        for node in self.in_turn() {
            left -= 1;
            if stale.is_some() && !node.is_ready() {
                continue;
            }
            // Nobody is left to do better than the last one.
            let patience = if left == 0 { last_patience } else { patience };
            let wait = match question.until {
                Some(until) if stale.is_none() => Some(until.saturating_duration_since(Instant::now())),
                Some(_) => Some(Duration::ZERO),
                None => None,
            };
            match self.try_node(node, &question, wait, patience).await {
                Outcome::Answered(answer) => {
                    timer.observe_duration();
                    return Ok(answer);
                }
                Outcome::Stale(answer) => {
                    stale.get_or_insert(answer);
                }
                Outcome::Next(answer) => {
                    refused.get_or_insert(answer);
                }
                Outcome::TooLong => {
                    return Err(unavailable("the query node did not answer in time"));
                }
            }
        }
        stale.or(refused).ok_or_else(|| unavailable("no query node is configured"))
    }

    /// All of them: those that are ready first, each time another one at their head.
    fn in_turn(&self) -> Vec<&Node> {
        let count = self.nodes.len();
        let first = self.next.fetch_add(1, Ordering::Relaxed);
        let (ready, others): (Vec<_>, Vec<_>) =
            (0..count).map(|i| &self.nodes[first.wrapping_add(i) % count]).partition(|node| node.is_ready());
        ready.into_iter().chain(others).collect()
    }

    /// Asks one node, and notes what that shows of it.
    async fn try_node(
        &self,
        node: &Node,
        question: &Question<'_>,
        wait: Option<Duration>,
        patience: Duration,
    ) -> Outcome {
        let count = |outcome: &str| {
            metrics::QUERY_ATTEMPTS.with_label_values(&[node.label.as_str(), outcome]).inc();
        };
        let failed = |outcome: &str, why: &str| {
            count(outcome);
            self.is(node, false, why);
            Outcome::Next(unavailable(&format!("a query node could not answer ({why})")).into_response())
        };
        let request = self
            .client
            .post(format!("{}{}", node.url, question.path))
            .header(header::CONTENT_TYPE, "application/json")
            .header(REQUEST_ID, &question.context.correlation_id)
            .header(TRACEPARENT, question.context.trace.child().to_string())
            .body(question.body_waiting(wait));
        let patience = patience + wait.unwrap_or_default();
        let answer = match tokio::time::timeout(patience, request.send()).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) if error.is_connect() => return failed("unreachable", "it can't be reached"),
            Ok(Err(_)) => return failed("broken", "it broke the connection off"),
            Err(_) if question.path == SEARCH => return failed("timeout", "it takes too long"),
            Err(_) => {
                count("timeout");
                return Outcome::TooLong;
            }
        };
        if [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status()) {
            count("unavailable");
            self.is(node, false, "it can't answer now");
            return Outcome::Next(pass_on(answer));
        }
        let stale = answer.headers().get(TOKEN_APPLIED).is_some_and(|applied| applied == "false");
        let answer = match answer.content_length() {
            Some(0..=WHOLE_BYTES) => match whole(answer).await {
                Ok(answer) => answer,
                Err(_) => return failed("broken", "its answer broke off"),
            },
            _ => pass_on(answer),
        };
        match stale {
            true => {
                count("stale");
                Outcome::Stale(answer)
            }
            false => {
                count("answered");
                Outcome::Answered(answer)
            }
        }
    }
}

/// When the wait for the request's token ends. What can't be read here is refused by the node.
fn until(body: &[u8]) -> Option<Instant> {
    let head: Head = serde_json::from_slice(body).unwrap_or_default();
    let wait = wait_ms(head.min_token.is_some(), head.wait_ms);
    // More than is allowed: the node says so.
    (head.min_token.is_some() && wait <= MAX_WAIT_MS).then(|| Instant::now() + Duration::from_millis(wait))
}

impl Question<'_> {
    /// The body, with this wait in the place of its own.
    fn body_waiting(&self, wait: Option<Duration>) -> Bytes {
        let Some(wait) = wait else { return self.body.clone() };
        let object: Result<serde_json::Map<String, serde_json::Value>, _> =
            serde_json::from_slice(&self.body);
        let rewritten = object.and_then(|mut object| {
            object.insert("wait_ms".into(), (wait.as_millis() as u64).into());
            serde_json::to_vec(&object)
        });
        rewritten.map_or_else(|_| self.body.clone(), Bytes::from)
    }
}

fn unavailable(why: &str) -> Problem {
    Problem::unavailable("query_unavailable", format!("{why}; try again later"))
}

/// The answer as it comes.
fn pass_on(answer: reqwest::Response) -> Response {
    let head = head_of(&answer);
    response(head, Body::from_stream(answer.bytes_stream()))
}

/// The answer once all of it is here.
async fn whole(answer: reqwest::Response) -> reqwest::Result<Response> {
    let head = head_of(&answer);
    Ok(response(head, Body::from(answer.bytes().await?)))
}

fn head_of(answer: &reqwest::Response) -> (StatusCode, HeaderMap) {
    let kept = [header::CONTENT_TYPE, header::RETRY_AFTER];
    let headers =
        kept.into_iter().filter_map(|name| Some((name.clone(), answer.headers().get(name)?.clone())));
    (answer.status(), headers.collect())
}

fn response((status, headers): (StatusCode, HeaderMap), body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests;
