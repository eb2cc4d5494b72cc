//! Removes blobs that no row names: bytes of uploads whose client or gateway went
//! away in the middle, and texts of documents that were deleted while a worker
//! that then died was extracting them.

use super::staged::PREFIX;
use ragstream_core::{
    document::TEXT_PREFIX,
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
        let swept = async {
            let uploads = sweep(&*intake, &*blobs, PREFIX, older_than).await?;
            let texts = sweep(&*intake, &*blobs, TEXT_PREFIX, older_than).await?;
            Ok::<_, Fault>(uploads + texts)
        };
        match swept.await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "removed blobs that no document names"),
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

/// Removes unnamed blobs of uploads that began before `older_than`; returns how many.
async fn sweep(
    intake: &dyn Intake,
    blobs: &dyn BlobStore,
    prefix: &str,
    older_than: SystemTime,
) -> Result<u64> {
    let mut removed = 0;
    let mut after: Option<String> = None;
    loop {
        let page = blobs.list(prefix, after.as_deref()).await?;
        let Some(last) = page.last() else { return Ok(removed) };
        after = Some(last.key.clone());
        let old: Vec<String> = page
            .into_iter()
            .map(|blob| blob.key)
            .filter(|key| began(key, prefix).is_some_and(|at| at < older_than))
            .collect();
        for key in intake.unreferenced(&old).await? {
            blobs.delete(&key).await?;
            removed += 1;
        }
    }
}

/// When the upload of this key, or the document of this text, began, by its UUIDv7.
fn began(key: &str, prefix: &str) -> Option<SystemTime> {
    let id = key.strip_prefix(prefix)?.split('/').next()?;
    let id = Uuid::parse_str(id).ok()?;
    let (seconds, nanos) = id.get_timestamp()?.to_unix();
    Some(UNIX_EPOCH + Duration::new(seconds, nanos))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use ragstream_core::{
        document::{Blob, text_key},
        id::{BatchId, DocumentId, JobId, Version},
        ports::{NewUpload, Outgoing, Placement},
    };
    use ragstream_postgres::{Ledger, LedgerConfig};
    use ragstream_testkit::{MemoryBlobs, fresh_database, stream_of};
    use uuid::Timestamp;

    /// An id as it was made so many seconds ago.
    fn made(seconds_ago: u64) -> Uuid {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() - seconds_ago;
        Uuid::new_v7(Timestamp::from_unix(uuid::NoContext, at, 0))
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_no_row_names_is_removed_once_it_is_old() {
        let ledger = Ledger::new(&LedgerConfig::new(fresh_database("").await)).unwrap();
        ledger.apply_schema().await.unwrap();
        let blobs = MemoryBlobs::new();
        let document_id = DocumentId(made(7200));
        let named = format!("{PREFIX}{}", made(7200));
        let upload = NewUpload {
            document_id,
            job_id: JobId::generate(),
            batch_id: BatchId::generate(),
            collection: "default".into(),
            external_id: None,
            filename: "a.txt".into(),
            content_type: "text/plain".into(),
            metadata: Default::default(),
            priority: 5,
            blob: Blob { key: named.clone(), size: 1, sha256: "ab".into() },
            correlation_id: "c".into(),
        };
        let record = |_: &_, _| Outgoing {
            topic: "t".into(),
            key: "k".into(),
            value: None,
            headers: Vec::new(),
            placement: Placement::ByKey,
        };
        ledger.accept(upload, &record).await.unwrap();
        let text = text_key(document_id, Version(1));
        let young = format!("{PREFIX}{}", made(60));
        let old = format!("{PREFIX}{}", made(7200));
        let orphan = text_key(DocumentId(made(7200)), Version(1));
        for key in [&named, &text, &young, &old, &orphan] {
            blobs.put(key, stream_of("x", 1)).await.unwrap();
        }
        let older_than = SystemTime::now() - Duration::from_secs(3600);
        assert_eq!(sweep(&ledger, &blobs, PREFIX, older_than).await.unwrap(), 1);
        assert_eq!(sweep(&ledger, &blobs, TEXT_PREFIX, older_than).await.unwrap(), 1);
        for (key, kept) in [(&named, true), (&text, true), (&young, true), (&old, false), (&orphan, false)] {
            assert_eq!(blobs.head(key).await.unwrap().is_some(), kept, "{key}");
        }
    }

    #[test]
    fn keys_tell_when_their_upload_began() {
        let id = Uuid::now_v7();
        let upload = began(&format!("{PREFIX}{id}"), PREFIX).expect("a time");
        assert_eq!(began(&format!("{TEXT_PREFIX}{id}/3.txt"), TEXT_PREFIX), Some(upload));
        assert!(upload <= SystemTime::now());
        assert_eq!(began("elsewhere/x", PREFIX), None);
        assert_eq!(began(&format!("{PREFIX}no-id"), PREFIX), None);
    }
}
