//! Text to vectors: [`FastEmbedder`] implements [`ragstream_core::ports::Embedder`]
//! with fastembed over ONNX Runtime, from local files alone. [`CrossEncoder`] implements
//! [`ragstream_core::ports::Reranker`] the same way.
//!
//! What holds of the embedder:
//! - The runtime library is loaded from a given path, once a process, and a
//!   missing or too old one is an [`EmbedderError`], never a panic.
//! - No text is cut off: one that the model can't read in full is refused by itself.
//! - Every vector is finite and of unit length, and does not depend on its
//!   neighbours in a batch.
//! - Memory does not grow with the number of texts of a call: raw outputs are
//!   one pooled vector a text, a few texts at a time.
//!
//! A model folder has `tokenizer.json`, `config.json`, `tokenizer_config.json`,
//! `special_tokens_map.json`, and either `model.onnx` or `model.safetensors`.
//! From the latter the ONNX graph is built here, in memory ([`bert`]).

mod bert;
mod config;
mod embedder;
mod error;
mod graph;
mod onnx;
mod reference;
mod rerank;
mod runtime;
mod tokens;
mod weights;

pub use config::{EmbedderConfig, RerankerConfig};
pub use embedder::FastEmbedder;
pub use error::EmbedderError;
pub use reference::MINILM_SHA256;
pub use rerank::CrossEncoder;
