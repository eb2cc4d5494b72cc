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
}
