//! Signatures by the Standard Webhooks specification, version 1
//! (<https://github.com/standard-webhooks/standard-webhooks>): HMAC-SHA256 over
//! `{id}.{timestamp}.{body}`, so that a receiver knows who sends and that it is no replay.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// Bytes of a secret that is made here.
const BYTES: usize = 32;
/// Bytes that a secret may have, by the specification.
const ALLOWED: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret to sign with.
pub(crate) struct Secret(Vec<u8>);

impl Secret {
    /// A new one, from the operating system's randomness.
    pub(crate) fn generate() -> String {
        format!("{PREFIX}{}", BASE64_STANDARD.encode(rand::random::<[u8; BYTES]>()))
    }

    /// Reads `whsec_` and base64; the error says what else it must be.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let bytes = text.strip_prefix(PREFIX).and_then(|base64| BASE64_STANDARD.decode(base64).ok());
        bytes.filter(|bytes| ALLOWED.contains(&bytes.len())).map(Self).ok_or_else(|| {
            format!("must be {PREFIX} and the base64 of {} to {} bytes", ALLOWED.start(), ALLOWED.end())
        })
    }

    /// The value of the header `webhook-signature`; `timestamp` in seconds since the epoch.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length (RFC 2104)");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_example_of_the_specification() {
        let secret = Secret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signature =
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_new_each_time_and_bad_ones_are_refused() {
        let one = Secret::generate();
        assert_ne!(one, Secret::generate());
        assert!(Secret::parse(&one).is_ok());
        for bad in ["", "whsec_", "whsec_MfKQ9r8GKYqrTw==", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!"] {
            assert!(Secret::parse(bad).is_err(), "{bad}");
        }
    }
}
