//! Chunks of one window, one after the other: each as full as it can be up to
//! the best place to end it at.

use crate::{
    boundary::{self, Boundary, rank, unite},
    config::ChunkerConfig,
    measure::Measure,
    structure::Structure,
    tokens::Tokens,
};
use ragstream_core::fault::{Fault, Result};
use std::ops::Range;

/// Least share of a full chunk that may stand alone before a heading or an
/// item, as a percentage: a line or two.
const LEAST_BEFORE_ITEM: usize = 5;

/// The same before a block or paragraph: smaller ones are joined with what follows.
const LEAST_BEFORE_BLOCK: usize = 33;

/// The same before a sentence, a line or a phrase.
const LEAST_BEFORE_SENTENCE: usize = 50;

/// What is taken where there is nothing better.
const LEAST: usize = 12;

/// A chunk's place, and where the next one begins.
pub struct Step {
    /// The chunk, without blanks around it.
    pub span: Range<usize>,
    /// Its tokens.
    pub tokens: usize,
    /// Where the next one begins: before the end where they overlap.
    pub next: usize,
    /// How good a place that is.
    pub rank: u8,
}

/// Cuts one window.
pub struct Cutter<'a> {
    /// The window.
    pub text: &'a str,
    /// What it is made of.
    pub structure: &'a Structure,
    /// Whether blanks at the beginning of a line are kept.
    pub has_indentation: bool,
    /// Sizes.
    pub measure: Measure<'a>,
    /// Counts.
    pub tokens: &'a Tokens,
    /// How large chunks are.
    pub config: ChunkerConfig,
}

