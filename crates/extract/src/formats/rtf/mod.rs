//! RTF, by a reader of our own: the crates there are know no tables, notes or
//! code pages of fonts, and panic on surrogates.

mod codepage;
mod tokens;

use super::{
    links::end_field,
    ooxml::Properties,
    rows::{Header, MAX_COLUMNS, Rows},
    writer::{Block, Writer, one_line},
};
use crate::{error::ExtractError, format::Format, limits::Limits};
use codepage::Characters;
use ragstream_core::text::{DocumentText, Markup};
use std::collections::HashMap;
use tokens::{Token, Tokens};

/// Groups within groups: more are in no document.
const MAX_GROUPS: usize = 10_000;

/// Groups that a document may leave open at its end: some programs forget the last.
const MAX_UNCLOSED: usize = 1;

/// Groups that hold no text of the document.
const SKIPPED: &[&str] = &[
    "atnid",
    "atnparent",
    "atnref",
    "atntime",
    "atrfend",
    "atrfstart",
    "background",
    "bkmkend",
    "bkmkstart",
    "blipuid",
    "colorschememapping",
    "colortbl",
    "datafield",
    "datastore",
    "defchp",
    "defpap",
    "docvar",
    "falt",
    "fchars",
    "ffdeftext",
    "ffentrymcr",
    "ffexitmcr",
    "ffformat",
    "ffhelptext",
    "ffl",
    "ffname",
    "ffstattext",
    "filetbl",
    "fontemb",
    "fontfile",
    "formfield",
    "ftnsep",
    "ftnsepc",
    "ftncn",
    "aftnsep",
    "aftnsepc",
    "aftncn",
    "generator",
    "latentstyles",
    "lchars",
    "listoverridetable",
    "listpicture",
    "listtable",
    "mmathPr",
    "nonesttables",
    "nonshppict",
    "objalias",
    "objclass",
    "objdata",
    "objname",
    "objsect",
    "operator",
    "panose",
    "passwordhash",
    "pgptbl",
    "pict",
    "pnseclvl",
    "pntxta",
    "pntxtb",
    "private",
    "protusertbl",
    "revtbl",
    "rsidtbl",
    "shprslt",
    "sn",
    "sv",
    "tc",
    "template",
    "themedata",
    "userprops",
    "wgrffmtfilter",
    "xe",
    "xmlattrname",
    "xmlattrvalue",
    "xmlnstbl",
];

/// Groups that are skipped by readers who don't know them, and that this one knows.
const KNOWN: &[&str] = &[
    "annotation",
    "atnauthor",
    "do",
    "fldinst",
    "footnote",
    "listtext",
    "moMath",
    "moMathPara",
    "nesttableprops",
    "pn",
    "pntext",
    "shpinst",
    "shppict",
    "shptxt",
    "ud",
];

/// Facts in the information group, and the names that they get.
const FACTS: &[(&str, &str)] = &[
    ("title", "title"),
    ("author", "author"),
    ("subject", "subject"),
    ("keywords", "keywords"),
    ("doccomm", "description"),
    ("operator", "modified_by"),
    ("company", "company"),
    ("creatim", "created"),
    ("revtim", "modified"),
];

/// Reads a document.
pub fn extract(bytes: &[u8], limits: &Limits) -> Result<DocumentText, ExtractError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    if !bytes.starts_with(b"{\\rtf") {
        return Err(ExtractError::corrupt(Format::Rtf, "it does not begin as one"));
    }
    let mut reading = Reading::new(limits);
    for token in Tokens::new(bytes) {
        reading.token(token)?;
        // What comes after the outermost group is no text.
        if reading.groups.is_empty() && reading.has_begun {
            break;
        }
    }
    if reading.groups.len() > MAX_UNCLOSED {
        return Err(ExtractError::corrupt(Format::Rtf, "it ends in the middle"));
    }
    reading.finish()
}

