//! What tests of several crates share.
//!
//! - [`kafka`], [`postgres`], [`s3`]: the real parts, one instance a test process,
//!   started by the first test that asks and gone with the process.
//! - [`MemoryBlobs`], [`MemoryPublisher`]: fakes; [`FaultyBlobs`]: faults on top of any store.
//! - [`blob_store_contract`], [`part_store_contract`]: what every blob store must do, run on fake and real alike.

mod contract;
mod faulty;
mod memory_blobs;
mod memory_publisher;
mod part_contract;
mod parts;
mod scratch;

pub use contract::blob_store_contract;
pub use faulty::FaultyBlobs;
pub use memory_blobs::MemoryBlobs;
pub use memory_publisher::MemoryPublisher;
pub use part_contract::part_store_contract;
pub use parts::{execute, fresh_database, kafka, parts_dir, postgres, s3};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use ragstream_core::{fault::Result, ports::ByteStream};

/// A name that no other test uses: for topics, consumer groups, key prefixes.
pub fn unique(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4().simple())
}

/// Bytes as a stream of pieces of this size.
pub fn stream_of(bytes: impl Into<Bytes>, piece: usize) -> ByteStream {
    let bytes: Bytes = bytes.into();
    let pieces = (0..bytes.len()).step_by(piece.max(1));
    let pieces: Vec<_> =
        pieces.map(|from| Ok(bytes.slice(from..bytes.len().min(from.saturating_add(piece))))).collect();
    futures::stream::iter(pieces).boxed()
}

/// All bytes of a stream.
pub async fn collect(stream: ByteStream) -> Result<Vec<u8>> {
    stream
        .try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece);
            Ok(all)
        })
        .await
}
