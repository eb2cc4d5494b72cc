//! For tests without a harness, whose executable is the fork server and the readers, too.
#![allow(dead_code, clippy::unwrap_used)]

use ragstream_core::fault::Fault;
use ragstream_extract::{ChildExtractor, DocumentText, Extraction, Limits};
use std::{
    fs,
    future::Future,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The argument that makes the executable a fork server.
pub const CHILD: &str = "extract-child";
/// How long a test waits for what a child does: far above what is needed.
const PATIENCE: Duration = Duration::from_secs(60);
const MISBEHAVING: &str = "misbehave:";

/// A document whose reader misbehaves instead.
pub fn misbehaving(how: &str) -> String {
    format!("{MISBEHAVING}{how}")
}

/// How the reader of this document is to misbehave, if it is.
pub fn misbehaviour(document: &str) -> Option<&str> {
    document.strip_prefix(MISBEHAVING).map(str::trim)
}

/// Runs a test, which has to end before its deadline.
pub async fn run(name: &str, deadline: Duration, test: impl Future<Output = ()>) {
    let begin = Instant::now();
    tokio::time::timeout(deadline, test).await.unwrap_or_else(|_| panic!("{name}: no end"));
    println!("test {name} ... ok ({:.1} s)", begin.elapsed().as_secs_f64());
}

/// Waits for it.
pub async fn until<T>(mut ready: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(value) = ready() {
            return value;
        }
        assert!(begin.elapsed() < PATIENCE, "never");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Reads by children of this executable.
pub fn extractor(limits: Limits) -> ChildExtractor {
    ChildExtractor::new(std::env::current_exe().unwrap(), vec![CHILD.to_owned()], limits)
}

/// A folder for documents.
pub struct Folder(pub tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    pub async fn start(&self, limits: Limits, content: impl AsRef<[u8]>) -> Result<Extraction, Fault> {
        extractor(limits).start(&self.file("document.txt", content), "document.txt").await
    }

    pub async fn extract(&self, limits: Limits, content: impl AsRef<[u8]>) -> Result<DocumentText, Fault> {
        extractor(limits).extract(&self.file("document.txt", content), "document.txt").await
    }
}

/// Tells the test which process this reader is.
pub fn tell_pid(path: &Path) {
    fs::write(path.with_extension("pid"), std::process::id().to_string()).unwrap();
}

/// Says its id, and goes on doing nothing.
pub fn sleep(path: &Path) -> ! {
    loop {
        tell_pid(path);
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Takes memory until there is none.
pub fn eat() -> ! {
    let mut eaten = Vec::new();
    loop {
        eaten.push(vec![1u8; 1 << 24]);
    }
}

/// Takes processor time until there is none.
pub fn spin() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Ends as one that somebody else kills.
pub fn be_killed() {
    // SAFETY: a plain system call on this very process.
    unsafe { libc::raise(libc::SIGKILL) };
}
