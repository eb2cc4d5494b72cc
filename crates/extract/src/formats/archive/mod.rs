//! Archives: what is in them as a list, and each document in them as a section.
//!
//! Everything happens in memory: a member is unpacked, read and dropped before
//! the next one, and what comes out is counted, whatever the archive says.

mod gzip;
mod seven_zip;
mod tar;
mod zip;

pub use gzip::extract as gzip;
pub use seven_zip::extract as seven_zip;
pub use tar::extract as tar;
pub use zip::{extract as zip, members};

use super::zipped::Budget;
use crate::{
    contained::{Contents, Context},
    error::ExtractError,
};
use ragstream_core::{
    document::Metadata,
    text::{DocumentText, Markup},
};
use std::io::{self, Read};

/// A stream that counts what comes out of it against what may be unpacked.
struct Counted<R> {
    inner: R,
    budget: Budget,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        match self.budget.take(read as u64) {
            true => Ok(read),
            false => Err(io::Error::other("unpacked it is more than may be read of one file")),
        }
    }
}

/// What an error of a stream means: the limit where that was hit, else what `damaged` says of it.
fn failed(
    context: &Context<'_>,
    error: &io::Error,
    damaged: impl FnOnce(String) -> ExtractError,
) -> ExtractError {
    match context.is_spent() {
        true => unpacked_too_much(),
        false => damaged(error.to_string()),
    }
}

fn unpacked_too_much() -> ExtractError {
    ExtractError::TooLarge { reason: "unpacked it is more than may be read of one file".to_owned() }
}

/// The bytes of one member, `TooLarge` where they are more than an upload may have.
fn bytes_of(
    context: &Context<'_>,
    mut member: impl Read,
    damaged: impl FnOnce(String) -> ExtractError,
) -> Result<Vec<u8>, ExtractError> {
    let most = context.limits.input_bytes;
    let mut bytes = Vec::new();
    let read = (&mut member).take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| failed(context, &error, damaged))?;
    match bytes.len() as u64 > most {
        true => Err(ExtractError::TooLarge { reason: format!("unpacked it is more than {most} bytes") }),
        false => Ok(bytes),
    }
}

/// The archive as a document.
fn document(contents: &Contents<'_>, extractor: &str) -> Result<DocumentText, ExtractError> {
    if let Some(failure) = contents.failure() {
        return Err(failure);
    }
    if contents.files() == 0 {
        return Err(ExtractError::Empty);
    }
    let files = contents.files();
    let mut text = format!(
        "Archive of {files} {}:\n\n{}\n",
        if files == 1 { "file" } else { "files" },
        contents.listing()
    );
    let begin = text.len() as u64;
    text.push_str(contents.sections());
    text.truncate(text.trim_end().len());
    text.push('\n');
    let mut metadata = Metadata::new();
    contents.describe(&mut metadata, |byte| (begin + byte).min(text.len() as u64));
    Ok(DocumentText {
        text,
        markup: Markup::Markdown,
        metadata,
        extractor: extractor.to_owned(),
        ..Default::default()
    })
}
