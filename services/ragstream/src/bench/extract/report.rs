//! What was measured, as tables and as JSON.

use super::reader::Reading;
use crate::bench::{report::machine, stats::Spread};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};

/// Bytes of a megabyte, as throughput is told in.
const MB: f64 = 1e6;
const MIB: f64 = (1 << 20) as f64;
/// So much of a message goes into the table: what is wrong, if not all that could be done about it.
const MESSAGE_CHARS: usize = 80;

/// What holds for the whole run.
pub(crate) struct Run {
    pub(crate) jobs: usize,
    pub(crate) in_process: bool,
    pub(crate) wall: Duration,
    pub(crate) peak_memory: Option<u64>,
}

/// The whole run.
#[derive(Serialize)]
pub(crate) struct Report {
    version: &'static str,
    machine: serde_json::Value,
    jobs: usize,
    in_process: bool,
    seconds: f64,
    peak_memory_bytes: Option<u64>,
    /// Rates are by the clock, of all readers at once.
    total: Sum,
    formats: Vec<FormatRow>,
    failures: Vec<FailureRow>,
    files: Vec<Reading>,
}

/// What many files come to. Bytes, pages and rates are those of the files that were read.
#[derive(Serialize)]
struct Sum {
    files: usize,
    read: usize,
    bytes: u64,
    text_bytes: u64,
    pages: u64,
    mb_per_second: Option<f64>,
    pages_per_second: Option<f64>,
}

/// The files of a format. Rates are of one reader.
#[derive(Serialize)]
struct FormatRow {
    format: &'static str,
    #[serde(flatten)]
    sum: Sum,
    /// Of the files that were read.
    ms: Spread,
    slowest: Option<String>,
}

/// The files that failed for the same reason.
#[derive(Serialize)]
struct FailureRow {
    class: &'static str,
    files: usize,
    example: String,
    message: String,
}

impl Report {
    pub(crate) fn new(run: &Run, files: Vec<Reading>) -> Self {
        let mut formats: BTreeMap<&'static str, Vec<&Reading>> = BTreeMap::new();
        let mut failures: BTreeMap<&'static str, FailureRow> = BTreeMap::new();
        for file in &files {
            formats.entry(file.format).or_default().push(file);
            if let Some(failure) = &file.failure {
                let row = failures.entry(failure.class).or_insert_with(|| FailureRow {
                    class: failure.class,
                    files: 0,
                    example: file.path.clone(),
                    message: failure.message.clone(),
                });
                row.files += 1;
            }
        }
        Self {
            version: env!("CARGO_PKG_VERSION"),
            machine: machine(),
            jobs: run.jobs,
            in_process: run.in_process,
            seconds: run.wall.as_secs_f64(),
            peak_memory_bytes: run.peak_memory,
            total: Sum::of(&files.iter().collect::<Vec<_>>(), run.wall.as_secs_f64()),
            formats: formats.into_iter().map(|(format, files)| FormatRow::of(format, &files)).collect(),
            failures: failures.into_values().collect(),
            files,
        }
    }
}

impl Sum {
    /// `seconds` is what rates are by.
    fn of(files: &[&Reading], seconds: f64) -> Self {
        let read: Vec<_> = files.iter().filter(|file| file.failure.is_none()).collect();
        let bytes = read.iter().map(|file| file.bytes).sum();
        let pages = read.iter().map(|file| file.pages).sum();
        let rate = |amount: f64| (amount > 0.0 && seconds > 0.0).then(|| amount / seconds);
        Self {
            files: files.len(),
            read: read.len(),
            bytes,
            text_bytes: read.iter().map(|file| file.text_bytes).sum(),
            pages,
            mb_per_second: rate(bytes as f64 / MB),
            pages_per_second: rate(pages as f64),
        }
    }
}