/// Where the text of a group goes.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    /// Where the text around it goes.
    Here,
    /// Nowhere.
    Nowhere,
    /// Into the header or footer.
    Margin {
        is_header: bool,
    },
    /// Into a note.
    Note,
    /// Into a comment.
    Comment,
    /// The author of the comment that comes next.
    Author,
    /// Into a text box.
    TextBox,
    /// The code of a field.
    FieldCode,
    /// The result of a field.
    FieldResult,
    /// Around both.
    Field,
    /// What stands before an item of a list.
    Marker,
    /// A fact of the information group.
    Fact(&'static str),
    Fonts,
    Styles,
    /// Around the same text twice, of which the second is taken.
    Twice,
    /// One of these, until it says that it is the second.
    Either,
}

/// What holds until the end of a group.
#[derive(Clone)]
struct Group {
    place: Place,
    /// Bytes that stand for a character that `\u` has given already.
    fallback: usize,
    font: i32,
    is_hidden: bool,
}

/// Text that is collected, and where it will go.
struct Sink {
    place: Place,
    /// How many groups are open in it.
    depth: usize,
    text: String,
}

/// What a paragraph is.
#[derive(Clone, Default)]
struct Paragraph {
    style: Option<i32>,
    outline: Option<u8>,
    in_table: bool,
    level: usize,
    marker: String,
}

#[derive(Default)]
struct Style {
    name: String,
    outline: Option<u8>,
}

struct Field {
    code: String,
    start: usize,
}

struct Reading {
    writer: Writer,
    rows: Rows,
    row: Vec<String>,
    cell: String,
    groups: Vec<Group>,
    has_begun: bool,
    /// A `\*` was read: the group may be skipped by who doesn't know it.
    is_optional: bool,
    /// The first word of a group says what it is.
    is_new: bool,
    sinks: Vec<Sink>,
    characters: Characters,
    /// Fallback bytes still to be skipped.
    to_skip: usize,
    paragraph: Paragraph,
    fields: Vec<Field>,
    styles: HashMap<i32, Style>,
    style: Option<i32>,
    /// Font whose character set is being told.
    font: i32,
    default_font: i32,
    notes: u32,
    author: String,
    margins: Vec<(bool, String)>,
    after: Vec<Block>,
    date: [i32; 5],
    properties: Properties,
}

impl Reading {
    fn new(limits: &Limits) -> Self {
        Self {
            writer: Writer::new(limits),
            rows: Rows::new(Header::First),
            row: Vec::new(),
            cell: String::new(),
            groups: Vec::new(),
            has_begun: false,
            is_optional: false,
            is_new: false,
            sinks: vec![Sink { place: Place::Here, depth: 0, text: String::new() }],
            characters: Characters::default(),
            to_skip: 0,
            paragraph: Paragraph::default(),
            fields: Vec::new(),
            styles: HashMap::new(),
            style: None,
            font: 0,
            default_font: 0,
            notes: 0,
            author: String::new(),
            margins: Vec::new(),
            after: Vec::new(),
            date: [0; 5],
            properties: Properties::default(),
        }
    }

    fn token(&mut self, token: Token<'_>) -> Result<(), ExtractError> {
        match token {
            Token::Open => self.open(),
            Token::Close => self.close(),
            Token::Word(name, number) => self.word(name, number),
            Token::Symbol(symbol) => self.symbol(symbol),
            Token::Hex(byte) => {
                self.bytes(&[byte]);
                Ok(())
            }
            Token::Text(text) => {
                self.bytes(text);
                Ok(())
            }
        }
    }

