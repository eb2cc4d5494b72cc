//! Waiting for the handler's dependencies.

use crate::backoff::Backoff;
use backon::ExponentialBackoff;
use std::time::Duration;
use tokio::time::Instant;

/// While a dependency is down: nothing is dispatched, except one probing batch
/// after each pause.
pub(crate) struct Outage {
    pauses: ExponentialBackoff,
    until: Instant,
}

impl Outage {
    pub(crate) fn begin(backoff: Backoff) -> Self {
        let mut pauses = backoff.pauses();
        let until = Instant::now() + next(&mut pauses);
        Self { pauses, until }
    }

    /// The probe was answered by "unavailable" too.
    pub(crate) fn still(&mut self) {
        self.until = Instant::now() + next(&mut self.pauses);
    }

    /// When to probe.
    pub(crate) fn until(&self) -> Instant {
        self.until
    }
}

fn next(pauses: &mut ExponentialBackoff) -> Duration {
    // The backoff is built without an end.
    pauses.next().unwrap_or(crate::config::OUTAGE_BACKOFF.max)
}
