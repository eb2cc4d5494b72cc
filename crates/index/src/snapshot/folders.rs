//! The folders that snapshots lie in: `snapshot-<number>`, whole by their
//! name alone, for they get it by a rename once all is written.

use super::file::sync_dir;
use crate::error::IndexError;
use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

const PREFIX: &str = "snapshot-";
const UNFINISHED: &str = ".unfinished-";
const DAMAGED: &str = "damaged-";

/// The newest, and the one before for the case that a disk damages it.
const KEPT: usize = 2;

/// The snapshots of `dir` by number, oldest first.
fn list(dir: &Path) -> Result<Vec<(u64, PathBuf)>, IndexError> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(IndexError::io(dir))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(IndexError::io(dir))?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.parse().ok());
        found.extend(number.map(|number: u64| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// The snapshots of `dir`, newest first; none where there is no such folder.
pub fn snapshots(dir: &Path) -> Result<Vec<PathBuf>, IndexError> {
    Ok(list(dir)?.into_iter().rev().map(|(_, path)| path).collect())
}

/// Takes a damaged snapshot out of the way, as `damaged-<number>`, for whoever wants to
/// know what happened to it. The last one is kept: several would fill a disk that is failing.
pub fn put_aside(snapshot: &Path) -> Result<PathBuf, IndexError> {
    let dir = snapshot.parent().unwrap_or(Path::new("."));
    let name = snapshot.file_name().unwrap_or_default().to_string_lossy();
    for entry in fs::read_dir(dir).map_err(IndexError::io(dir))? {
        let entry = entry.map_err(IndexError::io(dir))?;
        if entry.file_name().to_string_lossy().starts_with(DAMAGED) {
            fs::remove_dir_all(entry.path()).map_err(IndexError::io(&entry.path()))?;
        }
    }
    let aside = dir.join(format!("{DAMAGED}{}", name.trim_start_matches(PREFIX)));
    fs::rename(snapshot, &aside).map_err(IndexError::io(snapshot))?;
    sync_dir(dir)?;
    Ok(aside)
}

/// An empty folder to write the next snapshot in, and its number.
pub(super) fn begin(dir: &Path) -> Result<(u64, PathBuf), IndexError> {
    fs::create_dir_all(dir).map_err(IndexError::io(dir))?;
    let number = list(dir)?.last().map_or(1, |(number, _)| number + 1);
    let path = dir.join(format!("{UNFINISHED}{number}"));
    // A process that died while writing may have left one.
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(IndexError::io(&path)(error)),
        _ => fs::create_dir(&path).map_err(IndexError::io(&path))?,
    }
    Ok((number, path))
}

/// Gives a written snapshot its name and removes the oldest ones.
pub(super) fn finish(dir: &Path, number: u64, written: &Path) -> Result<PathBuf, IndexError> {
    sync_dir(written)?;
    let path = dir.join(format!("{PREFIX}{number:010}"));
    fs::rename(written, &path).map_err(IndexError::io(&path))?;
    sync_dir(dir)?;
    let all = list(dir)?;
    for (_, old) in all.iter().take(all.len().saturating_sub(KEPT)) {
        fs::remove_dir_all(old).map_err(IndexError::io(old))?;
    }
    Ok(path)
}
