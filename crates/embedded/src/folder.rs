//! One folder, one process.

use crate::{EmbeddedError, Result, error::Doing, files};
use std::{
    fs::{File, OpenOptions, TryLockError},
    path::{Path, PathBuf},
};

/// The right to work in a folder; given up when dropped or when the process
/// ends, however it ends (the kernel's `flock`, so nothing goes stale).
#[derive(Debug)]
pub struct FolderLock {
    dir: PathBuf,
    _file: File,
}

impl FolderLock {
    /// Creates the folder where it does not exist and takes its lock.
    ///
    /// # Errors
    /// [`EmbeddedError::Locked`] where another process has it.
    pub fn acquire(dir: &Path) -> Result<Self> {
        files::create_dir(dir)?;
        let dir = dir.canonicalize().doing(|| format!("resolving {}", dir.display()))?;
        let path = dir.join("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .doing(|| format!("opening {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { dir, _file: file }),
            Err(TryLockError::WouldBlock) => Err(EmbeddedError::Locked { dir }),
            Err(TryLockError::Error(source)) => {
                Err(EmbeddedError::Io { doing: format!("locking {}", path.display()), source })
            }
        }
    }

    /// The folder as an absolute path without links.
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_second_owner_is_refused_until_the_first_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("a/b");
        let first = FolderLock::acquire(&dir).unwrap();
        assert!(matches!(FolderLock::acquire(&dir), Err(EmbeddedError::Locked { .. })));
        drop(first);
        FolderLock::acquire(&dir).unwrap();
    }
}
