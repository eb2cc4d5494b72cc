//! What a snapshot has to fit, beside the settings: the present, and the log.

use chrono::{DateTime, TimeDelta, Utc};
use std::{collections::BTreeMap, ops::Range};

/// Older snapshots are refused. Tombstones live for 30 days in the log: whoever comes
/// back later may have missed one, and would show for ever what was deleted. The
/// margin is for a view that was behind when the snapshot was taken.
pub const MAX_SNAPSHOT_AGE: TimeDelta = TimeDelta::days(25);

/// What a snapshot has to fit.
#[derive(Clone, Copy, Debug)]
pub struct Fit<'a> {
    /// The present.
    pub now: DateTime<Utc>,
    /// Where the log's partitions begin and end; `None` where that is not known.
    pub log: Option<&'a BTreeMap<i32, Range<i64>>>,
}

impl Fit<'_> {
    /// At this moment, whatever the log.
    pub fn now() -> Self {
        Self { now: Utc::now(), log: None }
    }

    /// `Err`: why it does not fit.
    pub(super) fn check(
        &self,
        taken_at: DateTime<Utc>,
        positions: &BTreeMap<i32, i64>,
    ) -> Result<(), String> {
        let age = self.now - taken_at;
        if age > MAX_SNAPSHOT_AGE {
            return Err(format!(
                "it is {} days old, and after {} the log may have forgotten deletions that it lacks",
                age.num_days(),
                MAX_SNAPSHOT_AGE.num_days()
            ));
        }
        // A position below the first offset is as good as that: what lay between is gone.
        for (partition, end) in
            self.log.into_iter().flatten().map(|(partition, range)| (partition, range.end))
        {
            if let Some(position) = positions.get(partition).filter(|position| **position > end) {
                return Err(format!(
                    "it is of another log: it stands at offset {position} of partition {partition}, which ends at {end}"
                ));
            }
        }
        Ok(())
    }
}
