//! The size of any piece of a section, without tokenizing it again.
//!
//! The splitter tries many pieces for every chunk. Tokenizers cut text into
//! words first and words into tokens, so a piece that begins and ends between
//! words has the tokens that its words have in the section, and only where a
//! piece cuts a word is that fragment tokenized.

use crate::{
    config::{ChunkerConfig, Unit},
    tokens::Tokens,
};
use ragstream_core::fault::{Fault, Result};
use std::ops::Range;
use text_splitter::TryChunkSizer;

/// A piece counts at least one token for so many bytes. Words average 4 to 6
/// bytes a token; a run of blanks or an endless word has hardly any tokens,
/// and must not grow into a chunk that no log takes.
const MAX_BYTES_PER_TOKEN: usize = 16;

/// A word of more bytes is endless (encoded data, mostly) and is not tokenized
/// again for each of its fragments; 400 bytes are 100 characters of any script,
/// past which WordPiece tokenizers give a word up. Sizes of its fragments are
/// estimates, which the count of the finished chunk corrects.
const MAX_WORD_BYTES: usize = 400;

struct Word {
    bytes: Range<usize>,
    /// Tokens of the section before this word.
    tokens_before: usize,
}

/// Sizes of the pieces of one section.
pub struct Measure<'a> {
    section: &'a str,
    words: Vec<Word>,
    token_count: usize,
    tokens: &'a Tokens,
    config: ChunkerConfig,
}

impl<'a> Measure<'a> {
    /// Tokenizes the section, once.
    pub fn new(section: &'a str, tokens: &'a Tokens, config: ChunkerConfig) -> Result<Self> {
        let encoding = tokens.encode(section)?;
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
        Ok(Self { section, words, token_count: encoding.len(), tokens, config })
    }

    /// Tokens of a byte range of the section.
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
        let before = |word: usize| self.words.get(word).map_or(self.token_count, |word| word.tokens_before);
        if first < after {
            count += before(after) - before(first);
        }
        Ok(count)
    }

    /// Tokens of a part of a word.
    fn fragment(&self, word: &Word, part: Range<usize>) -> Result<usize> {
        match word.bytes.len() > MAX_WORD_BYTES {
            true => Ok(part.len().div_ceil(MAX_BYTES_PER_TOKEN)),
            false => self.tokens.count(&self.section[part]),
        }
    }

    /// The place of a piece in the section, if it is a part of it.
    fn place(&self, piece: &str) -> Option<Range<usize>> {
        let start = (piece.as_ptr() as usize).checked_sub(self.section.as_ptr() as usize)?;
        let end = start + piece.len();
        (end <= self.section.len()).then_some(start..end)
    }
}

impl TryChunkSizer for &Measure<'_> {
    type Error = Fault;

    fn try_size(&self, piece: &str) -> Result<usize> {
        let (size, most) = (self.config.effective_size(), self.config.model_tokens);
        let from_bytes = piece.len().div_ceil(MAX_BYTES_PER_TOKEN);
        let too_long = from_bytes > most || (self.config.unit == Unit::Tokens && from_bytes > size);
        let tokens = match self.place(piece) {
            _ if too_long => from_bytes,
            Some(place) => self.tokens(place)?.max(from_bytes),
            None => self.tokens.count(piece)?.max(from_bytes),
        };
        Ok(match self.config.unit {
            Unit::Tokens => tokens,
            // In proportion, so that a piece of more tokens than the model
            // reads is larger than a chunk may be.
            Unit::Characters => piece.chars().count().max((tokens * size).div_ceil(most)),
        })
    }
}
