//! Our terms as tantivy reads them.

use super::terms::{Side, Terms};
use std::sync::Arc;
use tantivy::tokenizer::{Token, TokenStream, Tokenizer};

/// The terms of a document. Offsets are not kept: nothing reads them.
#[derive(Clone)]
pub(crate) struct DocumentTokenizer(pub(crate) Arc<Terms>);

/// Terms one after the other.
pub(crate) struct Tokens {
    terms: std::vec::IntoIter<String>,
    token: Token,
}

impl Tokenizer for DocumentTokenizer {
    type TokenStream<'a> = Tokens;

    fn token_stream<'a>(&'a mut self, text: &'a str) -> Tokens {
        Tokens { terms: self.0.of(text, Side::Document).into_iter(), token: Token::default() }
    }
}

impl TokenStream for Tokens {
    fn advance(&mut self) -> bool {
        let Some(term) = self.terms.next() else { return false };
        self.token.text = term;
        self.token.position = self.token.position.wrapping_add(1);
        true
    }

    fn token(&self) -> &Token {
        &self.token
    }

    fn token_mut(&mut self) -> &mut Token {
        &mut self.token
    }
}
