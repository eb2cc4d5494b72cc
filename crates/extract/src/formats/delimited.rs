//! CSV and its kin: rows with their header, as tables or, where they are wide,
//! as records (see [`rows`](super::rows)). The separator and whether there is a
//! header are told from the first rows. Rows are written as they are read, and
//! what is written flows: a file takes the same memory whatever its size.

use super::{
    characters::Characters,
    rows::{Header, Rows},
    writer::Writer,
};
use crate::{error::ExtractError, extract::Source, outlet::Outlet};
use csv::{Reader, ReaderBuilder};
use csv_core::ReadRecordResult;
use ragstream_core::text::{Markup, TextFacts};

const EXTRACTOR: &str = "csv-1/1";

/// So much of the text is looked at to tell the separator.
const SAMPLE_BYTES: usize = 64 << 10;

/// So many rows of it.
const SAMPLE_ROWS: usize = 200;

/// Separators, the likeliest first.
const SEPARATORS: &[(u8, &str)] = &[(b',', "comma"), (b';', "semicolon"), (b'\t', "tab"), (b'|', "bar")];

/// A cell of more lines shows that a quotation mark is a mark like any other.
const MAX_QUOTED_LINES: usize = 50;

/// A row of more bytes is none: it began with a stray quotation mark.
const ROW_BYTES: usize = 4 << 20;

/// So much is written before it flows on.
const WRITTEN_BYTES: usize = 64 << 10;

/// Reads a file; `tabs` where its name says that these separate.
pub fn flow(source: &mut dyn Source, tabs: bool, outlet: &mut Outlet<'_>) -> Result<TextFacts, ExtractError> {
    outlet.head(Markup::Markdown, EXTRACTOR, None);
    let mut characters = Characters::open(source)?;
    let mut text = String::new();
    while text.len() <= SAMPLE_BYTES && characters.fill(&mut text)? {}
    let (begin, told) = announced(&text);
    text.drain(..begin);
    let likeliest = told.or(tabs.then_some(b'\t'));
    let (separator, quoting) = sniff(&text, likeliest);
    let mut records = Records::new(characters, text, separator, quoting);
    let (mut writer, mut table) = (Writer::of_most(outlet.most()), Rows::new(Header::Detect));
    let (mut rows, mut columns) = (0u64, 0);
    while let Some(row) = records.next()? {
        rows += 1;
        columns = row.len().max(columns);
        table.push(&mut writer, row)?;
        if writer.held() >= WRITTEN_BYTES {
            outlet.text(&writer.take())?;
        }
    }
    table.end(&mut writer)?;
    outlet.text(&writer.take())?;
    let mut metadata = records.characters.metadata();
    metadata.insert("rows".to_owned(), rows.into());
    metadata.insert("columns".to_owned(), columns.into());
    if let Some((_, name)) = SEPARATORS.iter().find(|(known, _)| *known == separator) {
        metadata.insert("separator".to_owned(), (*name).into());
    }
    Ok(TextFacts { metadata, extractor: EXTRACTOR.to_owned(), ..Default::default() })
}

/// The rows of a file. No more of it is held than one of them, which is bounded.
struct Records<'s> {
    characters: Characters<'s>,
    text: String,
    /// Where in it the next row begins.
    at: usize,
    /// All of the file is in `text`.
    is_whole: bool,
    with_quotes: csv_core::Reader,
    without: csv_core::Reader,
    quoting: bool,
    /// The cells of a row, one after another, and where they end.
    cells: Vec<u8>,
    ends: Vec<usize>,
    most: usize,
}

/// What a reader made of some text.
enum Row {
    /// Cells, and how long the row is.
    Whole(Vec<String>, usize),
    /// The text ends before the row does.
    Torn,
    /// There are no more rows.
    None,
}

impl<'s> Records<'s> {
    fn new(characters: Characters<'s>, text: String, separator: u8, quoting: bool) -> Self {
        let reader = |quoting| csv_core::ReaderBuilder::new().delimiter(separator).quoting(quoting).build();
        Self {
            characters,
            text,
            at: 0,
            is_whole: false,
            with_quotes: reader(true),
            without: reader(false),
            quoting,
            cells: vec![0; 4096],
            ends: vec![0; 64],
            most: ROW_BYTES,
        }
    }

