//! A folder for what a test process needs on disk, removed by a later one: the
//! shared parts live until the process ends, and then nobody is left to remove theirs.

use ragstream_embedded::FolderLock;
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::OnceLock,
};

struct Scratch {
    dir: PathBuf,
    // Tells later processes that this one still runs.
    _lock: FolderLock,
}

/// A new folder of this process.
pub(crate) fn folder(name: &str) -> PathBuf {
    static SCRATCH: OnceLock<Scratch> = OnceLock::new();
    SCRATCH.get_or_init(make).dir.join(name)
}

fn make() -> Scratch {
    let all = std::env::temp_dir().join("ragstream-tests");
    fs::create_dir_all(&all).expect("the folder for temporary files takes a folder");
    // Held while folders come and go, so that nobody's new folder is taken for an abandoned one.
    let guard = File::create(all.join("lock")).expect("the folder for temporary files takes a file");
    guard.lock().expect("a local file can be locked");
    sweep(&all);
    let dir = all.join(uuid::Uuid::new_v4().simple().to_string());
    let lock = FolderLock::acquire(&dir).expect("a new folder is free");
    Scratch { dir, _lock: lock }
}

/// Removes the folders of processes that have ended.
fn sweep(all: &Path) {
    for entry in fs::read_dir(all).into_iter().flatten().flatten() {
        if entry.path().is_dir() && FolderLock::acquire(&entry.path()).is_ok() {
            // What can't be removed now is removed by the next one.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
