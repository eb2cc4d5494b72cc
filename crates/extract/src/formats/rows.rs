//! Rows of cells as text that a search finds by row.
//!
//! A table is written as Markdown. A long one is written as several, each small
//! enough for one chunk and each with the header: a row that is found by itself
//! still says what its values mean. A wide one (its header and a row fill most
//! of a chunk) is written as records instead, a paragraph a row, with
//! `column: value` a line: the value stands beside its name, where a model sees
//! that they belong together, and empty cells cost nothing. Rows of columns
//! without names are lines.

use super::writer::{Writer, escaped, one_line};
use crate::error::ExtractError;

/// A table has about so many tokens, with its header: it fits a chunk of the
/// default size (200 tokens) by itself. Numbers have more than one can tell here,
/// and a row that the chunk has no room for would begin the next one without its header.
const TABLE_TOKENS: usize = 150;

/// A header and a row of more tokens are records: of a table of them, half of
/// each chunk and more would be header.
const RECORD_TOKENS: usize = 120;

/// A table of a document with a cell of more bytes is there for its layout: it
/// is written cell by cell.
const LAYOUT_BYTES: usize = 1200;

/// Rows that are looked at before the first is written.
const SAMPLE_ROWS: usize = 50;

/// Bytes that are looked at, likewise.
const SAMPLE_BYTES: usize = 64 << 10;

/// Rows above a header that may be titles.
const MAX_TITLES: usize = 8;

/// A cell of a header is no longer than this.
const HEADER_CELL_BYTES: usize = 120;

/// Columns of a spreadsheet. A document that puts a cell further out, or says
/// that one spans more, gets no more blank cells than this.
pub const MAX_COLUMNS: usize = 16_384;

/// Where the names of the columns are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// In the first row.
    First,
    /// In the first row if it looks like it: names above values.
    Detect,
}

/// Takes rows, and writes them as soon as it knows how.
pub struct Rows {
    header: Header,
    sample: Vec<Vec<String>>,
    sample_bytes: usize,
    layout: Option<Layout>,
    /// Columns of the table before this one, and their names, if they have some.
    before: Option<(Vec<usize>, Option<Vec<String>>)>,
    /// Names that stand alone: a blank row divides them from what they name.
    alone: Option<Vec<String>>,
}

/// How the rows of a table are written.
struct Layout {
    /// Columns with anything in them.
    columns: Vec<usize>,
    /// Names of those.
    names: Option<Vec<String>>,
    kind: Kind,
    /// Tokens of the table that is being written; `None` before it.
    written: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A table.
    Table,
    /// A paragraph a row, a line a value.
    Records,
    /// A paragraph a cell.
    Cells,
    /// A line a row: there is one column, or the columns have no names.
    Lines,
}

impl Rows {
    /// No rows yet.
    pub fn new(header: Header) -> Self {
        Self { header, sample: Vec::new(), sample_bytes: 0, layout: None, before: None, alone: None }
    }

    /// The next row. A blank one is nothing.
    pub fn push(&mut self, writer: &mut Writer, mut row: Vec<String>) -> Result<(), ExtractError> {
        while row.last().is_some_and(|cell| cell.trim().is_empty()) {
            row.pop();
        }
        if row.is_empty() {
            return Ok(());
        }
        if let Some(layout) = &mut self.layout {
            return layout.write(writer, &row);
        }
        self.sample_bytes += row.iter().map(|cell| cell.len() + 1).sum::<usize>();
        self.sample.push(row);
        if self.sample.len() >= SAMPLE_ROWS || self.sample_bytes >= SAMPLE_BYTES {
            self.settle(writer)?;
        }
        Ok(())
    }

    /// The table ends; another one may begin.
    pub fn end(&mut self, writer: &mut Writer) -> Result<(), ExtractError> {
        if self.layout.is_none() {
            self.settle(writer)?;
        }
        if let Some(Layout { columns, names, .. }) = self.layout.take() {
            let names = names.or(self.alone.take());
            self.before = Some((columns, names));
        }
        self.alone = None;
        self.sample_bytes = 0;
        Ok(())
    }

