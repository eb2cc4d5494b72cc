//! PDF: two readers that know nothing of each other, and OCR of scans.
//!
//! Each page is read by the first. The second, of another family of code, takes
//! over where the first fails: for the whole file where that can't be opened
//! or its pages can't be told, and for each page that can't be read, has no
//! text, gives garbage, or is written from right to left (the first gives
//! such text backwards). A page that still has none is read by OCR where
//! that is installed. A page flows as soon as it is read; the name of the
//! extractor at the end says which of them had a part.

mod first;
mod layout;
mod quality;
mod scan;
mod second;

use crate::{
    contained::Context, error::ExtractError, extract::too_much_text, format::Format, outlet::Outlet,
    outline::Links,
};
use first::First;
use hayro_interpret::InterpreterCache;
use quality::Quality;
use ragstream_core::{
    document::Metadata,
    text::{Markup, TextFacts},
};
use scan::Scan;
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

/// What a file says about itself.
#[derive(Default)]
struct About {
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
pub fn flow(bytes: &[u8], context: &Context<'_>, outlet: &mut Outlet<'_>) -> Result<TextFacts, ExtractError> {
    let (first, first_failed) = match First::open(bytes) {
        Ok(first) if first.pages() > 0 => (Some(first), None),
        Ok(_) => (None, Some(ExtractError::corrupt(Format::Pdf, "it has no pages"))),
        Err(error) => (None, Some(error)),
    };
    // A second opinion is asked for only where it is needed.
    let second = OnceCell::new();
    let ask = || second.get_or_init(|| Second::open(bytes)).as_ref();
    let all = match &first {
        Some(first) => first.pages(),
        None => ask().map_or(0, Second::pages),
    };
    if let (0, Some(error)) = (all, &first_failed) {
        // Where one knows that a password is needed the other finds damage.
        let encrypted = matches!(ask(), Err(ExtractError::Encrypted));
        return Err(if encrypted { ExtractError::Encrypted } else { error.clone() });
    }
    let begins = if first.is_some() { "extract-0.12" } else { "hayro-0.9" };
    outlet.head(Markup::Plain, &format!("pdf-{begins}/2"), None);
    let cache = InterpreterCache::new();
    let matching = || ask().ok().filter(|second| second.pages() == all);
    let (mut hands, mut scan) = (Hands::default(), Scan::default());
    let (mut unreadable, mut without) = (0u32, 0u32);
    for at in 0..all {
        let mut page = match &first {
            Some(first) => {
                let page = first.page(at, outlet.most().saturating_sub(outlet.length()));
                let page = page.ok_or_else(|| too_much_text(outlet.most()))?;
                improved(page, || matching().map(|second| second.text(at, &cache)), &mut hands)
            }
            None => {
                let page = ask().map_or(PageText::Unreadable, |second| second.text(at, &cache));
                hands.second += u32::from(!page.as_str().is_empty());
                page
            }
        };
        if page.as_str().is_empty() {
            match matching() {
                Some(second) => scan.read(second, at, &mut page, context, &mut hands),
                None => scan.skip(),
            }
        }
        match page {
            PageText::Unreadable => unreadable += 1,
            PageText::Nothing => without += 1,
            PageText::Text(_) if outlet.length() > 0 => outlet.text(PAGE_BREAK)?,
            PageText::Text(_) => {}
        }
        outlet.page(at as u32 + 1)?;
        outlet.text(page.as_str())?;
    }
    if outlet.length() == 0 {
        return Err(match unreadable {
            // Pages without text of a damaged file are what is left of it, no scan.
            0 => match first_failed {
                Some(error) => error,
                None if scan.found_nothing() => ExtractError::Empty,
                None => ExtractError::NeedsOcr { pages: all as u32 },
            },
            _ => ExtractError::corrupt(Format::Pdf, format!("{unreadable} of its {all} pages can't be read")),
        });
    }
    let About { title, mut metadata, links } = match &first {
        Some(first) => first.about(),
        None => ask().map(Second::about).unwrap_or_default(),
    };
    metadata.insert("pages".to_owned(), all.into());
    for (name, count) in
        [("unreadable_pages", unreadable), ("pages_without_text", without), ("ocr_pages", hands.ocr)]
    {
        if count > 0 {
            metadata.insert(name.to_owned(), count.into());
        }
    }
    links.describe(&mut metadata);
    let named = [(hands.first, "extract-0.12"), (hands.second, "hayro-0.9"), (hands.ocr, "tesseract")];
    let named: Vec<&str> = named.into_iter().filter(|(pages, _)| *pages > 0).map(|(_, name)| name).collect();
    Ok(TextFacts { title, metadata, extractor: format!("pdf-{}/2", named.join("+")), pages: None })
}

/// Asks the second reader for a page that the first did not do well.
fn improved(page: PageText, ask: impl FnOnce() -> Option<PageText>, hands: &mut Hands) -> PageText {
    let ours = Quality::of(&page);
    if !ours.wants_second() {
        hands.first += 1;
        return page;
    }
    let better = ask().filter(|text| Quality::of(text).is_better_than(&ours));
    let hand = if better.is_some() { &mut hands.second } else { &mut hands.first };
    let mut page = better.unwrap_or(page);
    // What nobody can make sense of is no text.
    if Quality::of(&page).is_hopeless() {
        page = PageText::Nothing;
    }
    *hand += u32::from(!page.as_str().is_empty());
    page
}

/// Runs a reader, whose panics are about the file.
fn guarded<T>(read: impl FnOnce() -> T) -> Result<T, ExtractError> {
    catch_unwind(AssertUnwindSafe(read))
        .map_err(|_| ExtractError::corrupt(Format::Pdf, "the reader gave up on it"))
}