    fn open(&mut self) -> Result<(), ExtractError> {
        self.flush();
        if self.groups.len() >= MAX_GROUPS {
            return Err(ExtractError::corrupt(Format::Rtf, "its groups are nested too deep"));
        }
        let group = match self.groups.last() {
            Some(around) => Group { place: Place::Here, ..around.clone() },
            None => Group { place: Place::Here, fallback: 1, font: 0, is_hidden: false },
        };
        let place = match self.groups.last().map(|around| &around.place) {
            // Nothing in it is looked at, so that nothing of it is kept.
            Some(Place::Nowhere | Place::Either) => Place::Nowhere,
            Some(Place::Fonts) => Place::Fonts,
            Some(Place::Twice) => Place::Either,
            _ => Place::Here,
        };
        self.groups.push(Group { place, ..group });
        (self.is_new, self.is_optional, self.to_skip) = (true, false, 0);
        self.has_begun = true;
        Ok(())
    }

    fn close(&mut self) -> Result<(), ExtractError> {
        self.flush();
        self.to_skip = 0;
        self.is_new = false;
        let depth = self.groups.len();
        let Some(group) = self.groups.pop() else { return Ok(()) };
        self.choose_font();
        match group.place {
            Place::FieldResult => self.end_field(),
            Place::Field => drop(self.fields.pop()),
            _ => {}
        }
        // The first sink is the document, which ends with the text.
        if self.sinks.len() > 1
            && self.sinks.last().is_some_and(|sink| sink.depth == depth)
            && let Some(sink) = self.sinks.pop()
        {
            self.sunk(sink);
        }
        Ok(())
    }

    /// A group whose text was collected has ended.
    fn sunk(&mut self, sink: Sink) {
        let text = sink.text.trim().to_owned();
        match sink.place {
            Place::Margin { is_header } => {
                let is_known = self.margins.iter().any(|(_, known)| *known == text);
                if text.chars().any(char::is_alphabetic) && !is_known {
                    self.margins.push((is_header, text));
                }
            }
            Place::Note => {
                self.notes += 1;
                let label = self.notes.to_string();
                self.push(&Writer::note_mark(&label));
                self.after.push(Block::Note(label, text));
            }
            Place::Comment => {
                let author = std::mem::take(&mut self.author);
                let by = if author.is_empty() { author } else { format!(" ({author})") };
                if !text.is_empty() {
                    self.after.push(Block::Quote(format!("Comment{by}: {text}")));
                }
            }
            Place::Author => self.author = one_line(&text),
            Place::TextBox => self.after.push(Block::Paragraph(text)),
            Place::Marker => self.paragraph.marker = one_line(&text),
            Place::FieldCode => {
                if let Some(field) = self.fields.last_mut() {
                    field.code = text;
                }
            }
            Place::Fact(name) => {
                let date = std::mem::take(&mut self.date);
                match date {
                    [0, ..] => self.properties.add(name, &text),
                    [year, month, day, hour, minute] => {
                        let date = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00");
                        self.properties.add(name, &date);
                    }
                }
            }
            Place::Styles => {
                if let Some(style) = self.style.take() {
                    self.styles.entry(style).or_default().name = text.trim_end_matches(';').to_owned();
                }
            }
            _ => {}
        }
    }

    /// The text of a group goes somewhere else.
    fn send_to(&mut self, place: Place) {
        self.flush();
        let depth = self.groups.len();
        if let Some(group) = self.groups.last_mut() {
            group.place = place.clone();
        }
        if !matches!(place, Place::Nowhere | Place::Field | Place::FieldResult | Place::Fonts) {
            self.sinks.push(Sink { place, depth, text: String::new() });
        }
    }

    fn is_nowhere(&self) -> bool {
        self.is_in(&Place::Nowhere)
    }

    /// Whether the group that is open is this.
    fn is_in(&self, place: &Place) -> bool {
        self.groups.last().is_some_and(|group| group.place == *place)
    }

    fn within(&self, place: &Place) -> bool {
        self.groups.iter().any(|group| group.place == *place)
    }

