//! What a service brings to the loop.

use crate::{message::Message, verdict::Verdict};
use async_trait::async_trait;
use ragstream_core::fault::{Fault, Result};

/// Does the work of one consumer. Decoding is part of it: bytes that can't be
/// decoded are [`Verdict::Invalid`].
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// One verdict per message, in order.
    ///
    /// A message may come again after any answer, `Done` included (a crash before
    /// the commit): effects are keyed and monotone. The future may be dropped at
    /// any await when the worker is past its shutdown deadline.
    ///
    /// A panic is `Failed` of class `handler_panicked`; messages that shared a
    /// batch with it are first tried again one by one, so that only the one that
    /// panics pays. A wrong number of verdicts is `Failed` for all of them.
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict>;

    /// The message became a dead letter, which is stored: record it (the job
    /// failed …). May be called more than once for one message.
    ///
    /// `Unavailable` is waited out, and asked again. `Failed` is tried as often as
    /// a message is. After that, and after `Invalid`, the message is settled
    /// without the record, and the log says so.
    async fn give_up(&self, message: &Message, fault: &Fault) -> Result<()> {
        let _ = (message, fault);
        Ok(())
    }
}
