//! Bytes to text: what a file is, and what it says.
//!
//! [`detect()`] tells the format from the first bytes, [`extract()`] reads a
//! file in this process, and [`ChildExtractor`] does so in a process of its
//! own with limits on memory, time and output, which is how a file of unknown
//! origin is to be read: its parser may crash, hang or eat all memory, and
//! nothing but its own job fails.
//!
//! Text flows: [`ChildExtractor::start`] gives it piece by piece while the file
//! is still being read, and formats that are read from front to back
//! ([`Format::flows`]) take the same memory whatever the size of the file.
//!
//! What holds: success is never empty; every failure has a stable class and
//! says what a person can do; text has no NUL and lines end in `\n`.

mod charset;
mod child;
mod contained;
mod detect;
mod error;
mod extract;
mod format;
mod formats;
mod limits;
mod magic;
mod ocr;
mod outlet;
mod outline;

pub use child::{ChildExtractor, Extraction, child_main, child_main_after};
pub use detect::{HEAD_BYTES, Unsupported, content_type, detect};
pub use error::ExtractError;
pub use extract::{extract, extract_named};
pub use format::Format;
pub use limits::Limits;
pub use ragstream_core::text::{DocumentText, Markup, PageStart, TextFacts, TextHead, TextPart};
