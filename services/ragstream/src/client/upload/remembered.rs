//! Uploads that were begun and not ended, so that the same command goes on with them after it was
//! interrupted. A file of the user's own; without one each upload begins anew.

use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::UNIX_EPOCH,
};

/// Where uploads lie on their servers, by what they are of.
pub(super) struct Remembered {
    file: Option<PathBuf>,
    known: Mutex<Known>,
}

#[derive(Default, Serialize, Deserialize)]
struct Known {
    uploads: BTreeMap<String, String>,
}

impl Remembered {
    /// `$XDG_STATE_HOME/ragstream/uploads.json`, or in `~/.local/state`.
    pub(super) fn open() -> Self {
        let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".local/state"));
        let file = state.or_else(home).map(|state| state.join("ragstream/uploads.json"));
        let read = |file: &PathBuf| serde_json::from_slice(&fs::read(file).ok()?).ok();
        let known = file.as_ref().and_then(read).unwrap_or_default();
        Self { file, known: Mutex::new(known) }
    }

    /// A name of this content for this server: another size or time of change is another file.
    pub(super) fn key(server: &str, path: &Path) -> String {
        let about = path.metadata().ok();
        let size = about.as_ref().map_or(0, fs::Metadata::len);
        let changed = about.and_then(|about| about.modified().ok()?.duration_since(UNIX_EPOCH).ok());
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        format!("{server} {size} {} {}", changed.unwrap_or_default().as_nanos(), path.display())
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &str) -> Option<String> {
        self.known().uploads.get(key).cloned()
    }

    /// Remembers where an upload lies; `None` forgets it.
    pub(super) fn set(&self, key: &str, url: Option<&str>) {
        let mut known = self.known();
        match url {
            Some(url) => known.uploads.insert(key.to_owned(), url.to_owned()),
            None => known.uploads.remove(key),
        };
        let Some(file) = &self.file else { return };
        let written = || -> std::io::Result<()> {
            if let Some(folder) = file.parent() {
                fs::create_dir_all(folder)?;
            }
            let new = file.with_extension("new");
            fs::write(&new, serde_json::to_vec_pretty(&*known)?)?;
            fs::rename(new, file)
        };
        if let Err(error) = written() {
            tracing::debug!(%error, "uploads can't be remembered");
        }
    }
}
