//! Dead letters: list, show, send back, and who did.

use super::extract::{Id, Params};
use crate::{
    Gateway,
    dead_letters::{Cursor, Filter, kind_of, order_of, topic_of},
};
use axum::{
    Json,
    body::Bytes,
    extract::{Extension, Path, State, rejection::PathRejection},
};
use chrono::{DateTime, Utc};
use ragstream_api::{
    dead_letters::{
        DEFAULT_LETTERS, DeadLetter, DeadLettersResponse, MAX_LETTERS, RedriveEntry, RedriveRequest,
        RedriveResponse, RedrivenLetterEntry, RedrivesResponse,
    },
    problem::Problem,
};
use ragstream_core::{
    id::{DocumentId, RedriveId},
    ports::{Place, RedrivenLetter},
};
use ragstream_runtime::http::RequestContext;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;
use uuid::Uuid;

const PATH: &str = "/api/v2/dead-letters";

#[derive(Clone, Deserialize, Serialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListParams {
    /// Only letters of this topic: the one the records came from, or its `.dlq`.
    topic: Option<String>,
    /// Only this class of error.
    error_class: Option<String>,
    /// Only this kind of error: `invalid` or `failed`.
    error_kind: Option<String>,
    /// Only letters about this document.
    document_id: Option<Uuid>,
    /// Only letters stored at this time (RFC 3339) or later.
    since: Option<DateTime<Utc>>,
    /// Only letters stored before this time (RFC 3339).
    until: Option<DateTime<Utc>>,
    /// Only letters that were sent back already, or only those that were not.
    redriven: Option<bool>,
    /// At most so many, 1 to 1,000; 50 where absent.
    limit: Option<u32>,
    /// Go on where an earlier answer ended: `next` of that one has it.
    before: Option<String>,
}

impl ListParams {
    fn filter(&self) -> Result<Filter, Problem> {
        Ok(Filter {
            topic: self.topic.as_deref().map(topic_of).transpose()?,
            error_class: self.error_class.clone(),
            error_kind: self.error_kind.as_deref().map(kind_of).transpose()?,
            document_id: self.document_id.map(DocumentId),
            since: self.since,
            until: self.until,
            redriven: self.redriven,
        })
    }

    /// The link to what comes after.
    fn next(&self, cursor: &Cursor) -> String {
        let mut link = url::form_urlencoded::Serializer::new(format!("{PATH}?"));
        let next = Self { before: Some(cursor.encode()), ..self.clone() };
        // Every field is a plain value: this is an object of them.
        let fields = serde_json::to_value(next).unwrap_or_default();
        for (name, value) in fields.as_object().into_iter().flatten() {
            match value {
                serde_json::Value::Null => {}
                serde_json::Value::String(text) => drop(link.append_pair(name, text)),
                other => drop(link.append_pair(name, &other.to_string())),
            }
        }
        link.finish().replacen("?&", "?", 1)
    }
}

fn page_size(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(DEFAULT_LETTERS) {
        n @ 1..=MAX_LETTERS => Ok(n),
        n => Err(Problem::unprocessable("bad_limit", format!("limit is {n}: give 1 to {MAX_LETTERS}"))),
    }
}

/// Dead letters, newest first.
///
/// A request looks at 20,000 letters at most: a page of a narrow filter may hold few
/// letters or none, and its `next` goes on. `since` and `until` are looked up, not
/// scanned for.
#[utoipa::path(
    get, path = "/api/v2/dead-letters", tag = "dead letters", params(ListParams),
    responses(
        (status = 200, body = DeadLettersResponse),
        (status = 400, body = Problem),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Params(params): Params<ListParams>,
) -> Result<Json<DeadLettersResponse>, Problem> {
    let limit = page_size(params.limit)?;
    let filter = params.filter()?;
    let cursor = params.before.as_deref().map(Cursor::decode).transpose()?.unwrap_or_default();
    let page = gateway.dead_letters.list(&filter, &cursor, limit as usize).await?;
    Ok(Json(DeadLettersResponse {
        letters: page.letters,
        scanned: page.scanned,
        next: page.next.map(|cursor| params.next(&cursor)),
    }))
}

