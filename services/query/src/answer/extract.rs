//! Extractive answers: the sentences that say most of what was asked, quoted.
//!
//! A sentence is worth the share of the question's terms that it holds, each
//! term weighted by its inverse document frequency, with what its headings hold
//! counted half, times how well its passage ranks. Sentences are taken
//! greedily while they add something.

use super::{Citations, sentences::sentences};
use ragstream_api::search::Passage;
use ragstream_index::Index;
use std::collections::{HashMap, HashSet};

/// Passages that sentences are taken from.
const PASSAGES: usize = 5;
/// A question counts as answered where a passage is as near as this by cosine
/// similarity, or where one sentence holds [`MIN_COVERAGE`] of it. Unrelated
/// texts lie below 0.2 with this model, passages that answer mostly above 0.4.
const MIN_SIMILARITY: f32 = 0.35;
/// See [`MIN_SIMILARITY`].
const UNRELATED: f32 = 0.2;
/// See [`MIN_SIMILARITY`].
const MIN_COVERAGE: f32 = 0.6;
/// How much of the question a sentence must hold that follows the first, in
/// terms that the ones before it don't.
const MIN_GAIN: f32 = 0.2;
/// What a term in a heading is worth, against one in the sentence.
const HEADING_WEIGHT: f32 = 0.5;
/// Shorter sentences are labels or noise, in terms.
const MIN_TERMS: usize = 3;

/// The terms of a question with their weights, which sum to 1.
pub(crate) struct Terms(HashMap<String, f32>);

impl Terms {
    /// The terms of `question` as the keyword leg sees them.
    pub(crate) fn of(question: &str, index: &Index) -> Self {
        Self::new(index.term_weights(question))
    }

    fn new(weights: Vec<(String, f32)>) -> Self {
        let total: f32 = weights.iter().map(|(_, weight)| weight).sum();
        Self(
            weights.into_iter().map(|(term, weight)| (term, weight / total.max(f32::MIN_POSITIVE))).collect(),
        )
    }

    fn share(&self, terms: &HashSet<String>) -> f32 {
        terms.iter().filter_map(|term| self.0.get(term)).sum()
    }
}

/// How much is quoted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extent {
    /// Sentences, at most.
    pub(crate) quotes: usize,
    /// Whether each is of another passage.
    pub(crate) spread: bool,
}

struct Candidate<'a> {
    passage: usize,
    start: usize,
    text: &'a str,
    terms: HashSet<String>,
    headings: HashSet<String>,
    rank_weight: f32,
}

impl Candidate<'_> {
    /// Worth of what the sentence adds to `said`.
    fn worth(&self, question: &Terms, said: &HashSet<String>) -> f32 {
        let new: HashSet<String> = self.terms.difference(said).cloned().collect();
        let above: HashSet<String> = self
            .headings
            .iter()
            .filter(|t| !self.terms.contains(*t) && !said.contains(*t))
            .cloned()
            .collect();
        (question.share(&new) + HEADING_WEIGHT * question.share(&above)) * self.rank_weight
    }
}

/// Whether the passages may be about the question at all: what a model is asked about, which
/// says itself where they are not.
pub(crate) fn may_be_about(
    question: &Terms,
    passages: &[Passage],
    analyze: impl Fn(&str) -> Vec<String>,
) -> bool {
    nearest(passages) >= UNRELATED
        || passages.iter().any(|passage| question.share(&analyze(&passage.text).into_iter().collect()) > 0.0)
}

/// Whether a quote of the passages may answer the question.
fn is_about(question: &Terms, passages: &[Passage], analyze: &impl Fn(&str) -> Vec<String>) -> bool {
    nearest(passages) >= MIN_SIMILARITY
        || candidates(passages, analyze).iter().any(|c| question.share(&c.terms) >= MIN_COVERAGE)
}

fn nearest(passages: &[Passage]) -> f32 {
    passages.iter().filter_map(|p| p.legs.vector.map(|leg| leg.score)).fold(0.0, f32::max)
}

