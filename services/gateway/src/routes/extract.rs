//! Extractors whose refusals are problems.

use axum::{
    extract::{FromRequestParts, Path, Query, rejection::PathRejection, rejection::QueryRejection},
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
        text.parse()
            .map(Self)
            .map_err(|_| Problem::not_found(format!("{text:?} is not an id: ids are UUIDs")))
    }
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
