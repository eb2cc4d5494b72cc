//! Small files: written whole or not at all, secrets readable by their owner only.

use crate::{EmbeddedError, Result, error::Doing};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// How much of a log's end goes into an error or a warning: enough for a stack
/// trace, little enough to read.
const TAIL_BYTES: u64 = 4096;

/// Creates a folder and its parents, for the owner only.
pub(crate) fn create_dir(dir: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).doing(|| format!("creating {}", dir.display()))
}

/// Replaces a file's contents in one step, readable by its owner only.
pub(crate) fn write(path: &Path, contents: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    let replace = || -> io::Result<()> {
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&new, path)
    };
    replace().doing(|| format!("writing {}", path.display()))
}

/// Reads a small JSON file; `None` where there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let contents = match fs::read(path) {
        Ok(contents) => contents,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).doing(|| format!("reading {}", path.display())),
    };
    serde_json::from_slice(&contents)
        .map(Some)
        .map_err(|error| EmbeddedError::Folder { path: path.into(), reason: error.to_string() })
}

/// Writes a small JSON file.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let contents = serde_json::to_vec_pretty(value)
        .map_err(|error| EmbeddedError::Folder { path: path.into(), reason: error.to_string() })?;
    write(path, &contents)
}

/// The last lines of a log, empty where it can't be read.
pub(crate) fn tail(path: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        let from = length.saturating_sub(TAIL_BYTES);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        // The first line is cut in the middle unless the file begins here.
        let whole = if from == 0 { &text } else { text.split_once('\n').map_or("", |(_, rest)| rest) };
        Ok(whole.trim_end().to_owned())
    };
    read().unwrap_or_default()
}

/// A secret of 128 random bits, hexadecimal.
pub(crate) fn secret() -> String {
    format!("{:032x}", rand::random::<u128>())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_tail_is_whole_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        assert_eq!(tail(&path), "");
        fs::write(&path, "one\ntwo\n").unwrap();
        assert_eq!(tail(&path), "one\ntwo");
        let long = (0..5000).map(|n| format!("line {n}\n")).collect::<String>();
        fs::write(&path, &long).unwrap();
        let end = tail(&path);
        assert!(end.starts_with("line ") && end.ends_with("line 4999"), "{end}");
        assert!(end.len() as u64 <= TAIL_BYTES);
    }

    #[test]
    fn files_are_private_and_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.json");
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), None);
        write_json(&path, &vec![1u8, 2]).unwrap();
        assert_eq!(read_json::<Vec<u8>>(&path).unwrap(), Some(vec![1, 2]));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
