use crate::fault::{Fault, Result};

/// Which model makes the vectors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    /// Its name in records and answers.
    pub name: String,
    /// Length of its vectors.
    pub dimension: usize,
    /// Most tokens of a text that it reads, special tokens not counted.
    pub max_tokens: usize,
}

/// Text to unit-length vectors. Blocking and CPU-bound: call it from a thread of its own.
///
/// A text longer than the model reads is `Invalid` of class `chunk_too_long`,
/// never cut off silently.
pub trait Embedder: Send + Sync {
    /// The model.
    fn model(&self) -> &ModelInfo;

    /// One vector for each text, in order. The outcome is per text, so that
    /// one that the model refuses does not fail its neighbours; the outer
    /// error is one of the model itself.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Result<Vec<f32>>>>;

    /// Tokens of a text as the model counts them, special ones left out; `Invalid` as in
    /// [`embed`](Self::embed) where it would not read them all.
    fn tokens(&self, text: &str) -> Result<usize>;

    /// The vector of a question, which need not fit: a model that can, reads a long one in pieces
    /// and gives the mean of theirs, each by its number of tokens.
    fn embed_question(&self, question: &str) -> Result<Vec<f32>> {
        let none = || Err(Fault::failed("model_output", "the model gave no vector"));
        self.embed(&[question])?.pop().unwrap_or_else(none)
    }
}
