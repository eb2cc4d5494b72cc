//! What a container holds, as a list and as sections.

use super::{Context, heading, label, within};
use crate::{error::ExtractError, extract::too_much_text};
use ragstream_core::{document::Metadata, text::DocumentText};
use std::{collections::BTreeSet, fmt::Write};

/// How a file is listed.
pub struct Listed<'a> {
    /// Its path in the container.
    pub name: &'a str,
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
}

/// Collects the files of a container.
pub struct Contents<'n> {
    context: &'n Context<'n>,
    /// Markdown: a bullet a file, with size and reason of a failure.
    listing: String,
    /// Markdown: a section a file.
    sections: String,
    files: u64,
    read: u64,
    failures: Vec<ExtractError>,
    extractors: BTreeSet<String>,
}

impl<'n> Contents<'n> {
    /// Nothing yet.
    pub fn new(context: &'n Context<'n>) -> Self {
        Self {
            context,
            listing: String::new(),
            sections: String::new(),
            files: 0,
            read: 0,
            failures: Vec::new(),
            extractors: BTreeSet::new(),
        }
    }

    /// Reads a file and lists it. `bytes` is not called for one too many.
    /// An error is one of the whole upload: it has spent its limits.
    pub fn add<B: AsRef<[u8]>>(
        &mut self,
        file: &Listed<'_>,
        bytes: impl FnOnce() -> Result<B, ExtractError>,
    ) -> Result<(), ExtractError> {
        self.add_text(file, |context| context.read(file.name, bytes()?.as_ref()))
    }

    /// The same for what is no file of its own.
    pub fn add_text(
        &mut self,
        file: &Listed<'_>,
        read: impl FnOnce(&Context<'_>) -> Result<DocumentText, ExtractError>,
    ) -> Result<(), ExtractError> {
        self.context.admit()?;
        self.files += 1;
        let outcome = read(self.context);
        let name = label(file.name);
        // A name that begins as a heading, a quote or a list would be one.
        let escape = if name.starts_with(|c: char| c.is_ascii_punctuation()) { "\\" } else { "" };
        let _ = write!(self.listing, "- {escape}{name}"); // a string takes all
        if let Some(size) = file.size {
            let _ = write!(self.listing, " ({size} bytes)");
        }
        match outcome {
            Ok(text) => {
                self.read += 1;
                let _ = write!(self.sections, "{}{}\n\n", heading(&name), within(&text).trim_end());
                self.note(text);
            }
            Err(ExtractError::Empty) => self.listing.push_str(": empty"),
            Err(error) if self.context.is_spent() => return Err(error),
            Err(error) => {
                let _ = write!(self.listing, ": not read, {}", label(&in_short(&error)));
                self.failures.push(error);
            }
        }
        self.listing.push('\n');
        match (self.listing.len() + self.sections.len()) as u64 > self.context.limits.text_bytes {
            true => Err(too_much_text(self.context.limits)),
            false => Ok(()),
        }
    }

    fn note(&mut self, text: DocumentText) {
        if let Some(inner) = text.metadata.get(EXTRACTORS).and_then(|value| value.as_array()) {
            self.extractors.extend(inner.iter().filter_map(|name| Some(name.as_str()?.to_owned())));
        }
        self.extractors.insert(text.extractor);
    }

    /// How many files there are.
    pub fn files(&self) -> u64 {
        self.files
    }

    /// The bullets.
    pub fn listing(&self) -> &str {
        &self.listing
    }

    /// The sections.
    pub fn sections(&self) -> &str {
        &self.sections
    }

    /// Tells how many files there are, how many were read, and by what.
    pub fn describe(&self, metadata: &mut Metadata) {
        metadata.insert("files".to_owned(), self.files.into());
        if self.files > 0 {
            metadata.insert("files_read".to_owned(), self.read.into());
        }
        if !self.extractors.is_empty() {
            metadata.insert(EXTRACTORS.to_owned(), self.extractors.iter().cloned().collect());
        }
    }

    /// Why nothing was read, where files failed and none gave text.
    pub fn failure(&self) -> Option<ExtractError> {
        let first = self.failures.first().filter(|_| self.read == 0)?;
        if self.failures.iter().all(|failure| failure.class() == first.class()) {
            return Some(first.clone());
        }
        let (failed, first) = (self.failures.len(), in_short(first));
        Some(ExtractError::Unsupported {
            reason: format!("none of the {failed} files in it can be read, for several reasons ({first})"),
        })
    }
}

/// Names the readers of what is inside, for the lineage.
const EXTRACTORS: &str = "extractors";

/// The reason without the advice, which is for whole uploads.
fn in_short(error: &ExtractError) -> String {
    match error {
        ExtractError::Encrypted => "it is encrypted".to_owned(),
        ExtractError::Corrupt { format, reason } => {
            format!("the {format} is damaged or incomplete: {reason}")
        }
        ExtractError::Unsupported { reason } | ExtractError::TooLarge { reason } => reason.clone(),
        ExtractError::NeedsOcr { .. } => "it has images without text".to_owned(),
        other => other.to_string(),
    }
}
