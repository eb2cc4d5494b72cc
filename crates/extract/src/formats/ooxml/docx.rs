//! DOCX: paragraphs, headings, lists, tables, notes, comments, text boxes,
//! headers and footers, charts and what is embedded.

use super::{
    Package, Relationships, drawing,
    numbering::Numbering,
    styles::{ListPlace, Role, Styles},
};
use crate::{
    contained::Context,
    error::ExtractError,
    formats::{
        embedded::{self, Embedded},
        links::{end_field, link},
        pull::{Node, Pull, Tag},
        rows::{Header, MAX_COLUMNS, Rows},
        writer::{Block, Writer, one_line},
    },
};
use ragstream_core::text::{DocumentText, Markup};
use std::{collections::HashMap, io::BufRead};

/// A cell merged with the one above is said again if it is no longer than this.
const REPEATED_CELL_BYTES: usize = 80;

/// Headers and footers that are read.
const MAX_MARGINS: usize = 20;

/// Kinds of relationships that lead to documents inside of this one.
const EMBEDDED: &[&str] = &["package", "oleObject", "aFChunk"];

/// Reads the document.
pub fn extract(
    package: &mut Package<'_>,
    main: &str,
    context: &Context<'_>,
    inside: &mut Embedded,
) -> Result<DocumentText, ExtractError> {
    let relationships = package.relationships(main)?;
    let styles = Styles::read(package, relationships.part("styles"))?;
    let numbering = Numbering::read(package, relationships.part("numbering"))?;
    let mut document = Document {
        package: package.clone(),
        relationships: relationships.clone(),
        styles,
        numbering,
        notes: HashMap::new(),
        comments: HashMap::new(),
        note_numbers: (0, 0),
        fields: Vec::new(),
        after: Vec::new(),
        deeper_headings: false,
        title: None,
        breaks: 0,
        rendered: false,
    };
    for kind in ["footnote", "endnote"] {
        document.read_notes(package, kind)?;
    }
    document.read_comments(package)?;
    let (headers, footers) = (document.margins(package, "header")?, document.margins(package, "footer")?);
    let mut writer = Writer::new(context.limits);
    headers.iter().try_for_each(|header| writer.paragraph(header))?;
    let Some(mut pull) = package.xml(main)? else {
        return Err(ExtractError::corrupt(crate::format::Format::Docx, "it has no document"));
    };
    writer.page(1);
    loop {
        match pull.next()? {
            Node::Open(tag) if tag.name() == "body" => document.body(&mut pull, &mut writer)?,
            Node::Open(tag) if tag.name() == "background" => pull.skip()?,
            Node::End => break,
            _ => {}
        }
    }
    drop(pull);
    footers.iter().try_for_each(|footer| writer.paragraph(footer))?;
    for kind in EMBEDDED {
        for part in relationships.parts(kind) {
            match package.bytes(part, embedded::MAX_BYTES) {
                Ok(Some(bytes)) => inside.add(part, bytes),
                Err(error @ ExtractError::TooLarge { .. }) => return Err(error),
                _ => inside.skip(),
            }
        }
    }
    inside.write(&mut writer, context)?;
    let (text, pages) = writer.finish();
    Ok(DocumentText {
        text,
        // Without the marks that Word left where its pages began there is but one.
        pages: if document.rendered { pages } else { Vec::new() },
        markup: Markup::Markdown,
        title: document.title,
        extractor: "docx/1".to_owned(),
        ..DocumentText::default()
    })
}

/// A paragraph as it is read.
#[derive(Default)]
struct Paragraph {
    text: String,
    style: Option<String>,
    outline: Option<u8>,
    place: ListPlace,
    /// Where pages begin in the text.
    breaks: Vec<usize>,
}

/// A field whose code is being read, or its result.
#[derive(Default)]
struct Field {
    code: String,
    has_result: bool,
    /// Where its result begins in the paragraph.
    start: usize,
}

