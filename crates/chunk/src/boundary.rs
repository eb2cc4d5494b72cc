//! Places where a chunk may end, and how little it hurts there.
//!
//! The strong ones follow from the structure of a window and are found at
//! once; sentences, phrases and words are looked for only around the end of a
//! chunk, by the rules of Unicode and, for scripts without spaces, by the
//! dictionaries of ICU.

use icu_segmenter::{
    GraphemeClusterSegmenter, SentenceSegmenter, SentenceSegmenterBorrowed, WordSegmenter,
    WordSegmenterBorrowed, options::SentenceBreakInvariantOptions, options::WordBreakInvariantOptions,
};
use std::{ops::Range, sync::LazyLock};

/// Ranks, the best places first.
pub mod rank {
    /// Headings by their level; items and statements of source code by their depth; up to 9.
    pub const TOP: u8 = 0;
    /// Top-level blocks of Markdown; nested ones add their depth.
    pub const BLOCK: u8 = 10;
    /// The deepest block.
    pub const DEEPEST_BLOCK: u8 = 14;
    /// Lines of code inside Markdown by their depth; up to 9 more.
    pub const FENCED: u8 = 15;
    /// After an empty line.
    pub const PARAGRAPH: u8 = 26;
    /// After a line that is not merely wrapped.
    pub const LINE: u8 = 27;
    /// After a sentence.
    pub const SENTENCE: u8 = 30;
    /// After a comma and the like, a wrapped line, a blank in scripts that have them between phrases.
    pub const PHRASE: u8 = 40;
    /// After a word.
    pub const WORD: u8 = 50;
    /// Between a word and a mark.
    pub const MARK: u8 = 55;
    /// Between what a reader takes for characters.
    pub const CHARACTER: u8 = 60;
}

/// A place where a chunk may end and the next one begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Boundary {
    /// Byte.
    pub at: usize,
    /// The lower, the better.
    pub rank: u8,
    /// Whether what follows stands under another heading, or is another item
    /// of source code: nothing is repeated across.
    pub opens: bool,
}

impl Boundary {
    /// A place that opens nothing.
    pub fn new(at: usize, rank: u8) -> Self {
        Self { at, rank, opens: false }
    }
}

/// Orders boundaries, one for each place: the best.
pub fn unite(boundaries: &mut Vec<Boundary>) {
    boundaries.sort_unstable();
    boundaries.dedup_by(|next, kept| {
        let same = next.at == kept.at;
        kept.opens |= same && next.opens;
        same
    });
}

/// Shorter lines were not wrapped: they end where their writer wanted.
const WRAPPED_BYTES: usize = 40;

/// The lines of a text: paragraphs, lines, and wrapped lines.
pub fn lines(text: &str, range: Range<usize>, boundaries: &mut Vec<Boundary>) {
    let mut before: Option<&str> = None;
    let mut blank = false;
    for (at, line) in starts(text, range) {
        if line.trim().is_empty() {
            blank = true;
            continue;
        }
        if let Some(before) = before {
            let rank = match blank {
                true => rank::PARAGRAPH,
                false if is_wrapped(before, line) => rank::PHRASE,
                false => rank::LINE,
            };
            boundaries.push(Boundary::new(at, rank));
        }
        (before, blank) = (Some(line), false);
    }
}

/// Each line with the byte that it begins at. Lines end with `\n`, `\r\n` or `\r`.
pub fn starts(text: &str, range: Range<usize>) -> impl Iterator<Item = (usize, &str)> {
    let mut at = range.start;
    std::iter::from_fn(move || {
        let rest = text.get(at..range.end).filter(|rest| !rest.is_empty())?;
        let length = rest
            .bytes()
            .position(|b| b == b'\n' || b == b'\r')
            .map_or(rest.len(), |end| end + if rest[end..].starts_with("\r\n") { 2 } else { 1 });
        let start = at;
        at += length;
        Some((start, &rest[..length]))
    })
}

