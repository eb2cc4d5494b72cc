//! A blob store in memory.

use crate::{collect, stream_of};
use async_trait::async_trait;
use bytes::Bytes;
use ragstream_core::{
    fault::{Fault, Result},
    ports::{BlobInfo, BlobStore, ByteStream, Probe},
};
use std::{
    collections::BTreeMap,
    ops::{Bound, Range},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The size of the pieces that a blob is read in: small, so that tests see several.
const PIECE: usize = 64 * 1024;

/// The most keys of one listing.
const PAGE: usize = 1000;

/// A blob store in memory, for tests that are about something else.
#[derive(Debug, Default)]
pub struct MemoryBlobs {
    blobs: Mutex<BTreeMap<String, Bytes>>,
}

impl MemoryBlobs {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// The keys in it, in order.
    pub fn keys(&self) -> Vec<String> {
        self.blobs().keys().cloned().collect()
    }

    fn blobs(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.blobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Probe for MemoryBlobs {
    fn component(&self) -> &'static str {
        "blobs"
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl BlobStore for MemoryBlobs {
    async fn put(&self, key: &str, bytes: ByteStream) -> Result<u64> {
        let bytes = Bytes::from(collect(bytes).await?);
        let size = bytes.len() as u64;
        self.blobs().insert(key.to_owned(), bytes);
        Ok(size)
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        let blob = self.blobs().get(key).cloned();
        let blob = blob.ok_or_else(|| Fault::invalid("blob_missing", format!("there is no blob {key}")))?;
        let cut = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(blob.len());
        let range = range.map_or(0..blob.len(), |range| cut(range.start)..cut(range.end));
        let bytes = if range.start < range.end { blob.slice(range) } else { Bytes::new() };
        Ok(stream_of(bytes, PIECE))
    }

    async fn head(&self, key: &str) -> Result<Option<BlobInfo>> {
        Ok(self.blobs().get(key).map(|blob| BlobInfo { key: key.to_owned(), size: blob.len() as u64 }))
    }

    async fn delete(&self, key: &str) -> Result<()> {
        self.blobs().remove(key);
        Ok(())
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<BlobInfo>> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let blobs = self.blobs();
        let with_prefix =
            blobs.range::<str, _>((from, Bound::Unbounded)).take_while(|(key, _)| key.starts_with(prefix));
        let infos = with_prefix.map(|(key, blob)| BlobInfo { key: key.clone(), size: blob.len() as u64 });
        Ok(infos.take(PAGE).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn keeps_the_contract() {
        crate::blob_store_contract(Arc::new(MemoryBlobs::new()), "a/prefix").await;
    }
}
