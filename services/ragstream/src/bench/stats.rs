//! Percentiles.

use serde::Serialize;
use std::time::Duration;

/// What many durations come to, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) p50: f64,
    pub(crate) p95: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Percentiles by nearest rank: the smallest value that so many percent do not exceed.
    pub(crate) fn of(durations: &[Duration]) -> Self {
        let mut ms: Vec<f64> = durations.iter().map(|d| d.as_secs_f64() * 1e3).collect();
        ms.sort_by(f64::total_cmp);
        let at = |percent: usize| match ms.len() {
            0 => f64::NAN,
            n => ms[(n * percent).div_ceil(100).clamp(1, n) - 1],
        };
        Self { count: ms.len(), p50: at(50), p95: at(95), p99: at(99), max: at(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let hundred: Vec<Duration> = (1..=100).rev().map(Duration::from_millis).collect();
        assert_eq!(Spread::of(&hundred), Spread { count: 100, p50: 50.0, p95: 95.0, p99: 99.0, max: 100.0 });
        let one = Spread::of(&[Duration::from_millis(3)]);
        assert_eq!((one.p50, one.p99), (3.0, 3.0));
        assert!(Spread::of(&[]).p50.is_nan());
    }
}
