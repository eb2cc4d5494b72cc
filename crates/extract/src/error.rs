//! Why a file gives no text.

use crate::format::Format;
use ragstream_core::fault::Fault;
use serde::{Deserialize, Serialize};

/// A failure in words that a person can act on. None of them holds document text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ExtractError {
    /// A password is needed.
    #[error("the document is encrypted; upload it without password protection")]
    Encrypted,
    /// The file is not what its format asks for.
    #[error("the {format} can't be read, it is damaged or incomplete: {reason}")]
    Corrupt {
        /// Name of the format.
        format: String,
        /// What the reader says.
        reason: String,
    },
    /// Nothing but whitespace.
    #[error("the document has no text")]
    Empty,
    /// Pages without a text layer.
    #[error("the document has no text, its pages ({pages}) are images; run OCR on it and upload the result")]
    NeedsOcr {
        /// How many pages.
        pages: u32,
    },
    /// No reader for this.
    #[error("{reason}; supported are {}", Format::SUPPORTED)]
    Unsupported {
        /// What it is instead.
        reason: String,
    },
    /// The file or its text is over the limit.
    #[error("the document is too large: {reason}; split it and upload the parts")]
    TooLarge {
        /// Which limit, and its value.
        reason: String,
    },
    /// No end within the time limit.
    #[error(
        "reading the document took longer than {seconds} s; it may be damaged, or split it and upload the parts"
    )]
    TimedOut {
        /// The limit that was hit.
        seconds: u64,
    },
    /// The reader asked for more memory than it may have.
    #[error(
        "reading the document took more than {mebibytes} MiB of memory; it may be damaged, or split it and upload the parts"
    )]
    OutOfMemory {
        /// The limit.
        mebibytes: u64,
    },
    /// The reader came to an end by itself.
    #[error(
        "the reader crashed on this document ({reason}); it may be damaged, or save it anew and upload that"
    )]
    Crashed {
        /// Signal, exit code or place in the program.
        reason: String,
    },
    /// Somebody else ended the reader: no fault of the document.
    #[error("the reader was killed from outside by signal {signal}")]
    Killed {
        /// The signal.
        signal: i32,
    },
    /// The file can't be opened or read: no fault of the document.
    #[error("the file can't be read: {reason}")]
    Io {
        /// The operating system's reason.
        reason: String,
    },
}

impl ExtractError {
    /// Stable name of the cause.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Encrypted => "encrypted_document",
            Self::Corrupt { .. } => "corrupt_document",
            Self::Empty => "empty_document",
            Self::NeedsOcr { .. } => "needs_ocr",
            Self::Unsupported { .. } => "unsupported_format",
            Self::TooLarge { .. } => "document_too_large",
            Self::TimedOut { .. } => "extraction_timeout",
            Self::OutOfMemory { .. } => "extraction_out_of_memory",
            Self::Crashed { .. } => "extraction_crashed",
            Self::Killed { .. } => "extractor_killed",
            Self::Io { .. } => "extraction_io",
        }
    }

    pub(crate) fn corrupt(format: Format, reason: impl Into<String>) -> Self {
        Self::Corrupt { format: format.to_string(), reason: reason.into() }
    }

    pub(crate) fn io(error: std::io::Error) -> Self {
        Self::Io { reason: error.to_string() }
    }
}

impl From<ExtractError> for Fault {
    /// `Invalid`, for the same file fails the same way again, but for what is
    /// no fault of the document: that is `Failed`.
    fn from(error: ExtractError) -> Self {
        match &error {
            ExtractError::Killed { .. } | ExtractError::Io { .. } => {
                Self::failed(error.class(), error.to_string())
            }
            _ => Self::invalid(error.class(), error.to_string()),
        }
    }
}
