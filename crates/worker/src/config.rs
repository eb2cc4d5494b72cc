//! The loop's bounds, each with its reason.

use crate::backoff::Backoff;
use std::time::Duration;

/// Messages a handler gets at once: 1, unless it gains by more.
pub const BATCH_MAX: usize = 1;
/// How long a batch waits to fill: short against any work worth batching.
pub const BATCH_LINGER: Duration = Duration::from_millis(20);
/// Batches in the handler at a time: 1 keeps partitions in order.
pub const CONCURRENCY: usize = 1;
/// Messages read ahead, of each lane: enough to hide a fetch, few enough to lose at a
/// rebalance.
pub const QUEUE_CAPACITY: usize = 1024;
/// Bytes read ahead, of each lane: what a small container can spare for a queue.
pub const QUEUE_BYTES: usize = 64 * 1024 * 1024;
/// Tries before a failing message becomes a dead letter.
pub const MAX_ATTEMPTS: u32 = 5;
/// Pauses between the tries of a message: the last is past a restart of a dependency.
pub const RETRY_BACKOFF: Backoff = Backoff { min: Duration::from_millis(500), max: Duration::from_secs(30) };
/// Pauses between probes of a dependency that is down: short enough that its
/// return is noticed, long enough not to be its load.
pub const OUTAGE_BACKOFF: Backoff = Backoff { min: Duration::from_millis(200), max: Duration::from_secs(10) };
/// Exhausted messages in a row that make a worker stop: many for bad luck, few for a topic.
pub const ERROR_BUDGET: u32 = 50;
/// How long a rebalance waits for work in flight: well below `max.poll.interval.ms`.
pub const REVOKE_DEADLINE: Duration = Duration::from_secs(5);
/// How long a shutdown waits for work in flight: below the 30 s that Kubernetes gives.
pub const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(20);
/// How often offsets are committed: what a crash makes the next one repeat.
pub const COMMIT_INTERVAL: Duration = Duration::from_secs(1);
/// Messages of a partition between its low-water mark and the last one read: what
/// a crash repeats at most, and what one message in its delay may hold up.
pub const MAX_UNCOMMITTED: usize = 4096;

/// How a worker works. Zeros are read as ones.
#[derive(Clone, Debug)]
pub struct Config {
    /// The consumer's name in metrics, logs and dead letters; no id.
    pub name: String,
    /// Most messages of a batch. Default [`BATCH_MAX`].
    pub batch_max: usize,
    /// How long an unfilled batch waits for more. Default [`BATCH_LINGER`].
    pub batch_linger: Duration,
    /// Batches in the handler at a time. Default [`CONCURRENCY`], which hands out
    /// the messages of a partition strictly in the order of their offsets.
    pub concurrency: usize,
    /// Those of them that may be of the bulk lane; fewer than `concurrency` keeps places
    /// for express work, however long bulk work takes. Default: as many.
    pub bulk_concurrency: usize,
    /// Keeps that order for tries after the first too: a `Failed` message goes
    /// back to the head and everything waits for it, instead of going on
    /// without it. Implies a concurrency of 1. Default `false`.
    pub ordered: bool,
    /// Messages of a lane that wait for the handler before its partitions are paused.
    /// Default [`QUEUE_CAPACITY`].
    pub queue_capacity: usize,
    /// Bytes of a lane that wait before its partitions are paused. Default [`QUEUE_BYTES`].
    pub queue_bytes: usize,
    /// Tries of a message, the first included. Default [`MAX_ATTEMPTS`].
    pub max_attempts: u32,
    /// Pauses between a message's tries. Default [`RETRY_BACKOFF`].
    pub retry_backoff: Backoff,
    /// Pauses between probes of a dependency. Default [`OUTAGE_BACKOFF`].
    pub outage_backoff: Backoff,
    /// Messages in a row that run out of attempts, with none done in between,
    /// before the worker stops. Default [`ERROR_BUDGET`].
    pub error_budget: u32,
    /// How long a revoke waits for work in flight. Default [`REVOKE_DEADLINE`].
    pub revoke_deadline: Duration,
    /// How long a shutdown waits for work in flight. Default [`SHUTDOWN_DEADLINE`].
    pub shutdown_deadline: Duration,
    /// How often offsets are committed. Default [`COMMIT_INTERVAL`].
    pub commit_interval: Duration,
    /// Uncommitted messages of a partition before it is paused. Default
    /// [`MAX_UNCOMMITTED`].
    pub max_uncommitted: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            name: "worker".to_owned(),
            batch_max: BATCH_MAX,
            batch_linger: BATCH_LINGER,
            concurrency: CONCURRENCY,
            bulk_concurrency: usize::MAX,
            ordered: false,
            queue_capacity: QUEUE_CAPACITY,
            queue_bytes: QUEUE_BYTES,
            max_attempts: MAX_ATTEMPTS,
            retry_backoff: RETRY_BACKOFF,
            outage_backoff: OUTAGE_BACKOFF,
            error_budget: ERROR_BUDGET,
            revoke_deadline: REVOKE_DEADLINE,
            shutdown_deadline: SHUTDOWN_DEADLINE,
            commit_interval: COMMIT_INTERVAL,
            max_uncommitted: MAX_UNCOMMITTED,
        }
    }
}

impl Config {
    /// The defaults under a name.
    pub fn named(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Batches that may be in the handler at a time.
    pub(crate) fn slots(&self) -> usize {
        if self.ordered { 1 } else { self.concurrency.max(1) }
    }

    /// The same, without zeros.
    pub(crate) fn normalized(mut self) -> Self {
        let bounds = [&mut self.batch_max, &mut self.bulk_concurrency];
        for bound in bounds.into_iter().chain([&mut self.queue_capacity, &mut self.queue_bytes]) {
            *bound = (*bound).max(1);
        }
        self.max_uncommitted = self.max_uncommitted.max(1);
        self.max_attempts = self.max_attempts.max(1);
        self.error_budget = self.error_budget.max(1);
        self
    }
}
