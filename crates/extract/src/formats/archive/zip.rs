//! ZIP.

use super::document;
use crate::{
    charset::decode,
    contained::{Contents, Context, Listed},
    error::ExtractError,
    format::Format,
    formats::{
        office,
        zipped::{Entry, Zipped},
    },
};
use encoding_rs::Encoding;
use ragstream_core::text::DocumentText;
use std::io::Cursor;
use zip::ZipArchive;

/// `Encrypted` where all members are. A document that is packed as a ZIP and
/// shows it late is read as what it is.
pub fn extract(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let zipped = Zipped::open(bytes, Format::Zip, &context.budget)?;
    match office::is_document(&zipped) {
        true => office::extract(Format::Zip, bytes, context),
        false => members(zipped, bytes, context),
    }
}

/// An archive that is nothing else.
pub fn members(
    mut zipped: Zipped<'_>,
    bytes: &[u8],
    context: &Context<'_>,
) -> Result<DocumentText, ExtractError> {
    let entries = zipped.entries();
    let (encoding, sizes) = (encoding(&entries), sizes(bytes));
    let most = context.limits.input_bytes;
    let mut contents = Contents::new(context);
    for entry in entries.iter().filter(|entry| !entry.folder) {
        let name = decode(&entry.name_raw, encoding).text;
        let size = sizes.get(entry.index).copied().flatten();
        contents.add(&Listed { name: &name, size }, || match entry.encrypted {
            true => Err(ExtractError::Encrypted),
            false => zipped.by_index(entry.index)?.bytes(most),
        })?;
    }
    document(&contents, "zip-9/1")
}

/// What the directory says of sizes, by the place in it: to be shown, and believed by nobody.
fn sizes(bytes: &[u8]) -> Vec<Option<u64>> {
    let Ok(archive) = ZipArchive::new(Cursor::new(bytes)) else { return Vec::new() };
    (0..archive.len()).map(|index| archive.by_index_data(index).ok().map(|data| data.size())).collect()
}

/// Names are in UTF-8, or in the encoding of whoever packed them, which all of
/// them together tell better than each alone.
fn encoding(entries: &[Entry]) -> Option<&'static Encoding> {
    let names: Vec<&[u8]> = entries
        .iter()
        .map(|entry| &*entry.name_raw)
        .filter(|name| std::str::from_utf8(name).is_err())
        .collect();
    if names.is_empty() {
        return None;
    }
    Encoding::for_label(decode(&names.join(&b'\n'), None).encoding.as_bytes())
}
