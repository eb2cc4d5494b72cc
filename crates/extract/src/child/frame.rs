//! What the child says on its standard output: a length, and so many bytes of
//! JSON. A result that was cut off is told from a whole one.

use crate::{error::ExtractError, limits::Limits};
use ragstream_core::text::DocumentText;

const LENGTH_BYTES: usize = size_of::<u64>();

/// Room for metadata, pages and title beside the text.
const BESIDE_TEXT: u64 = 1 << 20;

/// The most bytes that a child's answer has: JSON writes a line break as two.
pub fn most_bytes(limits: &Limits) -> u64 {
    limits.text_bytes.saturating_mul(2).saturating_add(BESIDE_TEXT)
}

/// The answer, as bytes.
pub fn encode(outcome: &Result<DocumentText, ExtractError>) -> serde_json::Result<Vec<u8>> {
    let mut bytes = vec![0; LENGTH_BYTES];
    serde_json::to_writer(&mut bytes, outcome)?;
    let length = (bytes.len() - LENGTH_BYTES) as u64;
    bytes[..LENGTH_BYTES].copy_from_slice(&length.to_be_bytes());
    Ok(bytes)
}

/// The answer, if it is whole.
pub fn decode(bytes: &[u8]) -> Option<Result<DocumentText, ExtractError>> {
    let (length, json) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    if u64::from_be_bytes(*length) != json.len() as u64 {
        return None;
    }
    serde_json::from_slice(json).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn whole_answers_come_through_and_cut_ones_do_not() {
        let text = DocumentText { text: "a\"\n\u{1}é".to_owned(), ..DocumentText::default() };
        for outcome in [Ok(text), Err(ExtractError::NeedsOcr { pages: 3 })] {
            let bytes = encode(&outcome).unwrap();
            assert_eq!(decode(&bytes), Some(outcome));
            for cut in 0..bytes.len() {
                assert_eq!(decode(&bytes[..cut]), None);
            }
            assert_eq!(decode(&[&bytes[..], b"x"].concat()), None);
        }
    }
}
