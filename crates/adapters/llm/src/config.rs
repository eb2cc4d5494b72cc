//! Where the model is, and how long to wait for it.

use std::{net::IpAddr, time::Duration};
use url::{Host, Url};

/// Tokens that a model is taken to read where nobody says: what small local models have.
pub const DEFAULT_CONTEXT_TOKENS: usize = 8_192;

/// Settings of a [`ChatModel`](crate::ChatModel).
#[derive(Clone)]
pub struct ChatConfig {
    /// The address up to before `/chat/completions` (`https://api.openai.com/v1`).
    pub base_url: Url,
    /// The model's name there.
    pub model: String,
    /// What is sent as `Authorization: Bearer`, if anything is.
    pub api_key: Option<String>,
    /// Tokens that it reads, the answer included.
    pub context_tokens: usize,
    /// How long the first word may take: the prompt is read before it.
    pub first_word: Duration,
    /// How long the next word may take.
    pub next_word: Duration,
    /// How often an answer is asked for that has not begun.
    pub attempts: usize,
    /// First pause between two tries; each is twice as long as the one before.
    pub pause: Duration,
}

/// An address can't be used.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no address of a model: give one such as https://api.openai.com/v1")]
pub struct BadAddress(pub String);

impl ChatConfig {
    /// A model at an address.
    pub fn new(base_url: &str, model: impl Into<String>) -> Result<Self, BadAddress> {
        let refused = || BadAddress(base_url.to_owned());
        let base_url: Url = base_url.trim().trim_end_matches('/').parse().map_err(|_| refused())?;
        if !matches!(base_url.scheme(), "http" | "https") || base_url.host().is_none() {
            return Err(refused());
        }
        Ok(Self {
            base_url,
            model: model.into(),
            api_key: None,
            context_tokens: DEFAULT_CONTEXT_TOKENS,
            first_word: Duration::from_secs(60),
            next_word: Duration::from_secs(30),
            attempts: 3,
            pause: Duration::from_millis(500),
        })
    }

    /// Whether the address is this machine's own.
    pub fn is_local(&self) -> bool {
        match self.base_url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
            // Resolvers answer it by themselves (RFC 6761).
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_this_machine_is_local() {
        for (address, local) in [
            ("http://127.0.0.1:11434/v1", true),
            ("http://[::1]:8080/v1/", true),
            ("http://localhost/v1", true),
            ("http://localhost.example.com/v1", false),
            ("http://192.168.1.4/v1", false),
            ("https://api.openai.com/v1", false),
        ] {
            assert_eq!(ChatConfig::new(address, "m").unwrap().is_local(), local, "{address}");
        }
        for bad in ["", "api.openai.com", "ftp://x/v1", "http://"] {
            assert!(ChatConfig::new(bad, "m").is_err(), "{bad}");
        }
    }
}
