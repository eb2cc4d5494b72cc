//! Where readers put their text: piece by piece, so that none of them has to hold it.
//!
//! What holds: the head comes before the first piece; a piece is at most
//! [`PART_BYTES`] long and ends between two characters; the limit on text
//! counts while it flows; success is never blank.

use crate::{error::ExtractError, extract::too_much_text, formats::markdown, outline};
use ragstream_core::{
    document::Metadata,
    text::{DocumentText, Markup, PageStart, TextFacts, TextHead, TextPart},
};
use serde_json::Value;

/// Length of a piece: small beside what else a process needs, long beside what
/// it costs to send one.
pub const PART_BYTES: usize = 256 << 10;

/// Pages that begin in a piece. Those without text take no bytes of it.
const PART_PAGES: usize = 4096;

/// So much of the beginning of a text of Markdown is kept, for its title, its
/// first headings and its first links.
const BEGINNING_BYTES: usize = 2 << 20;

/// Takes pieces as they come. An error ends the reading, and is its outcome.
pub trait Sink {
    /// Once, before all pieces.
    fn head(&mut self, head: TextHead) -> Result<(), ExtractError>;
    /// The next piece.
    fn part(&mut self, part: TextPart) -> Result<(), ExtractError>;
}

/// Keeps all of it.
impl Sink for DocumentText {
    fn head(&mut self, head: TextHead) -> Result<(), ExtractError> {
        (self.markup, self.extractor, self.language) = (head.markup, head.extractor, head.language);
        Ok(())
    }

    fn part(&mut self, part: TextPart) -> Result<(), ExtractError> {
        self.text.push_str(&part.text);
        self.pages.extend(part.pages);
        Ok(())
    }
}

/// The whole of what a reader gives, of at most so many bytes.
pub fn collect(
    most: u64,
    read: impl FnOnce(&mut Outlet<'_>) -> Result<TextFacts, ExtractError>,
) -> Result<DocumentText, ExtractError> {
    let mut whole = DocumentText::default();
    let mut outlet = Outlet::new(&mut whole, most);
    let facts = read(&mut outlet)?;
    let TextFacts { title, metadata, extractor, .. } = outlet.finish(facts)?;
    Ok(DocumentText { title, metadata, extractor, ..whole })
}

/// A reader's side of a [`Sink`].
pub struct Outlet<'s> {
    sink: &'s mut dyn Sink,
    /// Until it was sent.
    head: Option<TextHead>,
    part: TextPart,
    length: u64,
    most: u64,
    is_blank: bool,
    pages: u32,
    /// Where headings and links are yet to be found.
    beginning: Option<String>,
    part_bytes: usize,
}

impl<'s> Outlet<'s> {
    /// For a text of at most so many bytes.
    pub fn new(sink: &'s mut dyn Sink, most: u64) -> Self {
        Self {
            sink,
            head: None,
            part: TextPart::default(),
            length: 0,
            most,
            is_blank: true,
            pages: 0,
            beginning: None,
            part_bytes: PART_BYTES,
        }
    }

    /// Says what the text is. Before the first piece was sent a reader may think better of it.
    pub fn head(&mut self, markup: Markup, extractor: &str, language: Option<&str>) {
        let language = language.map(str::to_lowercase);
        self.head = Some(TextHead { markup, extractor: extractor.to_owned(), language });
        self.beginning = (markup == Markup::Markdown).then(String::new);
    }

    /// How long the text is so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How long it may become.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// The title that the Markdown so far has.
    pub fn markdown_title(&self) -> Option<String> {
        markdown::title(self.beginning.as_deref().unwrap_or_default())
    }

    /// More of the text; `TooLarge` where it becomes too long.
    pub fn text(&mut self, mut text: &str) -> Result<(), ExtractError> {
        if self.length + text.len() as u64 > self.most {
            return Err(too_much_text(self.most));
        }
        self.is_blank &= text.trim_start().is_empty();
        if let Some(beginning) = &mut self.beginning {
            let room = BEGINNING_BYTES.saturating_sub(beginning.len());
            beginning.push_str(&text[..text.floor_char_boundary(room)]);
        }
        self.length += text.len() as u64;
        while self.part.text.len() + text.len() > self.part_bytes {
            let room = text.floor_char_boundary(self.part_bytes.saturating_sub(self.part.text.len()));
            self.part.text.push_str(&text[..room]);
            text = &text[room..];
            self.send()?;
        }
        self.part.text.push_str(text);
        Ok(())
    }

    /// A page begins here.
    pub fn page(&mut self, page: u32) -> Result<(), ExtractError> {
        self.pages += 1;
        self.part.pages.push(PageStart { page, byte_offset: self.length });
        if self.part.pages.len() >= PART_PAGES { self.send() } else { Ok(()) }
    }

