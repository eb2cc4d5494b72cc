//! A stream of pieces of any size, cut into parts of one size.

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, stream::Fuse};
use ragstream_core::{
    fault::Result,
    ports::{ByteStream, PART_BYTES, fill_part},
};

/// The size of a part, and the largest body that is sent in one request.
pub(crate) const PART: usize = PART_BYTES;

/// Reads parts from a stream.
pub(crate) struct Parts {
    stream: Fuse<ByteStream>,
    /// What is left of the last piece.
    piece: Bytes,
}

impl Parts {
    pub(crate) fn of(stream: ByteStream) -> Self {
        Self { stream: stream.fuse(), piece: Bytes::new() }
    }

    /// The next part: of [`PART`] bytes, the last one of fewer; `None` after the last.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        let mut part = BytesMut::new();
        while part.len() < PART {
            if self.piece.is_empty() {
                match self.stream.next().await {
                    Some(piece) => self.piece = piece?,
                    None => break,
                }
            }
            fill_part(&mut part, &mut self.piece);
        }
        Ok((!part.is_empty()).then(|| part.freeze()))
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

    #[tokio::test]
    async fn a_stream_is_not_asked_again_after_its_end() {
        // This one would panic.
        let stream = futures::stream::unfold(3, |left| async move {
            (left > 0).then(|| (Ok(Bytes::from_static(b"piece")), left - 1))
        });
        let mut parts = Parts::of(stream.boxed());
        assert_eq!(parts.next().await.unwrap().unwrap().len(), 15);
        assert_eq!((parts.next().await.unwrap(), parts.next().await.unwrap()), (None, None));
    }

    #[tokio::test]
    async fn a_part_takes_no_more_memory_than_it_has_bytes() {
        for piece in [1_000, 99_999, PART - 1, 2 * PART] {
            let mut parts = Parts::of(stream_of(vec![1; 2 * PART], piece));
            while let Some(part) = parts.next().await.unwrap() {
                let part = part.try_into_mut().unwrap();
                assert_eq!((part.len(), part.capacity()), (PART, PART), "in pieces of {piece}");
            }
        }
    }
}
