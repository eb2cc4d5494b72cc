use crate::{fault::Result, ports::Probe};
use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use std::ops::Range;

/// Bytes as they come. An `Err` ends the stream.
pub type ByteStream = BoxStream<'static, Result<Bytes>>;

/// What is known of a stored blob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobInfo {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
}

/// Where documents' bytes lie: S3 or what speaks its protocol.
///
/// `Unavailable`: the store can't be reached or is overloaded.
/// `Invalid` of class `blob_missing`: there is no such key.
#[async_trait]
pub trait BlobStore: Probe {
    /// Stores `bytes` under `key` and returns the size. All or nothing: where the
    /// stream ends in an error or the process dies, no object appears. Memory
    /// is bounded whatever the size.
    async fn put(&self, key: &str, bytes: ByteStream) -> Result<u64>;

    /// Streams the whole blob, or the bytes of `range` (end exclusive; cut at the blob's end).
    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream>;

    /// Size of a blob, `None` where there is none.
    async fn head(&self, key: &str) -> Result<Option<BlobInfo>>;

    /// Removes a blob; `Ok` where there is none.
    async fn delete(&self, key: &str) -> Result<()>;

    /// Keys with a prefix, in order, after `after`; at most 1,000 a call.
    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<BlobInfo>>;
}
