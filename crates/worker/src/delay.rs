//! Messages that wait for their next try, and hold up no other.

use crate::shared::Work;
use std::{cmp::Reverse, collections::BinaryHeap};
use tokio::time::Instant;

struct Delayed {
    due: Instant,
    work: Work,
}

impl Delayed {
    fn rank(&self) -> (Instant, u64) {
        (self.due, self.work.seq)
    }
}

impl PartialEq for Delayed {
    fn eq(&self, other: &Self) -> bool {
        self.rank() == other.rank()
    }
}

impl Eq for Delayed {}

impl PartialOrd for Delayed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Delayed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.rank().cmp(&other.rank())
    }
}

/// The delay queue. Bounded by the windows: what waits here is uncommitted.
#[derive(Default)]
pub(crate) struct Delays(BinaryHeap<Reverse<Delayed>>);

impl Delays {
    pub(crate) fn push(&mut self, due: Instant, work: Work) {
        self.0.push(Reverse(Delayed { due, work }));
    }

    /// The next message whose time has come.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Work> {
        let Reverse(next) = self.0.peek()?;
        if next.due > now {
            return None;
        }
        self.0.pop().map(|Reverse(delayed)| delayed.work)
    }

    /// When the next one is due.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.0.peek().map(|Reverse(delayed)| delayed.due)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
