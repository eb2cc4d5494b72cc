//! The body of a document: paragraphs, lists, tables, notes, slides, sheets.

use super::{Kind, Styles};
use crate::{
    error::ExtractError,
    format::Format,
    formats::{
        links::link,
        ooxml::numbered,
        pull::{Node, Pull, Tag},
        rows::{Header, MAX_COLUMNS, Rows},
        sheets::iso,
        writer::{Block, Writer, one_line},
        zipped::{Member, Zipped},
    },
};
use std::io::BufRead;

/// A row that is said to be there many times is written so often at most.
const MAX_REPEATED_ROWS: usize = 100;

/// Likewise a cell.
const MAX_REPEATED_CELLS: usize = 100;

/// Blanks that one element may stand for.
const MAX_BLANKS: usize = 100;

/// Charts and formulas inside of a document that are read.
const MAX_OBJECTS: usize = 200;

/// Elements without text of the document: what was deleted, what says the
/// headings again, what is for the program.
const SKIPPED: &[&str] = &[
    "tracked-changes",
    "table-of-content",
    "forms",
    "sequence-decls",
    "variable-decls",
    "user-field-decls",
    "content-validations",
    "named-expressions",
    "database-ranges",
    "calculation-settings",
    "event-listeners",
    "enhanced-geometry",
    "binary-data",
    "ruby-text",
    "annotation-end",
    "plot-area",
    "legend",
    "settings",
    "date-time-decl",
];

/// Frames of slides with what is the same on all, or a number.
const NO_TEXT: &[&str] = &["page-number", "date-time", "header", "footer", "page"];

/// Where blocks go.
enum Out<'a> {
    Document(&'a mut Writer),
    Lines(&'a mut String),
    Blocks(&'a mut Vec<Block>),
}

impl Out<'_> {
    fn write(&mut self, block: Block) -> Result<(), ExtractError> {
        match self {
            Out::Document(writer) => writer.write(block),
            Out::Blocks(blocks) => {
                blocks.push(block);
                Ok(())
            }
            Out::Lines(lines) => {
                match block {
                    Block::Heading(_, text) | Block::Paragraph(text) => push_line(lines, &text),
                    // In a cell a bullet is no more than a mark.
                    Block::Item(_, marker, text) if marker == "-" => push_line(lines, &text),
                    Block::Item(_, marker, text) => push_line(lines, &format!("{marker} {text}")),
                    Block::Quote(text) | Block::Note(_, text) => push_line(lines, &text),
                    Block::Table(rows) => rows.iter().for_each(|row| push_line(lines, &row.join(" | "))),
                }
                Ok(())
            }
        }
    }
}

fn push_line(lines: &mut String, text: &str) {
    if !text.trim().is_empty() {
        lines.push_str(text.trim());
        lines.push('\n');
    }
}

/// Where a list stands.
#[derive(Clone, Copy)]
struct List<'s> {
    /// 1 is the outermost.
    level: usize,
    style: &'s str,
}

/// Reads bodies.
pub struct Content<'a> {
    pub kind: Kind,
    pub styles: Styles,
    pub title: Option<String>,
    pub slides: u32,
    pub sheets: Vec<String>,
    /// For what is in parts of its own.
    package: Option<(Zipped<'a>, Format)>,
    headers: Vec<String>,
    footers: Vec<String>,
    /// What comes after the block that is being read.
    after: Vec<Block>,
    deeper_headings: bool,
    breaks: u32,
    objects: usize,
    notes: u32,
}

