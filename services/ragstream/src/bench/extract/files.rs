//! What is to be read.

use crate::client::upload::collect_files;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// A file of the folder.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// Its path below the folder, with `/`.
    pub(crate) path: String,
    /// Its size.
    pub(crate) bytes: u64,
}

/// The files of a folder and of those below it, in the order of their paths.
pub(crate) fn below(dir: &Path) -> Result<Vec<Source>> {
    let about = || format!("can't read {}", dir.display());
    let is_folder = std::fs::metadata(dir).with_context(about)?.is_dir();
    ensure!(is_folder, "{} is not a folder: give the one that the files are in", dir.display());
    collect_files(&[dir.to_path_buf()])?
        .into_iter()
        .map(|file| {
            let bytes = file.metadata().with_context(|| format!("can't read {}", file.display()))?.len();
            let path = file.strip_prefix(dir).unwrap_or(&file).to_string_lossy().into_owned();
            Ok(Source { file, path, bytes })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_below_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("b/c")).unwrap();
        std::fs::write(dir.path().join("z.txt"), "12345").unwrap();
        std::fs::write(dir.path().join("b/c/a.txt"), "").unwrap();
        let found: Vec<_> = below(dir.path()).unwrap().into_iter().map(|s| (s.path, s.bytes)).collect();
        assert_eq!(found, [("b/c/a.txt".to_owned(), 0), ("z.txt".to_owned(), 5)]);
    }

    #[test]
    fn what_is_no_folder_of_files_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let message = |path: &Path| format!("{:#}", below(path).unwrap_err());
        assert!(message(dir.path()).contains("no files"), "{}", message(dir.path()));
        assert!(message(&dir.path().join("absent")).contains("can't read"));
        let file = dir.path().join("file");
        std::fs::write(&file, "text").unwrap();
        assert!(message(&file).contains("is not a folder"));
    }
}
