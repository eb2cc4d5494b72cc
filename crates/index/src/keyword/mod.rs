//! Keywords: text to terms, the inverted index, BM25.

pub(crate) mod index;
mod normal;
pub(crate) mod search;
pub(crate) mod terms;
mod tokenizer;
