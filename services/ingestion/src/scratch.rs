//! A document's bytes on the local disk, while they are extracted.

use futures::StreamExt;
use ragstream_core::{
    document::Blob,
    fault::{Fault, Result},
    ports::BlobStore,
};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tokio::{fs::File, io::AsyncWriteExt};

/// A folder of its own for one document; removed on drop.
pub(crate) struct Scratch {
    _dir: TempDir,
    file: PathBuf,
}

impl Scratch {
    /// Fetches a blob.
    ///
    /// # Errors
    /// Those of the blob store; `Unavailable` of class `work_dir` where the
    /// local disk takes no more (it may again); `Failed` of class
    /// `blob_truncated` where fewer or more bytes came than were stored.
    pub(crate) async fn fetch(blobs: &dyn BlobStore, blob: &Blob, work_dir: &Path) -> Result<Self> {
        let full = |e: std::io::Error| {
            Fault::unavailable("work_dir", "the work folder can't be written").caused_by(e)
        };
        let mut bytes = blobs.get(&blob.key, None).await?;
        let dir = tempfile::Builder::new().prefix("ragstream-").tempdir_in(work_dir).map_err(full)?;
        let path = dir.path().join("document");
        let mut file = File::create(&path).await.map_err(full)?;
        let mut size = 0;
        while let Some(piece) = bytes.next().await {
            let piece = piece?;
            size += piece.len() as u64;
            file.write_all(&piece).await.map_err(full)?;
        }
        file.flush().await.map_err(full)?;
        if size != blob.size {
            return Err(Fault::failed(
                "blob_truncated",
                format!("{size} bytes came from blob storage, {} were stored", blob.size),
            ));
        }
        Ok(Self { _dir: dir, file: path })
    }

    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.file
    }
}
