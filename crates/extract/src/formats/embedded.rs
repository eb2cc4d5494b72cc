//! Documents inside of a document: attached to it, or shown in it.

use super::{context::Context, ole, writer::Writer, zipped::Zipped};
use crate::{
    detect::{HEAD_BYTES, detect},
    error::ExtractError,
    extract::dispatch,
    format::Format,
};
use ragstream_core::text::{DocumentText, Markup};

/// Largest document inside of another that is read, in bytes.
pub const MAX_BYTES: u64 = 64 << 20;

/// Members of a plain archive inside of a document that are read.
const MAX_MEMBERS: usize = 100;

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
    /// read is counted: what holds it is still worth reading.
    pub fn write(&mut self, writer: &mut Writer, context: &Context<'_>) -> Result<(), ExtractError> {
        for (name, bytes) in std::mem::take(&mut self.found) {
            let Some(context) = context.inside() else {
                self.unread += 1;
                continue;
            };
            match read(&name, &bytes, &context) {
                Ok(text) => {
                    writer.heading(2, &format!("Embedded: {name}"))?;
                    match text.markup {
                        Markup::Markdown => writer.markdown(&text.text)?,
                        Markup::Plain => {
                            text.text.split("\n\n").try_for_each(|part| writer.paragraph(part))?
                        }
                    }
                    self.names.push(name);
                }
                // The limits of the whole upload are no matter of one document.
                Err(error @ ExtractError::TooLarge { .. }) => return Err(error),
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

/// Any document, of any format that is read.
pub fn read(name: &str, bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    match detect(name, &bytes[..bytes.len().min(HEAD_BYTES)]) {
        Ok(format) => dispatch(format, bytes, context),
        Err(_) if bytes.starts_with(b"PK") => archive(bytes, context),
        Err(unsupported) => Err(unsupported.into()),
    }
}

/// The documents of a plain archive that is inside of a document.
fn archive(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let mut zip = Zipped::open(bytes, Format::Text, &context.budget)?;
    let mut inside = Embedded::default();
    for entry in zip.entries().into_iter().filter(|entry| !entry.folder).take(MAX_MEMBERS) {
        let name = String::from_utf8_lossy(&entry.name_raw).into_owned();
        match zip.by_index(entry.index).and_then(|member| member.bytes(MAX_BYTES)) {
            Ok(bytes) => inside.add(&name, bytes),
            Err(error @ ExtractError::TooLarge { .. }) => return Err(error),
            Err(_) => inside.skip(),
        }
    }
    let mut writer = Writer::new(context.limits);
    inside.write(&mut writer, context)?;
    if writer.is_empty() {
        return Err(ExtractError::Empty);
    }
    let (text, _) = writer.finish();
    Ok(DocumentText { text, markup: Markup::Markdown, ..DocumentText::default() })
}