/// One dead letter in full.
#[utoipa::path(
    get, path = "/api/v2/dead-letters/{topic}/{partition}/{offset}", tag = "dead letters",
    params(
        ("topic" = String, Path, description = "The dead-letter topic"),
        ("partition" = i32, Path),
        ("offset" = i64, Path)
    ),
    responses((status = 200, body = DeadLetter), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn get(
    State(gateway): State<Gateway>,
    path: Result<Path<(String, i32, i64)>, PathRejection>,
) -> Result<Json<DeadLetter>, Problem> {
    let Path((topic, partition, offset)) =
        path.map_err(|error| Problem::bad_request("bad_path", error.body_text()))?;
    let place = Place { topic: topic_of(&topic)?, partition, offset };
    let letter = gateway.dead_letters.get(&place).await?;
    let letter = letter.ok_or_else(|| {
        Problem::not_found(format!(
            "there is no dead letter at {place}: it is past its retention, or not there yet"
        ))
    })?;
    Ok(Json(letter))
}

/// Send dead letters back to where they came from.
///
/// Each goes back byte for byte to the partition that it came from, and its job or
/// chunk is taken up again. One that was sent back already, or three times in all,
/// is left out unless `force` says otherwise. Try it with `dry_run` first: it names
/// the letters that a list by the same filter shows.
///
/// Letters are appended first and put on record second, some at a time. A gateway
/// that dies in between may send those a second time, which changes nothing: every
/// consumer is idempotent.
#[utoipa::path(
    post, path = "/api/v2/dead-letters/redrive", tag = "dead letters", request_body = RedriveRequest,
    responses(
        (status = 200, body = RedriveResponse),
        (status = 400, body = Problem),
        (status = 422, body = Problem),
        (status = 503, body = Problem, description = "It says how many were sent; ask again")
    )
)]
pub(crate) async fn redrive(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    body: Bytes,
) -> Result<Json<RedriveResponse>, Problem> {
    let request: RedriveRequest = serde_json::from_slice(&body).map_err(|error| {
        Problem::bad_request(
            "invalid_json",
            format!("the body is not the JSON object that is expected here: {error}; /docs shows it"),
        )
    })?;
    let order = order_of(request, context.correlation_id)?;
    // On its own: a client that goes away must not stop it between append and record.
    let letters = gateway.dead_letters.clone();
    let answer = tokio::spawn(async move { letters.redrive(order).await }).await;
    answer
        .unwrap_or_else(|error| {
            tracing::error!(%error, "a redrive panicked");
            Err(ragstream_core::fault::Fault::failed("internal", "the redrive ended unexpectedly").into())
        })
        .map(Json)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AuditParams {
    /// At most so many, 1 to 1,000; 50 where absent.
    limit: Option<u32>,
    /// Only redrives before this one: `next` of the page before has it.
    before: Option<Uuid>,
}

/// Who sent dead letters back, and when, newest first.
#[utoipa::path(
    get, path = "/api/v2/dead-letters/redrives", tag = "dead letters", params(AuditParams),
    responses((status = 200, body = RedrivesResponse), (status = 422, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn redrives(
    State(gateway): State<Gateway>,
    Params(params): Params<AuditParams>,
) -> Result<Json<RedrivesResponse>, Problem> {
    let limit = page_size(params.limit)?;
    let redrives = gateway.dead_letters.ledger().redrives(params.before.map(RedriveId), limit).await?;
    let full = redrives.len() == limit as usize;
    let next = redrives.last().filter(|_| full);
    let next = next.map(|last| format!("{PATH}/redrives?limit={limit}&before={}", last.id));
    Ok(Json(RedrivesResponse { redrives: redrives.into_iter().map(Into::into).collect(), next }))
}

/// One redrive, with the letters that it sent back.
#[utoipa::path(
    get, path = "/api/v2/dead-letters/redrives/{redrive_id}", tag = "dead letters",
    params(("redrive_id" = Uuid, Path)),
    responses((status = 200, body = RedriveEntry), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn show_redrive(
    State(gateway): State<Gateway>,
    Id(id): Id<RedriveId>,
) -> Result<Json<RedriveEntry>, Problem> {
    let found = gateway.dead_letters.ledger().redrive(id).await?;
    let (redrive, letters) = found.ok_or_else(|| Problem::not_found(format!("there is no redrive {id}")))?;
    let entry = |letter: RedrivenLetter| RedrivenLetterEntry {
        sent_to: Place { offset: letter.sent_offset, ..letter.original.clone() }.into(),
        letter: letter.letter.into(),
        original: letter.original.into(),
    };
    Ok(Json(RedriveEntry { letters: letters.into_iter().map(entry).collect(), ..redrive.into() }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use axum::{extract::Query, http::Uri};

    #[test]
    fn the_next_link_carries_the_filter_and_is_understood() {
        let uri: Uri = "/?topic=chunk-processing&error_class=a%26b&since=2026-01-01T02:00:00%2B02:00&limit=7"
            .parse()
            .unwrap();
        let Query(params) = Query::<ListParams>::try_from_uri(&uri).unwrap();
        let cursor = Cursor([(("chunk-processing.dlq".to_owned(), 0), 17)].into());
        let next: Uri = params.next(&cursor).parse().unwrap();
        assert_eq!(next.path(), PATH);
        let Query(followed) = Query::<ListParams>::try_from_uri(&next).unwrap();
        assert_eq!(followed.filter().unwrap(), params.filter().unwrap());
        assert_eq!(followed.filter().unwrap().error_class.as_deref(), Some("a&b"));
        assert_eq!(followed.limit, Some(7));
        assert_eq!(Cursor::decode(&followed.before.unwrap()).unwrap(), cursor);
    }

    #[test]
    fn a_filter_that_does_not_exist_is_refused() {
        let uri: Uri = "/?error_clas=x".parse().unwrap();
        assert!(Query::<ListParams>::try_from_uri(&uri).is_err());
        assert_eq!(page_size(Some(0)).unwrap_err().status, 422);
        assert_eq!((page_size(None).unwrap(), page_size(Some(1_000)).unwrap()), (50, 1_000));
    }
}
