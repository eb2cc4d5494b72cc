//! From the client's errors to what the caller must do.

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
};
use ragstream_core::fault::Fault;
use std::error::Error;

/// Refusals that no repetition changes, by the store's code for them
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
const NEVER_TAKEN: [&str; 5] =
    ["KeyTooLongError", "EntityTooLarge", "InvalidArgument", "InvalidURI", "XMinioInvalidObjectName"];

/// What an error of `operation` on `bucket` means.
pub(crate) fn fault_of<E>(operation: &'static str, bucket: &str, error: SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|answer| answer.status().as_u16());
    let code = error.code().unwrap_or_default().to_owned();
    let said = match error.message() {
        Some(message) => format!("{code}: {message}"),
        None => code.clone(),
    };
    let fault = match (&error, code.as_str(), status) {
        (SdkError::ConstructionFailure(_), ..) => {
            Fault::invalid("blob_refused", format!("the blob store can't be asked to {operation}"))
        }
        (SdkError::ServiceError(_), "NoSuchKey", _) => {
            Fault::invalid("blob_missing", format!("there is no such blob to {operation}"))
        }
        (SdkError::ServiceError(_), "NoSuchBucket", _) => misconfigured(operation, bucket, &said),
        (SdkError::ServiceError(_), code, _) if NEVER_TAKEN.contains(&code) => {
            Fault::invalid("blob_refused", format!("the blob store refuses to {operation}: {said}"))
        }
        (SdkError::ServiceError(_), _, Some(401 | 403)) => misconfigured(operation, bucket, &said),
        (SdkError::ServiceError(_), _, Some(status)) if is_passing(status) => Fault::unavailable(
            "blob_store_unreachable",
            format!("the blob store can't {operation} now: {said}"),
        ),
        (SdkError::ServiceError(_), ..) => {
            Fault::failed("blob_store_refused", format!("the blob store refuses to {operation}: {said}"))
        }
        _ => Fault::unavailable(
            "blob_store_unreachable",
            format!("no answer from the blob store to {operation}"),
        ),
    };
    // A refusal has been described by the store's own words; the rest is in the chain of causes.
    match error {
        SdkError::ServiceError(_) => fault,
        error => fault.caused_by(error),
    }
}

/// Whether this error is the store's word that the range begins past the blob's end.
pub(crate) fn is_past_the_end<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|answer| answer.status().as_u16() == 416)
}

/// Whether the store says that something does not exist. Answers to HEAD have
/// no body and so no code that would say what.
pub(crate) fn is_not_found<E>(error: &SdkError<E, HttpResponse>) -> bool {
    error.raw_response().is_some_and(|answer| answer.status().as_u16() == 404)
}

/// Errors of the server, overload and requests that took too long.
fn is_passing(status: u16) -> bool {
    status >= 500 || matches!(status, 408 | 429)
}

fn misconfigured(operation: &str, bucket: &str, said: &str) -> Fault {
    Fault::unavailable(
        "blob_store_misconfigured",
        format!(
            "the blob store does not let us {operation} ({said}): check that bucket `{bucket}` exists and that the \
             configured credentials may read, write, list and delete in it"
        ),
    )
}
