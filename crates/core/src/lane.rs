//! The two lanes of the pipeline: what somebody waits for, and what comes in bulk.
//!
//! A job's lane is decided once, when it is accepted, and kept in its row. Its records
//! go through the topics of that lane ([`crate::topics`]), and workers take what is in
//! the express lane first.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// From this priority on a job is urgent, whatever its size and its collection.
pub const URGENT_FROM: i16 = 7;
/// Up to this priority a job gives way to others, whatever its size and its collection.
pub const BULK_UP_TO: i16 = 2;
/// Largest file that goes express without being urgent: beyond the reports, papers and
/// letters that people upload one by one, and seconds of a worker's time rather than minutes.
pub const EXPRESS_MAX_BYTES: u64 = 8 * 1024 * 1024;
/// Jobs of one collection that may be under way in the express lane before more of it go
/// to the other one: a form with a handful of files stays express, an import overflows,
/// and nobody waits behind more than so many documents of somebody else's.
pub const EXPRESS_JOBS: u32 = 32;

/// One of the two ways through the pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Short, and served first.
    #[default]
    Express,
    /// As long as it gets: served by what the express lane leaves, and never by nothing.
    Bulk,
}

impl Lane {
    /// Both, the one that is served first in front.
    pub const ALL: [Self; 2] = [Self::Express, Self::Bulk];

    /// The name in the database, in the API and in metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Express => "express",
            Self::Bulk => "bulk",
        }
    }

    /// The lane of a job of this priority and size. `None`: express, while fewer than
    /// [`EXPRESS_JOBS`] jobs of its collection are under way there.
    pub fn of_job(priority: i16, bytes: u64) -> Option<Self> {
        if priority >= URGENT_FROM {
            Some(Self::Express)
        } else if priority <= BULK_UP_TO || bytes > EXPRESS_MAX_BYTES {
            Some(Self::Bulk)
        } else {
            None
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Lane {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|lane| lane.as_str() == s).ok_or_else(|| format!("unknown lane {s:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_decides_first_and_then_size() {
        for bytes in [1, EXPRESS_MAX_BYTES, EXPRESS_MAX_BYTES + 1, u64::MAX] {
            assert!((7..=9).all(|priority| Lane::of_job(priority, bytes) == Some(Lane::Express)));
            assert!((0..=2).all(|priority| Lane::of_job(priority, bytes) == Some(Lane::Bulk)));
        }
        for priority in 3..=6 {
            assert_eq!(Lane::of_job(priority, EXPRESS_MAX_BYTES), None, "its collection decides");
            assert_eq!(Lane::of_job(priority, EXPRESS_MAX_BYTES + 1), Some(Lane::Bulk));
        }
    }

    #[test]
    fn names_round_trip() {
        for lane in Lane::ALL {
            assert_eq!(lane.as_str().parse(), Ok(lane));
        }
        assert!("fast".parse::<Lane>().is_err());
    }
}
