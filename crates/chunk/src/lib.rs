//! Text to chunks: on heading, item, block, paragraph, sentence, phrase and
//! word boundaries in this order of preference, sized by the model's own
//! tokenizer.
//!
//! What holds for every chunk:
//! - Its text is exactly the bytes of its span, and between the spans of a
//!   document lies whitespace alone: nothing is lost.
//! - It has at most as many tokens as configured, and never more than the
//!   model reads, counted by the model's tokenizer at the end.
//! - The same text and settings give the same chunks, whatever pieces the text
//!   comes in.
//! - It repeats nothing from above a heading or of another item of source code.
//!
//! Work grows in proportion to the text and memory does not grow with it: it
//! is looked at in windows ([`cutting`]), and each is tokenized once
//! ([`measure`]) and parsed once ([`structure`]).
//!
//! The cutting itself is written here rather than taken from a library: it has
//! to go on in the middle of a block, to know what documents what, and to end
//! phrases where Thai ends them.

mod boundary;
mod chunker;
mod code;
mod config;
mod cutter;
mod cutting;
mod error;
mod indent;
mod markdown;
mod measure;
mod structure;
mod tokens;

pub use chunker::Chunker;
pub use config::{ChunkerConfig, MODEL_TOKENS, Unit};
pub use cutting::Cutting;
pub use error::ChunkerError;
