use crate::{fault::Result, ports::Probe};
use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
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

/// Size of the parts that a blob is written in over several calls, but for the last one:
/// S3 wants at least 5 MiB, and larger parts only cost memory.
pub const PART_BYTES: usize = 8 << 20;

/// A part that has come to this size will be a whole one, most likely: its memory is taken at
/// once, for growing by doubling would take up to twice as much.
const LIKELY_WHOLE: usize = 1 << 20;

/// Moves into a part what fits of a piece; the bytes that did.
pub fn fill_part(part: &mut BytesMut, piece: &mut Bytes) -> Bytes {
    let fits = piece.split_to(piece.len().min(PART_BYTES - part.len()));
    if part.len() + fits.len() >= LIKELY_WHOLE {
        part.reserve(PART_BYTES - part.len());
    }
    part.extend_from_slice(&fits);
    fits
}

/// The most parts of a blob, which is S3's limit: 80,000 MiB.
pub const MAX_PARTS: u16 = 10_000;

/// A part that the store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredPart {
    /// 1 to [`MAX_PARTS`]: the order in the blob. Numbers may be left out.
    pub number: u16,
    /// The store's name of these bytes.
    pub etag: String,
}

/// Blobs that are written over several calls, which may be days and processes apart.
///
/// Errors are those of [`BlobStore`].
#[async_trait]
pub trait PartStore: BlobStore {
    /// Begins to write a blob; its id.
    async fn begin_parts(&self, key: &str) -> Result<String>;

    /// Stores a part: of [`PART_BYTES`], or smaller where it is the last. One that is sent
    /// again under its number replaces the first. Once this returns, the part outlives a
    /// crash of the store.
    async fn put_part(&self, key: &str, id: &str, number: u16, bytes: Bytes) -> Result<StoredPart>;

    /// Makes the blob of these parts, in the order of their numbers, and forgets all others.
    /// `Ok` too where that was done before.
    ///
    /// # Errors
    /// `Invalid` of class `parts_gone`: there is neither the blob nor what was written of it.
    async fn complete_parts(&self, key: &str, id: &str, parts: &[StoredPart]) -> Result<()>;

    /// Forgets what was written. `Ok` where there is nothing (any more).
    async fn abort_parts(&self, key: &str, id: &str) -> Result<()>;
}
