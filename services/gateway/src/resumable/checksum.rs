//! Checksums of requests (`Upload-Checksum`).

use axum::http::StatusCode;
use base64::{Engine, engine::general_purpose::STANDARD};
use ragstream_api::problem::Problem;
use sha1::Sha1;
use sha2::{Digest, Sha256, digest::DynDigest};

/// The algorithms there are; the protocol wants `sha1`.
pub(crate) const ALGORITHMS: &str = "sha1,sha256";

/// The status of a request whose bytes are not those that the client summed up.
const CHECKSUM_MISMATCH: u16 = 460;

/// A sum that a client gave, and that of what has come so far.
pub(crate) struct Checksum {
    expected: Vec<u8>,
    sum: Box<dyn DynDigest + Send>,
}

impl Checksum {
    /// Reads the header: an algorithm, a space, and the sum in base64.
    pub(crate) fn parse(header: &str) -> Result<Self, Problem> {
        let bad = |why: &str| {
            let detail =
                format!("Upload-Checksum {why}: send one of {ALGORITHMS}, a space, and the sum in base64");
            Problem::bad_request("bad_checksum", detail)
        };
        let (algorithm, sum) = header.trim().split_once(' ').ok_or_else(|| bad("has no sum"))?;
        let expected = STANDARD.decode(sum.trim()).map_err(|_| bad("is not base64"))?;
        let sum: Box<dyn DynDigest + Send> = match algorithm {
            "sha1" => Box::new(Sha1::new()),
            "sha256" => Box::new(Sha256::new()),
            _ => return Err(bad("has an unknown algorithm")),
        };
        if expected.len() != sum.output_size() {
            return Err(bad("has a sum of another length than its algorithm"));
        }
        Ok(Self { expected, sum })
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.sum.update(bytes);
    }

    /// Whether what came is what was sent.
    pub(super) fn verify(self) -> Result<(), Problem> {
        if *self.sum.finalize() == *self.expected {
            return Ok(());
        }
        let status = StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST);
        let mut problem = Problem::new(
            status,
            "checksum_mismatch",
            "the bytes of this request are not those of its Upload-Checksum; nothing of it was kept: send it again",
        );
        problem.title = "Checksum Mismatch".to_owned();
        Err(problem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(header: &str, bytes: &[u8]) -> Result<(), Problem> {
        let mut checksum = Checksum::parse(header)?;
        checksum.update(bytes);
        checksum.verify()
    }

    #[test]
    fn sums_are_compared() {
        // By `openssl dgst -binary | base64`.
        for header in
            ["sha1 2EwWm+DShcPcDrZhE8ADjI0E7+0=", "sha256 cMUYLTbsAPOsXyj6jbn44tIzN8nY9k4JZy06nqWzHxQ="]
        {
            assert!(of(header, b"hello tus").is_ok(), "{header}");
            assert_eq!(of(header, b"hello tus!").err().map(|problem| problem.status), Some(460));
        }
    }

    #[test]
    fn what_is_no_checksum_says_so() {
        for header in
            ["", "sha1", "sha1 !", "md5 1B2M2Y8AsgTpgAmY7PhCfg==", "sha256 HPfEmeuu15FNsBWT1gq9zszk8Wo="]
        {
            let problem = of(header, b"x").err().unwrap_or_else(|| panic!("{header:?} is taken"));
            assert_eq!(problem.status, 400, "{header:?}");
            assert!(problem.detail.contains("sha1"), "{}", problem.detail);
        }
    }
}
