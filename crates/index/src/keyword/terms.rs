//! Text to terms, the same way for documents and for questions.
//!
//! - Scripts that put spaces between words: the words of Unicode (UAX #29).
//!   ASCII words are stemmed as English, Arabic ones as Arabic. A word with
//!   punctuation inside (`report.pdf`, `snake_case`, `v1.2`) is a term as a
//!   whole, and so is each of its parts.
//! - Scripts without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese) and
//!   Hangul, whose words carry their particles: each pair of neighbouring
//!   characters is a term. Chinese and Korean characters alone are terms of
//!   documents too, so that a question of a single one finds them.

use super::normal::{is_word_part, normal};
use frostem::{Algorithm, Stemmer};
use unicode_segmentation::UnicodeSegmentation;

/// Longer words are cut: they are encoded data, and equal beginnings are enough to find them.
const MAX_TERM_CHARS: usize = 64;

/// Words that say nothing of what a question is about: the default set of
/// Lucene's `EnglishAnalyzer`, and the words that make a sentence a question.
const STOP_WORDS: &[&str] = &[
    "a", "an", "and", "are", "as", "at", "be", "but", "by", "for", "if", "in", "into", "is", "it", "no",
    "not", "of", "on", "or", "such", "that", "the", "their", "then", "there", "these", "they", "this", "to",
    "was", "will", "with", "can", "could", "did", "do", "does", "from", "has", "have", "how", "i", "me",
    "my", "should", "what", "when", "where", "which", "who", "whom", "whose", "why", "would", "you", "your",
];

/// Which side of the comparison a text is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// What is searched: every term that could be asked for.
    Document,
    /// What is asked: no stop words where anything else is left, no single
    /// characters where there are pairs.
    Question,
}

/// Turns text to terms.
pub(crate) struct Terms {
    english: Stemmer,
    arabic: Stemmer,
}

impl Default for Terms {
    fn default() -> Self {
        Self { english: Stemmer::new(Algorithm::English), arabic: Stemmer::new(Algorithm::Arabic) }
    }
}

impl Terms {
    /// The terms of `text` in order, repeated as they are in it.
    pub(crate) fn of(&self, text: &str, side: Side) -> Vec<String> {
        let text = normal(text);
        let mut terms = Vec::new();
        let mut stopped = Vec::new();
        for (dense, run) in runs(&text) {
            if dense {
                pairs(run, side, &mut terms);
                continue;
            }
            for word in run.unicode_words() {
                self.word(word, side, &mut terms, &mut stopped);
            }
        }
        if terms.is_empty() { stopped } else { terms }
    }

    fn word(&self, word: &str, side: Side, terms: &mut Vec<String>, stopped: &mut Vec<String>) {
        if side == Side::Question && STOP_WORDS.contains(&word) {
            stopped.push(self.stem(word));
            return;
        }
        terms.push(self.stem(word));
        let is_apart = |c: char| !is_word_part(c) && c != '\'';
        if word.contains(is_apart) {
            let parts = word.split(is_apart).filter(|part| part.contains(char::is_alphanumeric));
            terms.extend(parts.map(|part| self.stem(part)));
        }
    }

    fn stem(&self, word: &str) -> String {
        let word = match word.char_indices().nth(MAX_TERM_CHARS) {
            Some((end, _)) => &word[..end],
            None => word,
        };
        if word.bytes().all(|b| b.is_ascii_lowercase() || b == b'\'') {
            stemmed(&self.english, word)
        } else if word.chars().all(|c| matches!(c, '\u{600}'..='\u{6ff}')) {
            stemmed(&self.arabic, word)
        } else {
            word.into()
        }
    }
}

/// The stem, or the word itself where a stemmer leaves nothing of it.
fn stemmed(stemmer: &Stemmer, word: &str) -> String {
    let stem = stemmer.stem(word);
    if stem.is_empty() { word.into() } else { stem.into_owned() }
}