    fn settle(&mut self, writer: &mut Writer) -> Result<(), ExtractError> {
        let mut rows = std::mem::take(&mut self.sample);
        if rows.is_empty() {
            return Ok(());
        }
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let is_filled =
            |at: &usize| rows.iter().any(|row| row.get(*at).is_some_and(|c| !c.trim().is_empty()));
        let columns: Vec<usize> = (0..width).filter(is_filled).collect();
        if self.header == Header::Detect {
            let titles = titles(&rows, columns.len());
            for row in rows.drain(..titles) {
                let cells = row.iter().map(|cell| one_line(cell)).filter(|cell| !cell.is_empty());
                writer.paragraph(&cells.collect::<Vec<_>>().join(" | "))?;
            }
        }
        let is_layout = columns.len() == 1 || rows.iter().flatten().any(|cell| cell.len() > LAYOUT_BYTES);
        let named = match self.header {
            Header::First => rows.len() > 1 && !is_layout,
            Header::Detect => is_header(&rows, &columns) && !self.goes_on_nameless(&columns),
        };
        let names: Option<Vec<String>> = match named {
            true => {
                let first = rows.remove(0);
                Some(columns.iter().map(|&at| one_line(first.get(at).map_or("", |cell| cell))).collect())
            }
            false => self.names_before(&columns),
        };
        if let (Header::Detect, None, Some(last)) = (self.header, &names, rows.last())
            && rows.len() <= MAX_TITLES
            && is_names(last, &columns)
            && rows.iter().flatten().all(|cell| !is_value(cell.trim()))
        {
            let name = |at: &usize| one_line(last.get(*at).map_or("", |cell| cell));
            self.alone = Some(columns.iter().map(name).collect());
        }
        // Bars and what is between them.
        let average = rows.iter().flatten().map(|cell| tokens(cell) + 1).sum::<usize>() / rows.len().max(1);
        let is_wide = names.as_deref().is_some_and(|names| head_tokens(names) + average > RECORD_TOKENS);
        let kind = match self.header {
            Header::First if is_layout => Kind::Cells,
            _ if columns.len() == 1 || names.is_none() => Kind::Lines,
            Header::Detect if is_wide => Kind::Records,
            Header::First if is_wide && names.iter().flatten().all(|name| !name.is_empty()) => Kind::Records,
            _ => Kind::Table,
        };
        let layout = self.layout.insert(Layout { columns, names, kind, written: None });
        rows.iter().try_for_each(|row| layout.write(writer, row))
    }

    /// After a blank row a table goes on without saying its header again.
    fn names_before(&self, columns: &[usize]) -> Option<Vec<String>> {
        let (before, names) = self.before.as_ref().filter(|_| self.header == Header::Detect)?;
        let names = names.as_ref()?;
        let name = |column| before.iter().position(|at| at == column).map(|at| names[at].clone());
        let known = columns.iter().filter(|column| before.contains(column)).count();
        // What labels the rows has no name, often.
        (known > 1 && known + 1 >= columns.len())
            .then(|| columns.iter().map(|column| name(column).unwrap_or_default()).collect())
    }

    /// Likewise one without header.
    fn goes_on_nameless(&self, columns: &[usize]) -> bool {
        let is_before = |before: &Vec<usize>| columns.iter().all(|column| before.contains(column));
        matches!(&self.before, Some((before, None)) if is_before(before))
    }
}

impl Layout {
    fn write(&mut self, writer: &mut Writer, row: &[String]) -> Result<(), ExtractError> {
        self.widen(row);
        match self.kind {
            Kind::Table => {}
            Kind::Records => return self.record(writer, row),
            Kind::Cells => return row.iter().try_for_each(|cell| writer.paragraph(cell)),
            Kind::Lines => return self.line(writer, row),
        }
        let mut line = String::from("|");
        for &at in &self.columns {
            line.push(' ');
            cell(&mut line, row.get(at).map_or("", |cell| cell));
            line.push_str(" |");
        }
        let more = tokens(&line);
        let head = head_tokens(self.names.as_deref().unwrap_or_default());
        // A header is never more than a third of a table of many rows.
        if self.written.is_none_or(|written| written + more > TABLE_TOKENS.max(3 * head)) {
            self.head(writer)?;
            self.written = Some(head);
        }
        self.written = Some(self.written.unwrap_or(head) + more);
        writer.continue_markdown(&line)
    }

