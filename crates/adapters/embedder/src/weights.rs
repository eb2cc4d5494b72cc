//! The weights file: reading, checking, taking tensors out of it.

use crate::error::EmbedderError;
use bytes::Bytes;
use safetensors::{Dtype, SafeTensors};
use sha2::{Digest, Sha256};
use std::{fmt::Write, path::Path};

/// Reads a file of the model.
pub fn read(path: &Path) -> Result<Vec<u8>, EmbedderError> {
    std::fs::read(path).map_err(|source| EmbedderError::File { path: path.to_owned(), source })
}

/// Lower-case hex SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a string does not fail
        hex
    })
}

/// The tensors of a safetensors file.
pub struct Weights<'a> {
    tensors: SafeTensors<'a>,
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    /// `Model` where the bytes are not a safetensors file.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, EmbedderError> {
        let tensors = SafeTensors::deserialize(bytes)
            .map_err(|e| EmbedderError::Model(format!("model.safetensors can't be parsed: {e}")))?;
        // Files that were saved with a task head have the encoder under its name.
        let prefix = if tensors.names().iter().any(|name| name.starts_with("bert.")) { "bert." } else { "" };
        Ok(Self { tensors, prefix })
    }

    /// A tensor as it lies in the file, little-endian floats; its shape must be `shape`.
    pub fn floats(&self, name: &str, shape: &[usize]) -> Result<Bytes, EmbedderError> {
        self.view(name, shape).map(Bytes::copy_from_slice)
    }

    /// The weight of a linear layer, `[out, in]` in the file, as `[in, out]`,
    /// which is how a matrix product reads it.
    pub fn transposed(&self, name: &str, out: usize, input: usize) -> Result<Bytes, EmbedderError> {
        const FLOAT_BYTES: usize = size_of::<f32>();
        let data = self.view(name, &[out, input])?;
        let mut transposed = vec![0; data.len()];
        for (i, float) in data.chunks_exact(FLOAT_BYTES).enumerate() {
            let (row, column) = (i / input, i % input);
            let at = (column * out + row) * FLOAT_BYTES;
            transposed[at..at + FLOAT_BYTES].copy_from_slice(float);
        }
        Ok(transposed.into())
    }

    fn view(&self, name: &str, shape: &[usize]) -> Result<&'a [u8], EmbedderError> {
        let name = format!("{}{name}", self.prefix);
        let tensor = self
            .tensors
            .tensor(&name)
            .map_err(|e| EmbedderError::Model(format!("model.safetensors has no usable {name}: {e}")))?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(EmbedderError::Model(format!(
                "{name} is {:?} {:?} in model.safetensors, by config.json it should be F32 {shape:?}",
                tensor.dtype(),
                tensor.shape(),
            )));
        }
        Ok(tensor.data())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use safetensors::tensor::TensorView;

    #[test]
    fn a_matrix_is_transposed_and_checked() {
        let data: Vec<u8> = (0..6).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let view = TensorView::new(Dtype::F32, vec![2, 3], &data).unwrap();
        let file = safetensors::serialize([("bert.w", view)], None).unwrap();
        let weights = Weights::parse(&file).unwrap();
        let transposed = weights.transposed("w", 2, 3).unwrap();
        let floats: Vec<f32> =
            transposed.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        assert_eq!(floats, [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
        assert!(weights.floats("w", &[3, 2]).unwrap_err().to_string().contains("should be F32 [3, 2]"));
        assert!(weights.floats("v", &[1]).is_err());
        assert!(Weights::parse(b"not a model").is_err());
    }

    #[test]
    fn hashes_are_lower_case_hex() {
        assert_eq!(sha256(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