impl Cutter<'_> {
    /// The first byte from `from` on that is not blank.
    pub fn skip_blanks(&self, from: usize) -> usize {
        self.text.len() - self.text[from..].trim_start().len()
    }

    /// The chunk that begins at `from` or at the first word after it, and holds
    /// something from after `covered`; `None` where there are only blanks.
    pub fn step(&self, from: usize, covered: usize) -> Result<Option<Step>> {
        let mut start = self.skip_blanks(from);
        // The first byte that is in no chunk yet.
        let fresh = self.skip_blanks(covered.max(start));
        if fresh == self.text.len() {
            return Ok(None);
        }
        let mut cap = self.text.len();
        loop {
            let most = self.measure.furthest(start)?.min(cap);
            if start < fresh && most <= fresh {
                // There is no room for anything new beside what is repeated.
                (start, cap) = (fresh, self.text.len());
                continue;
            }
            let (end, fine) = match most == self.text.len() {
                true => (Boundary { at: most, rank: rank::TOP, opens: true }, Vec::new()),
                false => self.best(start, most, fresh),
            };
            let span = self.trimmed(from, start, end.at);
            let tokens = self.tokens.count(&self.text[span.clone()])?;
            if tokens <= self.config.most_tokens() {
                let (next, rank) = self.next(start, end, &fine)?;
                return Ok(Some(Step { span, tokens, next, rank }));
            }
            // A word has other tokens beside its neighbours than by itself, or was only estimated.
            let first = self.text[start..].chars().next().map_or(0, char::len_utf8);
            if end.at - start <= first {
                return Err(Fault::invalid(
                    "tokenization",
                    "a character has more tokens than the model reads",
                ));
            }
            let share = (end.at - start - 1) * self.config.most_tokens() / tokens;
            cap = self.text.floor_char_boundary(start + share).max(start + first);
        }
    }

    /// Without the blanks around; the indentation of a first line that others follow stays.
    fn trimmed(&self, from: usize, start: usize, end: usize) -> Range<usize> {
        let end = start + self.text[start..end].trim_end().len();
        let line = self.text[..start].rfind('\n').map_or(0, |at| at + 1).max(from).min(start);
        let keeps = self.has_indentation
            && self.text[start..end].contains('\n')
            && self.text[line..start].trim().is_empty();
        match keeps && self.measure.furthest(line).is_ok_and(|most| most >= end) {
            true => line..end,
            false => start..end,
        }
    }

    /// The best place to end a chunk at, after `fresh` and not after `most`,
    /// and the sentences that were looked at for it.
    fn best(&self, start: usize, most: usize, fresh: usize) -> (Boundary, Vec<Boundary>) {
        let full = most - start;
        let fill = |boundary: &Boundary| (boundary.at - start) * 100 / full;
        let pick = |found: &[Boundary], may: &dyn Fn(&Boundary) -> bool| -> Option<Boundary> {
            let fits = found.iter().filter(|b| b.at > fresh && b.at <= most && may(b));
            // The last of the best.
            fits.copied().reduce(|best, next| if next.rank <= best.rank { next } else { best })
        };
        let coarse = self.between(start, most);
        let strict = |boundary: &Boundary| {
            let least = match boundary.rank {
                _ if boundary.opens => LEAST_BEFORE_ITEM,
                ..rank::LINE => LEAST_BEFORE_BLOCK,
                _ => LEAST_BEFORE_SENTENCE,
            };
            fill(boundary) >= least
        };
        let loose = |boundary: &Boundary| fill(boundary) >= LEAST;
        let best = pick(coarse, &|b| b.rank < rank::SENTENCE && strict(b));
        let best = best.or_else(|| pick(coarse, &|b| self.structure.is_code() && loose(b)));
        if let Some(best) = best {
            return (best, Vec::new());
        }
        let mut fine = boundary::sentences(self.text, start..most);
        fine.extend_from_slice(coarse);
        unite(&mut fine);
        let best = pick(&fine, &|b| b.rank <= rank::SENTENCE && strict(b))
            .or_else(|| pick(&fine, &|b| b.rank <= rank::SENTENCE && loose(b)))
            .or_else(|| pick(&fine, &strict))
            .or_else(|| pick(&fine, &loose));
        if let Some(best) = best {
            return (best, fine);
        }
        let words = boundary::words(self.text, start..most);
        let best = pick(&words, &|b| b.rank <= rank::MARK && strict(b))
            .or_else(|| pick(&words, &|b| b.rank <= rank::MARK));
        fine.extend(words);
        unite(&mut fine);
        let best = best.or_else(|| {
            let at = boundary::last_character(self.text, start..most).filter(|at| *at > fresh);
            at.map(|at| Boundary::new(at, rank::CHARACTER))
        });
        (best.unwrap_or(Boundary::new(most, rank::CHARACTER + 1)), fine)
    }

    /// Boundaries after `start`, up to `end`.
    fn between(&self, start: usize, end: usize) -> &[Boundary] {
        let all = self.structure.boundaries();
        let first = all.partition_point(|boundary| boundary.at <= start);
        let after = all.partition_point(|boundary| boundary.at <= end);
        &all[first..after]
    }

    /// Where the chunk after one of `start..end` begins: as many whole blocks
    /// before its end as may be repeated, else sentences, else phrases, and
    /// words only where a phrase was cut. Nothing from above a heading
    /// or of another item.
    fn next(&self, start: usize, end: Boundary, fine: &[Boundary]) -> Result<(usize, u8)> {
        let alone = (end.at, end.rank);
        if self.config.overlap == 0 || end.opens || end.at == self.text.len() {
            return Ok(alone);
        }
        let coarse = self.between(start, end.at);
        let floor =
            coarse.iter().filter(|b| b.opens && b.at < end.at).map(|b| b.at).max().unwrap_or(start + 1);
        let mut found: Vec<Boundary> = match fine.is_empty() && !self.structure.is_code() {
            true => boundary::sentences(self.text, start..end.at),
            false => fine.to_vec(),
        };
        found.extend_from_slice(coarse);
        unite(&mut found);
        for worst in [rank::PARAGRAPH - 1, rank::SENTENCE, rank::PHRASE, rank::MARK] {
            if worst == rank::MARK && end.rank < rank::WORD {
                break;
            }
            let places = found.iter().filter(|b| b.rank <= worst && b.at >= floor && b.at < end.at);
            let mut first = None;
            // From the end on: each is larger than the one before.
            for place in places.rev() {
                if !self.measure.may_overlap(place.at..end.at)? {
                    break;
                }
                first = Some((place.at, place.rank));
            }
            if let Some(first) = first {
                return Ok(first);
            }
        }
        Ok(alone)
    }
}