/// Answers from `passages`, best first, in numbered quotes; empty where there is none to quote.
/// `analyze` gives the terms of a text as `question` has them.
pub(crate) fn extract(
    question: &Terms,
    passages: &[Passage],
    extent: Extent,
    citations: &mut Citations,
    analyze: impl Fn(&str) -> Vec<String>,
) -> Vec<String> {
    if !is_about(question, passages, &analyze) {
        return Vec::new();
    }
    let mut candidates = candidates(passages, &analyze);
    let mut said = HashSet::new();
    let mut quotes: Vec<String> = Vec::new();
    while quotes.len() < extent.quotes && !candidates.is_empty() {
        let Some((best, worth)) = candidates
            .iter()
            .map(|c| c.worth(question, &said))
            .enumerate()
            // The first of equals: it stands in the better passage.
            .reduce(|a, b| if b.1 > a.1 { b } else { a })
        else {
            break;
        };
        if !quotes.is_empty() && worth < MIN_GAIN && !extent.spread {
            break;
        }
        let chosen = candidates.remove(best);
        // Overlapping chunks repeat sentences.
        candidates.retain(|c| c.text != chosen.text && !(extent.spread && c.passage == chosen.passage));
        let number = citations.number(&passages[chosen.passage], chosen.start, chosen.text);
        quotes.push(format!("{} [{number}]", readable(chosen.text)));
        said.extend(chosen.terms);
        said.extend(chosen.headings);
    }
    quotes
}

fn candidates<'a>(passages: &'a [Passage], analyze: &impl Fn(&str) -> Vec<String>) -> Vec<Candidate<'a>> {
    let mut candidates = Vec::new();
    for (i, passage) in passages.iter().take(PASSAGES).enumerate() {
        let headings: HashSet<String> = passage.headings.iter().flat_map(|h| analyze(h)).collect();
        for (start, text) in sentences(&passage.text) {
            let terms: HashSet<String> = analyze(text).into_iter().collect();
            // A heading stands above the answer; it is none.
            if terms.len() >= MIN_TERMS && !text.starts_with('#') {
                let rank_weight = 1.0 / (1.0 + 0.15 * i as f32);
                candidates.push(Candidate {
                    passage: i,
                    start,
                    text,
                    terms,
                    headings: headings.clone(),
                    rank_weight,
                });
            }
        }
    }
    candidates
}

/// A quote in prose: without the mark of a list item or quotation.
fn readable(quote: &str) -> &str {
    quote.trim_start_matches(['-', '*', '>', '•', ' '])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::passage;

    const THREE: Extent = Extent { quotes: 3, spread: false };

    fn analyze(text: &str) -> Vec<String> {
        text.to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|t| !t.is_empty())
            .map(Into::into)
            .collect()
    }

    fn terms(question: &str) -> Terms {
        Terms::new(analyze(question).into_iter().map(|term| (term, 1.0)).collect())
    }

    fn quoted(question: &str, passages: &[Passage], extent: Extent) -> (Vec<String>, Citations) {
        let mut citations = Citations::default();
        (extract(&terms(question), passages, extent, &mut citations, analyze), citations)
    }

    #[test]
    fn quotes_the_sentence_that_holds_the_question_and_nothing_else() {
        let text = "The gateway takes uploads. The outbox relay appends records to the log. Cats sleep all day long.";
        let (quotes, citations) = quoted("outbox relay appends", &[passage(text, 0.6)], THREE);
        assert_eq!(quotes, ["The outbox relay appends records to the log. [1]"]);
        let citation = &citations.into_vec()[0];
        assert_eq!(&text[citation.span.start as usize..citation.span.end as usize], citation.quote);
    }

    #[test]
    fn what_is_not_in_the_documents_is_not_answered() {
        let cats = [passage("Cats sleep all day long.", 0.05)];
        assert!(quoted("capital of france", &cats, THREE).0.is_empty());
        assert!(quoted("x", &[], THREE).0.is_empty());
    }

    #[test]
    fn a_repeated_sentence_is_quoted_once() {
        let same = "Kafka keeps the log of records.";
        let (quotes, _) = quoted("kafka log records", &[passage(same, 0.7), passage(same, 0.6)], THREE);
        assert_eq!(quotes.len(), 1);
    }

    #[test]
    fn a_spread_answer_quotes_each_passage_once() {
        let passages = [
            passage("The log keeps records for ever. The log is cut into segments.", 0.7),
            passage("Old records leave the log when compacted.", 0.6),
        ];
        let (quotes, citations) = quoted("records of the log", &passages, Extent { quotes: 5, spread: true });
        assert_eq!((quotes.len(), citations.into_vec().len()), (2, 2));
    }
}
