//! The piece of a text that says most of what was asked.

use crate::keyword::terms::{Side, Terms, runs};
use std::{collections::HashMap, ops::Range};
use unicode_segmentation::UnicodeSegmentation;

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snippet {
    /// As it stands in the text.
    pub text: String,
    /// Byte in the text that it starts at.
    pub start: usize,
    /// Bytes of `text` in which terms of the question stand, in order; overlapping ones, as in
    /// scripts without spaces, are one.
    pub highlights: Vec<Range<usize>>,
}

/// Words, and pairs of characters in scripts without spaces, that the question has too.
struct Found {
    bytes: Range<usize>,
    terms: Vec<usize>,
}

/// The window of at most `max_chars` characters whose distinct terms weigh most by
/// `weights`; of equals the first. It starts and ends between words.
pub(crate) fn snippet(terms: &Terms, text: &str, weights: &[(String, f32)], max_chars: usize) -> Snippet {
    let units = units(text);
    let ids: HashMap<&str, usize> = weights.iter().enumerate().map(|(i, (t, _))| (t.as_str(), i)).collect();
    let found: Vec<Found> = units
        .iter()
        .filter_map(|bytes| {
            let held = terms.of(&text[bytes.clone()], Side::Document);
            let mut held: Vec<usize> =
                held.iter().filter_map(|term| ids.get(term.as_str()).copied()).collect();
            held.sort_unstable();
            held.dedup();
            (!held.is_empty()).then(|| Found { bytes: bytes.clone(), terms: held })
        })
        .collect();
    let core = core(text, &found, weights, max_chars);
    let window = widened(text, &units, core, max_chars);
    let mut highlights: Vec<Range<usize>> = Vec::new();
    for found in &found {
        if found.bytes.start < window.start || found.bytes.end > window.end {
            continue;
        }
        let range = found.bytes.start - window.start..found.bytes.end - window.start;
        match highlights.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => highlights.push(range),
        }
    }
    Snippet { text: text[window.clone()].to_owned(), start: window.start, highlights }
}

/// The bytes of each unit of `text`, in order.
fn units(text: &str) -> Vec<Range<usize>> {
    let mut units = Vec::new();
    let mut at = 0;
    for (dense, run) in runs(text) {
        if dense {
            let graphemes: Vec<(usize, &str)> = run.grapheme_indices(true).collect();
            let end = |n: usize| graphemes[n].0 + graphemes[n].1.len();
            if graphemes.len() == 1 {
                units.push(at..at + run.len());
            }
            units.extend((1..graphemes.len()).map(|n| at + graphemes[n - 1].0..at + end(n)));
        } else {
            units.extend(run.unicode_word_indices().map(|(start, word)| at + start..at + start + word.len()));
        }
        at += run.len();
    }
    units
}

/// From the first to the last term of the best window; the start of the text where there is none.
fn core(text: &str, found: &[Found], weights: &[(String, f32)], max_chars: usize) -> Range<usize> {
    let mut best = (0.0, 0..0);
    let mut last = 0;
    for (first, start) in found.iter().map(|found| found.bytes.start).enumerate() {
        let limit = after(text, start, max_chars);
        last = last.max(first);
        while found.get(last).is_some_and(|found| found.bytes.end <= limit) {
            last += 1;
        }
        let Some(inside) = found.get(first..last).filter(|inside| !inside.is_empty()) else { continue };
        let mut held: Vec<usize> = inside.iter().flat_map(|found| found.terms.iter().copied()).collect();
        held.sort_unstable();
        held.dedup();
        let weight: f32 = held.iter().map(|term| weights[*term].1).sum();
        if weight > best.0 {
            best = (weight, start..inside[inside.len() - 1].bytes.end);
        }
    }
    best.1
}

/// The byte `chars` characters behind `start`, at most the end.
fn after(text: &str, start: usize, chars: usize) -> usize {
    text[start..].char_indices().nth(chars).map_or(text.len(), |(at, _)| start + at)
}

/// `core` with as much around it as fits, about the same on both sides, without parts of words.
fn widened(text: &str, units: &[Range<usize>], core: Range<usize>, max_chars: usize) -> Range<usize> {
    if after(text, 0, max_chars) == text.len() {
        return 0..text.len();
    }
    let room = max_chars.saturating_sub(text[core.clone()].chars().count());
    let before = text[..core.start].char_indices().rev().take(room / 2).last();
    let mut start = before.map_or(core.start, |(at, _)| at);
    // What is not needed behind goes in front.
    let behind = text[core.end..].chars().count();
    if behind < room - room / 2 {
        let spare = text[..core.end].char_indices().rev().take(max_chars - behind).last();
        start = spare.map_or(start, |(at, _)| at.min(core.start));
    }
    if start > 0 {
        let next = units.iter().map(|unit| unit.start).find(|unit| *unit >= start);
        start = next.unwrap_or(start).min(core.start);
    }
    let mut end = after(text, start, max_chars);
    if end < text.len() {
        let whole = units.iter().map(|unit| unit.end).take_while(|unit| *unit <= end).last();
        end = whole.unwrap_or(end).max(core.end);
    }
    start..end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, question: &str, max_chars: usize) -> Snippet {
        let terms = Terms::default();
        let mut weights: Vec<(String, f32)> = Vec::new();
        for term in terms.of(question, Side::Question) {
            if !weights.iter().any(|(known, _)| *known == term) {
                weights.push((term, 1.0));
            }
        }
        let snippet = snippet(&terms, text, &weights, max_chars);
        assert!(snippet.text.chars().count() <= max_chars.max(1), "{snippet:?}");
        assert_eq!(&text[snippet.start..snippet.start + snippet.text.len()], snippet.text);
        snippet
    }

    fn marked(snippet: &Snippet) -> Vec<&str> {
        snippet.highlights.iter().map(|range| &snippet.text[range.clone()]).collect()
    }

    #[test]
    fn the_window_holds_the_most_terms_as_they_stand_there() {
        let filler = "nothing of it here and there ".repeat(20);
        let text =
            format!("{filler}Offsets are lost. {filler}The consumer’s committed OFFSETS, kept. {filler}");
        let found = of(&text, "Which offset does a consumer commit?", 60);
        assert_eq!(marked(&found), ["consumer’s", "committed", "OFFSETS"]);
        assert!(!found.text.starts_with(char::is_whitespace));
        assert_eq!(of("short offset", "offset", 100).text, "short offset");
    }

    #[test]
    fn scripts_without_spaces_are_marked_in_one_piece() {
        let text = format!("{}数据库的备份在这里。{}", "无关的文字。".repeat(30), "其他内容。".repeat(30));
        let found = of(&text, "数据库备份", 20);
        assert_eq!(marked(&found), ["数据库", "备份"]);
        assert_eq!(marked(&of("الكتاب على الطاولة", "كتاب", 50)), ["الكتاب"]);
        assert_eq!(marked(&of("水", "水", 5)), ["水"]);
    }

    #[test]
    fn without_a_term_it_is_the_beginning_and_anything_can_be_cut() {
        let text = "The beginning of a text that is longer than the window.";
        let found = of(text, "zebra", 20);
        assert_eq!((found.text.as_str(), found.start, found.highlights.len()), ("The beginning of a", 0, 0));
        for odd in ["", " ", "🦀🦀", "\u{300}\u{301}", "้้้", "a\u{200d}b", "ﾃﾞｰﾀ", "x".repeat(500).as_str()]
        {
            for max in [0, 1, 2, 7] {
                let _ = snippet(&Terms::default(), odd, &[("x".into(), 1.0), ("デー".into(), 1.0)], max);
            }
        }
    }
}