impl FormatRow {
    fn of(format: &'static str, files: &[&Reading]) -> Self {
        let read = || files.iter().filter(|file| file.failure.is_none());
        let durations: Vec<_> = read().map(|file| Duration::from_secs_f64(file.seconds)).collect();
        let slowest = read().max_by(|a, b| a.seconds.total_cmp(&b.seconds));
        Self {
            format,
            sum: Sum::of(files, read().map(|file| file.seconds).sum()),
            ms: Spread::of(&durations),
            slowest: slowest.map(|file| file.path.clone()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sum { files, read, bytes, text_bytes, pages, .. } = self.total;
        let rate = |rate: Option<f64>| rate.map(|rate| format!("{rate:.1}")).unwrap_or_default();
        writeln!(
            f,
            "{read} of {files} files read in {:.2} s, {} at once{}",
            self.seconds,
            self.jobs,
            if self.in_process { ", in this process" } else { ", a process each" }
        )?;
        write!(f, "{:.1} MB ({} MB/s), ", bytes as f64 / MB, rate(self.total.mb_per_second))?;
        if pages > 0 {
            write!(f, "{pages} pages ({} pages/s), ", rate(self.total.pages_per_second))?;
        }
        writeln!(f, "{:.1} MB of text", text_bytes as f64 / MB)?;
        if let Some(peak) = self.peak_memory_bytes {
            let whose = if self.in_process { "this process" } else { "the largest process" };
            writeln!(f, "{:.0} MiB of memory at most in {whose}", peak as f64 / MIB)?;
        }
        writeln!(f, "\nBy format; rates are of one reader.\n{}", self.formats_table())?;
        if !self.failures.is_empty() {
            writeln!(f, "\nNot read.\n{}", self.failures_table())?;
        }
        Ok(())
    }
}

impl Report {
    fn formats_table(&self) -> Table {
        let ms = |ms: f64| if ms.is_finite() { format!("{ms:.1}") } else { String::new() };
        let rate = |rate: Option<f64>| rate.map(|rate| format!("{rate:.1}")).unwrap_or_default();
        let mut table = table([
            "format",
            "files",
            "read",
            "MB",
            "MB/s",
            "pages",
            "pages/s",
            "median ms",
            "slowest ms",
            "slowest",
        ]);
        for FormatRow { format, sum, ms: spread, slowest } in &self.formats {
            table.add_row([
                (*format).to_owned(),
                sum.files.to_string(),
                sum.read.to_string(),
                format!("{:.2}", sum.bytes as f64 / MB),
                rate(sum.mb_per_second),
                if sum.pages > 0 { sum.pages.to_string() } else { String::new() },
                rate(sum.pages_per_second),
                ms(spread.p50),
                ms(spread.max),
                slowest.as_deref().map(printable).unwrap_or_default(),
            ]);
        }
        for column in table.column_iter_mut().skip(1).take(8) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn failures_table(&self) -> Table {
        let mut table = table(["class", "files", "for example", "which says"]);
        for FailureRow { class, files, example, message } in &self.failures {
            let message: String = message.chars().take(MESSAGE_CHARS).collect();
            table.add_row([(*class).to_owned(), files.to_string(), printable(example), printable(&message)]);
        }
        table
    }
}

fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(header);
    table
}

/// Names of files hold what anybody wrote: no control character of theirs reaches the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::reader::reading, *};
    use serde_json::json;

    fn report() -> Report {
        let files = vec![
            reading("a.pdf", "pdf", 100, Ok(10)),
            reading("b.pdf", "pdf", 300, Ok(30)),
            reading("c.pdf", "pdf", 9_000, Err("corrupt_document")),
            reading("d.pdf", "pdf", 9_000, Err("corrupt_document")),
            reading("e.txt", "text", 500, Ok(0)),
            reading("f.bin", "unsupported", 1, Err("unsupported_format")),
        ];
        let run =
            Run { jobs: 2, in_process: false, wall: Duration::from_secs(2), peak_memory: Some(3 << 20) };
        Report::new(&run, files)
    }

    #[test]
    fn rates_are_of_the_files_that_were_read() {
        let value = serde_json::to_value(report()).unwrap();
        let at = |pointer: &str| value.pointer(pointer).cloned().unwrap_or_default();
        assert_eq!((at("/total/files"), at("/total/read")), (json!(6), json!(3)));
        // By the clock: 3 MB and 40 pages in 2 s.
        assert_eq!((at("/total/mb_per_second"), at("/total/pages_per_second")), (json!(1.5), json!(20.0)));
        // Of one reader: 2 MB and 40 pages in 0.4 s, whatever the damaged ones took.
        let pdf = at("/formats/0");
        assert_eq!((&pdf["format"], &pdf["files"], &pdf["read"]), (&json!("pdf"), &json!(4), &json!(2)));
        assert_eq!((&pdf["mb_per_second"], &pdf["pages_per_second"]), (&json!(5.0), &json!(100.0)));
        assert_eq!((&pdf["ms"]["p50"], &pdf["ms"]["max"]), (&json!(100.0), &json!(300.0)));
        assert_eq!(pdf["slowest"], "b.pdf");
        // No pages, no rate; nothing read, no times.
        assert_eq!(at("/formats/1/pages_per_second"), json!(null));
        assert_eq!((at("/formats/2/ms/p50"), at("/formats/2/slowest")), (json!(null), json!(null)));
        let failures = [
            json!({"class": "corrupt_document", "files": 2, "example": "c.pdf", "message": "c.pdf is corrupt_document"}),
            json!({"class": "unsupported_format", "files": 1, "example": "f.bin", "message": "f.bin is unsupported_format"}),
        ];
        assert_eq!(at("/failures"), json!(failures));
        assert_eq!(at("/files").as_array().map(Vec::len), Some(6));
        assert_eq!(at("/files/2/failure/class"), "corrupt_document");
    }

    #[test]
    fn tables_say_the_same() {
        let text = report().to_string();
        let row = |name: &str| {
            let line = text.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_default();
            line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>()
        };
        assert!(text.contains("3 of 6 files read in 2.00 s, 2 at once, a process each"), "{text}");
        assert!(text.contains("3.0 MB (1.5 MB/s), 40 pages (20.0 pages/s), 1.5 MB of text"), "{text}");
        assert!(text.contains("3 MiB of memory at most"), "{text}");
        assert_eq!(row("pdf"), ["pdf", "4", "2", "2.00", "5.0", "40", "100.0", "100.0", "300.0", "b.pdf"]);
        assert_eq!(row("text"), ["text", "1", "1", "1.00", "2.0", "500.0", "500.0", "e.txt"]);
        assert_eq!(row("unsupported"), ["unsupported", "1", "0", "0.00"]);
        assert_eq!(row("corrupt_document")[1..3], ["2", "c.pdf"]);
    }
}
