//! The model's tokenizer with nothing cut off.

use crate::error::ChunkerError;
use ragstream_core::fault::{Fault, Result};
use std::path::Path;
use tokenizers::{Encoding, Tokenizer};

/// Counts tokens, special ones left out.
pub struct Tokens(Tokenizer);

impl Tokens {
    /// From a `tokenizer.json`, its truncation and padding switched off.
    pub fn load(path: &Path) -> Result<Self, ChunkerError> {
        let failed =
            |e: tokenizers::Error| ChunkerError::Tokenizer { path: path.to_owned(), reason: e.to_string() };
        let mut tokenizer = Tokenizer::from_file(path).map_err(failed)?;
        tokenizer.with_truncation(None).map_err(failed)?;
        tokenizer.with_padding(None);
        Ok(Self(tokenizer))
    }

    /// How many tokens a text has.
    pub fn count(&self, text: &str) -> Result<usize> {
        self.0.encode_fast(text, false).map(|encoding| encoding.len()).map_err(refused)
    }

    /// The tokens of a text with their byte offsets and the words they are of.
    pub fn encode(&self, text: &str) -> Result<Encoding> {
        self.0.encode(text, false).map_err(refused)
    }
}

fn refused(error: tokenizers::Error) -> Fault {
    Fault::invalid("tokenization", format!("the text can't be tokenized: {error}"))
}