    /// Whether this word says what its group is, and is done with.
    fn destination(&mut self, name: &str) -> bool {
        let place = match name {
            _ if SKIPPED.contains(&name) && !(name == "operator" && self.in_facts()) => Place::Nowhere,
            _ if self.is_optional && !KNOWN.contains(&name) => Place::Nowhere,
            "fonttbl" => Place::Fonts,
            "stylesheet" => {
                // Each style is a group in it.
                if let Some(group) = self.groups.last_mut() {
                    group.place = Place::Styles;
                }
                return true;
            }
            "header" | "headerl" | "headerr" | "headerf" => Place::Margin { is_header: true },
            "footer" | "footerl" | "footerr" | "footerf" => Place::Margin { is_header: false },
            "footnote" => Place::Note,
            "annotation" => Place::Comment,
            "atnauthor" => Place::Author,
            "shptxt" | "dptxbxtext" => Place::TextBox,
            "field" => {
                self.fields.push(Field { code: String::new(), start: 0 });
                Place::Field
            }
            "fldinst" => Place::FieldCode,
            "fldrslt" => {
                let start = self.sinks.last().map_or(0, |sink| sink.text.len());
                if let Some(field) = self.fields.last_mut() {
                    field.start = start;
                }
                Place::FieldResult
            }
            "listtext" | "pntext" => Place::Marker,
            // The same text again, for readers who know Unicode; the group before it is for others.
            "upr" | "ud" => {
                let place = if name == "upr" { Place::Twice } else { Place::Here };
                self.change(|group| group.place = place);
                return true;
            }
            name => match FACTS.iter().find(|(fact, _)| *fact == name) {
                Some((_, known)) if self.in_facts() => Place::Fact(known),
                _ => return false,
            },
        };
        self.send_to(place);
        true
    }

    /// Facts are groups in the information group, whose word is no text.
    fn in_facts(&self) -> bool {
        self.within(&Place::Fact("info"))
    }

    fn word(&mut self, name: &str, number: Option<i32>) -> Result<(), ExtractError> {
        if name != "u" {
            self.flush();
        }
        if self.to_skip > 0 && name != "u" {
            self.to_skip -= 1;
        }
        let is_new = std::mem::take(&mut self.is_new);
        if self.is_nowhere() {
            return Ok(());
        }
        if is_new && name == "info" {
            // In it are groups of facts alone.
            if let Some(group) = self.groups.last_mut() {
                group.place = Place::Fact("info");
            }
            return Ok(());
        }
        let in_styles = self.groups.iter().nth_back(1).is_some_and(|group| group.place == Place::Styles);
        if is_new && in_styles {
            match name == "s" && !self.is_optional {
                true => {
                    self.style = number;
                    self.send_to(Place::Styles);
                }
                // Those of characters and tables are none of paragraphs.
                false => self.send_to(Place::Nowhere),
            }
            return Ok(());
        }
        if (is_new || self.is_optional) && self.destination(name) {
            self.is_optional = false;
            return Ok(());
        }
        self.is_optional = false;
        let value = number.unwrap_or(0);
        match name {
            "par" | "sect" | "page" | "column" => self.end_paragraph()?,
            "line" | "lbr" => self.push("\n"),
            "tab" => self.push("\t"),
            "cell" => self.end_cell(),
            "row" => self.end_row()?,
            // A table in a cell is text of that.
            "nestcell" => self.push("\t"),
            "nestrow" => self.push("\n"),
            "emdash" => self.push("—"),
            "endash" => self.push("–"),
            "bullet" => self.push("•"),
            "lquote" => self.push("‘"),
            "rquote" => self.push("’"),
            "ldblquote" => self.push("“"),
            "rdblquote" => self.push("”"),
            "emspace" | "enspace" | "qmspace" => self.push(" "),
            "u" => {
                // Some write it as it is, without the sign.
                self.characters.unit(value as u16);
                self.to_skip = self.groups.last().map_or(1, |group| group.fallback);
                return Ok(());
            }
            "uc" => self.change(|group| group.fallback = usize::try_from(value).unwrap_or(1)),
            "f" if self.is_in(&Place::Fonts) => self.font = value,
            "f" => {
                self.change(|group| group.font = value);
                self.choose_font();
            }
            "fcharset" => self.characters.charset(self.font, value),
            "cpg" if self.is_in(&Place::Fonts) => self.characters.codepage(self.font, value),
            "deff" => {
                self.default_font = value;
                self.change(|group| group.font = value);
                self.choose_font();
            }
            "ansicpg" => self.characters.default_codepage(value),
            "mac" => self.characters.default_codepage(10000),
            "v" => self.change(|group| group.is_hidden = number != Some(0)),
            "deleted" => self.change(|group| group.is_hidden |= number != Some(0)),
            "plain" => {
                let font = self.default_font;
                self.change(|group| (group.is_hidden, group.font) = (false, font));
                self.choose_font();
            }
            // Of the paragraphs of notes and headers nothing is asked.
            "pard" | "intbl" | "s" | "ilvl" if self.sinks.len() > 1 => {}
            "pard" => {
                let marker = std::mem::take(&mut self.paragraph.marker);
                self.paragraph = Paragraph { marker, ..Paragraph::default() };
            }
            "intbl" => self.paragraph.in_table = true,
            "s" => self.paragraph.style = number,
            "ilvl" => self.paragraph.level = usize::try_from(value).unwrap_or(0),
            "outlinelevel" => {
                let level = u8::try_from(value).ok().filter(|level| *level < 9);
                match self.style {
                    Some(style) if self.within(&Place::Styles) => {
                        self.styles.entry(style).or_default().outline = level;
                    }
                    _ if self.sinks.len() > 1 => {}
                    _ => self.paragraph.outline = level,
                }
            }
            "yr" => self.date[0] = value,
            "mo" => self.date[1] = value,
            "dy" => self.date[2] = value,
            "hr" => self.date[3] = value,
            "min" => self.date[4] = value,
            _ => {}
        }
        Ok(())
    }

