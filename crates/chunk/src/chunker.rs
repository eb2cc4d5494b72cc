//! The chunker.

use crate::{config::ChunkerConfig, cutting::Cutting, error::ChunkerError, tokens::Tokens};
use ragstream_core::{
    chunk::Chunk,
    fault::Result,
    id::{DocumentId, Version},
    text::{DocumentText, TextHead, TextPart},
};
use std::{path::Path, sync::Arc};

/// Cuts texts into chunks. CPU-bound: call it from a thread that may block.
#[derive(Clone)]
pub struct Chunker(Arc<Settings>);

/// What all texts are cut by.
pub(crate) struct Settings {
    pub(crate) tokens: Tokens,
    pub(crate) config: ChunkerConfig,
    pub(crate) name: String,
}

impl Chunker {
    /// A chunker that counts by the tokenizer of the model (its
    /// `tokenizer.json`), whatever truncation and padding that file asks for.
    pub fn new(tokenizer_json: impl AsRef<Path>, config: ChunkerConfig) -> Result<Self, ChunkerError> {
        config.check()?;
        let tokens = Tokens::load(tokenizer_json.as_ref())?;
        Ok(Self(Arc::new(Settings { tokens, config, name: config.name() })))
    }

    /// Name and settings: they go into chunk ids and the lineage.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// Begins to cut a text that comes in pieces.
    pub fn begin(&self, head: &TextHead, document: DocumentId, version: Version) -> Cutting {
        Cutting::new(self.0.clone(), head, document, version)
    }

    /// The chunks of a version's text, in order; none where it is whitespace.
    /// They are the same as those of the text in pieces.
    ///
    /// `Invalid` of class `tokenization` where the tokenizer refuses the text.
    pub fn chunks(&self, text: &DocumentText, document: DocumentId, version: Version) -> Result<Vec<Chunk>> {
        let head = TextHead {
            markup: text.markup,
            extractor: text.extractor.clone(),
            language: text.language.clone(),
        };
        let mut cutting = self.begin(&head, document, version);
        let mut chunks = cutting.push(TextPart { text: text.text.clone(), pages: text.pages.clone() })?;
        chunks.extend(cutting.finish()?);
        Ok(chunks)
    }
}
