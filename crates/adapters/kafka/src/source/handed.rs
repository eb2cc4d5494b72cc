//! Whether commits arrive.
//!
//! librdkafka tells nobody how an asynchronous commit ended when its results are
//! taken as events, as rdkafka takes them; and one that meets a rebalance fails.
//! What it does tell, with its statistics, is the offset that the broker last
//! acknowledged for each partition. So commits are remembered here until they
//! show up there.

use ragstream_worker::TopicPartition;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A commit that the statistics do not show after this long, two of their
/// intervals, has failed.
const ANSWERED_WITHIN: Duration = Duration::from_secs(4);

/// Commits of one partition that were not acknowledged yet.
struct Pending {
    oldest: i64,
    since: Instant,
    newest: i64,
}

/// Commits under way.
#[derive(Default)]
pub(crate) struct Handed(BTreeMap<TopicPartition, Pending>);

impl Handed {
    /// A commit was sent off.
    pub(crate) fn sent(&mut self, at: &TopicPartition, next: i64, now: Instant) {
        match self.0.get_mut(at) {
            Some(pending) => pending.newest = next,
            None => {
                self.0.insert(at.clone(), Pending { oldest: next, since: now, newest: next });
            }
        }
    }

    /// Nothing is expected for this partition any more.
    pub(crate) fn forget(&mut self, at: &TopicPartition) {
        self.0.remove(at);
    }

    /// The broker has acknowledged `committed` as the newest. `true`: a commit failed
    /// and is to be made again.
    pub(crate) fn acknowledged(&mut self, at: &TopicPartition, committed: Option<i64>, now: Instant) -> bool {
        let Some(pending) = self.0.get_mut(at) else { return false };
        let committed = committed.unwrap_or(i64::MIN);
        if committed >= pending.newest {
            self.0.remove(at);
        } else if committed >= pending.oldest {
            *pending = Pending { oldest: pending.newest, since: now, ..*pending };
        } else if now.duration_since(pending.since) >= ANSWERED_WITHIN {
            self.0.remove(at);
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_that_does_not_show_up_has_failed() {
        let at = TopicPartition::new("t", 0);
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        let mut handed = Handed::default();
        assert!(!handed.acknowledged(&at, None, after(100)), "nothing was sent");

        handed.sent(&at, 10, start);
        assert!(!handed.acknowledged(&at, None, after(1)));
        assert!(!handed.acknowledged(&at, Some(10), after(2)));
        assert!(!handed.acknowledged(&at, Some(10), after(100)), "it has arrived");

        handed.sent(&at, 20, start);
        handed.sent(&at, 30, after(3));
        assert!(!handed.acknowledged(&at, Some(20), after(5)), "the first has, the second still may");
        assert!(!handed.acknowledged(&at, Some(20), after(8)));
        assert!(handed.acknowledged(&at, Some(20), after(9)), "the second has not");
        assert!(!handed.acknowledged(&at, Some(20), after(100)), "said once");

        handed.sent(&at, 40, start);
        handed.forget(&at);
        assert!(!handed.acknowledged(&at, Some(20), after(100)));
    }
}
