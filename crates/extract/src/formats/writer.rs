//! Text as Markdown, block by block, within the limit on text.
//!
//! Only structure is written: headings, lists, quotes, tables, links' targets
//! never inside of words. Bold and italics are not: their marks would cut words
//! in two for a search. What is text and looks like a heading, a fence or a tag
//! at the beginning of a line is escaped, so that a chunker sees the document's
//! own structure and no other.

use super::{
    rows::{Header, Rows},
    tidy,
};
use crate::{error::ExtractError, extract::too_much_text, limits::Limits};
use memchr::memchr2;
use ragstream_core::text::PageStart;
use std::borrow::Cow;

/// Deepest list that is written as such; what is deeper stays on this level.
const MAX_LIST_DEPTH: usize = 6;

/// A piece of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Block {
    /// Level and text.
    Heading(u8, String),
    /// Text with line breaks.
    Paragraph(String),
    /// Depth, marker and text of an item of a list.
    Item(usize, String, String),
    /// Said beside the document: a comment.
    Quote(String),
    /// Label and text of a footnote.
    Note(String, String),
    /// Rows of cells, the first with the names of the columns.
    Table(Vec<Vec<String>>),
}

/// What stands at the end of the text so far.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Block,
    Item,
}

/// Takes blocks; gives a text and its pages.
pub struct Writer {
    /// What was written and not taken.
    text: String,
    /// Length of what was taken.
    taken: u64,
    pages: Vec<PageStart>,
    /// Pages that have begun and have no text yet.
    pending: Vec<u32>,
    last: Last,
    /// Columns at which the texts of the open list items begin.
    indents: Vec<usize>,
    limit: u64,
}

impl Writer {
    /// An empty text of at most `limits.text_bytes`.
    pub fn new(limits: &Limits) -> Self {
        Self::of_most(limits.text_bytes)
    }

    /// An empty text of at most so many bytes.
    pub fn of_most(limit: u64) -> Self {
        Self {
            text: String::new(),
            taken: 0,
            pages: Vec::new(),
            pending: Vec::new(),
            last: Last::Block,
            indents: Vec::new(),
            limit,
        }
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.length() == 0
    }

    /// How long the text is so far.
    fn length(&self) -> u64 {
        self.taken + self.text.len() as u64
    }

    /// How much of the text was not taken yet.
    pub fn held(&self) -> usize {
        self.text.len()
    }

    /// Takes the text so far. No page begins in a text of which parts were taken.
    pub fn take(&mut self) -> String {
        self.taken = self.length();
        std::mem::take(&mut self.text)
    }

    /// A page begins; its number is 1-based.
    pub fn page(&mut self, page: u32) {
        self.pending.push(page);
    }

    /// Any block.
    pub fn write(&mut self, block: Block) -> Result<(), ExtractError> {
        match block {
            Block::Heading(level, text) => self.heading(level, &text),
            Block::Paragraph(text) => self.paragraph(&text),
            Block::Item(depth, marker, text) => self.item(depth, &marker, &text),
            Block::Quote(text) => self.quote(&text),
            Block::Note(label, text) => self.note(&label, &text),
            Block::Table(rows) => {
                let mut table = Rows::new(Header::First);
                rows.into_iter().try_for_each(|row| table.push(self, row))?;
                table.end(self)
            }
        }
    }

    /// A heading of level 1 to 6 on one line; nothing where it is blank.
    pub fn heading(&mut self, level: u8, text: &str) -> Result<(), ExtractError> {
        let text = one_line(text);
        if text.is_empty() {
            return Ok(());
        }
        self.block()?;
        self.text.push_str(&"######"[..usize::from(level.clamp(1, 6))]);
        self.text.push(' ');
        self.push(&text)
    }

    /// A paragraph; its line breaks stay, blank lines go.
    pub fn paragraph(&mut self, text: &str) -> Result<(), ExtractError> {
        self.lines(text, "", "")
    }