    fn symbol(&mut self, symbol: u8) -> Result<(), ExtractError> {
        self.flush();
        if symbol == b'*' {
            (self.is_optional, self.is_new) = (true, true);
            return Ok(());
        }
        self.is_new = false;
        if self.to_skip > 0 {
            self.to_skip -= 1;
            return Ok(());
        }
        match symbol {
            b'\\' => self.push("\\"),
            b'{' => self.push("{"),
            b'}' => self.push("}"),
            b'~' => self.push(" "),
            b'_' => self.push("-"),
            b'\r' | b'\n' if !self.is_nowhere() => self.end_paragraph()?,
            b'\t' => self.push("\t"),
            _ => {}
        }
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.is_new = false;
        let skipped = self.to_skip.min(bytes.len());
        self.to_skip -= skipped;
        if !self.is_shown() {
            return;
        }
        if bytes.len() > skipped {
            let units = self.characters.end_units();
            self.push(&units);
            self.characters.bytes(&bytes[skipped..]);
        }
    }

    /// What was read of characters becomes text.
    fn flush(&mut self) {
        let text = self.characters.take();
        self.push(&text);
    }

    fn push(&mut self, text: &str) {
        if text.is_empty() || !self.is_shown() {
            return;
        }
        if let Some(sink) = self.sinks.last_mut() {
            sink.text.push_str(text);
        }
    }

    fn is_shown(&self) -> bool {
        self.groups.last().is_none_or(|group| {
            !group.is_hidden && !matches!(group.place, Place::Nowhere | Place::Either | Place::Fonts)
        })
    }

    fn change(&mut self, change: impl FnOnce(&mut Group)) {
        if let Some(group) = self.groups.last_mut() {
            change(group);
        }
    }

    fn choose_font(&mut self) {
        let font = self.groups.last().map_or(0, |group| group.font);
        self.characters.choose(font);
    }

    fn end_field(&mut self) {
        let Some(field) = self.fields.last() else { return };
        let (start, code) = (field.start, field.code.clone());
        if let Some(sink) = self.sinks.last_mut() {
            end_field(&mut sink.text, start, &code);
        }
    }

