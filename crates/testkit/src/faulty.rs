//! Faults on top of any blob store.

use async_trait::async_trait;
use bytes::Bytes;
use futures::{StreamExt, stream};
use ragstream_core::{
    fault::{Fault, Result},
    ports::{BlobInfo, BlobStore, ByteStream, Probe},
};
use std::{
    ops::Range,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A blob store whose calls fail when told.
pub struct FaultyBlobs {
    inner: Arc<dyn BlobStore>,
    faults: AtomicUsize,
    cut: Mutex<Option<usize>>,
}

impl FaultyBlobs {
    /// Around this store, without faults yet.
    pub fn new(inner: Arc<dyn BlobStore>) -> Self {
        Self { inner, faults: AtomicUsize::new(0), cut: Mutex::new(None) }
    }

    /// Lets the next `calls` calls, of whatever kind, fail as if the store were away.
    /// `usize::MAX` is an outage, `0` ends it.
    pub fn fail_next(&self, calls: usize) {
        self.faults.store(calls, Ordering::SeqCst);
    }

    /// Lets the stream of the next `get` break after this many bytes.
    pub fn cut_next_get(&self, after: usize) {
        *self.cut.lock().expect("nobody panics while holding this lock") = Some(after);
    }

    fn check(&self) -> Result<()> {
        let take = |left: usize| match left {
            0 => None,
            usize::MAX => Some(usize::MAX),
            left => Some(left - 1),
        };
        match self.faults.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Err(away()),
            Err(_) => Ok(()),
        }
    }
}

fn away() -> Fault {
    Fault::unavailable("blob_store_unreachable", "the blob store is away for this test")
}

/// The first bytes, then an error.
fn cut(stream: ByteStream, after: usize) -> ByteStream {
    let first = stream.scan(after, |left, piece| {
        let piece = match (*left, piece) {
            (0, _) => None,
            (room, Ok(piece)) => {
                let piece: Bytes = piece.slice(..piece.len().min(room));
                *left -= piece.len();
                Some(Ok(piece))
            }
            (_, error) => Some(error),
        };
        std::future::ready(piece)
    });
    first.chain(stream::once(std::future::ready(Err(away())))).boxed()
}

#[async_trait]
impl Probe for FaultyBlobs {
    fn component(&self) -> &'static str {
        self.inner.component()
    }

    async fn probe(&self) -> Result<()> {
        self.check()?;
        self.inner.probe().await
    }
}

#[async_trait]
impl BlobStore for FaultyBlobs {
    async fn put(&self, key: &str, bytes: ByteStream) -> Result<u64> {
        self.check()?;
        self.inner.put(key, bytes).await
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        self.check()?;
        let stream = self.inner.get(key, range).await?;
        let after = self.cut.lock().expect("nobody panics while holding this lock").take();
        Ok(match after {
            Some(after) => cut(stream, after),
            None => stream,
        })
    }

    async fn head(&self, key: &str) -> Result<Option<BlobInfo>> {
        self.check()?;
        self.inner.head(key).await
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.check()?;
        self.inner.delete(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<BlobInfo>> {
        self.check()?;
        self.inner.list(prefix, after).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{MemoryBlobs, collect, stream_of};
    use futures::TryStreamExt;

    #[tokio::test]
    async fn keeps_the_contract_while_there_are_no_faults() {
        crate::blob_store_contract(Arc::new(FaultyBlobs::new(Arc::new(MemoryBlobs::new()))), "p").await;
    }

    #[tokio::test]
    async fn fails_as_often_as_told() {
        let store = FaultyBlobs::new(Arc::new(MemoryBlobs::new()));
        store.fail_next(2);
        assert!(store.head("k").await.unwrap_err().is_unavailable());
        assert!(store.put("k", stream_of("v", 1)).await.unwrap_err().is_unavailable());
        assert_eq!(store.head("k").await.unwrap(), None);
        store.fail_next(usize::MAX);
        for _ in 0..3 {
            assert!(store.probe().await.is_err());
        }
        store.fail_next(0);
        store.probe().await.unwrap();
    }

    #[tokio::test]
    async fn cuts_one_stream() {
        let store = FaultyBlobs::new(Arc::new(MemoryBlobs::new()));
        store.put("k", stream_of("abcdef", 6)).await.unwrap();
        store.cut_next_get(4);
        let mut stream = store.get("k", None).await.unwrap();
        assert_eq!(stream.try_next().await.unwrap().unwrap(), "abcd");
        assert!(stream.try_next().await.unwrap_err().is_unavailable());
        assert_eq!(collect(store.get("k", None).await.unwrap()).await.unwrap(), b"abcdef");
    }
}