    /// A value in a column that was empty so far makes it one of the table.
    fn widen(&mut self, row: &[String]) {
        let is_new = |at: &usize| !row[*at].trim().is_empty() && self.columns.binary_search(at).is_err();
        let new: Vec<usize> = (0..row.len()).filter(is_new).collect();
        if new.is_empty() {
            return;
        }
        let columns = std::mem::take(&mut self.columns);
        let names = self.names.take();
        let blank = std::iter::repeat(String::new());
        let mut all: Vec<(usize, String)> = match &names {
            Some(names) => columns.into_iter().zip(names.iter().cloned()).collect(),
            None => columns.into_iter().zip(blank.clone()).collect(),
        };
        all.extend(new.into_iter().zip(blank));
        all.sort_by_key(|(column, _)| *column);
        let (columns, all_names) = all.into_iter().unzip();
        self.columns = columns;
        self.names = names.map(|_| all_names);
        self.written = None;
    }

    /// The header and the line below it.
    fn head(&mut self, writer: &mut Writer) -> Result<(), ExtractError> {
        let mut line = String::from("|");
        for column in 0..self.columns.len() {
            line.push(' ');
            cell(&mut line, self.names.as_ref().and_then(|names| names.get(column)).map_or("", |name| name));
            line.push_str(" |");
        }
        line.push_str("\n|");
        // One dash is enough, and two more a column would be tokens of every chunk.
        line.push_str(&" - |".repeat(self.columns.len()));
        writer.markdown(&line)
    }

    fn line(&mut self, writer: &mut Writer, row: &[String]) -> Result<(), ExtractError> {
        let cells: Vec<String> =
            row.iter().map(|cell| one_line(cell)).filter(|cell| !cell.is_empty()).collect();
        let line = cells.join(" | ");
        let more = tokens(&line);
        match self.written {
            Some(written) if written + more <= TABLE_TOKENS => {
                self.written = Some(written + more);
                writer.continue_markdown(&escaped(&line))
            }
            _ => {
                self.written = Some(more);
                writer.paragraph(&line)
            }
        }
    }

    fn record(&self, writer: &mut Writer, row: &[String]) -> Result<(), ExtractError> {
        let mut begun = false;
        for (column, &at) in self.columns.iter().enumerate() {
            let value = row.get(at).map_or("", |cell| cell.trim());
            if value.is_empty() {
                continue;
            }
            let value = one_line(value);
            let name =
                self.names.as_ref().and_then(|names| names.get(column)).filter(|name| !name.is_empty());
            let line = match name {
                Some(name) => format!("{name}: {value}"),
                None => value,
            };
            match begun {
                true => writer.continue_markdown(&escaped(&line))?,
                false => writer.paragraph(&line)?,
            }
            begun = true;
        }
        Ok(())
    }
}

/// About as many tokens as a model makes of a text: those of words are some
/// letters long, those of numbers two digits, every other mark is one.
fn tokens(text: &str) -> usize {
    let (mut tokens, mut run, mut digits) = (0, 0usize, false);
    let mut count = |character: char| {
        let is_digit = character.is_ascii_digit();
        if !character.is_ascii_alphanumeric() || is_digit != digits {
            tokens += run.div_ceil(if digits { 2 } else { 5 });
            (run, digits) = (0, is_digit);
        }
        if character.is_ascii_alphanumeric() {
            run += 1;
        } else if !character.is_whitespace() {
            tokens += 1;
        }
    };
    match text.is_ascii() {
        true => text.bytes().for_each(|byte| count(char::from(byte))),
        false => text.chars().for_each(count),
    }
    tokens + run.div_ceil(if digits { 2 } else { 5 })
}

/// Those of a header and the line below it.
fn head_tokens(names: &[String]) -> usize {
    names.iter().map(|name| tokens(name) + 3).sum::<usize>() + 2
}

