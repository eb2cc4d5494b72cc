//! ZIP.

use super::document;
use crate::{
    charset::decode,
    contained::{Contents, Listed, Nest},
    error::ExtractError,
    format::Format,
    formats::zipped::{Entry, Zipped},
};
use encoding_rs::Encoding;
use ragstream_core::text::DocumentText;

/// `Encrypted` where all members are.
pub fn extract(bytes: &[u8], nest: &Nest<'_>) -> Result<DocumentText, ExtractError> {
    let mut zipped = Zipped::open(bytes, Format::Zip, &nest.budget)?;
    let entries = zipped.entries();
    let encoding = encoding(&entries);
    let most = nest.limits.input_bytes;
    let mut contents = Contents::new(nest);
    for entry in entries.iter().filter(|entry| !entry.folder) {
        let name = decode(&entry.name_raw, encoding).text;
        contents.add(&Listed { name: &name, size: Some(entry.size) }, || match entry.encrypted {
            true => Err(ExtractError::Encrypted),
            false => zipped.by_index(entry.index)?.bytes(most),
        })?;
    }
    document(&contents, "zip-9/1")
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
