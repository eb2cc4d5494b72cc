//! The job of a document version: its stage, and how it may move.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// How far a version has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobStage {
    /// Stored and on record; waiting for an ingestion worker.
    Accepted,
    /// Its text is being extracted.
    TextExtraction,
    /// Its text is being cut.
    Chunking,
    /// Its chunks are waiting for, or in, the embedding pool.
    Embedding,
    /// All embeddings are in the log; an index is applying them.
    Indexing,
    /// Searchable.
    Complete,
    /// Given up, with a reason.
    Failed,
    /// Held by its user.
    Paused,
    /// Ended by its user, or superseded by a newer version.
    Cancelled,
}

impl JobStage {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Accepted,
        Self::TextExtraction,
        Self::Chunking,
        Self::Embedding,
        Self::Indexing,
        Self::Complete,
        Self::Failed,
        Self::Paused,
        Self::Cancelled,
    ];

    /// The name in the database and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::TextExtraction => "text_extraction",
            Self::Chunking => "chunking",
            Self::Embedding => "embedding",
            Self::Indexing => "indexing",
            Self::Complete => "complete",
            Self::Failed => "failed",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing more will happen to the job by itself.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Complete | Self::Failed | Self::Cancelled)
    }
}

impl fmt::Display for JobStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for JobStage {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|stage| stage.as_str() == s)
            .ok_or_else(|| format!("unknown job stage {s:?}"))
    }
}
