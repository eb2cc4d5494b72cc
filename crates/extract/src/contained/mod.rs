//! Documents inside of documents: members of archives, attachments of mail.
//!
//! What holds:
//! - A file that can't be read is listed with its reason and fails nothing
//!   else; where no file gave any text, neither does what contains them.
//! - All that is read of one upload shares its limits ([`Context`]): how deep,
//!   how many files, how many bytes unpacked, how much text. Spending them is
//!   a failure of the whole upload that names the limit.
//! - The name of a file inside is shown, and tells its format. It is never a
//!   path on this machine.
//! - What contains files lists them in its metadata (`contents`): path, kind,
//!   size, where in the text each is, or why it was not read.

mod contents;
mod entries;
mod markdown;

pub use contents::{Contents, Listed};
pub use entries::{Entries, Entry};
pub use markdown::{Moves, heading, label, moved, plain, shifted, within};

use crate::{
    detect::{HEAD_BYTES, detect},
    error::ExtractError,
    extract::dispatch,
    format::Format,
    formats::zipped::Budget,
    limits::Limits,
};
use ragstream_core::text::DocumentText;
use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    time::Duration,
};

/// So many bytes may be unpacked of any upload, whatever its size: they do no harm.
const UNPACKED_FREE: u64 = 64 << 20;

/// Where in an upload a reader is, and what all of its readers together may still take.
pub struct Context<'a> {
    /// The limits of the upload.
    pub limits: &'a Limits,
    /// The name of the file that is read.
    pub name: &'a str,
    /// What may still be unpacked.
    pub budget: Budget,
    /// How deep it lies: the upload is 0.
    depth: u32,
    shared: Rc<Shared>,
}

/// What all readers of an upload have in common.
struct Shared {
    files_left: Cell<u64>,
    too_many_files: Cell<bool>,
    ocr_left: Cell<Duration>,
}

impl<'a> Context<'a> {
    /// An upload of so many bytes under this name.
    pub fn new(name: &'a str, size: u64, limits: &'a Limits) -> Self {
        let unpacked = size.saturating_mul(limits.unpacked_ratio).max(UNPACKED_FREE);
        Self {
            limits,
            name,
            budget: Budget::new(unpacked.min(limits.unpacked_bytes)),
            depth: 0,
            shared: Rc::new(Shared {
                files_left: Cell::new(limits.contained_files),
                too_many_files: Cell::new(false),
                ocr_left: Cell::new(limits.ocr),
            }),
        }
    }

    /// Counts a file before it is looked at; `TooLarge` where there are too many.
    pub fn admit(&self) -> Result<(), ExtractError> {
        let Some(left) = self.shared.files_left.get().checked_sub(1) else {
            self.shared.too_many_files.set(true);
            let most = self.limits.contained_files;
            return Err(ExtractError::TooLarge { reason: format!("it contains more than {most} files") });
        };
        self.shared.files_left.set(left);
        Ok(())
    }

    /// Whether a limit of the whole upload was hit: no other file can be read then.
    pub fn is_spent(&self) -> bool {
        // One byte more or less is no matter.
        !self.budget.take(1) || self.shared.too_many_files.get()
    }

    /// Time that is left for OCR.
    pub fn ocr_left(&self) -> Duration {
        self.shared.ocr_left.get()
    }

    /// Takes from the time for OCR.
    pub fn spend_ocr(&self, time: Duration) {
        self.shared.ocr_left.set(self.ocr_left().saturating_sub(time));
    }

    /// The text of a file inside the one that is read.
    pub fn read(&self, name: &str, bytes: &[u8]) -> Result<DocumentText, ExtractError> {
        let format = detect(name, &bytes[..bytes.len().min(HEAD_BYTES)])?;
        self.descend(name, format, |context| dispatch(format, bytes, context))
    }

    /// Goes one deeper. A panic of a reader there is an error of that file.
    pub fn descend(
        &self,
        name: &str,
        format: Format,
        read: impl FnOnce(&Context<'_>) -> Result<DocumentText, ExtractError>,
    ) -> Result<DocumentText, ExtractError> {
        let inner = Context {
            limits: self.limits,
            name,
            budget: self.budget.clone(),
            depth: self.depth + 1,
            shared: Rc::clone(&self.shared),
        };
        let most = self.limits.nesting;
        let is_too_deep = match format.is_container() {
            true => inner.depth >= most,
            false => inner.depth > most.saturating_mul(2),
        };
        if is_too_deep {
            return Err(ExtractError::TooLarge { reason: format!("it is nested more than {most} deep") });
        }
        catch_unwind(AssertUnwindSafe(|| read(&inner)))
            .unwrap_or_else(|_| Err(ExtractError::corrupt(format, "the reader gave up on it")))
    }
}

impl Format {
    /// Whether its files hold files.
    fn is_container(self) -> bool {
        matches!(
            self,
            Self::Zip | Self::Tar | Self::Gzip | Self::SevenZip | Self::Eml | Self::Mbox | Self::Msg
        )
    }
}
