//! A snapshot that comes from elsewhere, file by file.

use super::{
    file::SumWriter,
    fit::Fit,
    folders,
    manifest::{MANIFEST, Manifest, SNAPSHOT_FILES},
};
use crate::{config::IndexConfig, error::IndexError};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A snapshot of which only the manifest is here. Its files are gone with it unless it is finished.
#[derive(Debug)]
pub struct Incoming {
    dir: PathBuf,
    number: u64,
    folder: PathBuf,
    manifest: Vec<u8>,
    sizes: Vec<(&'static str, u64)>,
    finished: bool,
}

impl Incoming {
    /// Makes a folder for it in `dir`. `Err` of [`IndexError::Unfit`] or
    /// [`IndexError::Damaged`]: by its manifest it is of no use.
    pub fn begin(
        dir: &Path,
        manifest: Vec<u8>,
        config: &IndexConfig,
        fit: &Fit<'_>,
    ) -> Result<Self, IndexError> {
        let path = Path::new(MANIFEST);
        let files = Manifest::fitting(&manifest, path, config, fit)?.files;
        let needed = SNAPSHOT_FILES.into_iter().filter(|name| *name != MANIFEST);
        let sizes = needed
            .map(|name| match files.get(name) {
                Some(sum) => Ok((name, sum.bytes)),
                None => Err(IndexError::damaged(path, format!("it does not name {name}"))),
            })
            .collect::<Result<_, _>>()?;
        let (number, folder) = folders::begin(dir)?;
        Ok(Self { dir: dir.to_owned(), number, folder, manifest, sizes, finished: false })
    }

    /// The files that are needed, by name, and how many bytes each has.
    pub fn files(&self) -> &[(&'static str, u64)] {
        &self.sizes
    }

    /// Where to write them, under these names, and durably.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All files are written: makes it one of the snapshots of the folder. Whether they
    /// are what they should be is found out when it is opened.
    pub fn finish(mut self) -> Result<PathBuf, IndexError> {
        let mut file = SumWriter::create(self.folder.join(MANIFEST))?;
        file.append(&self.manifest)?;
        file.finish()?;
        let path = folders::finish(&self.dir, self.number, &self.folder)?;
        self.finished = true;
        Ok(path)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        if !self.finished {
            // Left where it can't be removed: the next one with this number clears it.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}
