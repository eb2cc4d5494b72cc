//! Documents inside of a document: attached to it, or shown in it.

use super::{ole, writer::Writer};
use crate::{
    contained::{Context, within},
    error::ExtractError,
};
use ragstream_core::text::DocumentText;

/// Largest document inside of another that is read, in bytes.
pub const MAX_BYTES: u64 = 64 << 20;

/// What was found inside of a document.
#[derive(Debug, Default)]
pub struct Embedded {
    /// Name and bytes, to be read when the document itself has been.
    found: Vec<(String, Vec<u8>)>,
    names: Vec<String>,
    unread: u64,
}

impl Embedded {
    /// Keeps a document for later, without what wraps it.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) {
        let (name, bytes) = ole::attachment(&bytes).unwrap_or((name.to_owned(), bytes));
        let name = name.rsplit(['/', '\\']).next().unwrap_or_default().to_owned();
        self.found.push((name, bytes));
    }

    /// One more that can't be read.
    pub fn skip(&mut self) {
        self.unread += 1;
    }

    /// Writes the text of each below a heading with its name. One that can't be
    /// read is counted: what holds it is still worth reading. An error is one
    /// of the whole upload: it has spent its limits.
    pub fn write(&mut self, writer: &mut Writer, context: &Context<'_>) -> Result<(), ExtractError> {
        for (name, bytes) in std::mem::take(&mut self.found) {
            context.admit()?;
            match context.read(&name, &bytes) {
                Ok(text) => {
                    writer.heading(2, &format!("Embedded: {name}"))?;
                    writer.markdown(&within(&text))?;
                    self.names.push(name);
                }
                Err(error) if context.is_spent() => return Err(error),
                Err(ExtractError::Empty) => {}
                Err(_) => self.unread += 1,
            }
        }
        Ok(())
    }

    /// Tells what was read and how many could not be.
    pub fn describe(self, text: &mut DocumentText) {
        if !self.names.is_empty() {
            text.metadata.insert("embedded".to_owned(), self.names.into());
        }
        if self.unread > 0 {
            text.metadata.insert("unreadable_embedded".to_owned(), self.unread.into());
        }
    }
}
