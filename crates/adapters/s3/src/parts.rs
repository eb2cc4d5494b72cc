//! A stream of pieces of any size, cut into parts of one size.

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use ragstream_core::{fault::Result, ports::ByteStream};

/// The size of a part, and the largest body that is sent in one request. S3 wants
/// at least 5 MiB; larger parts only cost memory.
pub(crate) const PART: usize = 8 << 20;

/// Reads parts from a stream.
pub(crate) struct Parts {
    stream: ByteStream,
    buffer: BytesMut,
    ended: bool,
}

impl Parts {
    pub(crate) fn of(stream: ByteStream) -> Self {
        Self { stream, buffer: BytesMut::new(), ended: false }
    }

    /// The next part: of [`PART`] bytes, the last one of fewer; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        while !self.ended && self.buffer.len() < PART {
            match self.stream.next().await {
                Some(piece) => self.buffer.extend_from_slice(&piece?),
                None => self.ended = true,
            }
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let part = self.buffer.split_to(self.buffer.len().min(PART));
        Ok(Some(part.freeze()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ragstream_testkit::stream_of;

    async fn sizes(total: usize, piece: usize) -> Vec<usize> {
        let mut parts = Parts::of(stream_of(vec![0; total], piece));
        let mut sizes = Vec::new();
        while let Some(part) = parts.next().await.unwrap() {
            sizes.push(part.len());
        }
        sizes
    }

    #[tokio::test]
    async fn parts_are_full_but_for_the_last() {
        assert_eq!(sizes(0, 1).await, [0; 0]);
        assert_eq!(sizes(5, 2).await, [5]);
        assert_eq!(sizes(PART, 1000).await, [PART]);
        assert_eq!(sizes(PART + 1, 999_999).await, [PART, 1]);
        assert_eq!(sizes(3 * PART + 7, 3 * PART + 7).await, [PART, PART, PART, 7]);
    }
}
