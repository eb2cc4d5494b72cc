//! What a container holds, as a list and as sections.

use super::{Context, Entries, Entry, heading, label, moved};
use crate::{
    detect::{HEAD_BYTES, content_type, detect},
    error::ExtractError,
    extract::too_much_text,
    format::Format,
};
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
    /// The same as data, with places in `sections`.
    entries: Entries,
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
            entries: Entries::default(),
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
        let mut kind = None;
        self.add_as(file, &mut kind, |context, kind| {
            let bytes = bytes()?;
            let head = &bytes.as_ref()[..bytes.as_ref().len().min(HEAD_BYTES)];
            *kind = detect(file.name, head).ok().map(|format| content_type(format, head));
            context.read(file.name, bytes.as_ref())
        })
    }

    /// The same for a message, which is no file of its own.
    pub fn add_mail(
        &mut self,
        file: &Listed<'_>,
        read: impl FnOnce(&Context<'_>) -> Result<DocumentText, ExtractError>,
    ) -> Result<(), ExtractError> {
        self.add_as(file, &mut Some(Format::Eml.content_type()), |context, _| read(context))
    }

    fn add_as(
        &mut self,
        file: &Listed<'_>,
        kind: &mut Option<&'static str>,
        read: impl FnOnce(&Context<'_>, &mut Option<&'static str>) -> Result<DocumentText, ExtractError>,
    ) -> Result<(), ExtractError> {
        self.context.admit()?;
        self.files += 1;
        let outcome = read(self.context, kind);
        let name = label(file.name);
        let mut entry = Entry {
            path: name.clone(),
            content_type: kind.map(str::to_owned),
            size_bytes: file.size,
            ..Entry::default()
        };
        // A name that begins as a heading, a quote or a list would be one.
        let escape = if name.starts_with(|c: char| c.is_ascii_punctuation()) { "\\" } else { "" };
        let _ = write!(self.listing, "- {escape}{name}"); // a string takes all
        if let Some(size) = file.size {
            let _ = write!(self.listing, " ({size} bytes)");
        }
        match outcome {
            Ok(text) => {
                self.read += 1;
                self.section(entry, text);
            }
            Err(ExtractError::Empty) => {
                self.listing.push_str(": empty");
                entry.fail(&ExtractError::Empty, "it has no text");
                self.entries.add(entry);
            }
            Err(error) if self.context.is_spent() => return Err(error),
            Err(error) => {
                let reason = label(&in_short(&error));
                let _ = write!(self.listing, ": not read, {reason}");
                entry.fail(&error, &reason);
                self.entries.add(entry);
                self.failures.push(error);
            }
        }
        self.listing.push('\n');
        match (self.listing.len() + self.sections.len()) as u64 > self.context.limits.text_bytes {
            true => Err(too_much_text(self.context.limits.text_bytes)),
            false => Ok(()),
        }
    }

    /// Writes what a file says below its name, and notes where that is.
    fn section(&mut self, mut entry: Entry, mut text: DocumentText) {
        let begin = self.sections.len() as u64;
        self.sections.push_str(&heading(&entry.path));
        let within = self.sections.len();
        let (shown, moves) = moved(&text);
        self.sections.push_str(shown.trim_end());
        let end = self.sections.len() as u64;
        self.sections.push_str("\n\n");
        let inner = Entries::take(&mut text.metadata);
        entry.span = Some([begin, end]);
        entry.title = text.title.take();
        entry.pages = (!text.pages.is_empty()).then_some(text.pages.len() as u64);
        let name = entry.path.clone();
        self.entries.add(entry);
        match moves {
            Some(moves) => {
                let place = |byte| ((within + moves.of(byte as usize)) as u64).min(end);
                self.entries.add_within(&name, &inner, place);
            }
            None => self.entries.add_within(&name, &inner.unplaced(), |byte| byte),
        }
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

    /// What there is, with places in the sections.
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// Tells what files there are, how many were read, and by what. `place` says where
    /// in the text a byte of the sections is.
    pub fn describe(&self, metadata: &mut Metadata, place: impl Fn(u64) -> u64) {
        self.entries.placed(place).describe(metadata);
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
