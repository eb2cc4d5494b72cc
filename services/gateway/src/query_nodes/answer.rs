//! Answers of query nodes, read here rather than passed on.

use axum::{
    body::{Body, to_bytes},
    http::StatusCode,
    response::Response,
};
use eventsource_stream::{Event, Eventsource};
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use ragstream_api::problem::Problem;
use serde::de::DeserializeOwned;

/// Largest answer that is read, in bytes: a thousand passages with the metadata of their documents, or
/// 2,048 vectors of a large model.
const MAX_BYTES: usize = 64 << 20;

/// The events that end an answer.
pub(crate) const DONE: &str = "done";
pub(crate) const ERROR: &str = "error";

/// What a node answered, or its refusal.
pub(crate) async fn read<T: DeserializeOwned>(answer: Response) -> Result<T, Problem> {
    let status = answer.status();
    let body = to_bytes(answer.into_body(), MAX_BYTES).await.map_err(|_| broken_off())?;
    match status {
        StatusCode::OK => serde_json::from_slice(&body).map_err(|_| unreadable()),
        _ => Err(serde_json::from_slice(&body).unwrap_or_else(|_| unreadable())),
    }
}

/// The events of an answer while it is made. It ends with [`DONE`], [`ERROR`], or a problem in the place of both.
pub(crate) fn events(answer: Body) -> BoxStream<'static, Result<Event, Problem>> {
    let mut read = 0;
    let pieces = answer.into_data_stream().map(move |piece| {
        let piece = piece.map_err(drop)?;
        read += piece.len();
        if read > MAX_BYTES { Err(()) } else { Ok(piece) }
    });
    let events = pieces.eventsource().boxed();
    stream::unfold(Some(events), async |under_way| {
        let mut events = under_way?;
        match events.next().await {
            Some(Ok(last)) if last.event == DONE || last.event == ERROR => Some((Ok(last), None)),
            Some(Ok(event)) => Some((Ok(event), Some(events))),
            Some(Err(_)) | None => Some((Err(broken_off()), None)),
        }
    })
    .boxed()
}

/// The node went away in the middle, or its answer has no end.
fn broken_off() -> Problem {
    tracing::warn!("the answer of a query node broke off");
    Problem::unavailable("query_unavailable", "the answer broke off; nothing of it is kept: ask again")
}

/// The node says something else than an answer.
pub(crate) fn unreadable() -> Problem {
    tracing::error!("the answer of a query node is not as expected: is it of another release?");
    Problem::unavailable("query_unavailable", "the query node's answer can't be read; try again later")
}
