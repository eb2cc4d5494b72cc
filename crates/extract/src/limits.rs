//! What the extraction of one file may take.

use crate::format::Format;
use serde::{Deserialize, Serialize};
use std::time::Duration;

const MIB: u64 = 1 << 20;

/// Time that each so many bytes of a file that flows add to what it may take:
/// its readers go through it once or twice, and none is so slow.
const BYTES_A_SECOND: u64 = 4 * MIB;

/// Limits on one extraction. Those on bytes, text, files and OCR hold wherever it runs, the others
/// are those of the child process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest file that is read by a reader that holds it in memory, in bytes; largest message of a mailbox.
    pub input_bytes: u64,
    /// Largest file of a format that flows ([`Format::flows`](crate::Format::flows)), in bytes.
    pub flowing_bytes: u64,
    /// Most text that may come out, in bytes.
    pub text_bytes: u64,
    /// Most text of a reader that holds it in memory, in bytes, where `text_bytes` is more.
    pub held_text_bytes: u64,
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
            flowing_bytes: 4096 * MIB,
            text_bytes: 4096 * MIB,
            held_text_bytes: 256 * MIB,
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

impl Limits {
    /// Those of a reader that holds its text in memory.
    pub(crate) fn held(&self) -> Self {
        Self { text_bytes: self.text_bytes.min(self.held_text_bytes), ..*self }
    }

    /// Those of a file of this size: one that flows may be large, and takes its time.
    pub(crate) fn of_file(&self, format: Format, size: u64) -> Self {
        let more = match format.flows() {
            true => Duration::from_secs(size.min(self.flowing_bytes) / BYTES_A_SECOND),
            false => Duration::ZERO,
        };
        Self { cpu: self.cpu.saturating_add(more), wall: self.wall.saturating_add(more), ..*self }
    }
}
