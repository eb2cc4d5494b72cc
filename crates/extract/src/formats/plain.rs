//! Plain text in any encoding and of any length.

use super::characters::Characters;
use crate::{
    charset::{Decoded, decode},
    error::ExtractError,
    extract::Source,
    outlet::Outlet,
};
use ragstream_core::{
    document::Metadata,
    text::{DocumentText, Markup, TextFacts},
};

const EXTRACTOR: &str = "text/1";

/// Any bytes are text in some encoding.
pub fn flow(source: &mut dyn Source, outlet: &mut Outlet<'_>) -> Result<TextFacts, ExtractError> {
    outlet.head(Markup::Plain, EXTRACTOR, None);
    let metadata = pour(source, outlet, |_| {})?;
    Ok(TextFacts { metadata, extractor: EXTRACTOR.to_owned(), ..Default::default() })
}

/// All characters of a file into an outlet, and what is known of their
/// encoding. Each piece is shown to `look` before.
pub fn pour(
    source: &mut dyn Source,
    outlet: &mut Outlet<'_>,
    mut look: impl FnMut(&str),
) -> Result<Metadata, ExtractError> {
    let mut characters = Characters::open(source)?;
    let mut piece = String::new();
    while characters.fill(&mut piece)? {
        look(&piece);
        outlet.text(&piece)?;
        piece.clear();
    }
    Ok(characters.metadata())
}

/// What is in memory, as it is.
pub fn extract(bytes: &[u8]) -> DocumentText {
    let decoded = decode(bytes, None);
    DocumentText {
        metadata: metadata(&decoded),
        text: super::tidy(decoded.text),
        extractor: EXTRACTOR.to_owned(),
        ..DocumentText::default()
    }
}

/// What is known of the encoding.
pub fn metadata(decoded: &Decoded) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.insert("encoding".to_owned(), decoded.encoding.as_str().into());
    if decoded.lossy {
        metadata.insert("encoding_errors".to_owned(), true.into());
    }
    metadata
}
