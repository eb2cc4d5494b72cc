//! Ends uploads whose gateway died before it could, and removes those that nobody goes on with.

use super::Resumables;
use chrono::{TimeDelta, Utc};
use ragstream_api::{outage, problem::Problem};
use ragstream_core::{fault::Fault, id::UploadId};
use ragstream_runtime::http::RequestContext;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often to look: what a crash left complete should not wait long.
const EVERY: Duration = Duration::from_secs(20);
/// An upload that has had all its bytes for longer than this has no gateway that ends it:
/// putting 80,000 MiB together takes a store less.
const DEAD: TimeDelta = TimeDelta::minutes(1);
/// Uploads of one round.
const PORTION: u32 = 100;

/// Looks until the token is cancelled.
pub(crate) async fn run(uploads: Resumables, token: CancellationToken) -> Result<(), Fault> {
    loop {
        if let Err(fault) = round(&uploads).await {
            outage::log("the ending of uploads", &fault);
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = token.cancelled() => return Ok(()),
        }
    }
}

async fn round(uploads: &Resumables) -> Result<(), Fault> {
    for upload_id in uploads.ports.uploads.unfinished(Utc::now() - DEAD, PORTION).await? {
        match finish(uploads, upload_id).await {
            Ok(()) => {}
            Err(problem) if problem.retry_after.is_some() => {
                return Err(Fault::unavailable("upload_waits", problem.detail));
            }
            Err(problem) => {
                tracing::warn!(%upload_id, problem = problem.detail, "an upload can't be ended");
                // Its bytes can't become a document: what is left goes when it expires.
            }
        }
    }
    for upload in uploads.ports.uploads.expired(Utc::now(), PORTION).await? {
        let upload_id = upload.began.upload_id;
        // Another gateway may have been faster.
        if uploads.ports.uploads.terminate(upload_id).await?.is_some() {
            uploads.clear(&upload).await?;
            if upload.outcome.is_none() {
                tracing::info!(%upload_id, bytes = upload.progress.offset, "upload expired");
            }
        }
    }
    Ok(())
}

/// Does what the gateway that received the last byte did not come to do.
async fn finish(uploads: &Resumables, upload_id: UploadId) -> Result<(), Problem> {
    let Some(upload) = uploads.ports.uploads.resumable(upload_id).await? else { return Ok(()) };
    let Some(upload) = uploads.ports.uploads.claim(upload_id, upload.progress.offset).await? else {
        return Ok(());
    };
    let context = RequestContext::of_work(&upload.began.correlation_id);
    uploads.end(upload, &context).await?;
    tracing::info!(%upload_id, "ended an upload that its gateway had left");
    Ok(())
}