    /// All of a text that is there already, and what is known of it.
    pub fn whole(&mut self, text: DocumentText) -> Result<TextFacts, ExtractError> {
        let DocumentText { text, pages, markup, title, metadata, extractor, language } = text;
        self.head(markup, &extractor, language.as_deref());
        // Whoever has the whole has looked at all of it.
        self.beginning = None;
        let mut at = 0;
        for page in pages {
            let next = text.floor_char_boundary(page.byte_offset as usize).max(at);
            self.text(&text[at..next])?;
            self.page(page.page)?;
            at = next;
        }
        self.text(&text[at..])?;
        Ok(TextFacts { title, metadata, extractor, pages: None })
    }

    /// Sends what is left; `Empty` where there was nothing but blanks.
    pub fn finish(mut self, mut facts: TextFacts) -> Result<TextFacts, ExtractError> {
        if self.is_blank {
            return Err(ExtractError::Empty);
        }
        self.send()?;
        if let Some(beginning) = &self.beginning {
            outline::describe(beginning, &mut facts.metadata);
        }
        facts.pages = (self.pages > 0).then_some(self.pages);
        Ok(without_nuls(facts))
    }

    fn send(&mut self) -> Result<(), ExtractError> {
        if let Some(head) = self.head.take() {
            self.sink.head(head)?;
        }
        let part = std::mem::take(&mut self.part);
        match part.text.is_empty() && part.pages.is_empty() {
            true => Ok(()),
            false => self.sink.part(part),
        }
    }
}

/// No database takes a NUL, and files say about themselves what they like. The text has none.
fn without_nuls(mut facts: TextFacts) -> TextFacts {
    fn clean(value: &mut Value) {
        match value {
            Value::String(text) if text.contains('\0') => *text = text.replace('\0', ""),
            Value::Array(values) => values.iter_mut().for_each(clean),
            Value::Object(values) => clean_all(values),
            _ => {}
        }
    }
    fn clean_all(metadata: &mut Metadata) {
        metadata.values_mut().for_each(clean);
    }
    facts.title = facts.title.map(|title| title.replace('\0', "")).filter(|title| !title.trim().is_empty());
    clean_all(&mut facts.metadata);
    facts
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// Keeps the pieces apart.
    #[derive(Default)]
    struct Pieces(Vec<TextHead>, Vec<TextPart>);

    impl Sink for Pieces {
        fn head(&mut self, head: TextHead) -> Result<(), ExtractError> {
            assert!(self.1.is_empty());
            self.0.push(head);
            Ok(())
        }

        fn part(&mut self, part: TextPart) -> Result<(), ExtractError> {
            self.1.push(part);
            Ok(())
        }
    }

    #[test]
    fn pieces_joined_are_the_whole_whatever_their_length() {
        let page = |page, byte_offset| PageStart { page, byte_offset };
        let text = "Größe\u{1F600} and more";
        let pages = vec![page(1, 0), page(2, 7), page(3, 7), page(4, text.len() as u64)];
        let whole = DocumentText { text: text.to_owned(), pages, ..Default::default() };
        for part_bytes in 4..30 {
            let mut pieces = Pieces::default();
            let mut outlet = Outlet { part_bytes, ..Outlet::new(&mut pieces, 100) };
            let facts = outlet.whole(whole.clone()).unwrap();
            assert_eq!(outlet.finish(facts).unwrap().pages, Some(4));
            assert_eq!(pieces.0.len(), 1);
            let (mut joined, mut starts) = (String::new(), Vec::new());
            for part in pieces.1 {
                assert!(part.text.len() <= part_bytes);
                let from = joined.len() as u64;
                joined.push_str(&part.text);
                assert!(part.pages.iter().all(|p| (from..=joined.len() as u64).contains(&p.byte_offset)));
                starts.extend(part.pages);
            }
            assert_eq!((joined.as_str(), starts), (text, whole.pages.clone()));
        }
    }

    #[test]
    fn the_limit_counts_while_text_flows_and_blanks_are_none() {
        let mut pieces = Pieces::default();
        let mut outlet = Outlet::new(&mut pieces, 10);
        outlet.text("12345").unwrap();
        assert_eq!(outlet.text("123456").unwrap_err().class(), "document_too_large");
        let mut pieces = Pieces::default();
        let mut outlet = Outlet { part_bytes: 2, ..Outlet::new(&mut pieces, 10) };
        outlet.text(" \n\t \n\n").unwrap();
        assert_eq!(outlet.finish(TextFacts::default()), Err(ExtractError::Empty));
    }

    #[test]
    fn facts_have_no_nul_however_deep() {
        let mut metadata = Metadata::new();
        metadata.insert("a".to_owned(), serde_json::json!([{"b": "x\0y"}, "\0"]));
        let facts = without_nuls(TextFacts { title: Some("\0 ".to_owned()), metadata, ..Default::default() });
        assert_eq!((facts.title, &facts.metadata["a"]), (None, &serde_json::json!([{"b": "xy"}, ""])));
    }
}
