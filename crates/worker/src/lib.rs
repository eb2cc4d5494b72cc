//! The consumer loop, written once. It knows no broker: a [`Source`] is one.
//!
//! ```text
//!   poll thread (owns the Source)             async side (the Dispatcher)
//!   ┌────────────────────────────┐   ready    ┌──────────────────────────────┐
//!   │ poll, always               ├───────────▶│ batches → Handler → verdicts │
//!   │ pause / resume partitions  │  express   │ Done         settle          │
//!   │ commit the low-water marks │◀───────────┤ Failed       delay queue     │
//!   │ revoke: drain, commit      │   settled  │ Unavailable  back to the head│
//!   └────────────────────────────┘            │ Invalid      give up, bury   │
//!   ┌────────────────────────────┐            │                              │
//!   │ the same for the bulk lane ├───────────▶│ express first, bulk in turn  │
//!   └────────────────────────────┘    bulk    └──────────────────────────────┘
//! ```
//!
//! **Polling never waits for work.** One OS thread owns the source and does
//! nothing that takes long, so a handler may take minutes without its consumer
//! leaving the group. What it reads goes to a bounded queue; where that is full,
//! or a partition's window of uncommitted messages is, partitions are paused and
//! polling goes on.
//!
//! **Two lanes share a handler.** A worker may have a second source
//! ([`Worker::with_bulk`]), with a poll thread, a queue and bounds of its own: however
//! much waits there, an express message waits for what is in the handler already and for
//! express messages before it. While both lanes wait, one batch in [`BULK_TURN`] is of
//! the bulk lane, and [`Config::bulk_concurrency`] keeps places for the express lane.
//!
//! **A commit is a low-water mark.** Messages finish in any order; what is
//! committed for a partition is one past the last of the unbroken run of settled
//! offsets ([`tracker`]). A lane's poll thread alone commits: now and then while
//! running, synchronously when partitions are revoked and at shutdown, after what
//! is in flight had [`Config::revoke_deadline`] or [`Config::shutdown_deadline`]
//! to finish. Each assignment of a partition has an epoch, and a result that
//! comes back under an old one is dropped: its offset is somebody else's now.
//!
//! **A handler answers one [`Verdict`] per message**, which decides:
//! - `Done`: settled.
//! - `Unavailable`: nothing is wrong with the message. It goes back to the head
//!   of the queue, in order; the whole worker stops dispatching and probes with
//!   one batch after each pause of a capped, jittered backoff, for ever. No
//!   attempt is counted, nothing is dead-lettered, [`HealthHandle`] says what is
//!   waited for.
//! - `Failed`: an attempt is used up; the message waits in a delay queue that
//!   holds up nothing else. The last attempt ends in a dead letter.
//! - `Invalid`: a dead letter at once.
//!
//! **A dead letter is settled when the broker has it**: [`DeadLetters::send`]
//! returns `Ok` on the delivery report, [`Handler::give_up`] records the failure,
//! and only then does the offset count. When
//! [`Config::error_budget`] messages in a row run out of attempts with not one
//! success in between, the fault is ours rather than the data's, and the worker
//! stops before it drains the topic into its dead letters.
//!
//! Delivery is at least once. Handlers make effects that are keyed and monotone,
//! so that a replay changes nothing.

mod backoff;
mod burial;
pub mod config;
mod dead_letter;
mod delay;
mod dispatch;
mod error;
mod handler;
mod health;
mod message;
pub mod metrics;
mod outage;
mod reader;
mod settle;
mod shared;
mod source;
pub mod tracker;
mod turns;
mod verdict;
mod worker;

pub use backoff::Backoff;
pub use config::Config;
pub use dead_letter::{DeadLetter, DeadLetters};
pub use error::WorkerError;
pub use handler::Handler;
pub use health::{Component, Health, HealthHandle};
pub use message::{Message, Position, TopicPartition};
pub use source::{CommitMode, Event, LogEnd, Source};
pub use turns::BULK_TURN;
pub use verdict::Verdict;
pub use worker::Worker;
