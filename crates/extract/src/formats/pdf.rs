//! PDF with a text layer, page by page.

use super::tidy;
use crate::{error::ExtractError, extract::too_much_text, format::Format, limits::Limits};
use pdf_extract::{Document, Error, Object, PlainTextOutput, decode_text_string, output_doc_page};
use ragstream_core::{
    document::Metadata,
    text::{DocumentText, PageStart},
};
use std::{
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Between pages, so that the last line of one and the first of the next are
/// different paragraphs.
const PAGE_BREAK: &str = "\n\n";

/// Keys of the information dictionary, and the names they get.
const KEPT_INFO: &[(&[u8], &str)] = &[
    (b"Author", "author"),
    (b"Subject", "subject"),
    (b"Keywords", "keywords"),
    (b"CreationDate", "created"),
];

/// A page that can't be read is left out and counted (`unreadable_pages`), for
/// the reader panics on much that is valid. `Corrupt` where no page can be
/// read, `NeedsOcr` where all can be and none has text.
pub fn extract(bytes: &[u8], limits: &Limits) -> Result<DocumentText, ExtractError> {
    let document = guarded(|| load(bytes))??;
    let numbers: Vec<u32> = guarded(|| document.get_pages().into_keys().collect())?;
    let (mut text, mut pages, mut unreadable) = (String::new(), Vec::with_capacity(numbers.len()), 0u32);
    for &page in &numbers {
        let content = match page_text(&document, page, limits.text_bytes.saturating_sub(text.len() as u64)) {
            Page::Text(content) => content,
            Page::Unreadable => {
                unreadable += 1;
                String::new()
            }
            Page::TooLong => return Err(too_much_text(limits)),
        };
        let content = content.trim();
        if !text.is_empty() && !content.is_empty() {
            text.push_str(PAGE_BREAK);
        }
        pages.push(PageStart { page, byte_offset: text.len() as u64 });
        text.push_str(content);
    }
    if text.is_empty() {
        return Err(match (numbers.len(), unreadable) {
            (0, _) => ExtractError::corrupt(Format::Pdf, "it has no pages"),
            (_, 0) => ExtractError::NeedsOcr { pages: numbers.len() as u32 },
            (all, _) => {
                ExtractError::corrupt(Format::Pdf, format!("{unreadable} of its {all} pages can't be read"))
            }
        });
    }
    let (title, mut metadata) = guarded(|| information(&document)).unwrap_or_default();
    metadata.insert("pages".to_owned(), numbers.len().into());
    if unreadable > 0 {
        metadata.insert("unreadable_pages".to_owned(), unreadable.into());
    }
    Ok(DocumentText {
        text,
        pages,
        title,
        metadata,
        extractor: "pdf-extract-0.12/1".to_owned(),
        ..Default::default()
    })
}

/// Runs the reader, whose panics are about the file.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, ExtractError> {
    catch_unwind(AssertUnwindSafe(read))
        .map_err(|_| ExtractError::corrupt(Format::Pdf, "the reader gave up on it"))
}

fn load(bytes: &[u8]) -> Result<Document, ExtractError> {
    let failed = |error: Error| match error {
        Error::Decryption(_) | Error::InvalidPassword => ExtractError::Encrypted,
        other => ExtractError::corrupt(Format::Pdf, other.to_string()),
    };
    let mut document = Document::load_mem(bytes).map_err(failed)?;
    // Many files that are meant to be read by all have an owner's password alone.
    if document.is_encrypted() {
        document.decrypt("").map_err(failed)?;
    }
    Ok(document)
}

enum Page {
    Text(String),
    Unreadable,
    TooLong,
}

fn page_text(document: &Document, page: u32, room: u64) -> Page {
    let mut bounded = Bounded { bytes: Vec::new(), room, full: false };
    let read = catch_unwind(AssertUnwindSafe(|| {
        let writer: &mut dyn Write = &mut bounded;
        output_doc_page(document, &mut PlainTextOutput::new(writer), page)
    }));
    match read {
        _ if bounded.full => Page::TooLong,
        Ok(Ok(())) => Page::Text(tidy(String::from_utf8_lossy(&bounded.bytes).into_owned())),
        _ => Page::Unreadable,
    }
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    room: u64,
    full: bool,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + bytes.len()) as u64 > self.room {
            self.full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn information(document: &Document) -> (Option<String>, Metadata) {
    let info = document.trailer.get(b"Info").ok();
    let info = match info {
        Some(Object::Reference(id)) => document.get_dictionary(*id).ok(),
        Some(Object::Dictionary(info)) => Some(info),
        _ => None,
    };
    let field = |key: &[u8]| {
        let value = decode_text_string(info?.get_deref(key, document).ok()?).ok()?;
        let value = tidy(value).trim().to_owned();
        (!value.is_empty()).then_some(value)
    };
    let metadata =
        KEPT_INFO.iter().filter_map(|&(key, name)| Some((name.to_owned(), field(key)?.into()))).collect();
    (field(b"Title"), metadata)
}
