//! Removes uploaded bytes that no row names: those of requests whose client or
//! gateway went away in the middle.

use super::staged::PREFIX;
use ragstream_core::{
    fault::{Fault, Result},
    ports::{BlobStore, Intake},
};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How often to look.
const EVERY: Duration = Duration::from_secs(3600);
/// Younger uploads may still be under way: no request lives a day.
const MIN_AGE: Duration = Duration::from_secs(24 * 3600);

/// Sweeps once an hour until the token is cancelled.
pub(crate) async fn run(
    intake: Arc<dyn Intake>,
    blobs: Arc<dyn BlobStore>,
    token: CancellationToken,
) -> Result<(), Fault> {
    loop {
        let older_than = SystemTime::now() - MIN_AGE;
        match sweep(&*intake, &*blobs, older_than).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed uploads that were never accepted"),
            Err(fault) => {
                tracing::warn!(class = fault.class, error = %fault, "janitor could not finish; it will be back")
            }
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = token.cancelled() => return Ok(()),
        }
    }
}

/// Removes unnamed uploads that began before `older_than`; returns how many.
async fn sweep(intake: &dyn Intake, blobs: &dyn BlobStore, older_than: SystemTime) -> Result<u64> {
    let mut removed = 0;
    let mut after: Option<String> = None;
    loop {
        let page = blobs.list(PREFIX, after.as_deref()).await?;
        let Some(last) = page.last() else { return Ok(removed) };
        after = Some(last.key.clone());
        let old: Vec<String> = page
            .into_iter()
            .map(|blob| blob.key)
            .filter(|key| began(key).is_some_and(|at| at < older_than))
            .collect();
        for key in intake.unreferenced(&old).await? {
            blobs.delete(&key).await?;
            removed += 1;
        }
    }
}

/// When the upload of this key began, by its UUIDv7.
fn began(key: &str) -> Option<SystemTime> {
    let id = Uuid::parse_str(key.strip_prefix(PREFIX)?).ok()?;
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    Some(UNIX_EPOCH + Duration::new(seconds, nanos))
}