/// Whether a character belongs to a script whose words can't be told apart by spaces.
fn is_dense(c: char) -> bool {
    matches!(c,
        '\u{e00}'..='\u{e7f}'       // Thai
        | '\u{e80}'..='\u{eff}'     // Lao
        | '\u{1000}'..='\u{109f}'   // Myanmar
        | '\u{1100}'..='\u{11ff}'   // Hangul letters
        | '\u{1780}'..='\u{17ff}'   // Khmer
        | '\u{3005}'..='\u{3007}'   // Han iteration mark, closing mark, zero
        | '\u{3041}'..='\u{3096}' | '\u{3099}'..='\u{309f}' // Hiragana
        | '\u{30a1}'..='\u{30fa}' | '\u{30fc}'..='\u{30ff}' // Katakana
        | '\u{31f0}'..='\u{31ff}'   // small Katakana
        | '\u{ac00}'..='\u{d7a3}')  // Hangul syllables
        || is_han(c)
}

fn is_han(c: char) -> bool {
    matches!(c,
        '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
        | '\u{20000}'..='\u{323af}')
}

/// Whether a character alone means something.
fn stands_alone(character: &str) -> bool {
    character.chars().next().is_some_and(|c| is_han(c) || matches!(c, '\u{ac00}'..='\u{d7a3}'))
}

/// The longest stretches of one kind, in order: whether its words can't be told apart
/// by spaces, and the stretch.
pub(crate) fn runs(text: &str) -> impl Iterator<Item = (bool, &str)> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let dense = is_dense(rest.chars().next()?);
        let end = rest.find(|c| is_dense(c) != dense).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        rest = after;
        Some((dense, run))
    })
}

fn pairs(run: &str, side: Side, terms: &mut Vec<String>) {
    // Characters with the vowels and marks that are written around them.
    let characters: Vec<&str> = run.graphemes(true).filter(|g| g.contains(char::is_alphanumeric)).collect();
    terms.extend(characters.windows(2).map(|pair| pair.concat()));
    let alone = characters.len() == 1;
    for character in characters {
        if alone || (side == Side::Document && stands_alone(character)) {
            terms.push(character.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Vec<String> {
        Terms::default().of(text, Side::Document)
    }

    fn question(text: &str) -> Vec<String> {
        Terms::default().of(text, Side::Question)
    }

    #[test]
    fn english_is_stemmed_and_questions_lose_their_small_words() {
        assert_eq!(question("How are offsets committed?"), ["offset", "commit"]);
        assert_eq!(document("Committing the offset's"), ["commit", "the", "offset"]);
        assert_eq!(question("To be or not to be"), ["to", "be", "or", "not", "to", "be"]);
        assert_eq!(question("naïve Café"), document("naive cafe"));
    }

    #[test]
    fn a_word_with_punctuation_is_found_whole_and_in_parts() {
        assert_eq!(document("report.pdf"), ["report.pdf", "report", "pdf"]);
        assert_eq!(document("max_poll_records"), ["max_poll_records", "max", "poll", "record"]);
        assert_eq!(document("3.14"), ["3.14", "3", "14"]);
        assert_eq!(document("e-mail, x"), ["e", "mail", "x"]);
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        assert_eq!(question("数据库"), ["数据", "据库"]);
        assert_eq!(document("数据库"), ["数据", "据库", "数", "据", "库"]);
        assert_eq!(question("水"), ["水"]);
        assert_eq!(question("東京タワーへ"), ["東京", "京タ", "タワ", "ワー", "ーへ"]);
        assert_eq!(question("データ"), question("ﾃﾞｰﾀ"));
        assert_eq!(question("한국어"), ["한국", "국어"]);
        assert!(document("ภาษาไทย").len() >= 4);
        assert_eq!(question("Kafka是什么"), ["kafka", "是什", "什么"]);
        assert_eq!(question("数据、水。"), ["数据", "水"]);
    }

    #[test]
    fn arabic_and_hindi_words_are_terms() {
        assert_eq!(question("الكتاب"), question("كتاب"));
        assert_eq!(question("أَحْمَد"), question("احمد"));
        assert_eq!(question("हिन्दी भाषा"), ["हिन्दी", "भाषा"]);
    }

    #[test]
    fn anything_at_all_can_be_cut() {
        let odd = ["", " ", "\u{0}", "🦀🦀", "\u{300}\u{301}", "''", "___", "้้้", "a\u{200d}b", "\u{fdfa}"];
        for text in odd {
            let terms = document(text);
            assert!(terms.iter().all(|term| !term.is_empty()), "{text:?}: {terms:?}");
        }
        let long = "x1".repeat(10_000);
        assert_eq!(document(&long)[0].chars().count(), MAX_TERM_CHARS);
        assert_eq!(document(&long), question(&long));
    }
}
