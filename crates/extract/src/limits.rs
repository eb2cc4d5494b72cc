//! What the extraction of one file may take.

use serde::{Deserialize, Serialize};
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Limits on one extraction. Those on bytes, text, files and OCR hold wherever it runs, the others
/// are those of the child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// How deep archives and mails are followed into each other: the upload is the first. Documents in
    /// documents are followed twice as deep.
    pub nesting: u32,
    /// Files in all archives and mails of an upload together.
    pub contained_files: u64,
    /// Bytes that all archives of an upload may unpack to together.
    pub unpacked_bytes: u64,
    /// The same as a multiple of the upload's size; 64 MiB are free.
    pub unpacked_ratio: u64,
    /// Time by the clock that OCR of all pictures of an upload may take together.
    pub ocr: Duration,
}

impl Default for Limits {
    /// Room for books of a few thousand pages: a PDF of 117 pages takes half a
    /// second, and a text of 3 MB some hundredths.
    fn default() -> Self {
        Self {
            input_bytes: 256 * MIB,
            text_bytes: 64 * MIB,
            memory_bytes: 2048 * MIB,
            cpu: Duration::from_secs(120),
            wall: Duration::from_secs(300),
            open_files: 64,
            written_bytes: 256 * MIB,
            // A ZIP in a TAR.GZ in a mail in a mailbox. A quine ends here.
            nesting: 4,
            // A source tree or a year of mail; each costs some tenths of a millisecond even where it is no document.
            contained_files: 10_000,
            // Unpacking takes a second for 200 MiB and more, a tenth of the processor time.
            unpacked_bytes: 2048 * MIB,
            // Texts and logs are packed to a tenth, a sheet of equal rows to a hundredth; bombs to a thousandth.
            unpacked_ratio: 400,
            // Some twenty pages of a scan; far enough from the end of all time to say what was read.
            ocr: Duration::from_secs(150),
        }
    }
}
