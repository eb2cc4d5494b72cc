//! A file on its way in: streamed to blob storage while it is hashed.

use crate::metrics;
use axum::http::StatusCode;
use bytes::{Bytes, BytesMut};
use futures::{Stream, StreamExt, TryStreamExt, stream};
use ragstream_api::{outage, problem::Problem};
use ragstream_core::{
    document::Blob,
    fault::Fault,
    ports::{BlobStore, ByteStream},
};
use ragstream_extract::ExtractError;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use tokio::sync::mpsc;
use uuid::Uuid;

/// Where uploads lie in blob storage. The rest of the key is a UUIDv7, which
/// tells the janitor when the upload began.
pub(super) const PREFIX: &str = "uploads/";
/// Bytes by which the type of a file is told.
pub(crate) const HEAD_BYTES: usize = 8 * 1024;
/// Pieces between the socket and the store; each is what one read of the socket gave.
const PIPE: usize = 8;

/// A key for bytes that begin to come in.
pub(crate) fn new_key() -> String {
    format!("{PREFIX}{}", Uuid::now_v7())
}

/// The media type that a file's first bytes and its name tell.
pub(crate) fn told(filename: &str, head: &[u8]) -> Result<String, Fault> {
    let format = ragstream_extract::detect(filename, head).map_err(ExtractError::from)?;
    Ok(ragstream_extract::content_type(format, head).to_owned())
}

/// Bytes as lower-case hex.
pub(crate) fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A file is larger than it may be.
pub(crate) fn too_large(max_bytes: u64) -> Problem {
    let detail = format!("a file may have {max_bytes} bytes at most");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "file_too_large", detail)
}

/// A file whose bytes are stored, and removed again on drop unless [kept](Staged::keep).
pub(crate) struct Staged {
    pub(crate) filename: String,
    pub(crate) content_type: String,
    pub(crate) blob: Blob,
    _stored: Stored,
}

/// Removes a blob when dropped.
struct Stored {
    blobs: Arc<dyn BlobStore>,
    key: Option<String>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        let Some(key) = self.key.take() else { return };
        let blobs = self.blobs.clone();
        tokio::spawn(async move {
            if let Err(fault) = blobs.delete(&key).await {
                // It stays for the janitor.
                outage::log("the removal of refused uploads", &fault);
            }
        });
    }
}

/// Why a file was not stored.
pub(crate) enum Refused<E> {
    /// The file is at fault, or the store; what comes after it can be read.
    File(Problem),
    /// Its bytes can't be read on.
    Request(E),
}

impl Staged {
    /// Reads a file to its end into blob storage.
    pub(crate) async fn receive<E>(
        bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
        filename: &str,
        max_bytes: u64,
        blobs: Arc<dyn BlobStore>,
    ) -> Result<Self, Refused<E>> {
        // Its end is met twice: while the head is read, and after it.
        let mut bytes = bytes.fuse();
        let head = read_head(&mut bytes).await.map_err(Refused::Request)?;
        if head.is_empty() {
            return Err(Refused::File(Problem::unprocessable(
                "empty_file",
                format!("{filename:?} is empty: there is nothing to index"),
            )));
        }
        let content_type = told(filename, &head).map_err(|fault| Refused::File(fault.into()))?;
        let key = new_key();
        let stored = Stored { blobs: blobs.clone(), key: Some(key.clone()) };

        let (sender, receiver) = mpsc::channel(PIPE);
        let put = blobs.put(&key, piped(receiver));
        let mut feed = Feed { hash: Sha256::new(), size: 0, max_bytes, sender };
        let (put, fed) = tokio::join!(put, async {
            let fed = feed.all(head, &mut bytes).await;
            (fed, feed.finish())
        });
        let (fed, (size, hash)) = fed;
        fed?;
        put.map_err(|fault| Refused::File(fault.into()))?;
        metrics::UPLOAD_BYTES.inc_by(size);
        Ok(Self {
            filename: filename.to_owned(),
            content_type,
            blob: Blob { key, size, sha256: hash },
            _stored: stored,
        })
    }

    /// The blob belongs to a document now.
    pub(crate) fn keep(mut self) {
        self._stored.key = None;
    }
}

/// The first bytes of a file, up to [`HEAD_BYTES`] or somewhat more.
async fn read_head<E>(bytes: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin)) -> Result<Bytes, E> {
    let mut head = BytesMut::new();
    while head.len() < HEAD_BYTES {
        match bytes.try_next().await? {
            Some(more) => head.extend_from_slice(&more),
            None => break,
        }
    }
    Ok(head.freeze())
}

fn piped(receiver: mpsc::Receiver<Result<Bytes, Fault>>) -> ByteStream {
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) })
        .boxed()
}

/// The socket's end of the pipe.
struct Feed {
    hash: Sha256,
    size: u64,
    max_bytes: u64,
    sender: mpsc::Sender<Result<Bytes, Fault>>,
}

impl Feed {
    async fn all<E>(
        &mut self,
        head: Bytes,
        bytes: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    ) -> Result<(), Refused<E>> {
        let mut next = Some(head);
        while let Some(piece) = next {
            self.size += piece.len() as u64;
            if self.size > self.max_bytes {
                self.abort("the file is too large").await;
                return Err(Refused::File(too_large(self.max_bytes)));
            }
            self.hash.update(&piece);
            if self.sender.send(Ok(piece)).await.is_err() {
                // The store gave up; its own error says why.
                return Ok(());
            }
            next = match bytes.try_next().await {
                Ok(next) => next,
                Err(error) => {
                    self.abort("the upload broke off").await;
                    return Err(Refused::Request(error));
                }
            };
        }
        Ok(())
    }

    /// Makes the store drop what it has so far: only a stream that ends well is stored.
    async fn abort(&mut self, why: &str) {
        // A closed pipe means that the store gave up by itself.
        let _ = self.sender.send(Err(Fault::invalid("upload_aborted", why))).await;
    }

    /// Closes the pipe; size and hash of what went through.
    fn finish(self) -> (u64, String) {
        (self.size, hex(self.hash.finalize()))
    }
}