/// Appends a cell on one line, in which no `|` ends it.
fn cell(line: &mut String, text: &str) {
    for (number, word) in text.split_whitespace().enumerate() {
        if number > 0 {
            line.push(' ');
        }
        match word.contains('|') {
            true => line.push_str(&word.replace('|', "\\|")),
            false => line.push_str(word),
        }
    }
}

/// How many rows stand above a table as its title: those of one cell, and
/// those of few above one that names the columns.
fn titles(rows: &[Vec<String>], columns: usize) -> usize {
    let filled = |row: &Vec<String>| row.iter().filter(|cell| !cell.trim().is_empty()).count();
    let few = rows.iter().take(MAX_TITLES).take_while(|row| filled(row) * 2 <= columns).count();
    let all: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).collect();
    let named = (1..=few).find(|&at| {
        let in_use = |column: &usize| {
            rows[at..].iter().any(|row| row.get(*column).is_some_and(|c| !c.trim().is_empty()))
        };
        let columns: Vec<usize> = all.iter().copied().filter(in_use).collect();
        is_header(&rows[at..], &columns)
    });
    named.unwrap_or_else(|| match rows.iter().take_while(|row| filled(row) == 1).count() {
        // All of them: there is one column, or the cells stand here and there.
        titles if titles == rows.len() => 0,
        titles => titles,
    })
}

/// Whether the first row names the columns of the others.
fn is_header(rows: &[Vec<String>], columns: &[usize]) -> bool {
    matches!(rows, [first, others @ ..] if !others.is_empty() && is_names(first, columns))
}

/// Whether a row has a different short text for each column, and no values.
fn is_names(row: &[String], columns: &[usize]) -> bool {
    let cells: Vec<&str> = columns.iter().map(|&at| row.get(at).map_or("", |cell| cell.trim())).collect();
    let named = cells.iter().filter(|cell| !cell.is_empty()).count();
    // The corner above the names of the rows is often empty, and so are cells beside merged ones.
    let mut distinct: Vec<&str> = cells.iter().copied().filter(|cell| !cell.is_empty()).collect();
    distinct.sort_unstable();
    distinct.dedup();
    columns.len() > 1
        && named * 3 >= columns.len() * 2
        && distinct.len() == named
        && cells.iter().all(|cell| cell.len() <= HEADER_CELL_BYTES && !is_value(cell))
}

