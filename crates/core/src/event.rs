//! What travels through the log.

use crate::{
    chunk::Chunk,
    document::{Blob, DocumentRef},
    id::{ChunkId, DocumentId, JobId, Version},
};

/// A version was accepted: extract and chunk it. (`doc-ingest-requests`)
#[derive(Clone, Debug, PartialEq)]
pub struct IngestRequested {
    /// Whose version.
    pub document: DocumentRef,
    /// Its bytes.
    pub blob: Blob,
}

/// A chunk was cut: embed it. (`chunk-processing`)
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkReady {
    /// Whose chunk.
    pub document: DocumentRef,
    /// The chunk.
    pub chunk: Chunk,
    /// Chunks of the version in all.
    pub chunk_count: u32,
}

/// A chunk was embedded: hold it, invisible until its version is committed.
/// (`chunk-embeddings`)
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkEmbedded {
    /// Whose chunk.
    pub document: DocumentRef,
    /// The chunk.
    pub chunk: Chunk,
    /// Name of the model that made the vector.
    pub model: String,
    /// Unit-length vector.
    pub vector: Vec<f32>,
}

/// All chunks of a version are in the log before this record, in the same
/// partition: make it visible and retire the one before. (`chunk-embeddings`)
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionCommitted {
    /// The document.
    pub document_id: DocumentId,
    /// The version.
    pub version: Version,
    /// Its job.
    pub job_id: JobId,
    /// How many chunks it has.
    pub chunk_count: u32,
}

/// A record of `chunk-embeddings`, which an index applies in order.
#[derive(Clone, Debug, PartialEq)]
pub enum IndexEvent {
    /// A chunk with its vector.
    Chunk(Box<ChunkEmbedded>),
    /// A version became visible.
    Commit(VersionCommitted),
    /// A tombstone: the record of this key is gone.
    Gone(IndexKey),
}

/// The key of a `chunk-embeddings` record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IndexKey {
    /// A chunk: its id.
    Chunk(ChunkId),
    /// The newest commit marker of a document: `commit:<document id>`.
    Commit(DocumentId),
}

impl std::fmt::Display for IndexKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chunk(id) => id.fmt(f),
            Self::Commit(id) => write!(f, "commit:{id}"),
        }
    }
}

impl std::str::FromStr for IndexKey {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        match s.strip_prefix("commit:") {
            Some(id) => id.parse().map(Self::Commit),
            None => s.parse().map(Self::Chunk),
        }
        .map_err(|_| format!("not a key of the embeddings topic: {s:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip() {
        for key in [IndexKey::Chunk(ChunkId::generate()), IndexKey::Commit(DocumentId::generate())] {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        assert!("commit:x".parse::<IndexKey>().is_err());
        assert!("".parse::<IndexKey>().is_err());
    }
}
