//! Extractors whose refusals are problems.

use axum::{
    body::Bytes,
    extract::{
        FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection,
        rejection::PathRejection, rejection::QueryRejection,
    },
    http::request::Parts,
};
use ragstream_api::problem::Problem;
use serde::de::DeserializeOwned;
use std::str::FromStr;

/// An id in the path.
pub(crate) struct Id<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr + Send> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, state).await;
        let Path(text) = text.map_err(|e| Problem::bad_request("bad_path", e.body_text()))?;
        parse(&text).map(Self)
    }
}

/// Two ids in the path: of something, and of something in it.
pub(crate) struct Ids<A, B>(pub(crate) A, pub(crate) B);

impl<S: Send + Sync, A: FromStr + Send, B: FromStr + Send> FromRequestParts<S> for Ids<A, B> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let texts: Result<Path<(String, String)>, PathRejection> =
            Path::from_request_parts(parts, state).await;
        let Path((outer, inner)) = texts.map_err(|e| Problem::bad_request("bad_path", e.body_text()))?;
        Ok(Self(parse(&outer)?, parse(&inner)?))
    }
}

fn parse<T: FromStr>(text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("{text:?} is not an id: ids are UUIDs")))
}

/// The query string.
pub(crate) struct Params<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let params: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        params
            .map(|Query(params)| Self(params))
            .map_err(|e| Problem::bad_request("bad_query_string", e.body_text()))
    }
}

/// The body: JSON, whatever the client calls it.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let body: Result<Bytes, BytesRejection> = Bytes::from_request(request, state).await;
        let body = body.map_err(|e| Problem::new(e.status(), "unreadable_body", e.body_text()))?;
        serde_json::from_slice(&body).map(Self).map_err(|e| {
            let what = "the body is not the JSON object that is expected here";
            Problem::bad_request("invalid_json", format!("{what}: {e}; /docs shows it"))
        })
    }
}
