//! The chunker.

use crate::{
    config::ChunkerConfig, error::ChunkerError, measure::Measure, outline::Outline, sections::sections,
    tokens::Tokens,
};
use ragstream_core::{
    chunk::Chunk,
    fault::{Fault, Result},
    id::{ChunkId, DocumentId, Version},
    text::{DocumentText, Markup},
};
use std::{ops::Range, path::Path};
use text_splitter::{ChunkConfig, MarkdownSplitter, TextSplitter};

/// Cuts texts into chunks. CPU-bound: a few megabytes a second on one core.
pub struct Chunker {
    tokens: Tokens,
    config: ChunkerConfig,
    name: String,
}

impl Chunker {
    /// A chunker that counts by the tokenizer of the model (its
    /// `tokenizer.json`), whatever truncation and padding that file asks for.
    pub fn new(tokenizer_json: impl AsRef<Path>, config: ChunkerConfig) -> Result<Self, ChunkerError> {
        config.check()?;
        Ok(Self { tokens: Tokens::load(tokenizer_json.as_ref())?, config, name: config.name() })
    }

    /// Name and settings: they go into chunk ids and the lineage.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The chunks of a version's text, in order; none where it is whitespace.
    ///
    /// `Invalid` of class `tokenization` where the tokenizer refuses the text.
    pub fn chunks(&self, text: &DocumentText, document: DocumentId, version: Version) -> Result<Vec<Chunk>> {
        let outline = match text.markup {
            Markup::Markdown => Outline::of_markdown(&text.text),
            Markup::Plain => Outline::default(),
        };
        let mut spans = Vec::new();
        for section in sections(&text.text, &outline.blocks) {
            self.split(&text.text, section, text.markup, &mut spans)?;
        }
        let mut headings = outline.walk();
        let mut chunks = Vec::with_capacity(spans.len());
        for (span, tokens) in spans {
            let position = u32::try_from(chunks.len()).map_err(|_| {
                Fault::invalid("too_many_chunks", "the text has more chunks than can be counted")
            })?;
            chunks.push(Chunk {
                id: ChunkId::derive(document, version, &self.name, position),
                position,
                page: text.page_at(span.start as u64),
                headings: headings.at(span.start),
                tokens: tokens as u32,
                text: text.text[span.clone()].to_owned(),
                span: span.start as u64..span.end as u64,
            });
        }
        Ok(chunks)
    }

    /// Appends the chunks of a section, each with its exact number of tokens.
    fn split(
        &self,
        text: &str,
        section: Range<usize>,
        markup: Markup,
        spans: &mut Vec<(Range<usize>, usize)>,
    ) -> Result<()> {
        let part = &text[section.clone()];
        if part.trim().is_empty() {
            return Ok(());
        }
        let measure = Measure::new(part, &self.tokens, self.config)?;
        let config = ChunkConfig::new(self.config.effective_size())
            .with_sizer(&measure)
            .with_overlap(self.config.overlap)
            .map_err(|e| Fault::invalid("chunker_settings", e.to_string()))?;
        let pieces: Vec<(usize, &str)> = match markup {
            Markup::Markdown => {
                MarkdownSplitter::new(config).try_chunk_indices(part).collect::<Result<_>>()?
            }
            Markup::Plain => TextSplitter::new(config).try_chunk_indices(part).collect::<Result<_>>()?,
        };
        for (offset, piece) in pieces {
            let start = section.start + offset;
            self.append(text, start..start + piece.len(), spans)?;
        }
        Ok(())
    }

    /// Appends a span if the tokenizer confirms that it fits, else its halves.
    /// It does for all but texts in which a word has other tokens beside its
    /// neighbours than by itself.
    fn append(
        &self,
        text: &str,
        mut span: Range<usize>,
        spans: &mut Vec<(Range<usize>, usize)>,
    ) -> Result<()> {
        if let Some((last, _)) = spans.last() {
            // Overlap with a chunk that was halved: what it holds is not said again.
            if span.end <= last.end {
                return Ok(());
            }
            if span.start <= last.start {
                span = without_leading_blanks(text, last.end..span.end);
            }
        }
        let piece = &text[span.clone()];
        if piece.trim().is_empty() {
            return Ok(());
        }
        let tokens = self.tokens.count(piece)?;
        let most = self.config.most_tokens();
        if tokens <= most {
            spans.push((span, tokens));
            return Ok(());
        }
        let first = piece.chars().next().map_or(0, char::len_utf8);
        let half = piece.floor_char_boundary(piece.len() / 2).max(first);
        if half == piece.len() {
            return Err(Fault::invalid("tokenization", "a character has more tokens than the model reads"));
        }
        let blank = piece[half..].find(char::is_whitespace).map(|at| half + at);
        let middle = span.start + blank.unwrap_or(half);
        self.append(text, span.start..middle, spans)?;
        self.append(text, without_leading_blanks(text, middle..span.end), spans)
    }
}

fn without_leading_blanks(text: &str, span: Range<usize>) -> Range<usize> {
    span.end - text[span.clone()].trim_start().len()..span.end
}
