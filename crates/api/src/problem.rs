//! Errors as RFC 9457 `application/problem+json`.

use crate::{outage, personas::Readiness};
use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use ragstream_core::fault::{Fault, FaultKind};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What clients are asked to wait when a dependency is down, in seconds: about
/// the time that a broker or database takes to restart.
const RETRY_AFTER_SECONDS: u64 = 5;

/// An error answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// `/problems/<class>`: a stable name of the kind of error.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong and what to do about it.
    pub detail: String,
    /// Seconds to wait before trying again, where that is the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The files of a batch that were refused, where all of them were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub errors: Vec<FileProblem>,
    /// How far a persona's documents are, where it can't be asked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub progress: Option<Readiness>,
}

/// Why one file of a batch was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileProblem {
    /// The file's name.
    pub filename: String,
    /// What is wrong with it.
    #[serde(flatten)]
    pub problem: Problem,
}

impl Problem {
    /// A problem of a class, with its status and what to do about it.
    pub fn new(status: StatusCode, class: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("/problems/{class}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            retry_after: None,
            errors: Vec::new(),
            progress: None,
        }
    }

    /// 400: the request can't be read.
    pub fn bad_request(class: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, class, detail)
    }

    /// 404: there is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// 409: not in the state that it is in.
    pub fn conflict(class: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, class, detail)
    }

    /// 422: the request can be read but not done.
    pub fn unprocessable(class: &str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, class, detail)
    }

    /// 422: a field of the request, and why it is not as it should be.
    pub fn invalid_field(field: &str, why: impl std::fmt::Display) -> Self {
        Self::unprocessable("invalid_field", format!("`{field}` {why}"))
    }

    /// 503: not now; try again after a while.
    pub fn unavailable(class: &str, detail: impl Into<String>) -> Self {
        Self {
            retry_after: Some(RETRY_AFTER_SECONDS),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, class, detail)
        }
    }

    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<Fault> for Problem {
    /// The one place where a fault's kind becomes a status. Causes are logged,
    /// not shown: they name inner parts that are of no use to a client.
    fn from(fault: Fault) -> Self {
        match (fault.kind, fault.class) {
            (FaultKind::Unavailable, class) => {
                outage::log("requests", &fault);
                Self::unavailable(class, format!("{}; try again later", fault.message))
            }
            (FaultKind::Invalid, "blob_missing") => Self::not_found(fault.message),
            (FaultKind::Invalid, "unsupported_format") => {
                Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, fault.class, fault.message)
            }
            (FaultKind::Invalid, class) => Self::unprocessable(class, fault.message),
            (FaultKind::Failed, class) => {
                tracing::error!(class, error = %fault, "request failed");
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, class, fault.message)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status_code();
        let retry_after = self.retry_after;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}