/// A number, a date, a time, a truth or an address: what a header has not. A
/// year is a name as well as a number.
fn is_value(cell: &str) -> bool {
    if cell.len() == 4 && (cell.starts_with("19") || cell.starts_with("20")) {
        return false;
    }
    let cell = cell.trim_start_matches(['-', '+', '(', '$', '€', '£', '¥']).trim_end_matches([')', '%', '€']);
    let number = !cell.is_empty()
        && cell.bytes().any(|byte| byte.is_ascii_digit())
        && cell.bytes().all(|byte| byte.is_ascii_digit() || b" .,:-/eE+TZ'".contains(&byte));
    number
        || ["true", "false", "yes", "no"].iter().any(|truth| cell.eq_ignore_ascii_case(truth))
        || cell.contains("://")
        || (cell.contains('@') && cell.contains('.'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::limits::Limits;

    fn written(header: Header, rows: &[&[&str]]) -> String {
        let mut writer = Writer::new(&Limits::default());
        let mut table = Rows::new(header);
        for row in rows {
            table.push(&mut writer, row.iter().map(ToString::to_string).collect()).unwrap();
        }
        table.end(&mut writer).unwrap();
        writer.finish().0
    }

    #[test]
    fn a_table_has_its_header_and_no_empty_columns() {
        let rows: &[&[&str]] =
            &[&["", "Harbour", "", "Fee"], &["", "North | East", "", "12\n€"], &[""], &["", "South"]];
        let table = "| Harbour | Fee |\n| - | - |\n| North \\| East | 12 € |\n| South |  |";
        assert_eq!(written(Header::First, rows), table);
        assert_eq!(written(Header::Detect, rows), table);
    }

    #[test]
    fn titles_stand_above_and_values_are_no_header() {
        let rows: &[&[&str]] = &[&["Fees"], &["1", "2"], &["3", "4", "late"]];
        assert_eq!(written(Header::Detect, rows), "Fees\n\n1 | 2\n3 | 4 | late");
        for first in [["2024-05-01", "x"], ["x", "x"], ["a@b.c", "x"], ["$5", "x"], ["", ""]] {
            let rows: &[&[&str]] = &[&first, &["c", "d"]];
            assert!(!written(Header::Detect, rows).contains("| - |"), "{first:?}");
        }
        assert!(
            written(Header::Detect, &[&["Region", "2023", "2024"], &["N", "1", "2"]]).starts_with("| Region")
        );
    }

    #[test]
    fn a_header_is_found_below_its_titles() {
        let rows: &[&[&str]] = &[
            &["Fees", "", "", "", "May"],
            &["in euros"],
            &["", "North", "South", "West", "All"],
            &["Boats", "1", "2", "3", "6"],
        ];
        assert_eq!(
            written(Header::Detect, rows),
            "Fees | May\n\nin euros\n\n|  | North | South | West | All |\n| - | - | - | - | - |\n| Boats | 1 | 2 | 3 | 6 |"
        );
    }

    #[test]
    fn names_that_stand_alone_are_those_of_what_comes() {
        let mut writer = Writer::new(&Limits::default());
        let mut table = Rows::new(Header::Detect);
        let blocks: &[&[&[&str]]] = &[
            &[&["Fees", "", "", "2023"], &["", "North", "South", "West"]],
            &[&["Boats", "1", "2", "3"]],
            &[&["Ships", "4", "5", "6"]],
        ];
        for block in blocks {
            for row in *block {
                table.push(&mut writer, row.iter().map(ToString::to_string).collect()).unwrap();
            }
            table.end(&mut writer).unwrap();
        }
        let head = "|  | North | South | West |\n| - | - | - | - |\n";
        assert_eq!(
            writer.finish().0,
            format!(
                "Fees | 2023\nNorth | South | West\n\n{head}| Boats | 1 | 2 | 3 |\n\n{head}| Ships | 4 | 5 | 6 |"
            )
        );
    }

    #[test]
    fn the_header_of_a_long_table_is_said_again() {
        let rows: Vec<Vec<String>> =
            (0..200).map(|i| vec![format!("name {i}"), format!("value {i}")]).collect();
        let mut writer = Writer::new(&Limits::default());
        let mut table = Rows::new(Header::Detect);
        table.push(&mut writer, vec!["Name".to_owned(), "Value".to_owned()]).unwrap();
        for row in rows {
            table.push(&mut writer, row).unwrap();
        }
        table.end(&mut writer).unwrap();
        let text = writer.finish().0;
        let tables: Vec<&str> = text.split("\n\n").collect();
        assert!(tables.len() > 5, "{}", tables.len());
        for table in &tables {
            assert!(table.starts_with("| Name | Value |\n| - | - |\n| name "), "{table}");
            assert!(tokens(table) <= TABLE_TOKENS);
        }
        assert!(text.contains("| name 0 |") && text.contains("| name 199 |"));
    }

    #[test]
    fn wide_rows_are_records() {
        let names: Vec<String> = (0..40).map(|i| format!("Column number {i}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut row = vec![""; 40];
        (row[0], row[39]) = ("first", "# last");
        let text = written(Header::Detect, &[&names, &row, &row]);
        // Columns without a value in any row have a name still.
        let record = "Column number 0: first\nColumn number 39: # last";
        assert_eq!(text, format!("{record}\n\n{record}"));
    }

    #[test]
    fn a_value_beyond_the_header_is_kept() {
        let mut rows: Vec<Vec<String>> = vec![vec!["Name".to_owned(), "Value".to_owned()]];
        rows.extend((0..60).map(|i| vec!["a".to_owned(), i.to_string()]));
        rows.push(vec!["b".to_owned(), "1".to_owned(), String::new(), "surplus".to_owned()]);
        let mut writer = Writer::new(&Limits::default());
        let mut table = Rows::new(Header::Detect);
        for row in rows {
            table.push(&mut writer, row).unwrap();
        }
        table.end(&mut writer).unwrap();
        assert!(writer.finish().0.ends_with("| Name | Value |  |\n| - | - | - |\n| b | 1 | surplus |"));
    }
}
