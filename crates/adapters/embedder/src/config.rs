//! What to load, and how to run it.

use std::path::PathBuf;

/// Tokens that all-MiniLM-L6-v2 reads: the 256 of its sentence-transformers
/// configuration less the two special ones.
pub const DEFAULT_MAX_TOKENS: usize = 254;

/// Most texts that go through the model together. Larger batches are slower on
/// a CPU, for they fall out of its caches, and take memory: 256 texts of 256
/// tokens take 4.4 GB.
pub const MAX_BATCH: usize = 8;

/// Settings of a [`FastEmbedder`](crate::FastEmbedder).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbedderConfig {
    /// Folder of the model.
    pub model_dir: PathBuf,
    /// The ONNX Runtime library, version 1.24 or newer (`libonnxruntime.so`).
    pub onnxruntime: PathBuf,
    /// Name of the model in records and answers.
    pub name: String,
    /// Lower-case hex SHA-256 that the weights file must have, if given.
    pub sha256: Option<String>,
    /// Most tokens of a text, special ones not counted.
    pub max_tokens: usize,
    /// Threads of one session. One is best where several sessions run.
    pub threads: usize,
    /// Sessions that share the texts of a call. Each holds its own copy of the
    /// weights; two of one thread are as fast as one of two threads or faster.
    pub sessions: usize,
    /// Texts that go through a session together, 1 to [`MAX_BATCH`].
    pub batch: usize,
}

impl EmbedderConfig {
    /// all-MiniLM-L6-v2 from a folder, on one thread.
    pub fn new(model_dir: impl Into<PathBuf>, onnxruntime: impl Into<PathBuf>) -> Self {
        Self {
            model_dir: model_dir.into(),
            onnxruntime: onnxruntime.into(),
            name: "all-MiniLM-L6-v2".to_owned(),
            sha256: None,
            max_tokens: DEFAULT_MAX_TOKENS,
            threads: 1,
            sessions: 1,
            batch: 4,
        }
    }
}

/// Tokens of question and passage together that a cross-encoder reads: the 512 positions of BERT
/// and XLM-RoBERTa, special ones counted.
pub const DEFAULT_PAIR_TOKENS: usize = 512;

/// Settings of a [`CrossEncoder`](crate::CrossEncoder).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RerankerConfig {
    /// Folder of the model.
    pub model_dir: PathBuf,
    /// The ONNX Runtime library, version 1.24 or newer (`libonnxruntime.so`).
    pub onnxruntime: PathBuf,
    /// Name of the model in answers.
    pub name: String,
    /// Most tokens of question and passage together, special ones counted; a model that
    /// reads fewer keeps to its own number. What is beyond them is cut off the longer of the two.
    pub max_tokens: usize,
}

impl RerankerConfig {
    /// The model of a folder, by the folder's name.
    pub fn new(model_dir: impl Into<PathBuf>, onnxruntime: impl Into<PathBuf>) -> Self {
        let model_dir = model_dir.into();
        let name = model_dir.file_name().map(|name| name.to_string_lossy().into_owned());
        Self {
            name: name.unwrap_or_else(|| "reranker".to_owned()),
            model_dir,
            onnxruntime: onnxruntime.into(),
            max_tokens: DEFAULT_PAIR_TOKENS,
        }
    }
}
