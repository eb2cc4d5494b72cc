//! Removes blobs that no document needs any more: of deleted documents and of
//! versions that a newer one replaced. Their keys lie in the database until
//! they are gone, so that no outage leaves one behind.

use futures::future::try_join_all;
use ragstream_api::outage;
use ragstream_core::{
    fault::{Fault, Result},
    ports::{BlobStore, Trash},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Blobs of one round.
const BATCH: u32 = 256;
/// Removals at once.
const CONCURRENT: usize = 8;
/// How often to look for what nobody told of: what updates replaced, what another
/// gateway's deletion or an outage left.
const EVERY: Duration = Duration::from_secs(10);

/// Removes until the token is cancelled.
pub(crate) async fn run(
    trash: Arc<dyn Trash>,
    blobs: Arc<dyn BlobStore>,
    deleted: Arc<Notify>,
    token: CancellationToken,
) -> Result<(), Fault> {
    while !token.is_cancelled() {
        if let Err(fault) = empty(&*trash, &*blobs).await {
            outage::log("the removal of blobs", &fault);
        }
        tokio::select! {
            () = deleted.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
            () = token.cancelled() => {}
        }
    }
    Ok(())
}

async fn empty(trash: &dyn Trash, blobs: &dyn BlobStore) -> Result<()> {
    loop {
        let keys = trash.discarded(BATCH).await?;
        if keys.is_empty() {
            return Ok(());
        }
        for keys in keys.chunks(CONCURRENT) {
            try_join_all(keys.iter().map(|key| blobs.delete(key))).await?;
        }
        trash.emptied(&keys).await?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use ragstream_testkit::{FaultyBlobs, MemoryBlobs, stream_of};
    use std::sync::Mutex;

    struct Keys(Mutex<Vec<String>>);

    #[async_trait::async_trait]
    impl Trash for Keys {
        async fn discarded(&self, max: u32) -> Result<Vec<String>> {
            Ok(self.0.lock().unwrap().iter().take(max as usize).cloned().collect())
        }

        async fn emptied(&self, keys: &[String]) -> Result<()> {
            self.0.lock().unwrap().retain(|key| !keys.contains(key));
            Ok(())
        }
    }

    #[tokio::test]
    async fn keys_stay_until_their_blobs_are_gone() {
        let blobs = Arc::new(FaultyBlobs::new(Arc::new(MemoryBlobs::new())));
        let keys: Vec<String> = (0..600).map(|i| format!("uploads/{i}")).collect();
        for key in &keys {
            blobs.put(key, stream_of("x", 1)).await.unwrap();
        }
        // One that is gone already is no trouble.
        let trash = Keys(Mutex::new(keys.iter().cloned().chain(["uploads/none".to_owned()]).collect()));
        blobs.fail_next(usize::MAX);
        assert!(empty(&trash, &*blobs).await.unwrap_err().is_unavailable());
        assert_eq!(trash.0.lock().unwrap().len(), 601);
        blobs.fail_next(0);
        empty(&trash, &*blobs).await.unwrap();
        assert!(trash.0.lock().unwrap().is_empty());
        assert!(blobs.list("uploads/", None).await.unwrap().is_empty());
    }
}
