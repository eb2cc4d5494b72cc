//! What travels through the log.

use crate::{
    chunk::Chunk,
    document::{Blob, DocumentRef},
    id::{ChunkId, DocumentId, JobId, QueryJobId, Version},
};

/// A version was accepted: extract and chunk it. (`doc-ingest-requests`, of the job's lane)
#[derive(Clone, Debug, PartialEq)]
pub struct IngestRequested {
    /// Whose version.
    pub document: DocumentRef,
    /// Its bytes.
    pub blob: Blob,
}

/// A chunk was cut: embed it. (`chunk-processing`, of the same lane)
#[derive(Clone, Debug, PartialEq)]
pub struct ChunkReady {
    /// Whose chunk.
    pub document: DocumentRef,
    /// The chunk.
    pub chunk: Chunk,
    /// Chunks of the version in all; `None` for those cut before its text was at its end.
    pub chunk_count: Option<u32>,
}

/// A question is to be asked, which its row has. (`query-requests`)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryRequested {
    /// Its job.
    pub job_id: QueryJobId,
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
    /// A document was deleted: all of it, and whatever of it comes later.
    Deleted(DocumentId),
    /// A tombstone: the record of this key is gone.
    Gone(IndexKey),
}

/// The key of a `chunk-embeddings` record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum IndexKey {
    /// A chunk: its id.
    Chunk(ChunkId),
    /// The commit marker of a version: `commit:<document id>:<version>`. One key
    /// each, so that a late marker of an old version never compacts a newer one away.
    Commit(DocumentId, Version),
    /// The deletion of a document: `deleted:<document id>`. It stays in the log
    /// for ever, so that a replay remembers what late work must not bring back.
    Deleted(DocumentId),
}

impl std::fmt::Display for IndexKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Chunk(id) => id.fmt(f),
            Self::Commit(id, version) => write!(f, "commit:{id}:{version}"),
            Self::Deleted(id) => write!(f, "deleted:{id}"),
        }
    }
}

impl std::str::FromStr for IndexKey {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let mut parts = s.split(':');
        let key = match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some("commit"), Some(id), Some(version), None) => id
                .parse()
                .ok()
                .zip(version.parse().ok())
                .map(|(id, version)| Self::Commit(id, Version(version))),
            (Some("deleted"), Some(id), None, None) => id.parse().ok().map(Self::Deleted),
            (Some(id), None, None, None) => id.parse().ok().map(Self::Chunk),
            _ => None,
        };
        key.ok_or_else(|| format!("not a key of the embeddings topic: {s:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip() {
        let document = DocumentId::generate();
        let keys = [
            IndexKey::Chunk(ChunkId::generate()),
            IndexKey::Commit(document, Version(7)),
            IndexKey::Deleted(document),
        ];
        for key in keys {
            assert_eq!(key.to_string().parse(), Ok(key));
        }
        let no_version = format!("commit:{document}");
        for wrong in ["commit:x:1", &no_version, "deleted:x", "", "a:b:c:d"] {
            assert!(wrong.parse::<IndexKey>().is_err(), "{wrong}");
        }
    }
}
