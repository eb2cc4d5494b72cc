//! Between gateway and query node (`POST /internal/embed`): texts to vectors.

use serde::{Deserialize, Serialize};

/// Texts that are to be vectors; with none, the answer names the model.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbedRequest {
    /// The texts.
    pub texts: Vec<String>,
}

/// Their vectors.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct EmbedResponse {
    /// Name of the model.
    pub model: String,
    /// One for each text, in order, of unit length.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens of all texts, special ones not counted.
    pub tokens: usize,
}
