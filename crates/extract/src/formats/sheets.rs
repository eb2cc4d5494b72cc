//! Workbooks (XLSX, XLSB, XLS), read by `calamine`: a heading a sheet, and its
//! rows as tables with their headers. Cells are what a person sees: the last
//! value of a formula, numbers as they are formatted, dates as ISO dates.

use super::{
    embedded::Embedded,
    ooxml::{Package, SheetParts},
    rows::{Header, MAX_COLUMNS, Rows},
    writer::{Writer, one_line},
};
use crate::{contained::Context, error::ExtractError, format::Format};
use calamine::{
    Data, DataRef, ExcelDateTime, Reader, Sheet, SheetType, Style, Xls, XlsError, Xlsb, XlsbError, Xlsx,
    XlsxError,
};
use ragstream_core::{
    document::Metadata,
    text::{DocumentText, Markup},
};
use ssfmt::{FormatOptions, NumberFormat};
use std::{
    io::Cursor,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Parts that `calamine` reads as a whole, and the most that each may unpack to.
const WHOLE_PARTS: &[&str] = &["sharedstrings", "styles", "workbook"];

/// Most bytes of those.
const WHOLE_PART_BYTES: u64 = 256 << 20;

/// A workbook in a package.
pub fn packaged(
    bytes: &[u8],
    package: &mut Package<'_>,
    main: &str,
    context: &Context<'_>,
    inside: &mut Embedded,
) -> Result<DocumentText, ExtractError> {
    check(package)?;
    let mut book = Book::new(context);
    let parts = SheetParts::read(package, main)?;
    match main.to_ascii_lowercase().ends_with(".bin") {
        true => {
            let mut workbook = guarded(|| Xlsb::new(Cursor::new(bytes)).map_err(|e| xlsb_failed(&e)))?;
            for sheet in workbook.sheets_metadata().to_vec() {
                book.sheet(&sheet);
                guarded(|| xlsb_rows(&mut workbook, &sheet, &mut book))?;
                book.end_sheet()?;
            }
        }
        false => {
            let mut workbook = guarded(|| Xlsx::new(Cursor::new(bytes)).map_err(|e| xlsx_failed(&e)))?;
            for sheet in workbook.sheets_metadata().to_vec() {
                book.sheet(&sheet);
                guarded(|| xlsx_rows(&mut workbook, &sheet, &mut book))?;
                book.end_rows()?;
                for block in parts.beside(package, &sheet.name, inside)? {
                    book.begin_sheet()?;
                    book.writer.write(block)?;
                }
                book.end_sheet()?;
            }
        }
    }
    inside.write(&mut book.writer, context)?;
    Ok(book.finish("xlsx-calamine-0.38/1"))
}

/// A workbook of Excel 97 and before.
pub fn legacy(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let mut book = Book::new(context);
    let mut workbook = guarded(|| Xls::new(Cursor::new(bytes)).map_err(|e| xls_failed(&e)))?;
    for sheet in workbook.sheets_metadata().to_vec() {
        book.sheet(&sheet);
        let range = guarded(|| workbook.worksheet_range(&sheet.name).map_err(|e| xls_failed(&e)))?;
        let first = range.start().unwrap_or_default();
        for (at, row) in range.rows().enumerate() {
            let cells = row.iter().map(legacy_cell);
            let skipped = (first.1 as usize).min(MAX_COLUMNS);
            let cells = std::iter::repeat_n(String::new(), skipped).chain(cells).take(MAX_COLUMNS).collect();
            book.row(first.0 + at as u32, cells)?;
        }
        book.end_sheet()?;
    }
    Ok(book.finish("xls-calamine-0.38/1"))
}

/// Parts that are read whole are looked at first, for what they unpack to.
fn check(package: &mut Package<'_>) -> Result<(), ExtractError> {
    for part in package.parts() {
        let lower = part.to_ascii_lowercase();
        if lower.starts_with("xl/") && WHOLE_PARTS.iter().any(|whole| lower.contains(whole)) {
            package.measure(&part, WHOLE_PART_BYTES)?;
        }
    }
    Ok(())
}

/// A panic of the reader is about the file.
fn guarded<T>(read: impl FnOnce() -> Result<T, ExtractError>) -> Result<T, ExtractError> {
    catch_unwind(AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(ExtractError::corrupt(Format::Xlsx, "the reader gave up on it")))
}

fn xlsx_failed(error: &XlsxError) -> ExtractError {
    match error {
        XlsxError::Password => ExtractError::Encrypted,
        _ => ExtractError::corrupt(Format::Xlsx, "a part of the workbook can't be read"),
    }
}

fn xlsb_failed(error: &XlsbError) -> ExtractError {
    match error {
        XlsbError::Password => ExtractError::Encrypted,
        _ => ExtractError::corrupt(Format::Xlsx, "a part of the workbook can't be read"),
    }
}

fn xls_failed(error: &XlsError) -> ExtractError {
    match error {
        XlsError::Password => ExtractError::Encrypted,
        _ => ExtractError::corrupt(Format::Xls, "a part of the workbook can't be read"),
    }
}

type Bytes<'a> = Cursor<&'a [u8]>;

fn xlsx_rows(workbook: &mut Xlsx<Bytes<'_>>, sheet: &Sheet, book: &mut Book) -> Result<(), ExtractError> {
    let mut cells = match workbook.worksheet_cells_reader(&sheet.name) {
        // Sheets of charts have no cells.
        Err(XlsxError::NotAWorksheet(_) | XlsxError::WorksheetNotFound(_)) => return Ok(()),
        cells => cells.map_err(|e| xlsx_failed(&e))?,
    };
    let formats: Vec<Option<NumberFormat>> = cells.styles().iter().map(number_format).collect();
    while let Some((cell, style)) = cells.next_cell_with_style_id().map_err(|e| xlsx_failed(&e))? {
        let format = formats.get(style).and_then(Option::as_ref);
        book.cell(cell.get_position(), packaged_cell(cell.get_value(), format))?;
    }
    Ok(())
}

fn xlsb_rows(workbook: &mut Xlsb<Bytes<'_>>, sheet: &Sheet, book: &mut Book) -> Result<(), ExtractError> {
    if sheet.typ != SheetType::WorkSheet {
        return Ok(());
    }
    let mut cells = workbook.worksheet_cells_reader(&sheet.name).map_err(|e| xlsb_failed(&e))?;
    while let Some(cell) = cells.next_cell().map_err(|e| xlsb_failed(&e))? {
        book.cell(cell.get_position(), packaged_cell(cell.get_value(), None))?;
    }
    Ok(())
}

/// How the numbers of a style are written, unless it is as they are.
fn number_format(style: &Style) -> Option<NumberFormat> {
    let code = style.number_format.as_ref()?.format_code.as_str();
    if code.is_empty() || code.eq_ignore_ascii_case("general") {
        return None;
    }
    let format = catch_unwind(|| NumberFormat::parse(code).ok()).ok()??;
    (!format.is_date_format() && !format.is_text_format()).then_some(format)
}

fn packaged_cell(value: &DataRef<'_>, format: Option<&NumberFormat>) -> String {
    match value {
        DataRef::Empty => String::new(),
        DataRef::String(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Int(value) => number(*value as f64, format),
        DataRef::Float(value) => number(*value, format),
        DataRef::Bool(value) => truth(*value),
        DataRef::DateTime(value) => date(value),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => iso(text),
        DataRef::Error(error) => error.to_string(),
    }
}

fn legacy_cell(value: &Data) -> String {
    match value {
        Data::Empty => String::new(),
        Data::String(text) => text.clone(),
        Data::Int(value) => value.to_string(),
        Data::Float(value) => general(*value),
        Data::Bool(value) => truth(*value),
        Data::DateTime(value) => date(value),
        Data::DateTimeIso(text) | Data::DurationIso(text) => iso(text),
        Data::Error(error) => error.to_string(),
    }
}

fn truth(value: bool) -> String {
    if value { "TRUE" } else { "FALSE" }.to_owned()
}

/// A number as its format says, or as it is where that hides it.
fn number(value: f64, format: Option<&NumberFormat>) -> String {
    let formatted = format.and_then(|format| {
        let written = || format.format(value, &FormatOptions::default());
        catch_unwind(AssertUnwindSafe(written)).ok().map(|text| one_line(&text))
    });
    formatted.filter(|text| text.chars().any(char::is_alphanumeric)).unwrap_or_else(|| general(value))
}

/// With the fifteen digits that a spreadsheet keeps, so that a tenth and two
/// tenths are three.
fn general(value: f64) -> String {
    let rounded: f64 = format!("{value:.14e}").parse().unwrap_or(value);
    match rounded.abs() {
        0.0 => "0".to_owned(),
        1e-9..1e21 => rounded.to_string(),
        _ => format!("{rounded:e}"),
    }
}

/// A date, a time, both, or how long something took.
fn date(value: &ExcelDateTime) -> String {
    let serial = value.as_f64();
    if value.is_duration() {
        let seconds = (serial.abs() * 86400.0).round() as u64;
        let sign = if serial < 0.0 { "-" } else { "" };
        return format!("{sign}{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    }
    let (year, month, day, hour, minute, second, _) = value.to_ymd_hms_milli();
    let time = format!("{hour:02}:{minute:02}:{second:02}");
    if (0.0..1.0).contains(&serial) {
        return time;
    }
    let date = format!("{year:04}-{month:02}-{day:02}");
    if hour == 0 && minute == 0 && second == 0 { date } else { format!("{date} {time}") }
}

/// As [`date`] writes it.
pub fn iso(text: &str) -> String {
    text.trim_end_matches("T00:00:00").replacen('T', " ", 1)
}

/// A workbook as it is written.
struct Book {
    writer: Writer,
    rows: Rows,
    /// Cells of the row that is being read, and its number.
    row: Vec<String>,
    at: Option<u32>,
    /// The row above.
    last: Option<u32>,
    /// The sheet that is being read, until its heading is written.
    name: Option<String>,
    sheets: Vec<String>,
}

impl Book {
    fn new(context: &Context<'_>) -> Self {
        Self {
            writer: Writer::new(context.limits),
            rows: Rows::new(Header::Detect),
            row: Vec::new(),
            at: None,
            last: None,
            name: None,
            sheets: Vec::new(),
        }
    }

    fn sheet(&mut self, sheet: &Sheet) {
        self.name = Some(sheet.name.clone());
        self.sheets.push(sheet.name.clone());
    }

    /// The heading of the sheet, before the first thing in it.
    fn begin_sheet(&mut self) -> Result<(), ExtractError> {
        match self.name.take() {
            Some(name) => self.writer.heading(2, &name),
            None => Ok(()),
        }
    }

    fn cell(&mut self, (row, column): (u32, u32), text: String) -> Result<(), ExtractError> {
        if self.at != Some(row) {
            self.flush()?;
            self.at = Some(row);
        }
        let column = column as usize;
        if text.trim().is_empty() || column >= MAX_COLUMNS {
            return Ok(());
        }
        if self.row.len() <= column {
            self.row.resize(column + 1, String::new());
        }
        self.row[column] = text;
        Ok(())
    }

    fn flush(&mut self) -> Result<(), ExtractError> {
        match self.at.take() {
            Some(at) => {
                let row = std::mem::take(&mut self.row);
                self.row(at, row)
            }
            None => Ok(()),
        }
    }

    /// A blank row ends a table.
    fn row(&mut self, at: u32, cells: Vec<String>) -> Result<(), ExtractError> {
        if cells.iter().all(|cell| cell.trim().is_empty()) {
            return Ok(());
        }
        self.begin_sheet()?;
        if self.last.is_some_and(|last| last.checked_add(1) != Some(at)) {
            self.rows.end(&mut self.writer)?;
        }
        self.last = Some(at);
        self.rows.push(&mut self.writer, cells)
    }

    fn end_rows(&mut self) -> Result<(), ExtractError> {
        self.flush()?;
        self.last = None;
        self.rows.end(&mut self.writer)?;
        self.rows = Rows::new(Header::Detect);
        Ok(())
    }

    fn end_sheet(&mut self) -> Result<(), ExtractError> {
        self.end_rows()?;
        self.name = None;
        Ok(())
    }

    fn finish(self, extractor: &str) -> DocumentText {
        let (text, _) = self.writer.finish();
        let metadata = Metadata::from_iter([
            ("sheets".to_owned(), self.sheets.len().into()),
            ("sheet_names".to_owned(), self.sheets.into()),
        ]);
        DocumentText {
            text,
            markup: Markup::Markdown,
            metadata,
            extractor: extractor.to_owned(),
            ..DocumentText::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use calamine::ExcelDateTimeType;

    #[test]
    fn numbers_are_as_a_person_sees_them() {
        for (value, written) in [
            (0.1 + 0.2, "0.3"),
            (1599.99, "1599.99"),
            (-3.0, "-3"),
            (1e15, "1000000000000000"),
            (1.5e-12, "1.5e-12"),
            (0.0, "0"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(general(value), written);
        }
        for (value, code, written) in [
            (1599.99, "#,##0.00", "1,599.99"),
            (-1599.99, "$#,##0.00_);[Red]($#,##0.00)", "($1,599.99)"),
            (0.025, "0.0%", "2.5%"),
            (7.0, ";;;", "7"),
        ] {
            let format = NumberFormat::parse(code).ok();
            assert_eq!(number(value, format.as_ref()), written, "{code}");
        }
    }

    #[test]
    fn dates_are_iso_dates() {
        let dated = |value, kind| date(&ExcelDateTime::new(value, kind, false));
        assert_eq!(dated(45943.0, ExcelDateTimeType::DateTime), "2025-10-13");
        assert_eq!(dated(45943.75, ExcelDateTimeType::DateTime), "2025-10-13 18:00:00");
        assert_eq!(dated(0.25, ExcelDateTimeType::DateTime), "06:00:00");
        assert_eq!(dated(1.5, ExcelDateTimeType::TimeDelta), "36:00:00");
        assert_eq!(iso("2025-10-13T00:00:00"), "2025-10-13");
        assert_eq!(iso("2025-10-13T18:00:00"), "2025-10-13 18:00:00");
    }
}
