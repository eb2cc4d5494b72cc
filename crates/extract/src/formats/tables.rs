//! Tables of Markdown that was made by a converter: a long one becomes several,
//! each with the header, or records, as those of every other format do (see
//! [`rows`](super::rows)). Short ones stay as they are.

use super::{
    rows::{Header, Rows},
    writer::Writer,
};
use crate::error::ExtractError;

/// A table of no more bytes is read at one glance.
const SHORT_BYTES: usize = 800;

/// Writes long tables anew.
pub fn with_headers(markdown: String) -> Result<String, ExtractError> {
    let Some(tables) = long_tables(&markdown) else { return Ok(markdown) };
    let (mut text, mut done) = (String::with_capacity(markdown.len() + markdown.len() / 4), 0);
    for (begin, end) in tables {
        text.push_str(&markdown[done..begin]);
        let lines: Vec<&str> = markdown[begin..end].lines().collect();
        let (mut writer, mut rows) = (Writer::of_most(u64::MAX), Rows::new(Header::First));
        for line in lines.iter().take(1).chain(lines.iter().skip(2)) {
            rows.push(&mut writer, cells(line))?;
        }
        rows.end(&mut writer)?;
        text.push_str(&writer.take());
        // The blank lines after it.
        done = markdown.len() - markdown[end..].trim_start_matches('\n').len();
        text.push_str(if done < markdown.len() { "\n\n" } else { "\n" });
    }
    text.push_str(&markdown[done..]);
    Ok(text)
}

/// Where long tables begin and end; `None` where there are none.
fn long_tables(markdown: &str) -> Option<Vec<(usize, usize)>> {
    let (mut tables, mut open, mut in_code) = (Vec::new(), None, false);
    let mut at = 0;
    for line in markdown.split_inclusive('\n') {
        in_code ^= line.starts_with("```");
        let is_row = line.starts_with('|') && !in_code;
        match (open, is_row) {
            (None, true) => open = Some(at),
            (Some(begin), false) => {
                tables.push((begin, at));
                open = None;
            }
            _ => {}
        }
        at += line.len();
    }
    tables.extend(open.map(|begin| (begin, at)));
    tables.retain(|&(begin, end)| end - begin > SHORT_BYTES && is_table(&markdown[begin..end]));
    (!tables.is_empty()).then_some(tables)
}

/// Whether the second line is that below a header.
fn is_table(lines: &str) -> bool {
    let rule = lines.lines().nth(1).unwrap_or_default();
    rule.contains('-') && rule.bytes().all(|byte| b"|-: ".contains(&byte))
}

/// The cells of a row, in which `\|` is a bar.
fn cells(line: &str) -> Vec<String> {
    let line = line.trim();
    let line = line.strip_prefix('|').unwrap_or(line);
    let (mut cells, mut cell, mut escaped) = (Vec::new(), String::new(), false);
    for character in line.chars() {
        match (escaped, character) {
            (false, '|') => cells.push(std::mem::take(&mut cell).trim().to_owned()),
            (false, '\\') => escaped = true,
            (true, '|') => {
                cell.push('|');
                escaped = false;
            }
            (true, other) => {
                cell.push('\\');
                cell.push(other);
                escaped = false;
            }
            (false, other) => cell.push(other),
        }
    }
    if escaped {
        cell.push('\\');
    }
    if !cell.trim().is_empty() {
        cells.push(cell.trim().to_owned());
    }
    cells
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn long_tables_say_their_header_again_and_short_ones_stay() {
        let short = "before\n\n| a  | b |\n| --- | --- |\n| 1 | 2 |\n\nafter\n";
        assert_eq!(with_headers(short.to_owned()).unwrap(), short);
        let code = format!("```\n{}```\n", "| a |\n| - |\n".repeat(200));
        assert_eq!(with_headers(code.clone()).unwrap(), code);
        let rows: String = (0..300).map(|i| format!("| pier {i} | {i} \\| deep \\* |\n")).collect();
        let long = format!("before\n\n| Pier | Depth |\n| --- | --- |\n{rows}\n\nafter\n");
        let text = with_headers(long).unwrap();
        let parts: Vec<&str> = text.split("\n\n").collect();
        assert_eq!((parts[0], parts[parts.len() - 1]), ("before", "after\n"));
        assert!(parts.len() > 10, "{}", parts.len());
        for part in &parts[1..parts.len() - 1] {
            assert!(part.starts_with("| Pier | Depth |\n| - | - |\n| pier "), "{part}");
        }
        assert_eq!(text.matches("| pier ").count(), 300);
        assert!(text.contains("| pier 299 | 299 \\| deep \\* |"));
    }
}
