//! Chunks, and the states one passes through.

use crate::id::ChunkId;
use serde::{Deserialize, Serialize};
use std::{fmt, ops::Range, str::FromStr};

/// A piece of a document's extracted text, cut so that the model reads all of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    /// Derived from document, version, chunker and position.
    pub id: ChunkId,
    /// 0-based position in the document.
    pub position: u32,
    /// The text: exactly the bytes of `span` in the extracted text.
    pub text: String,
    /// Byte range in the extracted text.
    pub span: Range<u64>,
    /// 1-based page the chunk starts on, where the format has pages.
    pub page: Option<u32>,
    /// The headings above the chunk, outermost first.
    pub headings: Vec<String>,
    /// Tokens by the model's tokenizer, special tokens not counted.
    pub tokens: u32,
}

/// The status of a chunk's row. It moves forward only; an explicit retry alone
/// moves it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkStatus {
    /// Cut and recorded; its embedding is not in the log yet.
    Pending,
    /// Its embedding is in the log.
    Embedded,
    /// An index holds it.
    Indexed,
    /// Given up, with a reason; it lies in a dead-letter topic.
    Failed,
}

impl ChunkStatus {
    /// All of them, in the order in which a chunk passes through.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Embedded, Self::Indexed, Self::Failed];

    /// The name in the database and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Embedded => "embedded",
            Self::Indexed => "indexed",
            Self::Failed => "failed",
        }
    }

    /// Whether work may move a chunk from `self` to `next` (an explicit retry
    /// is not work and is not asked).
    pub fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Pending, Self::Embedded | Self::Indexed | Self::Failed) => true,
            (Self::Embedded, Self::Indexed | Self::Failed) => true,
            (Self::Indexed | Self::Failed, _) => false,
            _ => false,
        }
    }
}

impl fmt::Display for ChunkStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ChunkStatus {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == s)
            .ok_or_else(|| format!("unknown chunk status {s:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_never_moves_back() {
        for from in ChunkStatus::ALL {
            for to in ChunkStatus::ALL {
                if from.may_become(to) {
                    assert!(from < to, "{from} -> {to}");
                }
            }
        }
        assert!(!ChunkStatus::Indexed.may_become(ChunkStatus::Failed));
    }
}
