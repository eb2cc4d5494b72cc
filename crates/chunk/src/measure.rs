//! The size of any piece of a window, without tokenizing it again.
//!
//! Tokenizers cut text into words first and words into tokens, so a piece
//! that begins and ends between words has the tokens that its words have in
//! the window, and only where a piece cuts a word is that fragment tokenized.

use crate::{
    config::{ChunkerConfig, Unit},
    tokens::Tokens,
};
use ragstream_core::fault::Result;
use std::ops::Range;

/// A piece counts at least one token for so many bytes. Words average 4 to 6
/// bytes a token; a run of blanks or an endless word has hardly any tokens,
/// and must not grow into a chunk that no log takes.
pub const MAX_BYTES_PER_TOKEN: usize = 16;

/// A word of more bytes is endless (encoded data, mostly) and is not tokenized
/// again for each of its fragments; 400 bytes are 100 characters of any script,
/// past which WordPiece tokenizers give a word up. Sizes of its fragments are
/// estimates, which the count of the finished chunk corrects.
const MAX_WORD_BYTES: usize = 400;

struct Word {
    bytes: Range<usize>,
    /// Tokens of the window before this word.
    tokens_before: usize,
}

/// Sizes of the pieces of one window.
pub struct Measure<'a> {
    text: &'a str,
    words: Vec<Word>,
    token_count: usize,
    tokens: &'a Tokens,
    config: ChunkerConfig,
}

impl<'a> Measure<'a> {
    /// Tokenizes the window, once.
    pub fn new(text: &'a str, tokens: &'a Tokens, config: ChunkerConfig) -> Result<Self> {
        let encoding = tokens.encode(text)?;
        let mut words: Vec<Word> = Vec::new();
        let mut last = None;
        for (token, (&(start, end), &word)) in
            encoding.get_offsets().iter().zip(encoding.get_word_ids()).enumerate()
        {
            match words.last_mut() {
                Some(open) if word.is_some() && word == last => open.bytes.end = open.bytes.end.max(end),
                _ => words.push(Word { bytes: start..end, tokens_before: token }),
            }
            last = word;
        }
        Ok(Self { text, words, token_count: encoding.len(), tokens, config })
    }

    fn before(&self, word: usize) -> usize {
        self.words.get(word).map_or(self.token_count, |word| word.tokens_before)
    }

    /// Where a chunk that begins at `start` must end at the latest: at least one character on.
    pub fn furthest(&self, start: usize) -> Result<usize> {
        let first = self.text[start..].chars().next().map_or(0, char::len_utf8);
        let mut end = self.furthest_by_tokens(start, self.config.most_tokens())?;
        if self.config.unit == Unit::Characters {
            let longest = self.text[start..].char_indices().nth(self.config.size);
            end = longest.map_or(end, |(at, _)| end.min(start + at));
        }
        Ok(end.max(start + first))
    }

    fn furthest_by_tokens(&self, start: usize, budget: usize) -> Result<usize> {
        let most = (start + budget * MAX_BYTES_PER_TOKEN).min(self.text.len());
        let most = self.text.floor_char_boundary(most);
        let mut first = self.words.partition_point(|word| word.bytes.end <= start);
        let mut used = 0;
        if let Some(word) = self.words.get(first).filter(|word| word.bytes.start < start) {
            used = self.fragment(word, start..word.bytes.end)?;
            if used > budget {
                return self.within(word, start, budget, most);
            }
            first += 1;
        }
        let room = self.before(first) + budget - used;
        // The first word that does not fit whole.
        let over = first + self.words[first..].partition_point(|word| word.tokens_before <= room);
        let over = match over == self.words.len() && self.token_count <= room {
            true => return Ok(most),
            false => over.saturating_sub(1).max(first),
        };
        let Some(word) = self.words.get(over) else { return Ok(most) };
        used += self.before(over) - self.before(first);
        // An endless word is cut rather than that what is before it stays small.
        let end = match used * 2 < budget {
            true => self.within(word, word.bytes.start.max(start), budget - used, most)?,
            false => word.bytes.start,
        };
        Ok(end.min(most))
    }

    /// The end of the longest part of a word, from `start` on, that fits.
    fn within(&self, word: &Word, start: usize, budget: usize, most: usize) -> Result<usize> {
        let last = self.text.floor_char_boundary(word.bytes.end.min(most));
        let (mut low, mut high) = (start, last.max(start));
        while low < high {
            let middle = self.text.ceil_char_boundary(low + (high - low).div_ceil(2)).min(high);
            if self.fragment(word, start..middle)? <= budget {
                low = middle;
            } else {
                high = self.text.floor_char_boundary(middle - 1);
            }
        }
        Ok(low)
    }

    /// Whether a piece is as small as what chunks may repeat.
    pub fn may_overlap(&self, piece: Range<usize>) -> Result<bool> {
        let text = self.text[piece.clone()].trim_end();
        if self.config.unit == Unit::Characters && text.chars().count() > self.config.overlap {
            return Ok(false);
        }
        let tokens = self.tokens(piece.start..piece.start + text.len())?;
        Ok(tokens.max(text.len().div_ceil(MAX_BYTES_PER_TOKEN)) <= self.config.overlap_tokens())
    }

    /// Tokens of a byte range.
    fn tokens(&self, piece: Range<usize>) -> Result<usize> {
        let mut first = self.words.partition_point(|word| word.bytes.end <= piece.start);
        let mut after = self.words.partition_point(|word| word.bytes.start < piece.end);
        let mut count = 0;
        if let Some(word) = self.words[..after].get(first)
            && word.bytes.start < piece.start
        {
            count += self.fragment(word, piece.start..word.bytes.end.min(piece.end))?;
            first += 1;
        }
        if let Some(word) = self.words[..after].last()
            && first < after
            && word.bytes.end > piece.end
        {
            count += self.fragment(word, word.bytes.start..piece.end)?;
            after -= 1;
        }
        if first < after {
            count += self.before(after) - self.before(first);
        }
        Ok(count)
    }

    /// Tokens of a part of a word.
    fn fragment(&self, word: &Word, part: Range<usize>) -> Result<usize> {
        match word.bytes.len() > MAX_WORD_BYTES {
            true => Ok(part.len().div_ceil(MAX_BYTES_PER_TOKEN)),
            false => self.tokens.count(&self.text[part]),
        }
    }
}
