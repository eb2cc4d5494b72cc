//! 7-Zip.

use super::{Counted, bytes_of, document, unpacked_too_much};
use crate::{
    contained::{Contents, Context, Listed},
    error::ExtractError,
    format::Format,
};
use ragstream_core::text::DocumentText;
use sevenz_rust2::{Archive, ArchiveReader, Error, Password};
use std::io::{Cursor, Read, copy, sink};

/// `Encrypted` where a password is needed, for the list or for what is in it.
pub fn extract(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let archive =
        Archive::read(&mut Cursor::new(bytes), &Password::empty()).map_err(|error| failed(&error))?;
    let mut reader = ArchiveReader::from_archive(archive, Cursor::new(bytes), Password::empty());
    reader.set_thread_count(1);
    let mut contents = Contents::new(context);
    // An error of ours that ends the walk, and is no error of the archive.
    let mut ours = None;
    let walked = reader.for_each_entries(|entry, stream| {
        if entry.is_directory() || entry.is_anti_item() {
            return Ok(true);
        }
        let mut stream = Counted { inner: stream, budget: context.budget.clone() };
        let mut damage = None;
        let added = contents.add(&Listed { name: entry.name(), size: Some(entry.size()) }, || {
            bytes_of(context, &mut stream, |reason| {
                damage = Some(reason.clone());
                ExtractError::corrupt(Format::SevenZip, reason)
            })
        });
        if let Err(error) = added {
            ours = Some(error);
            return Ok(false);
        }
        // What comes after a damaged member in its block is lost.
        if let Some(damage) = damage {
            return Err(Error::Other(damage.into()));
        }
        // What was too much of one member is in the way of the next, and counts.
        if copy(&mut stream.by_ref(), &mut sink()).is_err() && context.is_spent() {
            ours = Some(unpacked_too_much());
            return Ok(false);
        }
        Ok(true)
    });
    if let Some(error) = ours {
        return Err(error);
    }
    match walked {
        Err(error) if contents.files() == 0 || matches!(failed(&error), ExtractError::Encrypted) => {
            Err(failed(&error))
        }
        walked => {
            let mut text = document(&contents, "sevenz-rust2-0.24/1")?;
            if walked.is_err() {
                text.metadata.insert("damaged".to_owned(), true.into());
            }
            Ok(text)
        }
    }
}

fn failed(error: &Error) -> ExtractError {
    match error {
        Error::PasswordRequired | Error::MaybeBadPassword(_) => ExtractError::Encrypted,
        Error::UnsupportedCompressionMethod(method) if method.contains("AES") => ExtractError::Encrypted,
        Error::UnsupportedCompressionMethod(method) => {
            ExtractError::Unsupported { reason: format!("the archive is packed by {method}") }
        }
        other => ExtractError::corrupt(Format::SevenZip, other.to_string()),
    }
}
