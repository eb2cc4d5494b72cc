//! Where messages come from.

use crate::message::{Message, Position, TopicPartition};
use ragstream_core::fault::Result;
use std::time::Duration;

/// A consumer of a log. It lives on one thread, which calls [`poll`](Self::poll)
/// all the time: no method may block for longer than a round trip to the broker.
pub trait Source: Send {
    /// Waits up to `timeout` for the next thing that happened.
    ///
    /// `Unavailable`: the broker can't be reached; the source goes on trying by
    /// itself and is polled further, and [`Event::Ends`] or [`Event::Assigned`] say
    /// that it is back. Any other error ends the worker.
    fn poll(&mut self, timeout: Duration) -> Result<Option<Event>>;

    /// Yields nothing more of these partitions until they are resumed. Polling
    /// goes on.
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Ends a pause, without a gap.
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Stores where to go on after a restart.
    fn commit(&mut self, positions: &[Position], mode: CommitMode) -> Result<()>;

    /// Lets go of partitions that [`Event::Revoked`] named; others may read them
    /// from now on. Called once after each such event, when the last commit for
    /// them is made.
    fn release(&mut self, partitions: &[TopicPartition]) -> Result<()>;

    /// Leaves. Nothing is called after it.
    fn close(&mut self);
}

/// Something that happened to a source.
#[derive(Debug)]
pub enum Event {
    /// A message, of an assigned partition, in the order of its offsets. The
    /// worker sets its `attempt`.
    Message(Message),
    /// These partitions are read from now on.
    Assigned(Vec<TopicPartition>),
    /// These partitions are to be given up: settle, commit,
    /// [release](Source::release). None of their messages comes after this.
    Revoked {
        /// Which.
        partitions: Vec<TopicPartition>,
        /// Somebody else has them already (the session timed out): nothing can be committed.
        lost: bool,
    },
    /// A commit made with [`CommitMode::Eventually`] did not succeed.
    CommitFailed(Vec<TopicPartition>),
    /// Where partitions end now: for the lag. Also a sign that the broker answers.
    Ends(Vec<LogEnd>),
}

/// The end of a partition, and how much of it is left to do.
#[derive(Clone, Debug)]
pub struct LogEnd {
    /// Which partition.
    pub at: TopicPartition,
    /// The offset that the next message will get.
    pub end: i64,
    /// Where this consumer starts while it has settled nothing since the
    /// assignment: the committed offset or the first one. `None` where unknown.
    pub start: Option<i64>,
}

/// Whether a commit is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitMode {
    /// Sent off; a failure comes as [`Event::CommitFailed`].
    Eventually,
    /// Stored when the call returns `Ok`.
    Now,
}