    fn next(&mut self) -> Result<Option<Vec<String>>, ExtractError> {
        loop {
            let row = match self.row(self.text.len(), self.is_whole, self.quoting) {
                Row::Torn if self.text.len() - self.at < self.most => {
                    self.text.drain(..self.at);
                    self.at = 0;
                    self.is_whole = !self.characters.fill(&mut self.text)?;
                    continue;
                }
                Row::Torn => None,
                Row::None => return Ok(None),
                Row::Whole(_, length) if length > self.most && self.quoting => None,
                Row::Whole(cells, length) => Some((cells, length)),
            };
            let (cells, length) = match row {
                Some(row) => row,
                // What a quotation mark held together is read line by line.
                None => {
                    let window = &self.text[self.at..self.text.floor_char_boundary(self.at + self.most)];
                    let blank = window.len() - window.trim_start_matches('\n').len();
                    let line = window[blank..].find('\n').map_or(window.len(), |end| blank + end + 1);
                    let end = self.at + line;
                    match self.row(end, true, false) {
                        Row::Whole(cells, _) => (cells, end - self.at),
                        // Line ends alone are no row.
                        Row::Torn | Row::None => (Vec::new(), end - self.at),
                    }
                }
            };
            self.at += length;
            if !cells.is_empty() {
                return Ok(Some(cells));
            }
        }
    }

    /// Reads a row of the text up to `end`, which is that of the file or not.
    fn row(&mut self, end: usize, is_whole: bool, quoting: bool) -> Row {
        let reader = if quoting { &mut self.with_quotes } else { &mut self.without };
        reader.reset();
        let input = &self.text.as_bytes()[self.at..end];
        if input.is_empty() {
            return if is_whole { Row::None } else { Row::Torn };
        }
        let (mut read, mut written, mut ended) = (0, 0, 0);
        loop {
            let (result, bytes, cells, ends) =
                reader.read_record(&input[read..], &mut self.cells[written..], &mut self.ends[ended..]);
            (read, written, ended) = (read + bytes, written + cells, ended + ends);
            match result {
                // Nothing more to read is how the reader is told of the end.
                ReadRecordResult::InputEmpty if is_whole => {}
                ReadRecordResult::InputEmpty => return Row::Torn,
                ReadRecordResult::OutputFull => self.cells.resize(self.cells.len() * 2, 0),
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::End => return Row::None,
                ReadRecordResult::Record => break,
            }
        }
        let mut from = 0;
        let cells = self.ends[..ended].iter().map(|&end| {
            let cell = String::from_utf8_lossy(&self.cells[from..end]).into_owned();
            from = end;
            cell
        });
        Row::Whole(cells.collect(), read)
    }
}

/// Some programs say `sep=;` in a first line: where it ends, and what it says.
fn announced(text: &str) -> (usize, Option<u8>) {
    let line_end = text.find('\n').unwrap_or(text.len());
    match text[..line_end].trim().strip_prefix("sep=").map(str::as_bytes) {
        Some([separator]) => (line_end, Some(*separator)),
        _ => (0, None),
    }
}

fn reader(text: &str, separator: u8, quoting: bool) -> Reader<&[u8]> {
    let mut builder = ReaderBuilder::new();
    builder.delimiter(separator).quoting(quoting).flexible(true).has_headers(false);
    builder.from_reader(text.as_bytes())
}