impl<'a> Content<'a> {
    /// Nothing read yet.
    pub fn new(package: Option<(Zipped<'a>, Format)>) -> Self {
        Self {
            kind: Kind::Other,
            styles: Styles::default(),
            title: None,
            slides: 0,
            sheets: Vec::new(),
            package,
            headers: Vec::new(),
            footers: Vec::new(),
            after: Vec::new(),
            deeper_headings: false,
            breaks: 0,
            objects: 0,
            notes: 0,
        }
    }

    /// Whether the document says where its pages begin.
    pub fn has_pages(&self) -> bool {
        self.kind == Kind::Slides || self.breaks > 0
    }

    /// Headers and footers of the pages, each text once.
    pub fn margins(&mut self, pull: &mut Pull<impl BufRead>) -> Result<(), ExtractError> {
        let outside = pull.depth() - 1;
        while pull.depth() > outside {
            let tag = match pull.next()? {
                Node::Open(tag) => tag,
                Node::End => break,
                Node::Close | Node::Text(_) => continue,
            };
            let is_header = tag.name().starts_with("header");
            if !(is_header || tag.name().starts_with("footer")) || tag.name().ends_with("style") {
                continue;
            }
            let mut lines = String::new();
            self.blocks(pull, &mut Out::Lines(&mut lines))?;
            self.after.clear();
            let margins = if is_header { &mut self.headers } else { &mut self.footers };
            let lines = lines.trim().to_owned();
            if lines.chars().any(char::is_alphabetic) && !margins.contains(&lines) {
                margins.push(lines);
            }
        }
        Ok(())
    }

    /// The body, written as it is read.
    pub fn body(&mut self, pull: &mut Pull<impl BufRead>, writer: &mut Writer) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "text" => {
                    self.kind = Kind::Text;
                    let headers = std::mem::take(&mut self.headers);
                    headers.iter().try_for_each(|header| writer.paragraph(header))?;
                    writer.page(1);
                    self.blocks(pull, &mut Out::Document(writer))?;
                }
                "spreadsheet" => {
                    self.kind = Kind::Sheets;
                    self.workbook(pull, writer)?;
                }
                "presentation" => {
                    self.kind = Kind::Slides;
                    self.presentation(pull, writer)?;
                }
                _ => self.blocks(pull, &mut Out::Document(writer))?,
            }
        }
        Ok(())
    }

    /// What comes at the end of the document.
    pub fn end(&mut self, writer: &mut Writer) -> Result<(), ExtractError> {
        if !matches!(self.kind, Kind::Text | Kind::Slides) {
            return Ok(());
        }
        std::mem::take(&mut self.footers).iter().try_for_each(|footer| writer.paragraph(footer))
    }

    /// The blocks of the element that began last.
    fn blocks(&mut self, pull: &mut Pull<impl BufRead>, out: &mut Out<'_>) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            self.block(pull, &tag, out)?;
        }
        Ok(())
    }

    fn block(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        tag: &Tag,
        out: &mut Out<'_>,
    ) -> Result<(), ExtractError> {
        match tag.name() {
            "p" | "h" => {
                let text = self.words(pull)?;
                let block = self.paragraph(tag, text);
                self.write(block, out)?;
            }
            "list" => {
                let style = tag.attr("style-name").unwrap_or_default();
                self.list(pull, List { level: 1, style: &style }, out)?;
            }
            "table" => self.table(pull, out)?,
            "frame" => self.frame(pull, out)?,
            "soft-page-break" => {
                pull.skip()?;
                self.turn(out);
            }
            name if SKIPPED.contains(&name) => pull.skip()?,
            _ => self.blocks(pull, out)?,
        }
        Ok(())
    }

    fn paragraph(&mut self, tag: &Tag, text: String) -> Block {
        let style = tag.attr("style-name").unwrap_or_default();
        if tag.name() == "h" {
            let level: u8 = tag.number("outline-level").unwrap_or(1);
            return Block::Heading(level.saturating_add(u8::from(self.deeper_headings)), text);
        }
        if self.styles.is(&style, "Title") && !text.trim().is_empty() && self.kind == Kind::Text {
            if self.title.is_none() {
                self.title = Some(one_line(&text));
                self.deeper_headings = true;
            }
            return Block::Heading(1, text);
        }
        Block::Paragraph(text)
    }

    fn write(&mut self, block: Block, out: &mut Out<'_>) -> Result<(), ExtractError> {
        out.write(block)?;
        std::mem::take(&mut self.after).into_iter().try_for_each(|block| out.write(block))
    }

    fn turn(&mut self, out: &mut Out<'_>) {
        if let Out::Document(writer) = out {
            self.breaks += 1;
            writer.page(self.breaks + 1);
        }
    }

    fn list(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        list: List<'_>,
        out: &mut Out<'_>,
    ) -> Result<(), ExtractError> {
        let inside = pull.depth();
        let mut number = 0u32;
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "list-item" | "list-header" => {
                    number = tag.number("start-value").unwrap_or(number.saturating_add(1));
                    self.item(pull, list, number, out)?;
                }
                _ => pull.skip()?,
            }
        }
        Ok(())
    }

    fn item(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        list: List<'_>,
        number: u32,
        out: &mut Out<'_>,
    ) -> Result<(), ExtractError> {
        let inside = pull.depth();
        let mut marker = Some(match self.styles.numbers(list.style, list.level) {
            Some(format) => format!("{}.", numbered(number, number_format(format))),
            None => "-".to_owned(),
        });
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "p" | "h" => {
                    let text = self.words(pull)?;
                    let block = match marker.take() {
                        // Headings may be items of the list that numbers them.
                        Some(_) if tag.name() == "h" => self.paragraph(&tag, text),
                        Some(marker) => Block::Item(list.level - 1, marker, text),
                        None => self.paragraph(&tag, text),
                    };
                    self.write(block, out)?;
                }
                "list" => {
                    let own = tag.attr("style-name");
                    let style = own.as_deref().unwrap_or(list.style);
                    self.list(pull, List { level: list.level + 1, style }, out)?;
                }
                _ => self.block(pull, &tag, out)?,
            }
        }
        Ok(())
    }

    /// The text of the paragraph that began last.
    fn words(&mut self, pull: &mut Pull<impl BufRead>) -> Result<String, ExtractError> {
        let mut words = String::new();
        self.inline(pull, &mut words)?;
        Ok(words)
    }

    fn inline(&mut self, pull: &mut Pull<impl BufRead>, words: &mut String) -> Result<(), ExtractError> {
        let inside = pull.depth();
        loop {
            let tag = match pull.next()? {
                Node::Open(tag) => tag,
                Node::Text(text) => {
                    push_words(words, &text);
                    continue;
                }
                Node::Close if pull.depth() < inside => return Ok(()),
                Node::Close => continue,
                Node::End => return Ok(()),
            };
            match tag.name() {
                "s" => {
                    let blanks = tag.number("c").unwrap_or(1usize).min(MAX_BLANKS);
                    words.extend(std::iter::repeat_n(' ', blanks));
                    pull.skip()?;
                }
                "tab" => {
                    words.push('\t');
                    pull.skip()?;
                }
                "line-break" => {
                    words.push('\n');
                    pull.skip()?;
                }
                "a" => {
                    let start = words.len();
                    self.inline(pull, words)?;
                    link(words, start, &tag.attr("href").unwrap_or_default());
                }
                "note" => self.note(pull, words)?,
                "annotation" => self.annotation(pull, None)?,
                "frame" | "custom-shape" | "rect" | "ellipse" | "g" => {
                    let mut blocks = Vec::new();
                    match tag.name() {
                        "frame" => self.frame(pull, &mut Out::Blocks(&mut blocks))?,
                        _ => self.blocks(pull, &mut Out::Blocks(&mut blocks))?,
                    }
                    self.after.extend(blocks);
                }
                "soft-page-break" => {
                    self.breaks += 1;
                    pull.skip()?;
                }
                "page-number" | "page-count" => pull.skip()?,
                name if SKIPPED.contains(&name) => pull.skip()?,
                _ => self.inline(pull, words)?,
            }
        }
    }

    fn note(&mut self, pull: &mut Pull<impl BufRead>, words: &mut String) -> Result<(), ExtractError> {
        let (mut label, mut lines) = (String::new(), String::new());
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "note-citation" => label = one_line(&pull.text()?),
                "note-body" => {
                    let after = std::mem::take(&mut self.after);
                    self.blocks(pull, &mut Out::Lines(&mut lines))?;
                    self.after = after;
                }
                _ => pull.skip()?,
            }
        }
        self.notes += 1;
        if label.is_empty() || label.len() > 10 {
            label = self.notes.to_string();
        }
        words.push_str(&Writer::note_mark(&label));
        self.after.push(Block::Note(label, lines));
        Ok(())
    }

    /// A comment on a place in the text, or on a cell.
    fn annotation(&mut self, pull: &mut Pull<impl BufRead>, cell: Option<&str>) -> Result<(), ExtractError> {
        let (mut author, mut lines) = (String::new(), String::new());
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "creator" => author = one_line(&pull.text()?),
                "p" => push_line(&mut lines, &self.words(pull)?),
                "list" => self.list(pull, List { level: 1, style: "" }, &mut Out::Lines(&mut lines))?,
                _ => pull.skip()?,
            }
        }
        let on = cell.map(|cell| format!(" on {cell}")).unwrap_or_default();
        let by = if author.is_empty() { author } else { format!(" ({author})") };
        if !lines.trim().is_empty() {
            self.after.push(Block::Quote(format!("Comment{on}{by}: {}", lines.trim())));
        }
        Ok(())
    }

    /// A picture, a text box, or a chart that is shown.
    fn frame(&mut self, pull: &mut Pull<impl BufRead>, out: &mut Out<'_>) -> Result<(), ExtractError> {
        let inside = pull.depth();
        let (mut is_shown, mut said) = (false, Vec::new());
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "title" | "desc" => said.push(one_line(&pull.text()?)),
                "image" if is_shown => pull.skip()?,
                "object" => {
                    is_shown = true;
                    let address = tag.attr("href").unwrap_or_default();
                    self.object(&address, out)?;
                    // A flat document has the object in its place.
                    self.blocks(pull, out)?;
                }
                "table" => {
                    is_shown = true;
                    self.table(pull, out)?;
                }
                _ => self.block(pull, &tag, out)?,
            }
        }
        said.retain(|words| !words.is_empty());
        if !said.is_empty() {
            out.write(Block::Paragraph(format!("Image: {}", said.join(". "))))?;
        }
        Ok(())
    }

    /// A chart is its title and the table that it is drawn from.
    fn object(&mut self, address: &str, out: &mut Out<'_>) -> Result<(), ExtractError> {
        let Some((zip, format)) = &self.package else { return Ok(()) };
        let (mut zip, format) = (zip.clone(), *format);
        let folder = address.trim_start_matches("./").trim_end_matches('/');
        self.objects += 1;
        if folder.is_empty() || self.objects > MAX_OBJECTS {
            return Ok(());
        }
        let Some(member) = zip.member(&format!("{folder}/content.xml"))? else { return Ok(()) };
        let mut pull: Pull<Member<'_>> = Pull::new(member, format);
        let mut blocks = Vec::new();
        // An object is read without those inside of it.
        let package = self.package.take();
        let read = loop {
            match pull.next() {
                Ok(Node::Open(tag)) if tag.name() == "body" => {
                    break self.blocks(&mut pull, &mut Out::Blocks(&mut blocks));
                }
                Ok(Node::End) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        self.package = package;
        match read {
            Err(ExtractError::Corrupt { .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => blocks.into_iter().try_for_each(|block| out.write(block)),
        }
    }

    /// A table of a text or a slide.
    fn table(&mut self, pull: &mut Pull<impl BufRead>, out: &mut Out<'_>) -> Result<(), ExtractError> {
        match out {
            Out::Document(writer) => {
                let mut table = Rows::new(Header::First);
                self.rows(pull, &mut 0, &mut |_, _, row| table.push(writer, row))?;
                table.end(writer)?;
            }
            _ => {
                let mut rows = Vec::new();
                self.rows(pull, &mut 0, &mut |_, _, row| {
                    rows.push(row);
                    Ok(())
                })?;
                out.write(Block::Table(rows))?;
            }
        }
        std::mem::take(&mut self.after).into_iter().try_for_each(|block| out.write(block))
    }

    /// The rows of the element that began last: number, how many alike, cells.
    fn rows(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        at: &mut usize,
        row: &mut dyn FnMut(usize, usize, Vec<String>) -> Result<(), ExtractError>,
    ) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "table-row" => {
                    let alike = tag.number("number-rows-repeated").unwrap_or(1usize).max(1);
                    let cells = self.cells(pull, *at)?;
                    match cells.iter().all(|cell| cell.trim().is_empty()) {
                        true => row(*at, alike, Vec::new())?,
                        false => {
                            for number in 0..alike.min(MAX_REPEATED_ROWS) {
                                row(at.saturating_add(number), 1, cells.clone())?;
                            }
                        }
                    }
                    *at = at.saturating_add(alike);
                }
                "table-header-rows" | "table-rows" | "table-row-group" => self.rows(pull, at, row)?,
                "shapes" => {
                    let mut blocks = Vec::new();
                    self.blocks(pull, &mut Out::Blocks(&mut blocks))?;
                    self.after.extend(blocks);
                }
                _ => pull.skip()?,
            }
        }
        Ok(())
    }

    fn cells(&mut self, pull: &mut Pull<impl BufRead>, row: usize) -> Result<Vec<String>, ExtractError> {
        let mut cells: Vec<String> = Vec::new();
        let mut column = 0usize;
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            if !matches!(tag.name(), "table-cell" | "covered-table-cell") {
                pull.skip()?;
                continue;
            }
            let alike = tag.number("number-columns-repeated").unwrap_or(1usize).max(1);
            let text = self.cell(pull, &tag, row, column)?;
            if !text.is_empty() {
                cells.resize(column.min(MAX_COLUMNS), String::new());
                let room = MAX_COLUMNS.saturating_sub(cells.len());
                cells.extend(std::iter::repeat_n(text, alike.min(MAX_REPEATED_CELLS).min(room)));
            }
            column = column.saturating_add(alike);
        }
        Ok(cells)
    }

    fn cell(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        tag: &Tag,
        row: usize,
        column: usize,
    ) -> Result<String, ExtractError> {
        let mut lines = String::new();
        let inside = pull.depth();
        while let Some(child) = pull.child(inside)? {
            match child.name() {
                "annotation" => {
                    let name = (self.kind == Kind::Sheets).then(|| cell_name(row, column));
                    self.annotation(pull, name.as_deref())?;
                }
                _ => {
                    let after = std::mem::take(&mut self.after);
                    self.block(pull, &child, &mut Out::Lines(&mut lines))?;
                    self.after.splice(0..0, after);
                }
            }
        }
        // What is shown of a date depends on where; what is meant does not.
        let value = tag.attr("date-value").filter(|_| !lines.trim().is_empty());
        Ok(value.map_or_else(|| lines.trim().to_owned(), |date| iso(&date)))
    }

    fn workbook(&mut self, pull: &mut Pull<impl BufRead>, writer: &mut Writer) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            if tag.name() != "table" {
                pull.skip()?;
                continue;
            }
            let name = one_line(&tag.attr("name").unwrap_or_default());
            self.sheets.push(name.clone());
            let mut heading = Some(name);
            let mut rows = Rows::new(Header::Detect);
            let mut last = None;
            self.rows(pull, &mut 0, &mut |at, _, cells| {
                if cells.is_empty() {
                    return Ok(());
                }
                if let Some(name) = heading.take() {
                    writer.heading(2, &name)?;
                }
                if last.is_some_and(|last: usize| last.checked_add(1) != Some(at)) {
                    rows.end(writer)?;
                }
                last = Some(at);
                rows.push(writer, cells)
            })?;
            rows.end(writer)?;
            for block in std::mem::take(&mut self.after) {
                if let Some(name) = heading.take() {
                    writer.heading(2, &name)?;
                }
                writer.write(block)?;
            }
        }
        Ok(())
    }

    fn presentation(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        writer: &mut Writer,
    ) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            if matches!(tag.name(), "footer-decl" | "header-decl") {
                let text = one_line(&pull.text()?);
                if !text.is_empty() && !self.footers.contains(&text) {
                    self.footers.push(text);
                }
                continue;
            }
            if tag.name() != "page" {
                pull.skip()?;
                continue;
            }
            self.slides += 1;
            writer.page(self.slides);
            let (mut title, mut blocks, mut notes) = (None, Vec::new(), String::new());
            self.slide(pull, &mut title, &mut blocks, &mut notes)?;
            blocks.append(&mut self.after);
            blocks.retain(|block| match block {
                Block::Table(rows) => rows.iter().flatten().any(|cell| !cell.trim().is_empty()),
                Block::Heading(_, text) | Block::Paragraph(text) | Block::Item(_, _, text) => {
                    !text.trim().is_empty()
                }
                Block::Quote(_) | Block::Note(..) => true,
            });
            match title {
                Some(title) => writer.heading(2, &title)?,
                None if blocks.is_empty() && notes.trim().is_empty() => continue,
                None => writer.heading(2, &format!("Slide {}", self.slides))?,
            }
            blocks.into_iter().try_for_each(|block| writer.write(block))?;
            if !notes.trim().is_empty() {
                writer.paragraph(&format!("Notes: {}", notes.trim()))?;
            }
        }
        Ok(())
    }

    fn slide(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        title: &mut Option<String>,
        blocks: &mut Vec<Block>,
        notes: &mut String,
    ) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            let class = tag.attr("class").unwrap_or_default();
            match tag.name() {
                _ if NO_TEXT.contains(&class.as_str()) => pull.skip()?,
                "notes" => self.blocks(pull, &mut Out::Lines(notes))?,
                "page-thumbnail" => pull.skip()?,
                "annotation" => self.annotation(pull, None)?,
                "frame" if class == "title" && title.is_none() => {
                    let mut lines = String::new();
                    self.frame(pull, &mut Out::Lines(&mut lines))?;
                    *title = Some(one_line(&lines)).filter(|title| !title.is_empty());
                }
                "g" => self.slide(pull, title, blocks, notes)?,
                _ => self.block(pull, &tag, &mut Out::Blocks(blocks))?,
            }
        }
        Ok(())
    }
}

