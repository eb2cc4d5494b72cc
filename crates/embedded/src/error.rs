//! Why a part did not start.

use std::{io, path::PathBuf};
use thiserror::Error;

/// Why a part could not be started or found. The text is for the person at the
/// terminal: it says what to do where something can be done.
#[derive(Debug, Error)]
pub enum EmbeddedError {
    /// A program or file that `make parts` provides is not there.
    #[error("{what} is missing: run `make parts` first ({looked})")]
    Missing {
        /// What.
        what: &'static str,
        /// Where it was looked for.
        looked: String,
    },
    /// Another process works in this folder.
    #[error("{} is in use by another process; stop it, or choose another folder", dir.display())]
    Locked {
        /// The folder.
        dir: PathBuf,
    },
    /// The part ended or did not answer in time.
    #[error("{part} did not start: {reason}\n{log}")]
    Start {
        /// Which part.
        part: &'static str,
        /// What happened.
        reason: String,
        /// The end of its log.
        log: String,
    },
    /// A helper program failed.
    #[error("{program} failed: {reason}\n{log}")]
    Helper {
        /// Which program.
        program: String,
        /// What happened.
        reason: String,
        /// The end of what it printed.
        log: String,
    },
    /// What lies in a folder can't be used.
    #[error("{}: {reason}", path.display())]
    Folder {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused something.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: String,
        /// Its answer.
        source: io::Error,
    },
}

/// Names what was being done when an IO error came.
pub(crate) trait Doing<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, EmbeddedError>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl FnOnce() -> String) -> Result<T, EmbeddedError> {
        self.map_err(|source| EmbeddedError::Io { doing: what(), source })
    }
}