    fn end_paragraph(&mut self) -> Result<(), ExtractError> {
        if self.sinks.len() > 1 {
            self.push("\n");
            return Ok(());
        }
        let text = std::mem::take(&mut self.sinks[0].text);
        if self.paragraph.in_table {
            self.cell.push_str(&text);
            self.cell.push('\n');
            return Ok(());
        }
        self.end_table()?;
        let block = self.block(text);
        self.writer.write(block)?;
        self.write_after()
    }

    fn write_after(&mut self) -> Result<(), ExtractError> {
        std::mem::take(&mut self.after).into_iter().try_for_each(|block| self.writer.write(block))
    }

    fn block(&mut self, text: String) -> Block {
        let marker = std::mem::take(&mut self.paragraph.marker);
        let style = self.paragraph.style.and_then(|style| self.styles.get(&style));
        let named = style.and_then(|style| heading_of_name(&style.name));
        let outline = self.paragraph.outline.or_else(|| style.and_then(|style| style.outline));
        match (named.or(outline.map(|level| level + 1)), marker.as_str()) {
            (Some(level), "") => Block::Heading(level, text),
            (Some(level), marker) => Block::Heading(level, format!("{marker} {text}")),
            (None, "") => Block::Paragraph(text),
            // Marks of lists are often those of symbol fonts.
            (None, marker) if !marker.chars().any(char::is_alphanumeric) => {
                Block::Item(self.paragraph.level, "-".to_owned(), text)
            }
            (None, marker) => Block::Item(self.paragraph.level, marker.to_owned(), text),
        }
    }

    fn end_cell(&mut self) {
        if self.sinks.len() > 1 {
            self.push("\t");
            return;
        }
        let text = std::mem::take(&mut self.sinks[0].text);
        let mut cell = std::mem::take(&mut self.cell);
        let marker = std::mem::take(&mut self.paragraph.marker);
        if !marker.is_empty() {
            cell.push_str(&format!("{marker} "));
        }
        cell.push_str(&text);
        if self.row.len() < MAX_COLUMNS {
            self.row.push(cell.trim().to_owned());
        }
    }

    fn end_row(&mut self) -> Result<(), ExtractError> {
        if self.sinks.len() > 1 {
            self.push("\n");
            return Ok(());
        }
        let row = std::mem::take(&mut self.row);
        self.rows.push(&mut self.writer, row)
    }

    fn end_table(&mut self) -> Result<(), ExtractError> {
        // A cell that was not ended is text.
        let cell = std::mem::take(&mut self.cell);
        if !self.row.is_empty() {
            self.end_row()?;
        }
        self.rows.end(&mut self.writer)?;
        self.writer.paragraph(&cell)
    }

    fn finish(mut self) -> Result<DocumentText, ExtractError> {
        self.flush();
        while self.sinks.len() > 1 {
            if let Some(sink) = self.sinks.pop() {
                self.sunk(sink);
            }
        }
        self.paragraph.in_table = false;
        self.end_paragraph()?;
        let mut margins = std::mem::take(&mut self.margins);
        margins.sort_by_key(|(is_header, _)| !is_header);
        margins.iter().try_for_each(|(_, margin)| self.writer.paragraph(margin))?;
        let (text, _) = self.writer.finish();
        let mut text = DocumentText {
            text,
            markup: Markup::Markdown,
            extractor: "rtf/1".to_owned(),
            ..DocumentText::default()
        };
        self.properties.describe(&mut text);
        Ok(text)
    }
}

/// Built-in styles have these names.
fn heading_of_name(name: &str) -> Option<u8> {
    let name = name.to_ascii_lowercase();
    if name == "title" {
        return Some(1);
    }
    let level = name.strip_prefix("heading ")?.parse().ok()?;
    (1..=9).contains(&level).then_some(level)
}
