//! Text to chunks: on heading, block, paragraph, sentence and word boundaries
//! in this order of preference, sized by the model's own tokenizer.
//!
//! What holds for every chunk:
//! - Its text is exactly the bytes of its span, and between the spans of a
//!   document lies whitespace alone: nothing is lost.
//! - It has at most as many tokens as configured, and never more than the
//!   model reads, counted by the model's tokenizer at the end.
//! - The same text and settings give the same chunks.
//!
//! Work and memory grow in proportion to the text: it is cut into sections
//! first ([`sections`]), and each is tokenized once ([`measure`]).

mod chunker;
mod config;
mod error;
mod measure;
mod outline;
mod sections;
mod tokens;

pub use chunker::Chunker;
pub use config::{ChunkerConfig, MODEL_TOKENS, Unit};
pub use error::ChunkerError;
