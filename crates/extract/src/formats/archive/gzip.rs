//! gzip: one file, or a TAR archive.

use super::{Counted, bytes_of, tar};
use crate::{charset::decode, contained::Context, detect::HEAD_BYTES, error::ExtractError, format::Format};
use flate2::bufread::{GzDecoder, MultiGzDecoder};
use ragstream_core::text::DocumentText;
use std::io::{Cursor, Read};

/// What is said of the file inside, or of all files in the archive inside.
pub fn extract(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let corrupt = |reason: String| ExtractError::corrupt(Format::Gzip, reason);
    let mut stream = Counted { inner: MultiGzDecoder::new(bytes), budget: context.budget.clone() };
    let mut head = Vec::new();
    let read = (&mut stream).take(HEAD_BYTES as u64).read_to_end(&mut head);
    read.map_err(|error| super::failed(context, &error, corrupt))?;
    let is_tar = tar::is_header(&head);
    let stream = Cursor::new(&head).chain(stream);
    if is_tar {
        return tar::stream(stream, context, "gzip-tar-0.4/1");
    }
    let bytes_inside = bytes_of(context, stream, corrupt)?;
    if bytes_inside.is_empty() {
        return Err(ExtractError::Empty);
    }
    let mut text = context.read(&name_inside(bytes, context.name), &bytes_inside)?;
    text.extractor = format!("gzip+{}", text.extractor);
    Ok(text)
}

/// The name without its last ending, or the one that was packed along.
fn name_inside(bytes: &[u8], name: &str) -> String {
    let stripped = match name.rsplit_once('.') {
        Some((stem, ending)) if ending.eq_ignore_ascii_case("gz") => Some(stem.to_owned()),
        Some((stem, ending)) if ending.eq_ignore_ascii_case("tgz") => Some(format!("{stem}.tar")),
        _ => None,
    };
    // An ending is what tells a format.
    let stripped = stripped.filter(|name| name.contains('.'));
    let packed = || Some(decode(GzDecoder::new(bytes).header()?.filename()?, None).text);
    stripped.or_else(packed).unwrap_or_else(|| name.trim_end_matches(".gz").to_owned())
}
