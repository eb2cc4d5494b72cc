//! How long to wait before trying again.

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;

/// Exponential backoff with full jitter on top: pause `n` lies between
/// `min · 2ⁿ` and twice that, and the exponential part stops growing at `max`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first pause, without its jitter.
    pub min: Duration,
    /// The longest pause, without its jitter.
    pub max: Duration,
}

impl Backoff {
    /// Pauses without end.
    pub(crate) fn pauses(self) -> ExponentialBackoff {
        ExponentialBuilder::new()
            .with_min_delay(self.min)
            .with_max_delay(self.max)
            .without_max_times()
            .with_jitter()
            .build()
    }

    /// The pause after failure number `failures`, 1 for the first.
    pub(crate) fn after(self, failures: u32) -> Duration {
        // After 63 doublings any pause is at its maximum.
        let skip = failures.saturating_sub(1).min(63) as usize;
        self.pauses().nth(skip).unwrap_or(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_up_to_its_maximum() {
        let backoff = Backoff { min: Duration::from_millis(100), max: Duration::from_secs(1) };
        for (failures, base) in [(1, 100), (2, 200), (3, 400), (4, 800), (5, 1000), (6, 1000), (1000, 1000)] {
            let pause = backoff.after(failures).as_millis();
            assert!((base..=2 * base).contains(&pause), "{failures}: {pause}");
        }
    }

    #[test]
    fn differs_between_workers() {
        let backoff = Backoff { min: Duration::from_secs(1), max: Duration::from_secs(1) };
        let pauses: std::collections::HashSet<_> = (0..16).map(|_| backoff.after(1)).collect();
        assert!(pauses.len() > 1);
    }
}