/// White space in a paragraph is one blank, however it is laid out in the file.
fn push_words(words: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            ' ' | '\n' | '\r' | '\t' if words.ends_with([' ', '\n', '\t']) || words.is_empty() => {}
            ' ' | '\n' | '\r' | '\t' => words.push(' '),
            other => words.push(other),
        }
    }
}

/// As the other office formats call them.
fn number_format(format: &str) -> &'static str {
    match format {
        "a" => "lowerLetter",
        "A" => "upperLetter",
        "i" => "lowerRoman",
        "I" => "upperRoman",
        _ => "decimal",
    }
}

/// `B3` for the third row of the second column.
fn cell_name(row: usize, column: usize) -> String {
    let (mut letters, mut rest) = (Vec::new(), column);
    loop {
        letters.push(b'A' + (rest % 26) as u8);
        if rest < 26 {
            break;
        }
        rest = rest / 26 - 1;
    }
    let letters: String = letters.iter().rev().map(|&letter| char::from(letter)).collect();
    format!("{letters}{}", row.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_have_the_names_of_spreadsheets() {
        assert_eq!(cell_name(2, 1), "B3");
        assert_eq!(cell_name(0, 25), "Z1");
        assert_eq!(cell_name(9, 26), "AA10");
        assert_eq!(cell_name(0, 702), "AAA1");
    }

    #[test]
    fn blanks_are_folded() {
        let mut words = String::new();
        for text in ["\n   a", "  ", " b\n", "c"] {
            push_words(&mut words, text);
        }
        assert_eq!(words, "a b c");
    }
}
