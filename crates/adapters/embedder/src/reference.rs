//! Vectors computed once by another implementation: the self-check at load,
//! and the reference of the tests. `reference.json` says how they were made.

use crate::error::EmbedderError;
use ragstream_core::fault::{Fault, Result};
use serde::Deserialize;

/// SHA-256 of `model.safetensors` of all-MiniLM-L6-v2, the weights whose vectors are known here.
pub const MINILM_SHA256: &str = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db";

/// Least cosine between a vector and its reference. fp32 and bf16 reach .9999;
/// a wrong pooling, a wrong tokenizer or a broken kernel is far below.
pub const MIN_COSINE: f64 = 0.999;

/// A text with its true vector.
#[derive(Deserialize)]
pub struct Reference {
    pub text: String,
    pub vector: Vec<f32>,
}

#[derive(Deserialize)]
struct File {
    sentences: Vec<Reference>,
}

/// The texts; the first is the one of the self-check.
pub fn sentences() -> Vec<Reference> {
    let file: File = serde_json::from_str(include_str!("reference.json"))
        .expect("reference.json is part of the program and a test parses it");
    file.sentences
}

/// Cosine of two vectors; NaN if one of them is.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot =
        |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum() };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Embeds the first sentence and compares.
pub fn check(embed: impl Fn(&str) -> Result<Vec<f32>, Fault>) -> Result<(), EmbedderError> {
    let Some(reference) = sentences().into_iter().next() else { return Ok(()) };
    let vector = embed(&reference.text).map_err(|e| EmbedderError::SelfCheck(e.to_string()))?;
    let cosine = cosine(&vector, &reference.vector);
    // Not `cosine < MIN_COSINE`: NaN must fail too.
    match vector.len() == reference.vector.len() && cosine >= MIN_COSINE {
        true => Ok(()),
        false => Err(EmbedderError::SelfCheck(format!(
            "cosine {cosine:.4} to the known vector of a fixed sentence, at least {MIN_COSINE} is expected; \
             is tokenizer.json the one of these weights?"
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_check_tells_right_from_wrong() {
        let right = sentences().remove(0).vector;
        assert!(check(|_| Ok(right.clone())).is_ok());
        let other = sentences().remove(1).vector;
        assert!(check(|_| Ok(other.clone())).is_err());
        assert!(check(|_| Ok(vec![f32::NAN; 384])).is_err());
        assert!(check(|_| Ok(right[..100].to_vec())).is_err());
        assert!(check(|_| Err(Fault::failed("inference", "no"))).is_err());
    }
}
