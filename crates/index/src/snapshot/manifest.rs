//! What a snapshot says of itself.

use super::fit::Fit;
use crate::{config::IndexConfig, error::IndexError};
use chrono::{DateTime, Utc};
use ragstream_core::id::{DocumentId, Version};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::Path};

/// The layout of the files. Another number is another layout, which is not read.
/// 2: the manifest says when the snapshot was taken.
pub(super) const FORMAT: u32 = 2;

/// The file that is written last and names the others.
pub(super) const MANIFEST: &str = "manifest.json";
/// One [`DocumentLine`] a line.
pub(super) const DOCUMENTS: &str = "documents.jsonl";
/// One [`ChunkLine`] a line, in the order of rows.
pub(super) const CHUNKS: &str = "chunks.jsonl";
/// The vectors in the same order, little-endian 32-bit floats.
pub(super) const VECTORS: &str = "vectors.f32";

/// The files of a snapshot, in the order in which they are to be copied elsewhere: the
/// one that names the others is the last, so that a copy that has it is whole.
pub const SNAPSHOT_FILES: [&str; 4] = [DOCUMENTS, CHUNKS, VECTORS, MANIFEST];

/// Length and CRC-32 of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileSum {
    pub(super) bytes: u64,
    pub(super) crc32: u32,
}

/// Contents of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: u32,
    pub(super) taken_at: DateTime<Utc>,
    pub(super) dimension: usize,
    pub(super) model: Option<String>,
    /// Next offset to read for each partition.
    pub(super) positions: BTreeMap<i32, i64>,
    pub(super) documents: usize,
    pub(super) chunks: usize,
    pub(super) visible: usize,
    /// [`checksum`](ragstream_core::checksum::checksum) of the visible chunk ids.
    pub(super) checksum: u64,
    pub(super) files: BTreeMap<String, FileSum>,
    /// CRC-32 of this manifest, written with a zero here.
    pub(super) crc32: u32,
}

impl Manifest {
    /// The bytes of the file.
    pub(super) fn to_bytes(&self) -> serde_json::Result<Vec<u8>> {
        let bare = serde_json::to_vec(&Self { crc32: 0, ..self.clone() })?;
        serde_json::to_vec(&Self { crc32: crc32fast::hash(&bare), ..self.clone() })
    }

    /// Reads the file at `path`, and checks it and whether it fits.
    pub(super) fn fitting(
        bytes: &[u8],
        path: &Path,
        config: &IndexConfig,
        fit: &Fit<'_>,
    ) -> Result<Self, IndexError> {
        let manifest = Self::from_bytes(bytes, path)?;
        if manifest.dimension != config.dimension {
            let reason =
                format!("its vectors have {} dimensions, not {}", manifest.dimension, config.dimension);
            return Err(IndexError::unfit(path, reason));
        }
        if manifest.model != config.model {
            let reason = format!("it is of model {:?}, not {:?}", manifest.model, config.model);
            return Err(IndexError::unfit(path, reason));
        }
        fit.check(manifest.taken_at, &manifest.positions)
            .map_err(|reason| IndexError::unfit(path, reason))?;
        Ok(manifest)
    }

    /// Reads and checks the file at `path`.
    pub(super) fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self, IndexError> {
        let damaged = |reason: String| IndexError::damaged(path, reason);
        // The format first: the manifest of another one need not be readable further.
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let head: Head = serde_json::from_slice(bytes).map_err(|e| damaged(e.to_string()))?;
        let read: Result<Self, _> = serde_json::from_slice(bytes);
        let whole = read.as_ref().is_ok_and(|read| read.to_bytes().is_ok_and(|written| written == bytes));
        match read {
            Ok(manifest) if whole && manifest.format == FORMAT => Ok(manifest),
            Ok(_) if !whole => Err(damaged("its checksum does not match".into())),
            Err(error) if head.format == FORMAT => Err(damaged(error.to_string())),
            _ => Err(IndexError::unfit(path, format!("it has format {}, not {FORMAT}", head.format))),
        }
    }
}

/// A document and what is known of its versions.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DocumentLine {
    pub(super) id: DocumentId,
    pub(super) shown: Option<Version>,
    pub(super) floor: Version,
    pub(super) markers: BTreeMap<Version, u32>,
}

/// A chunk without its vector.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChunkLine<C, M, D> {
    pub(super) visible: bool,
    pub(super) model: M,
    /// The facts of its document: with the first chunk of a version, and left out after.
    #[serde(skip_serializing_if = "Option::is_none", default = "Option::default")]
    pub(super) document: Option<D>,
    /// Otherwise: how many lines before, among those that have one, the facts are given.
    pub(super) facts: usize,
    pub(super) chunk: C,
}
