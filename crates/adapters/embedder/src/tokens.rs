//! Counting tokens the way the model does, with nothing cut off.

use crate::error::EmbedderError;
use ragstream_core::fault::Fault;
use tokenizers::Tokenizer;

/// Counts tokens of texts, special ones left out.
pub struct TokenCounter {
    tokenizer: Tokenizer,
    max_tokens: usize,
}

impl TokenCounter {
    /// From the tokenizer that the model uses; its truncation and padding are switched off here.
    pub fn new(tokenizer: &Tokenizer, max_tokens: usize) -> Result<Self, EmbedderError> {
        let mut tokenizer = tokenizer.clone();
        tokenizer
            .with_truncation(None)
            .map_err(|e| EmbedderError::Model(format!("tokenizer.json can't do without truncation: {e}")))?;
        tokenizer.with_padding(None);
        Ok(Self { tokenizer, max_tokens })
    }

    /// Tokens of a text; `Invalid` of class `chunk_too_long` where the model
    /// would not read them all.
    pub fn count(&self, text: &str) -> Result<usize, Fault> {
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|e| Fault::invalid("tokenization", format!("the text can't be tokenized: {e}")))?;
        let (tokens, max) = (encoding.len(), self.max_tokens);
        if tokens > max {
            let message =
                format!("the text has {tokens} tokens, of which the model would read the first {max}");
            return Err(Fault::invalid("chunk_too_long", message));
        }
        Ok(tokens)
    }

    /// A text in pieces of about one length that the model reads whole, with the tokens of each.
    /// They are cut between words, unless a word alone is too long.
    pub fn pieces<'t>(&self, text: &'t str) -> Result<Vec<(&'t str, usize)>, Fault> {
        let refused =
            |why: String| Fault::invalid("tokenization", format!("the text can't be tokenized: {why}"));
        let encoding = self.tokenizer.encode(text, false).map_err(|e| refused(e.to_string()))?;
        let (offsets, words) = (encoding.get_offsets(), encoding.get_word_ids());
        let count = offsets.len().div_ceil(self.max_tokens).max(1);
        let size = offsets.len().div_ceil(count).max(1);
        let mut pieces = Vec::with_capacity(count);
        let mut from = 0;
        while from < offsets.len() {
            let end = (from + size).min(offsets.len());
            let is_cut = |at: usize| at == offsets.len() || words[at].is_none() || words[at] != words[at - 1];
            let to = (from + 1..=end).rev().find(|at| is_cut(*at)).unwrap_or(end);
            let (start, stop) = (offsets[from].0, offsets[to - 1].1);
            let piece = text.get(start..stop).ok_or_else(|| refused("its tokens overlap".to_owned()))?;
            pieces.push((piece, to - from));
            from = to;
        }
        Ok(pieces)
    }
}
