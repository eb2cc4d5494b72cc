//! The routes of a query node; users reach them through the gateway.

use crate::{ask::Asker, events::Sink, metrics};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::HeaderName,
    response::{
        AppendHeaders, IntoResponse, Response,
        sse::{KeepAlive, Sse},
    },
    routing::post,
};
use futures::{StreamExt, stream};
use ragstream_api::{
    embeddings::EmbedRequest,
    problem::Problem,
    search::{AskRequest, ExplainRequest, QueryRequest, SearchRequest, TOKEN_APPLIED},
};
use serde::de::DeserializeOwned;
use std::{convert::Infallible, sync::Arc};

/// Largest body of texts to embed: what the gateway takes, in the longest way to write it.
const MAX_EMBED_BYTES: usize = 16 << 20;

pub(crate) fn router(asker: Arc<Asker>) -> Router {
    Router::new()
        .route("/api/v2/search", post(search))
        .route("/api/v2/query", post(query))
        .route("/api/v2/query/explain", post(explain))
        .route("/internal/ask", post(internal_ask))
        .route("/internal/embed", post(embed).layer(DefaultBodyLimit::max(MAX_EMBED_BYTES)))
        .with_state(asker)
}

async fn search(State(asker): State<Arc<Asker>>, body: Bytes) -> Result<Response, Problem> {
    let answer = async { asker.search(parse::<SearchRequest>(&body)?).await }.await;
    count("search", answer.as_ref().map(|_| "ok"));
    answer.map(|answer| (applied(answer.freshness.token_applied), Json(answer)).into_response())
}

async fn query(State(asker): State<Arc<Asker>>, body: Bytes) -> Result<Response, Problem> {
    ask(asker, parse::<QueryRequest>(&body).map(AskRequest::from)).await
}

async fn explain(State(asker): State<Arc<Asker>>, body: Bytes) -> Result<Response, Problem> {
    let answer = async { asker.explain(parse::<ExplainRequest>(&body)?).await }.await;
    count("explain", answer.as_ref().map(|_| "ok"));
    answer.map(|answer| Json(answer).into_response())
}

/// Texts to vectors; the gateway asks so for those who speak to it as to a model's server.
async fn embed(State(asker): State<Arc<Asker>>, body: Bytes) -> Result<Response, Problem> {
    let answer = async { asker.embeddings().embed(parse::<EmbedRequest>(&body)?).await }.await;
    count("embed", answer.as_ref().map(|_| "ok"));
    answer.map(|answer| Json(answer).into_response())
}

/// The same within a conversation; the gateway alone asks so.
async fn internal_ask(State(asker): State<Arc<Asker>>, body: Bytes) -> Result<Response, Problem> {
    ask(asker, parse::<AskRequest>(&body)).await
}

async fn ask(asker: Arc<Asker>, request: Result<AskRequest, Problem>) -> Result<Response, Problem> {
    let streams = request.as_ref().is_ok_and(|request| request.query.stream);
    let prepared = match request {
        Ok(request) => asker.prepare(request).await,
        Err(problem) => Err(problem),
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(problem) => {
            count("query", Err(&problem));
            return Err(problem);
        }
    };
    let applied = applied(prepared.token_applied);
    let answer = async move |sink: &mut Sink| {
        let answer = asker.answer(&prepared, sink).await;
        count("query", answer.as_ref().map(|a| if a.answered { "ok" } else { "unanswered" }));
        answer
    };
    if !streams {
        return Ok((applied, Json(answer(&mut Sink::none()).await?)).into_response());
    }
    let (mut sink, events) = Sink::stream();
    tokio::spawn(async move {
        let outcome = answer(&mut sink).await;
        sink.end(outcome).await;
    });
    let events = stream::unfold(events, async |mut events| Some((events.recv().await?, events)));
    let events = Sse::new(events.map(Ok::<_, Infallible>)).keep_alive(KeepAlive::default());
    Ok((applied, events).into_response())
}

/// Tells the gateway whether another node may know more, without a look into the answer.
fn applied(token_applied: Option<bool>) -> AppendHeaders<Option<(HeaderName, &'static str)>> {
    let applied = token_applied.map(|applied| if applied { "true" } else { "false" });
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
