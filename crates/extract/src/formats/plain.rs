//! Plain text in any encoding.

use super::tidy;
use crate::charset::{Decoded, decode};
use ragstream_core::{document::Metadata, text::DocumentText};

/// Never fails: any bytes are text in some encoding.
pub fn extract(bytes: &[u8]) -> DocumentText {
    let decoded = decode(bytes, None);
    DocumentText {
        metadata: metadata(&decoded),
        text: tidy(decoded.text),
        extractor: "text/1".to_owned(),
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
