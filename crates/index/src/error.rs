//! What can go wrong, and what the caller does about it.

use std::path::{Path, PathBuf};
use thiserror::Error;

/// An error of the index.
#[derive(Debug, Error)]
pub enum IndexError {
    /// A setting is out of range: correct the configuration.
    #[error("index configuration: {0}")]
    Config(String),
    /// The request can't be answered as it is: tell the one who asked.
    #[error("search request: {0}")]
    Request(String),
    /// The keyword engine failed. In [`Index::apply`](crate::Index::apply) the
    /// index takes no further events: restore it or replay the log.
    #[error("keyword index: {0}")]
    Keyword(#[from] tantivy::TantivyError),
    /// An earlier `apply` failed half-way: restore the index or replay the log.
    #[error("the index takes no more events since an earlier one failed")]
    Broken,
    /// The thread that builds the graph can't be started: the machine is out of threads.
    #[error("builder thread: {0}")]
    Thread(std::io::Error),
    /// All row numbers of this process are used up (2^32 chunks were added):
    /// a restore numbers them anew.
    #[error("the index has used up its row numbers")]
    Full,
    /// A file can't be written or read: the disk needs attention.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The snapshot is not what was written: put it aside and open the one before,
    /// or replay the log.
    #[error("snapshot is damaged: {}: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The snapshot was made with other settings (format, dimension, model), is too
    /// old, or is of another log: open the one before, or replay the log.
    #[error("snapshot does not fit: {}: {reason}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What differs.
        reason: String,
    },
}

impl IndexError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn damaged(path: &Path, reason: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), reason: reason.into() }
    }

    pub(crate) fn unfit(path: &Path, reason: impl Into<String>) -> Self {
        Self::Unfit { path: path.to_path_buf(), reason: reason.into() }
    }
}
