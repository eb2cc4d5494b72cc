//! Live progress as Server-Sent Events.

use super::extract::{Id, Params};
use crate::{
    Gateway,
    progress::{Opened, Told, Watcher},
};
use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use ragstream_api::problem::Problem;
use ragstream_core::{
    id::{BatchId, JobId},
    ports::Watched,
};
use serde::Deserialize;
use std::{convert::Infallible, time::Duration};
use utoipa::IntoParams;

/// Silence after which a comment is sent: below the idle time of proxies.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);
/// What a client that lost its connection is asked to wait.
const RETRY: Duration = Duration::from_secs(2);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// Tells reverse proxies not to hold messages back.
const UNBUFFERED: HeaderName = HeaderName::from_static("x-accel-buffering");

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventParams {
    /// As the header `Last-Event-ID`, for clients that can't send it.
    last_event_id: Option<i64>,
}

/// Live progress of a job.
///
/// `progress`: all there is to know of the job, as its status, first at once and then when it changed, at most
/// twice a second. `document.*`: what happened to it, as webhooks are told, from its beginning on; the message's
/// `id`, sent back as `Last-Event-ID`, goes on after it. The stream ends with the job; asked again then, the
/// answer is 204.
#[utoipa::path(
    get, path = "/api/v2/jobs/{job_id}/events", tag = "live progress",
    params(("job_id" = uuid::Uuid, Path), EventParams, ("Last-Event-ID" = Option<i64>, Header)),
    responses(
        (status = 200, content_type = "text/event-stream"), (status = 204, description = "All was told"),
        (status = 404, body = Problem), (status = 503, body = Problem)
    )
)]
pub(crate) async fn of_job(
    State(gateway): State<Gateway>,
    Id(job_id): Id<JobId>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    stream_of(&gateway, Watched::Job(job_id), last(&params, &headers)?).await
}

/// Live progress of a batch.
///
/// `batch`: how far it is. `progress`: how far each of its files is that is under way or changed. `document.*`: what
/// happened to its files, those too that were missed since `Last-Event-ID`. The stream ends with the batch.
#[utoipa::path(
    get, path = "/api/v2/batches/{batch_id}/events", tag = "live progress",
    params(("batch_id" = uuid::Uuid, Path), EventParams, ("Last-Event-ID" = Option<i64>, Header)),
    responses(
        (status = 200, content_type = "text/event-stream"), (status = 204, description = "All was told"),
        (status = 404, body = Problem), (status = 503, body = Problem)
    )
)]
pub(crate) async fn of_batch(
    State(gateway): State<Gateway>,
    Id(batch_id): Id<BatchId>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    stream_of(&gateway, Watched::Batch(batch_id), last(&params, &headers)?).await
}

/// Live progress of everything: jobs under way, batches that changed, and what happens to documents.
#[utoipa::path(
    get, path = "/api/v2/events", tag = "live progress",
    params(EventParams, ("Last-Event-ID" = Option<i64>, Header)),
    responses((status = 200, content_type = "text/event-stream"), (status = 503, body = Problem))
)]
pub(crate) async fn of_all(
    State(gateway): State<Gateway>,
    Params(params): Params<EventParams>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    stream_of(&gateway, Watched::All, last(&params, &headers)?).await
}

/// The last message that the client has seen.
fn last(params: &EventParams, headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) else {
        return Ok(params.last_event_id);
    };
    let id = value.to_str().ok().and_then(|text| text.parse().ok());
    id.map(Some).ok_or_else(|| {
        Problem::bad_request(
            "bad_last_event_id",
            "Last-Event-ID must be the `id` of a message of this stream",
        )
    })
}

async fn stream_of(gateway: &Gateway, watched: Watched, last: Option<i64>) -> Result<Response, Problem> {
    let watcher = match gateway.progress.watch(watched, last).await? {
        Opened::Watching(watcher) => watcher,
        Opened::Over => return Ok(StatusCode::NO_CONTENT.into_response()),
    };
    let told = stream::unfold(watcher, |mut watcher: Box<Watcher>| async move {
        watcher.next().await.map(|told| (event(&told), watcher))
    });
    let retry = stream::iter([Event::default().retry(RETRY)]);
    Ok(response(retry.chain(told)))
}

/// An answer that goes on.
pub(super) fn response(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let headers = [
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
        (UNBUFFERED, HeaderValue::from_static("no")),
    ];
    let events = Sse::new(events.map(Ok::<_, Infallible>));
    (headers, events.keep_alive(KeepAlive::new().interval(HEARTBEAT).text("heartbeat"))).into_response()
}

fn event(told: &Told) -> Event {
    let event = Event::default().event(told.name()).data(&*told.data);
    match told.cursor {
        Some(cursor) => event.id(cursor.to_string()),
        None => event,
    }
}
