//! A blob store in memory.

use crate::{collect, stream_of};
use async_trait::async_trait;
use bytes::Bytes;
use ragstream_core::{
    fault::{Fault, Result},
    ports::{BlobInfo, BlobStore, ByteStream, PartStore, Probe, StoredPart},
};
use std::{
    collections::{BTreeMap, HashMap},
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
    /// Parts by key and id, then by number.
    parts: Mutex<HashMap<(String, String), BTreeMap<u16, Bytes>>>,
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

    fn parts(&self) -> MutexGuard<'_, HashMap<(String, String), BTreeMap<u16, Bytes>>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
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

fn upload(key: &str, id: &str) -> (String, String) {
    (key.to_owned(), id.to_owned())
}

#[async_trait]
impl PartStore for MemoryBlobs {
    async fn begin_parts(&self, key: &str) -> Result<String> {
        let id = crate::unique("parts");
        self.parts().insert(upload(key, &id), BTreeMap::new());
        Ok(id)
    }

    async fn put_part(&self, key: &str, id: &str, number: u16, bytes: Bytes) -> Result<StoredPart> {
        let mut uploads = self.parts();
        let gone = || Fault::failed("blob_store_refused", "there is no such upload");
        uploads.get_mut(&upload(key, id)).ok_or_else(gone)?.insert(number, bytes);
        Ok(StoredPart { number, etag: number.to_string() })
    }

    async fn complete_parts(&self, key: &str, id: &str, parts: &[StoredPart]) -> Result<()> {
        let Some(stored) = self.parts().remove(&upload(key, id)) else {
            return match self.blobs().contains_key(key) {
                true => Ok(()),
                false => Err(Fault::invalid("parts_gone", "nothing is left of this upload")),
            };
        };
        let mut numbers: Vec<_> = parts.iter().map(|part| part.number).collect();
        numbers.sort_unstable();
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| stored[number].to_vec()).collect();
        self.blobs().insert(key.to_owned(), bytes.into());
        Ok(())
    }

    async fn abort_parts(&self, key: &str, id: &str) -> Result<()> {
        self.parts().remove(&upload(key, id));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn keeps_the_contract() {
        crate::blob_store_contract(Arc::new(MemoryBlobs::new()), "a/prefix").await;
        crate::part_store_contract(Arc::new(MemoryBlobs::new()), "a/prefix").await;
    }
}
