//! Pictures: what they say of themselves, and the text in them.

mod chunks;
mod exif;
mod xmp;

use super::facts::Facts;
use crate::{
    contained::Context,
    error::ExtractError,
    format::Format,
    ocr::{self, Reading},
};
use ragstream_core::text::DocumentText;
use std::time::Instant;

/// Labels of what every picture has, or a program put there: alone they tell nothing.
const NOT_TELLING: &[&str] = &["Size", "Type", "Software", "Resolution"];

/// `Corrupt` where the file has no size, `NeedsOcr` where it says nothing of
/// itself and could not be read, `Empty` where nothing was found in it.
pub fn extract(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let mut facts = Facts::default();
    xmp::read(bytes, &mut facts);
    exif::read(bytes, &mut facts);
    chunks::read(bytes, &mut facts);
    let size = imagesize::blob_size(bytes)
        .map_err(|_| ExtractError::corrupt(Format::Image, "it has no width and height"))?;
    facts.add("Size", &format!("{}x{}", size.width, size.height));
    if let Some(kind) = infer::get(bytes).filter(|kind| kind.mime_type().starts_with("image/")) {
        facts.add("Type", kind.mime_type());
    }

    let begin = Instant::now();
    let reading = ocr::read(bytes, None, context.ocr_left());
    context.spend_ocr(begin.elapsed());
    let mut metadata = facts.metadata();
    let mut text = facts.text();
    let mut extractor = "image-exif-0.6/1";
    match reading {
        Reading::Text { text: found, confidence } => {
            text.push('\n');
            text.push_str(&found);
            text.push('\n');
            metadata.insert("ocr_confidence".to_owned(), confidence.into());
            extractor = "image-exif-0.6-tesseract/1";
        }
        _ if facts.has_others_than(NOT_TELLING) => {}
        Reading::Nothing => return Err(ExtractError::Empty),
        Reading::Unread => return Err(ExtractError::NeedsOcr { pages: 1 }),
    }
    let title = facts.get("Title").map(str::to_owned);
    Ok(DocumentText { text, title, metadata, extractor: extractor.to_owned(), ..Default::default() })
}
