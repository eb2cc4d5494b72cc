//! What the extraction of one file may take.

use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Limits on one extraction. The first two hold wherever it runs, the others
/// are those of the child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest file that is read, in bytes. Readers hold it in memory.
    pub input_bytes: u64,
    /// Most text that may come out, in bytes.
    pub text_bytes: u64,
    /// Address space (`RLIMIT_AS`), in bytes: a parser that asks for more is gone.
    pub memory_bytes: u64,
    /// Processor time (`RLIMIT_CPU`), in whole seconds, at least one.
    pub cpu: Duration,
    /// Time by the clock.
    pub wall: Duration,
    /// Files that may be open at once (`RLIMIT_NOFILE`).
    pub open_files: u64,
    /// Largest file that may be written (`RLIMIT_FSIZE`), in bytes.
    pub written_bytes: u64,
}

impl Default for Limits {
    /// Room for books of a few thousand pages. A PDF of 1,200 pages takes some
    /// ten seconds and a few hundred MiB.
    fn default() -> Self {
        Self {
            input_bytes: 256 * MIB,
            text_bytes: 64 * MIB,
            memory_bytes: 2048 * MIB,
            cpu: Duration::from_secs(120),
            wall: Duration::from_secs(300),
            open_files: 64,
            written_bytes: 256 * MIB,
        }
    }
}
