//! How many requests are at work at once, and how many wait.

use ragstream_api::problem::Problem;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Requests at work at once, for each core: they are bound by the processor, so
/// more at once only take longer each.
const PER_CORE: usize = 2;
/// Requests that wait, for each at work. Each takes some milliseconds: whoever comes later than
/// this is better off elsewhere, or a moment later.
const WAITING: usize = 16;
/// Longest wait. It ends a line that does not move.
const PATIENCE: Duration = Duration::from_secs(2);

/// Lets requests in.
pub(crate) struct Gate {
    slots: Semaphore,
    line: Semaphore,
}

/// A request at work.
pub(crate) struct Entered<'a> {
    _slot: SemaphorePermit<'a>,
    _place: SemaphorePermit<'a>,
}

impl Gate {
    /// For this machine.
    pub(crate) fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self::of(cores * PER_CORE)
    }

    fn of(slots: usize) -> Self {
        Self { slots: Semaphore::new(slots), line: Semaphore::new(slots * (1 + WAITING)) }
    }

    /// Waits for a slot, unless too many do.
    pub(crate) async fn enter(&self) -> Result<Entered<'_>, Problem> {
        let overloaded = || {
            Problem::unavailable(
                "overloaded",
                "more is asked than this server can answer; try again in a moment",
            )
        };
        let place = self.line.try_acquire().map_err(|_| overloaded())?;
        let slot = tokio::time::timeout(PATIENCE, self.slots.acquire()).await;
        let slot = slot.map_err(|_| overloaded())?.map_err(|_| overloaded())?;
        Ok(Entered { _slot: slot, _place: place })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use futures::FutureExt;

    #[tokio::test(start_paused = true)]
    async fn who_is_too_many_is_told_so_at_once_and_who_waits_too_long_later() {
        let gate = Gate::of(1);
        let at_work = gate.enter().await.unwrap();
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(gate.enter())).collect();
        for one in &mut waiting {
            assert!(one.as_mut().now_or_never().is_none());
        }
        let refused = gate.enter().now_or_never().unwrap().err().unwrap();
        assert_eq!((refused.status, refused.retry_after.is_some()), (503, true));
        drop(at_work);
        let entered = waiting.remove(0).await.unwrap();
        tokio::time::advance(PATIENCE).await;
        assert_eq!(waiting.remove(0).await.err().unwrap().status, 503);
        drop(entered);
    }
}
