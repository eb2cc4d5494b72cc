//! Why a chunker can't be made.

use std::path::PathBuf;

/// The settings or the tokenizer have to change.
#[derive(Debug, thiserror::Error)]
pub enum ChunkerError {
    /// The tokenizer can't be read.
    #[error("can't load the tokenizer {}: {reason}", path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The settings contradict themselves.
    #[error("bad chunker settings: {0}")]
    Config(String),
}
