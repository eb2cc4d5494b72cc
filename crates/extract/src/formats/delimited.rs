//! CSV and its kin: rows with their header, as tables or, where they are wide,
//! as records (see [`rows`](super::rows)). The separator and whether there is a
//! header are told from the first rows. Rows are written as they are read.

use super::{
    plain,
    rows::{Header, Rows},
    writer::Writer,
};
use crate::{
    charset::{Decoded, decode},
    error::ExtractError,
    limits::Limits,
};
use csv::{Reader, ReaderBuilder, StringRecord};
use ragstream_core::text::{DocumentText, Markup};

/// So much of the text is looked at to tell the separator.
const SAMPLE_BYTES: usize = 64 << 10;

/// So many rows of it.
const SAMPLE_ROWS: usize = 200;

/// Separators, the likeliest first.
const SEPARATORS: &[(u8, &str)] = &[(b',', "comma"), (b';', "semicolon"), (b'\t', "tab"), (b'|', "bar")];

/// A cell of more lines shows that a quotation mark is a mark like any other.
const MAX_QUOTED_LINES: usize = 50;

/// Reads a file; `tabs` where its name says that these separate.
pub fn extract(bytes: &[u8], tabs: bool, limits: &Limits) -> Result<DocumentText, ExtractError> {
    // A large file in UTF-8 is read where it is.
    let decoded = match std::str::from_utf8(bytes) {
        Ok(text) if !text.starts_with('\u{feff}') && !bytes.contains(&0) => {
            Decoded { text: String::new(), encoding: "utf-8".to_owned(), lossy: false }
        }
        _ => decode(bytes, None),
    };
    let text =
        if decoded.text.is_empty() { str::from_utf8(bytes).unwrap_or_default() } else { &decoded.text };
    let (text, told) = announced(text);
    let likeliest = told.or(tabs.then_some(b'\t'));
    let (separator, quoting) = sniff(text, likeliest);
    let mut writer = Writer::new(limits);
    let mut table = Rows::new(Header::Detect);
    let mut records = reader(text, separator, quoting);
    let mut record = StringRecord::new();
    let (mut rows, mut columns) = (0u64, 0);
    // The text is UTF-8 and rows may have any length: there is no other error.
    while records.read_record(&mut record).unwrap_or(false) {
        rows += 1;
        columns = record.len().max(columns);
        table.push(&mut writer, record.iter().map(str::to_owned).collect())?;
    }
    table.end(&mut writer)?;
    let mut metadata = plain::metadata(&decoded);
    metadata.insert("rows".to_owned(), rows.into());
    metadata.insert("columns".to_owned(), columns.into());
    if let Some((_, name)) = SEPARATORS.iter().find(|(known, _)| *known == separator) {
        metadata.insert("separator".to_owned(), (*name).into());
    }
    let (text, _) = writer.finish();
    Ok(DocumentText {
        text,
        markup: Markup::Markdown,
        metadata,
        extractor: "csv-1/1".to_owned(),
        ..DocumentText::default()
    })
}

/// Some programs say `sep=;` in a first line.
fn announced(text: &str) -> (&str, Option<u8>) {
    let line_end = text.find('\n').unwrap_or(text.len());
    match text[..line_end].trim().strip_prefix("sep=").map(str::as_bytes) {
        Some([separator]) => (&text[line_end..], Some(*separator)),
        _ => (text, None),
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

    fn read(bytes: &[u8]) -> DocumentText {
        extract(bytes, false, &Limits::default()).unwrap()
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
