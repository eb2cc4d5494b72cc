//! Mail: who wrote what to whom, and what was attached.

mod lzfu;
mod mailbox;
mod mime;
mod outlook;

pub use mailbox::extract as mbox;
pub use mime::extract as eml;
pub use outlook::{FIXED as PROPERTIES, extract as msg};

use crate::{
    contained::{Contents, Moves, heading, label, plain, shifted},
    error::ExtractError,
    formats::html,
};
use ragstream_core::{
    document::Metadata,
    text::{DocumentText, Markup},
};
use std::fmt::Write;

/// Most addresses of a field that are shown.
const ADDRESSES_SHOWN: usize = 200;

/// A message, whatever it was stored in.
#[derive(Default)]
struct Mail {
    subject: Option<String>,
    from: Vec<String>,
    to: Vec<String>,
    cc: Vec<String>,
    /// As people write it, and as machines do.
    date: Option<(String, String)>,
    message_id: Option<String>,
    /// Markdown.
    body: String,
}

impl Mail {
    /// Markdown of one message, and where in it the sections of what is attached are.
    /// `untitled` is the heading of one without a subject.
    fn compose(&self, contents: &Contents<'_>, untitled: Option<&str>) -> (String, Place) {
        let mut text = String::new();
        let subject = self.subject.as_deref().map(label).filter(|subject| !subject.is_empty());
        if let Some(title) = subject.as_deref().or(untitled) {
            text.push_str(&heading(title));
        }
        for (name, addresses) in [("From", &self.from), ("To", &self.to), ("Cc", &self.cc)] {
            if !addresses.is_empty() {
                let _ = writeln!(text, "{name}: {}", label_all(addresses)); // a string takes all
            }
        }
        if let Some((date, _)) = &self.date {
            let _ = writeln!(text, "Date: {date}");
        }
        let _ = write!(text, "\n{}", self.body.trim());
        let mut place = Place::default();
        if contents.files() > 0 {
            let (sections, moves) = shifted(contents.sections());
            let _ = write!(text, "\n\nAttachments:\n\n{}\n", contents.listing());
            place = Place { begin: text.len(), moves };
            text.push_str(&sections);
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        (text, place)
    }

    fn metadata(&self) -> Metadata {
        let mut metadata = Metadata::new();
        for (name, addresses) in [("from", &self.from), ("to", &self.to), ("cc", &self.cc)] {
            if !addresses.is_empty() {
                let shown = addresses.iter().take(ADDRESSES_SHOWN).map(|address| label(address));
                metadata.insert(name.to_owned(), shown.collect());
            }
        }
        let fields = [
            ("date", self.date.as_ref().map(|(_, date)| date)),
            ("subject", self.subject.as_ref()),
            ("message_id", self.message_id.as_ref()),
        ];
        for (name, value) in fields {
            if let Some(value) = value {
                metadata.insert(name.to_owned(), label(value).into());
            }
        }
        metadata
    }

    /// The message as a document of its own.
    fn into_text(self, contents: &Contents<'_>, extractor: &str) -> Result<DocumentText, ExtractError> {
        let mut metadata = self.metadata();
        let (text, place) = self.compose(contents, None);
        if contents.files() > 0 {
            contents.describe(&mut metadata, |byte| place.of(byte).min(text.len() as u64));
        }
        // Header fields alone are what a mail may be about; a message of nothing is none.
        if self.subject.is_none() && self.body.trim().is_empty() && contents.files() == 0 {
            return Err(ExtractError::Empty);
        }
        Ok(DocumentText {
            text,
            markup: Markup::Markdown,
            title: self.subject.as_deref().map(label).filter(|subject| !subject.is_empty()),
            metadata,
            extractor: extractor.to_owned(),
            ..Default::default()
        })
    }
}

/// Where the sections of what is attached are in a message.
#[derive(Default)]
struct Place {
    begin: usize,
    moves: Moves,
}

impl Place {
    fn of(&self, byte: u64) -> u64 {
        (self.begin + self.moves.of(byte as usize)) as u64
    }
}

fn label_all(addresses: &[String]) -> String {
    let shown: Vec<String> = addresses.iter().take(ADDRESSES_SHOWN).map(|address| label(address)).collect();
    let more = addresses.len() - shown.len();
    if more > 0 { format!("{}, and {more} more", shown.join(", ")) } else { shown.join(", ") }
}

/// `Ada <ada@example.org>`, or what of it there is.
fn address(name: Option<&str>, mailbox: Option<&str>) -> Option<String> {
    let known = |text: Option<&str>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    match (known(name), known(mailbox)) {
        (Some(name), Some(mailbox)) if name != mailbox => Some(format!("{name} <{mailbox}>")),
        (_, Some(one)) | (Some(one), None) => Some(one),
        (None, None) => None,
    }
}

/// Markdown of the plain text, or else of the HTML.
fn best_body(text: &str, html: &str) -> Result<String, ExtractError> {
    if text.trim().is_empty() && !html.trim().is_empty() {
        return Ok(shifted(&html::extract(html.as_bytes())?.text).0);
    }
    Ok(plain(&super::tidy(text.to_owned())))
}