/// The separator by which most rows have the same number of cells, and more
/// than one; and whether cells are quoted.
fn sniff(text: &str, likeliest: Option<u8>) -> (u8, bool) {
    let end = text.floor_char_boundary(SAMPLE_BYTES);
    // Whole rows, as far as one can tell.
    let sample = match text[..end].rfind('\n') {
        Some(line_end) if end < text.len() => &text[..line_end],
        _ => &text[..end],
    };
    let mut best = (likeliest.unwrap_or(b','), true, 0);
    for separator in likeliest.into_iter().chain(SEPARATORS.iter().map(|(separator, _)| *separator)) {
        for quoting in [true, false] {
            let mut counts = std::collections::BTreeMap::<usize, usize>::new();
            let (mut rows, mut is_torn) = (0, false);
            for record in reader(sample, separator, quoting).records().map_while(Result::ok).take(SAMPLE_ROWS)
            {
                rows += 1;
                *counts.entry(record.len()).or_default() += 1;
                is_torn |= record.iter().any(|cell| cell.lines().count() > MAX_QUOTED_LINES);
            }
            let (cells, same) = counts.into_iter().max_by_key(|(_, same)| *same).unwrap_or_default();
            if cells < 2 || rows == 0 || is_torn {
                continue;
            }
            // In thousandths; a row more or less decides nothing.
            let score = same * 1000 / rows + cells.min(20);
            if score > best.2 {
                best = (separator, quoting, score);
            }
        }
    }
    (best.0, best.1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::outlet::collect;
    use ragstream_core::text::DocumentText;
    use std::io::Cursor;

    fn read(bytes: &[u8]) -> DocumentText {
        collect(1 << 20, |outlet| flow(&mut Cursor::new(bytes), false, outlet)).unwrap()
    }

    fn rows(csv: &str, quoting: bool, most: usize) -> Vec<Vec<String>> {
        let mut source = Cursor::new(csv);
        let mut characters = Characters::open(&mut source).unwrap();
        let mut text = String::new();
        characters.fill(&mut text).unwrap();
        let mut records = Records { most, ..Records::new(characters, text, b',', quoting) };
        std::iter::from_fn(|| records.next().unwrap()).collect()
    }

    #[test]
    fn a_quotation_mark_that_is_never_closed_costs_one_row() {
        assert_eq!(rows("a,\"b\nc\",d\n\n\ne\n", true, 100), [vec!["a", "b\nc", "d"], vec!["e"]]);
        let mut csv = "1,one\n\n\"2,two\n\n3,three\n".to_owned();
        (4..50).for_each(|i| csv.push_str(&format!("{i},more\n")));
        let read = rows(&csv, true, 30);
        assert_eq!(read[..3], [vec!["1", "one"], vec!["\"2", "two"], vec!["3", "three"]]);
        assert_eq!((read.len(), read[48].as_slice()), (49, &["49".to_owned(), "more".to_owned()][..]));
        // A line without an end is cut.
        let long = rows(&"é".repeat(40), true, 31);
        assert_eq!(long.concat().concat(), "é".repeat(40));
        assert!(long.len() > 2);
    }

    #[test]
    fn separators_and_headers_are_told() {
        let table = "| Name | Fee |\n| - | - |\n| North, East | 12 |\n| Süd | 3 |";
        for (csv, separator) in [
            ("Name,Fee\n\"North, East\",12\nSüd,3\n", "comma"),
            ("Name;Fee\nNorth, East;12\nSüd;3", "semicolon"),
            ("Name\tFee\r\nNorth, East\t12\r\nSüd\t3", "tab"),
            ("sep=|\nName|Fee\nNorth, East|12\nSüd|3", "bar"),
        ] {
            let text = read(csv.as_bytes());
            assert_eq!(text.text, table, "{csv}");
            assert_eq!(text.metadata["separator"], separator);
            assert_eq!((&text.metadata["rows"], &text.metadata["columns"]), (&3.into(), &2.into()));
        }
        let latin = encoding_rs::WINDOWS_1252.encode("Name;Fee\nSüd;3\nGroß;4").0.into_owned();
        assert!(read(&latin).text.contains("| Süd | 3 |"));
    }

    #[test]
    fn titles_stand_above_the_table() {
        let csv = "Stanley Cups,,\nTeam,Location,Stanley Cups\nBlues,STL,1\n";
        assert_eq!(
            read(csv.as_bytes()).text,
            "Stanley Cups\n\n| Team | Location | Stanley Cups |\n| - | - | - |\n| Blues | STL | 1 |"
        );
    }

    #[test]
    fn a_stray_quotation_mark_swallows_nothing() {
        let mut csv = "Size,Name\n\"3 inch,first\n".to_owned();
        (0..500).for_each(|i| csv.push_str(&format!("{i},name {i}\n")));
        let text = read(csv.as_bytes());
        assert_eq!(text.metadata["rows"], 502);
        assert!(text.text.contains("| 499 | name 499 |"));
    }

    #[test]
    fn one_column_is_lines() {
        assert_eq!(read(b"Harbours\nNorth\nSouth\n").text, "Harbours\nNorth\nSouth");
    }
}
