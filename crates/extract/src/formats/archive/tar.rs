//! TAR.

use super::{bytes_of, document};
use crate::{
    charset::decode,
    contained::{Contents, Context, Listed},
    error::ExtractError,
    format::Format,
};
use ragstream_core::text::DocumentText;
use std::io::Read;
use tar::{Archive, EntryType};

/// How long a header is.
const HEADER_BYTES: usize = 512;

/// Where in it its checksum is.
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// One that is cut off gives what comes before the cut, and says so in `damaged`.
pub fn extract(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    stream(bytes, context, "tar-0.4/1")
}

/// Whether these bytes, the first of a file, are a header: its checksum is right.
pub fn is_header(head: &[u8]) -> bool {
    let Some(header) = head.first_chunk::<HEADER_BYTES>() else { return false };
    let told = String::from_utf8_lossy(&header[CHECKSUM]).into_owned();
    let told = u32::from_str_radix(told.trim_matches(['\0', ' ']), 8);
    let plain = |at: usize| if CHECKSUM.contains(&at) { b' ' } else { header[at] };
    let sum: u32 = (0..HEADER_BYTES).map(|at| u32::from(plain(at))).sum();
    header[0] != 0 && told == Ok(sum)
}

pub(super) fn stream(
    reader: impl Read,
    context: &Context<'_>,
    extractor: &str,
) -> Result<DocumentText, ExtractError> {
    let corrupt = |reason: String| ExtractError::corrupt(Format::Tar, reason);
    let mut archive = Archive::new(reader);
    let mut contents = Contents::new(context);
    let mut damage = None;
    for entry in archive.entries().map_err(|error| corrupt(error.to_string()))? {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                damage = Some(super::failed(context, &error, corrupt));
                break;
            }
        };
        let kind = entry.header().entry_type();
        if !matches!(kind, EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse) {
            continue;
        }
        let name = decode(&entry.path_bytes(), None).text;
        let size = entry.size();
        contents.add(&Listed { name: &name, size: Some(size) }, || {
            // Holes are in no stream, and in none of its counts.
            if kind == EntryType::GNUSparse && !context.budget.take(size) {
                return Err(super::unpacked_too_much());
            }
            let bytes = bytes_of(context, &mut entry, corrupt)?;
            if (bytes.len() as u64) < size {
                damage = Some(corrupt("it is cut off".to_owned()));
            }
            Ok(bytes)
        })?;
    }
    match damage {
        Some(damage) if contents.files() == 0 || context.is_spent() => Err(damage),
        damage => {
            let mut text = document(&contents, extractor)?;
            if damage.is_some() {
                text.metadata.insert("damaged".to_owned(), true.into());
            }
            Ok(text)
        }
    }
}