/// Whether a sentence goes on from one line to the next.
fn is_wrapped(before: &str, line: &str) -> bool {
    let before = before.trim_end();
    before.len() >= WRAPPED_BYTES
        && !before.ends_with(ends_sentence)
        && line.trim_start().starts_with(char::is_alphabetic)
}

fn ends_sentence(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | ':' | '"' | '”' | '»' | '…' | '|')
        || matches!(
            c,
            '。' | '！' | '？' | '｡' | '．' | '」' | '』' | '۔' | '؟' | '।' | '॥' | '။' | '។' | '៕'
        )
}

/// Bytes after a place that are looked at to judge it.
const AHEAD: usize = 256;

/// A piece of text from `range.start` to a little after its end.
fn around(text: &str, range: &Range<usize>) -> Range<usize> {
    range.start..text.ceil_char_boundary((range.end + AHEAD).min(text.len()))
}

static SENTENCES: LazyLock<SentenceSegmenterBorrowed<'static>> =
    LazyLock::new(|| SentenceSegmenter::new(SentenceBreakInvariantOptions::default()));

static WORDS: LazyLock<WordSegmenterBorrowed<'static>> =
    LazyLock::new(|| WordSegmenter::new_dictionary(WordBreakInvariantOptions::default()));

/// The ends of sentences and phrases in a range that begins at a boundary.
pub fn sentences(text: &str, range: Range<usize>) -> Vec<Boundary> {
    let piece = &text[around(text, &range)];
    let mut found = Vec::new();
    let inside = |at: usize| at > 0 && range.start + at <= range.end && at < piece.len();
    for at in SENTENCES.segment_str(piece).filter(|at| inside(*at)) {
        // Unicode ends a sentence with each line; lines are judged elsewhere.
        if !piece[..at].ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']) {
            found.push(Boundary::new(range.start + at, rank::SENTENCE));
        }
    }
    let mut before = '\0';
    let mut mark = false;
    for (at, c) in piece.char_indices() {
        let is_blank = c.is_whitespace();
        if !is_blank && inside(at) {
            let blank_before = before.is_whitespace();
            let wide = is_wide_mark(before) && !is_wide_mark(c) && !is_closing(c);
            if wide || blank_before && (mark || is_phrasal(c) && is_phrasal(last_letter(&piece[..at]))) {
                found.push(Boundary::new(range.start + at, rank::PHRASE));
            }
        }
        if !is_blank {
            mark = matches!(
                c,
                ',' | ';' | ':' | '،' | '؛' | '…' | '—' | '–' | '၊' | '፣' | '\u{e5a}' | '\u{e2f}'
            );
        }
        before = c;
    }
    unite(&mut found);
    found
}

fn last_letter(text: &str) -> char {
    text.trim_end().chars().next_back().unwrap_or_default()
}

/// Marks after which there is no blank, and yet a phrase is over.
fn is_wide_mark(c: char) -> bool {
    matches!(c, '，' | '、' | '；' | '：' | '､' | '。' | '…' | '၊')
}

fn is_closing(c: char) -> bool {
    matches!(c, '」' | '』' | '”' | '’' | '）' | '】' | '》' | '〉' | ')' | ']' | '"' | '\'' | '，' | '。')
}

/// Scripts that put blanks between phrases: Thai, Lao, Burmese, Khmer.
fn is_phrasal(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}')
}

/// The ends of words in a range that begins at a boundary, and marks between them.
pub fn words(text: &str, range: Range<usize>) -> Vec<Boundary> {
    let piece = &text[around(text, &range)];
    let inside = |at: &usize| *at > 0 && range.start + at <= range.end && *at < piece.len();
    let judge = |at: usize| {
        let before = piece[..at].chars().next_back().unwrap_or_default();
        let after = piece[at..].chars().next().unwrap_or_default();
        let rank = match () {
            () if after.is_whitespace() => rank::CHARACTER,
            () if before.is_whitespace() => rank::WORD,
            // Between words of a script without blanks, or after a mark.
            () if after.is_alphanumeric() && (!before.is_ascii() || !after.is_ascii()) => rank::WORD,
            () if after.is_alphanumeric() => rank::MARK,
            () => rank::CHARACTER,
        };
        Boundary::new(range.start + at, rank)
    };
    WORDS.segment_str(piece).filter(inside).map(judge).collect()
}

