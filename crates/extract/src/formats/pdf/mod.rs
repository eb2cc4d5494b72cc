//! PDF: two readers that know nothing of each other, and OCR of scans.
//!
//! The first reads all pages. The second, of another family of code, takes
//! over where the first fails: for the whole file where that can't be opened
//! or its pages can't be told, and for each page that can't be read, has no
//! text, gives garbage, or is written from right to left (the first gives
//! such text backwards). Pages that still have none are read by OCR where
//! that is installed. The name of the extractor says which of them had a part.

mod first;
mod layout;
mod quality;
mod scan;
mod second;

use crate::{
    contained::Context, error::ExtractError, extract::too_much_text, format::Format, outline::Links,
};
use quality::Quality;
use ragstream_core::{
    document::Metadata,
    text::{DocumentText, PageStart},
};
use second::Second;
use std::{
    cell::OnceCell,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Between pages, so that the last line of one and the first of the next are
/// different paragraphs.
const PAGE_BREAK: &str = "\n\n";

/// What a page gave.
#[derive(Clone, Debug, PartialEq)]
enum PageText {
    Text(String),
    /// The reader went through it and found none.
    Nothing,
    Unreadable,
}

impl PageText {
    fn of(text: &str) -> Self {
        match text.trim() {
            "" => Self::Nothing,
            text => Self::Text(text.to_owned()),
        }
    }

    fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Nothing | Self::Unreadable => "",
        }
    }
}

/// What a reader made of a file.
#[derive(Default)]
struct Reading {
    pages: Vec<PageText>,
    title: Option<String>,
    metadata: Metadata,
    links: Links,
}

/// Who gave how many pages their text.
#[derive(Default)]
struct Hands {
    first: u32,
    second: u32,
    ocr: u32,
}

/// A page that no reader can read is left out and counted
/// (`unreadable_pages`). `Corrupt` where no page can be read, `NeedsOcr` where
/// all can be and none has text, `Empty` where OCR found none either.
pub fn extract(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let first = first::read(bytes, context.limits);
    if let Err(error @ ExtractError::TooLarge { .. }) = first {
        return Err(error);
    }
    // A second opinion is asked for only where it is needed.
    let second = OnceCell::new();
    let ask = || second.get_or_init(|| Second::open(bytes)).as_ref();
    let (mut hands, mut reading) = (Hands::default(), Reading::default());
    let mut first_failed = None;
    match first {
        Ok(first) if !first.pages.is_empty() => {
            reading = first;
            improve(&mut reading.pages, ask, &mut hands);
        }
        failed => {
            first_failed =
                Some(failed.err().unwrap_or_else(|| ExtractError::corrupt(Format::Pdf, "it has no pages")));
            if let Ok(second) = ask() {
                reading = second.read();
                hands.second = reading.pages.iter().filter(|page| !page.as_str().is_empty()).count() as u32;
            }
        }
    }
    if reading.pages.is_empty() {
        return Err(match (&first_failed, ask().err()) {
            // Where one knows that a password is needed the other finds damage.
            (_, Some(ExtractError::Encrypted)) => ExtractError::Encrypted,
            (Some(error), _) => error.clone(),
            (None, _) => ExtractError::corrupt(Format::Pdf, "it has no pages"),
        });
    }
    let mut ocr_found_nothing = false;
    if reading.pages.iter().any(|page| page.as_str().is_empty())
        && let Ok(second) = ask()
        && second.pages() == reading.pages.len()
    {
        ocr_found_nothing = scan::read(second, &mut reading.pages, context, &mut hands);
    }
    match (document(reading, &hands, ocr_found_nothing, context), first_failed) {
        // Pages without text of a damaged file are what is left of it, no scan.
        (Err(ExtractError::NeedsOcr { .. } | ExtractError::Empty), Some(error)) => Err(error),
        (outcome, _) => outcome,
    }
}

/// Asks the second reader for the pages that the first did not do well.
fn improve<'s>(
    pages: &mut [PageText],
    ask: impl FnOnce() -> Result<&'s Second, &'s ExtractError>,
    hands: &mut Hands,
) {
    let unwell: Vec<usize> = (0..pages.len()).filter(|&at| Quality::of(&pages[at]).wants_second()).collect();
    hands.first = (pages.len() - unwell.len()) as u32;
    if unwell.is_empty() {
        return;
    }
    let second = ask().ok().filter(|second| second.pages() == pages.len());
    let texts = second.map(|second| second.texts(&unwell)).unwrap_or_default();
    for (position, &at) in unwell.iter().enumerate() {
        let ours = Quality::of(&pages[at]);
        let better = texts.get(position).filter(|text| Quality::of(text).is_better_than(&ours));
        if let Some(text) = better {
            pages[at] = text.clone();
        }
        // What nobody can make sense of is no text.
        if Quality::of(&pages[at]).is_hopeless() {
            pages[at] = PageText::Nothing;
        }
        let gave = u32::from(!pages[at].as_str().is_empty());
        *(if better.is_some() { &mut hands.second } else { &mut hands.first }) += gave;
    }
}

fn document(
    reading: Reading,
    hands: &Hands,
    ocr_found_nothing: bool,
    context: &Context<'_>,
) -> Result<DocumentText, ExtractError> {
    let (mut text, mut pages) = (String::new(), Vec::with_capacity(reading.pages.len()));
    for (at, page) in reading.pages.iter().enumerate() {
        let content = page.as_str();
        if !text.is_empty() && !content.is_empty() {
            text.push_str(PAGE_BREAK);
        }
        pages.push(PageStart { page: at as u32 + 1, byte_offset: text.len() as u64 });
        text.push_str(content);
        if text.len() as u64 > context.limits.text_bytes {
            return Err(too_much_text(context.limits));
        }
    }
    let all = reading.pages.len() as u32;
    let count = |wanted: &PageText| reading.pages.iter().filter(|page| *page == wanted).count() as u32;
    let (unreadable, without) = (count(&PageText::Unreadable), count(&PageText::Nothing));
    if text.is_empty() {
        return Err(match unreadable {
            0 if ocr_found_nothing => ExtractError::Empty,
            0 => ExtractError::NeedsOcr { pages: all },
            _ => ExtractError::corrupt(Format::Pdf, format!("{unreadable} of its {all} pages can't be read")),
        });
    }
    let mut metadata = reading.metadata;
    metadata.insert("pages".to_owned(), all.into());
    for (name, count) in
        [("unreadable_pages", unreadable), ("pages_without_text", without), ("ocr_pages", hands.ocr)]
    {
        if count > 0 {
            metadata.insert(name.to_owned(), count.into());
        }
    }
    let named = [(hands.first, "extract-0.12"), (hands.second, "hayro-0.9"), (hands.ocr, "tesseract")];
    let named: Vec<&str> = named.into_iter().filter(|(pages, _)| *pages > 0).map(|(_, name)| name).collect();
    let mut text = DocumentText {
        text,
        pages,
        title: reading.title,
        metadata,
        extractor: format!("pdf-{}/2", named.join("+")),
        ..Default::default()
    };
    reading.links.describe(&mut text);
    Ok(text)
}

/// Runs a reader, whose panics are about the file.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, ExtractError> {
    catch_unwind(AssertUnwindSafe(read))
        .map_err(|_| ExtractError::corrupt(Format::Pdf, "the reader gave up on it"))
}
