//! Answers from passages.
//!
//! [`extract`] quotes sentences. [`write`] has a model write: [`prompt`] says what it is asked
//! and keeps what documents say apart from what it is told; [`claims`] lets nothing through that
//! no passage backs. Both cite into [`Citations`], so that each number of an answer is a quote
//! that stands in a document.

pub(crate) mod claims;
pub(crate) mod extract;
pub(crate) mod prompt;
mod sentences;
pub(crate) mod write;

use ragstream_api::{
    documents::Span,
    search::{Citation, Passage},
};
use uuid::Uuid;

/// What is said where the documents hold no answer.
pub(crate) const UNANSWERED: &str = "The documents do not answer this question.";

/// What an answer cites, numbered from 1 in the order of first use.
#[derive(Clone, Default)]
pub(crate) struct Citations(Vec<Citation>);

impl Citations {
    /// The number of the bytes `start..` of a passage's text, which `quote` is.
    pub(crate) fn number(&mut self, passage: &Passage, start: usize, quote: &str) -> usize {
        let from = passage.span.start + start as u64;
        let span = Span { start: from, end: from + quote.len() as u64 };
        let same = |cited: &Citation| cited.document_id == passage.document_id && cited.span == span;
        if let Some(known) = self.0.iter().find(|cited| same(cited)) {
            return known.number;
        }
        let number = self.0.len() + 1;
        self.0.push(Citation {
            number,
            document_id: passage.document_id,
            external_id: passage.external_id.clone(),
            filename: passage.filename.clone(),
            page: passage.page,
            span,
            quote: quote.to_owned(),
            chunk_id: passage.chunk_id,
        });
        number
    }

    /// The chunks that are cited.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = Uuid> {
        self.0.iter().map(|citation| citation.chunk_id)
    }

    /// All of them.
    pub(crate) fn into_vec(self) -> Vec<Citation> {
        self.0
    }
}