/// Where blocks go.
enum Out<'a> {
    /// Into the document, as what they are.
    Document(&'a mut Writer),
    /// Into a cell, a note, a box: as lines.
    Lines(&'a mut String),
}

struct Document<'a> {
    /// For parts that are read while the main one is.
    package: Package<'a>,
    relationships: Relationships,
    styles: Styles,
    numbering: Numbering,
    /// By kind and id: label and text.
    notes: HashMap<(&'static str, String), String>,
    comments: HashMap<String, String>,
    /// Footnotes and endnotes so far.
    note_numbers: (u32, u32),
    /// Open fields, which may go over many paragraphs.
    fields: Vec<Field>,
    /// What comes after the block that is being read: its notes, comments, boxes, charts.
    after: Vec<Block>,
    /// There is a title above the headings of the first level.
    deeper_headings: bool,
    title: Option<String>,
    /// Pages that have begun.
    breaks: u32,
    /// Word has left marks where its pages begin.
    rendered: bool,
}

impl Document<'_> {
    fn body(&mut self, pull: &mut Pull<impl BufRead>, writer: &mut Writer) -> Result<(), ExtractError> {
        self.blocks(pull, &mut Out::Document(writer))
    }

    /// The blocks of the element that began last.
    fn blocks(&mut self, pull: &mut Pull<impl BufRead>, out: &mut Out<'_>) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "p" => self.paragraph(pull, out)?,
                "tbl" => self.table(pull, out)?,
                "sdt" | "sdtContent" | "customXml" | "ins" | "moveTo" | "txbxContent" | "smartTag" => {
                    self.blocks(pull, out)?;
                }
                "AlternateContent" => self.alternatives(pull, |document, pull| document.blocks(pull, out))?,
                _ => pull.skip()?,
            }
        }
        Ok(())
    }

    /// The first of some ways to say the same.
    fn alternatives<R: BufRead>(
        &mut self,
        pull: &mut Pull<R>,
        mut read: impl FnMut(&mut Self, &mut Pull<R>) -> Result<(), ExtractError>,
    ) -> Result<(), ExtractError> {
        let inside = pull.depth();
        let mut chosen = false;
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "Choice" | "Fallback" if !chosen => {
                    chosen = true;
                    read(self, pull)?;
                }
                _ => pull.skip()?,
            }
        }
        Ok(())
    }

    fn paragraph(&mut self, pull: &mut Pull<impl BufRead>, out: &mut Out<'_>) -> Result<(), ExtractError> {
        let mut paragraph = Paragraph::default();
        for field in &mut self.fields {
            field.start = 0;
        }
        self.inline(pull, &mut paragraph)?;
        let role = paragraph.style.as_deref().map_or(Role::Text, |id| self.styles.role(id));
        let role = match paragraph.outline {
            Some(level @ 0..9) => Role::Heading(level + 1),
            Some(_) if matches!(role, Role::Heading(_)) => Role::Text,
            _ => role,
        };
        if role == Role::Contents {
            self.after.clear();
            if let Out::Document(writer) = out {
                self.turn(writer, paragraph.breaks.len());
            }
            return Ok(());
        }
        let is_blank = paragraph.text.trim().is_empty();
        let marker = if is_blank { None } else { self.marker(&paragraph) };
        match out {
            Out::Lines(lines) => {
                // In a cell a bullet is no more than a mark.
                let marker = marker.filter(|(_, marker)| marker != "-");
                let lead = marker.map(|(_, marker)| format!("{marker} ")).unwrap_or_default();
                if !is_blank {
                    lines.push_str(&lead);
                    lines.push_str(paragraph.text.trim());
                    lines.push('\n');
                }
            }
            Out::Document(writer) => {
                // A break in the first half puts the paragraph on the new page.
                let early = paragraph.breaks.iter().filter(|at| **at * 2 <= paragraph.text.len()).count();
                self.turn(writer, early);
                if !is_blank {
                    writer.write(self.block(role, marker, paragraph.text))?;
                }
                self.turn(writer, paragraph.breaks.len() - early);
                for block in std::mem::take(&mut self.after) {
                    writer.write(block)?;
                }
            }
        }
        Ok(())
    }

    fn turn(&mut self, writer: &mut Writer, pages: usize) {
        for _ in 0..pages {
            self.breaks += 1;
            writer.page(self.breaks + 1);
        }
    }

    fn block(&mut self, role: Role, marker: Option<(usize, String)>, text: String) -> Block {
        let below = u8::from(self.deeper_headings);
        match (role, marker) {
            (Role::Title, _) => {
                if self.title.is_none() {
                    self.title = Some(one_line(&text));
                    self.deeper_headings = true;
                }
                Block::Heading(1, text)
            }
            (Role::Heading(level), Some((_, marker))) if marker != "-" => {
                Block::Heading(level + below, format!("{marker} {text}"))
            }
            (Role::Heading(level), _) => Block::Heading(level + below, text),
            (_, Some((depth, marker))) => Block::Item(depth, marker, text),
            _ => Block::Paragraph(text),
        }
    }

    /// Depth and marker of an item of a list.
    fn marker(&mut self, paragraph: &Paragraph) -> Option<(usize, String)> {
        let of_style = paragraph.style.as_deref().map(|id| self.styles.place(id)).unwrap_or_default();
        let list = paragraph.place.list.clone().or(of_style.list)?;
        let level = paragraph.place.level.or(of_style.level).unwrap_or(0);
        Some((level, self.numbering.next(&list, level)?))
    }

    /// The runs of the element that began last, and what holds runs.
    fn inline(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        paragraph: &mut Paragraph,
    ) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "pPr" => Self::properties(pull, paragraph)?,
                "t" if self.is_said() => pull.text_into(&mut paragraph.text)?,
                "t" => pull.skip()?,
                "instrText" => {
                    let code = pull.text()?;
                    if let Some(field) = self.fields.last_mut().filter(|field| !field.has_result) {
                        field.code.push_str(&code);
                    }
                }
                "rPr" | "sdtPr" | "sdtEndPr" | "del" | "moveFrom" | "rt" | "fldData" | "delText"
                | "delInstrText" | "ctrlPr" | "rubyPr" => pull.skip()?,
                "hyperlink" => {
                    let start = paragraph.text.len();
                    self.inline(pull, paragraph)?;
                    let address = tag.prefixed_attr("id").and_then(|id| {
                        let target = self.relationships.target(&id)?;
                        target.external.then(|| target.target.clone())
                    });
                    if let Some(address) = address {
                        link(&mut paragraph.text, start, &address);
                    }
                }
                "fldSimple" => {
                    let start = paragraph.text.len();
                    self.inline(pull, paragraph)?;
                    end_field(&mut paragraph.text, start, &tag.attr("instr").unwrap_or_default());
                }
                "AlternateContent" => {
                    self.alternatives(pull, |document, pull| document.inline(pull, paragraph))?;
                }
                "drawing" | "pict" | "object" => self.drawn(pull)?,
                // Of a formula: fractions, powers, indices.
                "den" | "sup" | "sub" => {
                    let mark = if tag.name() == "den" {
                        "/"
                    } else if tag.name() == "sup" {
                        "^"
                    } else {
                        "_"
                    };
                    let start = paragraph.text.len();
                    self.inline(pull, paragraph)?;
                    if paragraph.text.len() > start {
                        paragraph.text.insert_str(start, mark);
                    }
                }
                _ => {
                    self.mark(&tag, paragraph);
                    self.inline(pull, paragraph)?;
                }
            }
        }
        Ok(())
    }

    /// What stands in a run beside text.
    fn mark(&mut self, tag: &Tag, paragraph: &mut Paragraph) {
        let id = || tag.attr("id").unwrap_or_default();
        match tag.name() {
            "tab" | "ptab" => self.push(paragraph, "\t"),
            "cr" => self.push(paragraph, "\n"),
            "noBreakHyphen" => self.push(paragraph, "-"),
            "br" if tag.attr("type").is_none_or(|kind| kind == "textWrapping") => self.push(paragraph, "\n"),
            "lastRenderedPageBreak" => {
                self.rendered = true;
                paragraph.breaks.push(paragraph.text.len());
            }
            "sym" => {
                let code = tag.attr("char").and_then(|code| u32::from_str_radix(&code, 16).ok());
                // Those of symbol fonts are in a private area, where nobody knows them.
                let character = code.filter(|code| !(0xe000..0xf900).contains(code)).and_then(char::from_u32);
                if let Some(character) = character {
                    self.push(paragraph, character.encode_utf8(&mut [0; 4]));
                }
            }
            "fldChar" => match tag.attr("fldCharType").as_deref() {
                Some("begin") => self.fields.push(Field { start: paragraph.text.len(), ..Field::default() }),
                Some("separate") => {
                    if let Some(field) = self.fields.last_mut() {
                        (field.has_result, field.start) = (true, paragraph.text.len());
                    }
                }
                Some("end") => {
                    if let Some(field) = self.fields.pop() {
                        end_field(&mut paragraph.text, field.start, &field.code);
                    }
                }
                _ => {}
            },
            "footnoteReference" => self.note("footnote", id(), paragraph),
            "endnoteReference" => self.note("endnote", id(), paragraph),
            "commentReference" => {
                if let Some(comment) = self.comments.get(&id()) {
                    self.after.push(Block::Quote(comment.clone()));
                }
            }
            _ => {}
        }
    }

    fn note(&mut self, kind: &'static str, id: String, paragraph: &mut Paragraph) {
        if let Some(text) = self.notes.get(&(kind, id)) {
            // As they are numbered where they are read; those of endnotes are told from others.
            let (number, mark) = match kind {
                "endnote" => (&mut self.note_numbers.1, "e"),
                _ => (&mut self.note_numbers.0, ""),
            };
            *number += 1;
            let label = format!("{mark}{number}");
            paragraph.text.push_str(&Writer::note_mark(&label));
            self.after.push(Block::Note(label, text.clone()));
        }
    }

    /// Text, unless it is the code of a field.
    fn push(&mut self, paragraph: &mut Paragraph, text: &str) {
        if self.is_said() {
            paragraph.text.push_str(text);
        }
    }

    /// Whether what is read is no field's code.
    fn is_said(&self) -> bool {
        self.fields.iter().all(|field| field.has_result)
    }

    fn properties(pull: &mut Pull<impl BufRead>, paragraph: &mut Paragraph) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "pStyle" => paragraph.style = tag.attr("val"),
                "outlineLvl" => paragraph.outline = tag.number("val"),
                "numPr" => {
                    let inside = pull.depth();
                    while let Some(tag) = pull.child(inside)? {
                        match tag.name() {
                            "numId" => paragraph.place.list = tag.attr("val"),
                            "ilvl" => paragraph.place.level = tag.number("val"),
                            _ => {}
                        }
                        pull.skip()?;
                    }
                    continue;
                }
                _ => {}
            }
            pull.skip()?;
        }
        Ok(())
    }

    /// Pictures, text boxes, charts, diagrams.
    fn drawn(&mut self, pull: &mut Pull<impl BufRead>) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "txbxContent" => {
                    // What belongs to paragraphs in the box comes after it, with the rest.
                    let fields = std::mem::take(&mut self.fields);
                    let mut lines = String::new();
                    self.blocks(pull, &mut Out::Lines(&mut lines))?;
                    self.fields = fields;
                    self.after.push(Block::Paragraph(lines));
                    continue;
                }
                "AlternateContent" => {
                    self.alternatives(pull, Self::drawn)?;
                    continue;
                }
                "docPr" => {
                    let words = tag.attr("descr").unwrap_or_default();
                    if !words.trim().is_empty() {
                        self.after.push(Block::Paragraph(format!("Image: {}", one_line(&words))));
                    }
                }
                "textpath" => self.after.extend(tag.attr("string").map(Block::Paragraph)),
                "chart" | "relIds" => {
                    let id = tag.prefixed_attr(if tag.name() == "chart" { "id" } else { "dm" });
                    let part = id.and_then(|id| Some(self.relationships.target(&id)?.target.clone()));
                    if let Some(part) = part {
                        self.after.extend(drawing::part(&mut self.package, &part)?);
                    }
                }
                _ => {}
            }
            self.drawn(pull)?;
        }
        Ok(())
    }

    fn table(&mut self, pull: &mut Pull<impl BufRead>, out: &mut Out<'_>) -> Result<(), ExtractError> {
        match out {
            Out::Document(writer) => {
                let mut rows = Rows::new(Header::First);
                let mut above = Vec::new();
                self.rows(pull, &mut above, &mut |row| rows.push(writer, row))?;
                rows.end(writer)?;
                for block in std::mem::take(&mut self.after) {
                    writer.write(block)?;
                }
                Ok(())
            }
            Out::Lines(lines) => self.rows(pull, &mut Vec::new(), &mut |row| {
                let cells: Vec<String> = row.iter().map(|cell| one_line(cell)).collect();
                let cells: Vec<&str> = cells.iter().map(String::as_str).filter(|c| !c.is_empty()).collect();
                lines.push_str(&cells.join(" | "));
                lines.push('\n');
                Ok(())
            }),
        }
    }

    /// The rows of the element that began last; `above` is the row before.
    fn rows(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        above: &mut Vec<String>,
        row: &mut dyn FnMut(Vec<String>) -> Result<(), ExtractError>,
    ) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "tr" => {
                    let mut cells = Vec::new();
                    self.cells(pull, above, &mut cells)?;
                    above.clone_from(&cells);
                    row(cells)?;
                }
                "sdt" | "sdtContent" | "customXml" | "ins" | "moveTo" => self.rows(pull, above, row)?,
                _ => pull.skip()?,
            }
        }
        Ok(())
    }

    fn cells(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        above: &[String],
        cells: &mut Vec<String>,
    ) -> Result<(), ExtractError> {
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "tc" => self.cell(pull, above, cells)?,
                "sdt" | "sdtContent" | "customXml" | "ins" | "moveTo" => self.cells(pull, above, cells)?,
                _ => pull.skip()?,
            }
        }
        Ok(())
    }

    fn cell(
        &mut self,
        pull: &mut Pull<impl BufRead>,
        above: &[String],
        cells: &mut Vec<String>,
    ) -> Result<(), ExtractError> {
        let (mut lines, mut span, mut goes_on) = (String::new(), 1usize, false);
        let inside = pull.depth();
        while let Some(tag) = pull.child(inside)? {
            match tag.name() {
                "tcPr" => {
                    let inside = pull.depth();
                    while let Some(tag) = pull.child(inside)? {
                        match tag.name() {
                            "gridSpan" => span = tag.number("val").unwrap_or(1),
                            "vMerge" => goes_on = tag.attr("val").is_none_or(|val| val == "continue"),
                            _ => {}
                        }
                        pull.skip()?;
                    }
                }
                "p" => self.paragraph(pull, &mut Out::Lines(&mut lines))?,
                "tbl" => self.table(pull, &mut Out::Lines(&mut lines))?,
                "sdt" | "customXml" | "ins" => self.blocks(pull, &mut Out::Lines(&mut lines))?,
                _ => pull.skip()?,
            }
        }
        if goes_on && lines.trim().is_empty() {
            // What labels several rows belongs to each.
            let label = above.get(cells.len()).filter(|label| label.len() <= REPEATED_CELL_BYTES);
            lines = label.cloned().unwrap_or_default();
        }
        cells.push(lines.trim().to_owned());
        let room = MAX_COLUMNS.saturating_sub(cells.len());
        cells.extend(std::iter::repeat_n(String::new(), span.saturating_sub(1).min(room)));
        Ok(())
    }

    fn read_notes(&mut self, package: &mut Package<'_>, kind: &'static str) -> Result<(), ExtractError> {
        let parts = format!("{kind}s");
        let Some(part) = self.relationships.part(&parts).map(str::to_owned) else { return Ok(()) };
        let relationships = self.enter(package, &part)?;
        if let Some(mut pull) = package.xml(&part)? {
            loop {
                match pull.next()? {
                    Node::Open(tag) if tag.name() == kind => {
                        let lines = self.lines(&mut pull)?;
                        // The lines between text and notes are notes, too.
                        if tag.attr("type").is_none_or(|kind| kind == "normal") {
                            self.notes.insert((kind, tag.attr("id").unwrap_or_default()), lines);
                        }
                    }
                    Node::End => break,
                    _ => {}
                }
            }
        }
        self.relationships = relationships;
        Ok(())
    }

    fn read_comments(&mut self, package: &mut Package<'_>) -> Result<(), ExtractError> {
        let Some(part) = self.relationships.part("comments").map(str::to_owned) else { return Ok(()) };
        let Some(mut pull) = package.xml(&part)? else { return Ok(()) };
        loop {
            match pull.next()? {
                Node::Open(tag) if tag.name() == "comment" => {
                    let lines = self.lines(&mut pull)?;
                    let comment = match tag.attr("author").filter(|author| !author.trim().is_empty()) {
                        Some(author) => format!("Comment ({}): {}", one_line(&author), lines.trim()),
                        None => format!("Comment: {}", lines.trim()),
                    };
                    self.comments.insert(tag.attr("id").unwrap_or_default(), comment);
                }
                Node::End => return Ok(()),
                _ => {}
            }
        }
    }

    /// Headers or footers, each text once. A mere number of the page is none.
    fn margins(&mut self, package: &mut Package<'_>, kind: &str) -> Result<Vec<String>, ExtractError> {
        let parts: Vec<String> =
            self.relationships.parts(kind).take(MAX_MARGINS).map(str::to_owned).collect();
        let mut margins: Vec<String> = Vec::new();
        for part in parts {
            let relationships = self.enter(package, &part)?;
            if let Some(mut pull) = package.xml(&part)? {
                loop {
                    match pull.next()? {
                        Node::Open(_) => {}
                        Node::End => break,
                        Node::Close | Node::Text(_) => continue,
                    }
                    let lines = self.lines(&mut pull)?;
                    let lines = lines.trim().to_owned();
                    if lines.chars().any(char::is_alphabetic) && !margins.contains(&lines) {
                        margins.push(lines);
                    }
                }
            }
            self.relationships = relationships;
        }
        Ok(margins)
    }

    /// Another part has relationships of its own; gives those of the one before.
    fn enter(&mut self, package: &mut Package<'_>, part: &str) -> Result<Relationships, ExtractError> {
        let own = package.relationships(part)?;
        Ok(std::mem::replace(&mut self.relationships, own))
    }

    /// The text of the element that began last.
    fn lines(&mut self, pull: &mut Pull<impl BufRead>) -> Result<String, ExtractError> {
        let mut lines = String::new();
        self.blocks(pull, &mut Out::Lines(&mut lines))?;
        self.fields.clear();
        for block in std::mem::take(&mut self.after) {
            if let Block::Paragraph(text) = block {
                lines.push_str(&text);
                lines.push('\n');
            }
        }
        Ok(lines)
    }
}