    /// A paragraph behind `> `.
    pub fn quote(&mut self, text: &str) -> Result<(), ExtractError> {
        self.lines(text, "> ", "> ")
    }

    /// A note that [`Writer::note_mark`] refers to.
    pub fn note(&mut self, label: &str, text: &str) -> Result<(), ExtractError> {
        self.lines(text, &format!("{}: ", Self::note_mark(label)), "  ")
    }

    /// What stands in a text for a note.
    pub fn note_mark(label: &str) -> String {
        format!("[^{label}]")
    }

    /// An item of a list: depth 0 is the outermost, the marker is what stands
    /// before it (`-`, `1.`, `(a)`).
    pub fn item(&mut self, depth: usize, marker: &str, text: &str) -> Result<(), ExtractError> {
        if text.trim().is_empty() {
            return Ok(());
        }
        let in_list = self.last == Last::Item;
        if !in_list {
            self.indents.clear();
        }
        self.indents.truncate(depth.min(MAX_LIST_DEPTH));
        let indent = self.indents.last().copied().unwrap_or(0);
        // Markers that Markdown doesn't know are the beginning of the text.
        let marker = match is_marker(marker) {
            true => format!("{marker} "),
            false if marker.is_empty() => "- ".to_owned(),
            false => format!("- {marker} "),
        };
        let known = if marker.starts_with("- ") { 2 } else { marker.len() };
        match in_list && self.pending.is_empty() {
            true => self.text.push('\n'),
            false => self.block()?,
        }
        self.indents.push(indent + known);
        self.last = Last::Item;
        let blank = " ".repeat(indent + known);
        let mut lead = format!("{}{marker}", " ".repeat(indent));
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            self.text.push_str(&lead);
            self.push(&escaped(line))?;
            lead = format!("\n{blank}");
        }
        Ok(())
    }

    /// Lines that are Markdown already.
    pub fn markdown(&mut self, text: &str) -> Result<(), ExtractError> {
        let text = text.trim_matches('\n').trim_end();
        if text.trim().is_empty() {
            return Ok(());
        }
        self.block()?;
        self.push(text)
    }

    /// One more line of the block that was written last.
    pub fn continue_markdown(&mut self, line: &str) -> Result<(), ExtractError> {
        self.text.push('\n');
        self.push(line)
    }

    /// The text and where its pages begin.
    pub fn finish(mut self) -> (String, Vec<PageStart>) {
        self.start_pages();
        (self.text, self.pages)
    }

    fn lines(&mut self, text: &str, first: &str, others: &str) -> Result<(), ExtractError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        for (number, line) in lines.enumerate() {
            match number {
                0 => self.block()?,
                _ => self.text.push('\n'),
            }
            self.text.push_str(if number == 0 { first } else { others });
            self.push(&escaped(line))?;
        }
        Ok(())
    }

    /// A new block: a blank line before it, and pages that begin with it.
    fn block(&mut self) -> Result<(), ExtractError> {
        if !self.is_empty() {
            self.text.push_str("\n\n");
        }
        self.last = Last::Block;
        self.start_pages();
        self.check()
    }

    fn start_pages(&mut self) {
        let byte_offset = self.length();
        self.pages.extend(self.pending.drain(..).map(|page| PageStart { page, byte_offset }));
    }

    fn push(&mut self, text: &str) -> Result<(), ExtractError> {
        if self.length() + text.len() as u64 > self.limit {
            return Err(self.too_much());
        }
        // Here, for later would move the pages.
        match memchr2(b'\r', 0, text.as_bytes()) {
            Some(_) => self.text.push_str(&tidy(text.to_owned())),
            None => self.text.push_str(text),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ExtractError> {
        if self.length() > self.limit { Err(self.too_much()) } else { Ok(()) }
    }

    fn too_much(&self) -> ExtractError {
        too_much_text(self.limit)
    }
}

/// Runs of blanks and line breaks as one blank each.
pub fn one_line(text: &str) -> String {
    let bytes = text.as_bytes();
    // As it is already, most often.
    let is_one = text.is_ascii()
        && bytes.iter().all(|byte| (b' '..0x7f).contains(byte))
        && bytes.windows(2).all(|pair| pair != b"  ");
    if is_one {
        return text.trim().to_owned();
    }
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    line
}

/// `1.` and `1)` are markers, and so is `-`.
fn is_marker(marker: &str) -> bool {
    let digits = marker.strip_suffix(['.', ')']).unwrap_or_default();
    marker == "-" || (!digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// A line of text of which Markdown makes nothing else.
pub fn escaped(line: &str) -> Cow<'_, str> {
    let bytes = line.as_bytes();
    let special = match bytes.first() {
        Some(b'#') => {
            let level = bytes.iter().take_while(|&&byte| byte == b'#').count();
            level <= 6 && bytes.get(level).is_none_or(|byte| byte.is_ascii_whitespace())
        }
        Some(b'<') => bytes.get(1).is_some_and(|byte| byte.is_ascii_alphabetic() || b"/!?".contains(byte)),
        Some(b'`') => line.starts_with("```"),
        Some(b'~') => line.starts_with("~~~"),
        // A line of these makes a heading of what is above.
        Some(b'-') => line.bytes().all(|byte| byte == b'-' || byte == b' '),
        Some(b'=') => line.bytes().all(|byte| byte == b'=' || byte == b' '),
        _ => false,
    };
    if special { Cow::Owned(format!("\\{line}")) } else { Cow::Borrowed(line) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn written(write: impl FnOnce(&mut Writer) -> Result<(), ExtractError>) -> (String, Vec<PageStart>) {
        let mut writer = Writer::new(&Limits::default());
        write(&mut writer).unwrap();
        writer.finish()
    }

    #[test]
    fn blocks_are_separate_and_items_are_not() {
        let (text, _) = written(|w| {
            w.heading(2, " A\n heading ")?;
            w.paragraph("one\n\n  two  ")?;
            w.item(0, "-", "first")?;
            w.item(1, "1.", "inner\nmore")?;
            w.item(2, "(a)", "deep")?;
            w.item(0, "", "last")?;
            w.paragraph(" \n ")?;
            w.quote("said\nand done")?;
            w.note("1", "a note\nof two lines")
        });
        assert_eq!(
            text,
            "## A heading\n\none\ntwo\n\n- first\n  1. inner\n     more\n     - (a) deep\n- last\n\n\
             > said\n> and done\n\n[^1]: a note\n  of two lines"
        );
    }

    #[test]
    fn text_is_no_markup() {
        let (text, _) = written(|w| {
            w.paragraph("# no heading\n#hash\n---\n<div>\n< 3\n```\n- dash\n===")?;
            w.item(0, "-", "# none")
        });
        assert_eq!(text, "\\# no heading\n#hash\n\\---\n\\<div>\n< 3\n\\```\n- dash\n\\===\n\n- \\# none");
    }

    #[test]
    fn pages_begin_at_their_first_block() {
        let (text, pages) = written(|w| {
            w.page(1);
            w.paragraph("one")?;
            w.page(2);
            w.page(3);
            w.item(0, "-", "three")?;
            w.page(4);
            Ok(())
        });
        assert_eq!(text, "one\n\n- three");
        let starts: Vec<_> = pages.iter().map(|page| (page.page, page.byte_offset)).collect();
        assert_eq!(starts, [(1, 0), (2, 5), (3, 5), (4, 12)]);
    }

    #[test]
    fn the_limit_on_text_holds() {
        let mut writer = Writer::new(&Limits { text_bytes: 10, ..Limits::default() });
        writer.paragraph("12345").unwrap();
        assert_eq!(writer.paragraph("123456").unwrap_err().class(), "document_too_large");
        let mut writer = Writer::new(&Limits { text_bytes: 10, ..Limits::default() });
        writer.item(0, "-", "1234").unwrap();
        assert_eq!(writer.item(0, "-", "1234").unwrap_err().class(), "document_too_large");
    }
}