/// The last place in a range that cuts through no character as readers see it.
pub fn last_character(text: &str, range: Range<usize>) -> Option<usize> {
    let piece = &text[around(text, &range)];
    let ends = GraphemeClusterSegmenter::new().segment_str(piece);
    ends.take_while(|at| range.start + at <= range.end).filter(|at| *at > 0).last().map(|at| range.start + at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_at(text: &str, found: &[Boundary], rank: u8) -> Vec<String> {
        let mut start = 0;
        let mut parts = Vec::new();
        for boundary in found.iter().filter(|boundary| boundary.rank <= rank) {
            parts.push(text[start..boundary.at].to_owned());
            start = boundary.at;
        }
        parts.push(text[start..].to_owned());
        parts
    }

    #[test]
    fn sentences_end_in_many_scripts() {
        for (text, parts) in [
            ("One. Two! Three? Four", 4),
            ("他去了北京。他很高兴！你呢？好", 4),
            ("東京へ行く｡楽しい。本当", 3),
            ("ذهب إلى القاهرة. هل أنت سعيد؟ نعم", 3),
            ("وہ لاہور گیا۔ وہ خوش ہے۔ ہاں", 3),
            ("वह दिल्ली गया। वह खुश है॥ हाँ", 3),
            ("គាត់ទៅភ្នំពេញ។ គាត់សប្បាយ។ បាទ", 3),
            ("သူရန်ကုန်သွားသည်။ သူပျော်သည်။ ဟုတ်", 3),
        ] {
            let found = sentences(text, 0..text.len());
            assert_eq!(cut_at(text, &found, rank::SENTENCE).len(), parts, "{text}");
        }
    }

    #[test]
    fn phrases_end_with_blanks_where_there_are_no_sentence_marks() {
        let text = "ประเทศไทยเป็นประเทศ ตั้งอยู่ในเอเชีย มีเมืองหลวงคือกรุงเทพ";
        let parts = cut_at(text, &sentences(text, 0..text.len()), rank::PHRASE);
        assert_eq!(parts, ["ประเทศไทยเป็นประเทศ ", "ตั้งอยู่ในเอเชีย ", "มีเมืองหลวงคือกรุงเทพ"]);
        let text = "他说，天气很好，我们走吧";
        assert_eq!(cut_at(text, &sentences(text, 0..text.len()), rank::PHRASE).len(), 3);
    }

    #[test]
    fn words_are_known_by_dictionary() {
        for (text, parts) in [
            ("ประเทศไทยสวยงาม", vec!["ประเทศไทย", "สวยงาม"]),
            ("中华人民共和国成立", vec!["中华", "人民", "共和国", "成立"]),
            ("one, two", vec!["one, ", "two"]),
        ] {
            assert_eq!(cut_at(text, &words(text, 0..text.len()), rank::WORD), parts);
        }
    }

    #[test]
    fn wrapped_lines_are_told_from_lines() {
        let wrapped =
            "It was the best of times, it was the worst of\ntimes, it was the age of wisdom.\nIt was";
        let mut found = Vec::new();
        lines(wrapped, 0..wrapped.len(), &mut found);
        assert_eq!(found.iter().map(|b| b.rank).collect::<Vec<_>>(), [rank::PHRASE, rank::LINE]);
        let mut found = Vec::new();
        lines("a\r\nb\r\r\n\nc", 0..9, &mut found);
        assert_eq!(found, [Boundary::new(3, rank::LINE), Boundary::new(8, rank::PARAGRAPH)]);
    }
}
