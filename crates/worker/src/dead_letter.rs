//! Messages that were given up.

use crate::message::Message;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ragstream_core::fault::{Fault, Result};

/// A message that was given up, and why.
#[derive(Clone, Debug)]
pub struct DeadLetter {
    /// The message as consumed, byte for byte.
    pub message: Message,
    /// Why it was given up: the last failure.
    pub fault: Fault,
    /// How often it was tried, 1 or more.
    pub attempts: u32,
    /// When it first failed in this process.
    pub first_failure: DateTime<Utc>,
    /// When it last failed.
    pub last_failure: DateTime<Utc>,
    /// The consumer that gave it up.
    pub consumer: String,
}

/// Keeps dead letters.
#[async_trait]
pub trait DeadLetters: Send + Sync {
    /// `Ok` once the letter is stored for good (for Kafka: on the delivery
    /// report). Any error makes the worker wait and send it again: a message is
    /// never dropped. It may so be stored twice.
    async fn send(&self, letter: &DeadLetter) -> Result<()>;
}
