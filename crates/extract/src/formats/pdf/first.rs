//! The first reader, by pdf-extract: knows where on a page a text is.

use super::{About, PageText, guarded};
use crate::{error::ExtractError, format::Format, formats::tidy, outline::Links};
use pdf_extract::{Document, Error, Object, PlainTextOutput, decode_text_string, output_doc_page};
use ragstream_core::document::Metadata;
use std::{
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Keys of the information dictionary, and the names they get.
const KEPT_INFO: &[(&[u8], &str)] = &[
    (b"Author", "author"),
    (b"Subject", "subject"),
    (b"Keywords", "keywords"),
    (b"CreationDate", "created"),
];

/// The key of a trailer that names how the file is encrypted.
const ENCRYPT_KEY: &[u8] = b"/Encrypt";

/// An open file.
pub(super) struct First {
    document: Document,
    /// Those of its pages.
    numbers: Vec<u32>,
}

impl First {
    /// `Encrypted` or `Corrupt`.
    pub(super) fn open(bytes: &[u8]) -> Result<Self, ExtractError> {
        let document = guarded(|| load(bytes))??;
        let numbers = guarded(|| document.get_pages().into_keys().collect())?;
        Ok(Self { document, numbers })
    }

    pub(super) fn pages(&self) -> usize {
        self.numbers.len()
    }

    /// The text of a page, counted from 0; `None` where it is more than `room`. A page that
    /// the reader gives up on (it panics on much that is valid) is read by a simpler one, which
    /// knows no positions on the page.
    pub(super) fn page(&self, at: usize, room: u64) -> Option<PageText> {
        let Some(&page) = self.numbers.get(at) else { return Some(PageText::Unreadable) };
        match page_text(&self.document, page, room) {
            Page::Text(text) => Some(PageText::of(&text)),
            Page::Unreadable => Some(PageText::Unreadable),
            Page::TooLong => None,
        }
    }

    /// What the file says about itself.
    pub(super) fn about(&self) -> About {
        let (title, metadata) = guarded(|| information(&self.document)).unwrap_or_default();
        let links = guarded(|| links(&self.document)).unwrap_or_default();
        About { title, metadata, links }
    }
}

fn load(bytes: &[u8]) -> Result<Document, ExtractError> {
    // A file whose encrypted parts can't be read looks damaged to the parser.
    let encrypted = || bytes.windows(ENCRYPT_KEY.len()).any(|window| window == ENCRYPT_KEY);
    let failed = |error: Error| match error {
        Error::Decryption(_) | Error::InvalidPassword => ExtractError::Encrypted,
        _ if encrypted() => ExtractError::Encrypted,
        other => ExtractError::corrupt(Format::Pdf, other.to_string()),
    };
    let mut document = Document::load_mem(bytes).map_err(failed)?;
    // Many files that are meant to be read by all have an owner's password alone.
    if document.is_encrypted() {
        document.decrypt("").map_err(failed)?;
    }
    Ok(document)
}

/// Addresses behind places on the pages.
fn links(document: &Document) -> Links {
    let mut links = Links::default();
    for page in document.get_pages().into_values() {
        for annotation in document.get_page_annotations(page).unwrap_or_default() {
            let action = annotation.get_deref(b"A", document).and_then(Object::as_dict);
            let address =
                action.and_then(|action| action.get_deref(b"URI", document)).and_then(Object::as_str);
            links.add(&String::from_utf8_lossy(address.unwrap_or_default()));
        }
    }
    links
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
        _ => simple_page_text(document, page, room),
    }
}

fn simple_page_text(document: &Document, page: u32, room: u64) -> Page {
    match catch_unwind(AssertUnwindSafe(|| document.extract_text(&[page]))) {
        Ok(Ok(text)) if text.len() as u64 > room => Page::TooLong,
        Ok(Ok(text)) => Page::Text(tidy(text)),
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
