//! Which offsets are settled, and so how far each partition may be committed.
//!
//! A pure state machine: no clock, no IO, no threads. For each assigned
//! partition it keeps a window of the messages that were read and are not below
//! the low-water mark, in the order of their offsets:
//!
//! ```text
//!   offsets   7 8 9 | 12 13 14 15        (10 and 11 never existed: compaction)
//!   settled   ✓ ✓ ✓ |    ✓     ✓
//!                   └ low-water mark: commit 10, "next to read"
//! ```
//!
//! Settling 12 moves the mark past 13, to 14. An assignment of a partition has an
//! epoch; what names an old one is ignored.

use crate::message::{Position, TopicPartition};
use std::collections::{HashMap, VecDeque};

/// One assignment of one partition. Never used twice in a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(u64);

/// The offset to commit when everything up to `settled` is settled: Kafka commits
/// the offset of the *next* message to read. Nothing else in this project adds
/// this 1.
fn next_after(settled: i64) -> i64 {
    settled + 1
}

#[derive(Debug)]
struct Entry {
    offset: i64,
    settled: bool,
}

#[derive(Debug)]
struct Window {
    epoch: Epoch,
    /// Read and not below the mark, by offset; the first is never settled.
    entries: VecDeque<Entry>,
    /// The last offset read.
    last_read: Option<i64>,
    /// What may be committed; `None` while nothing is settled.
    mark: Option<i64>,
    /// What was handed to the broker.
    committed: Option<i64>,
    /// Messages that are being worked on now.
    busy: usize,
    /// Being revoked: nothing of it is started any more.
    closing: bool,
}

impl Window {
    fn new(epoch: Epoch) -> Self {
        Self {
            epoch,
            entries: VecDeque::new(),
            last_read: None,
            mark: None,
            committed: None,
            busy: 0,
            closing: false,
        }
    }

    fn settle(&mut self, offset: i64) -> bool {
        let index = self.entries.partition_point(|entry| entry.offset < offset);
        match self.entries.get_mut(index) {
            Some(entry) if entry.offset == offset && !entry.settled => entry.settled = true,
            _ => return false,
        }
        while self.entries.front().is_some_and(|entry| entry.settled) {
            self.mark = self.entries.pop_front().map(|entry| next_after(entry.offset));
        }
        true
    }

    fn position(&self, at: &TopicPartition) -> Option<Position> {
        self.mark.map(|next| Position { at: at.clone(), next })
    }
}

/// The windows of all assigned partitions.
#[derive(Debug, Default)]
pub struct Tracker {
    windows: HashMap<TopicPartition, Window>,
    epochs: u64,
}

impl Tracker {
    fn next_epoch(&mut self) -> Epoch {
        self.epochs += 1;
        Epoch(self.epochs)
    }

    /// A partition is read from now on: an empty window under a new epoch.
    pub fn assign(&mut self, at: TopicPartition) -> Epoch {
        let epoch = self.next_epoch();
        self.windows.insert(at, Window::new(epoch));
        epoch
    }

    /// A message was read. `None` where its partition is not assigned, or is being
    /// revoked. An offset that is not above the last one (the log was truncated
    /// and is read again) restarts the window under a new epoch.
    pub fn read(&mut self, at: &TopicPartition, offset: i64) -> Option<Epoch> {
        let again = self.windows.get(at)?.last_read.is_some_and(|last| offset <= last);
        if again {
            self.assign(at.clone());
        }
        let window = self.windows.get_mut(at)?;
        if window.closing {
            return None;
        }
        window.last_read = Some(offset);
        window.entries.push_back(Entry { offset, settled: false });
        Some(window.epoch)
    }

    fn current(&mut self, at: &TopicPartition, epoch: Epoch) -> Option<&mut Window> {
        self.windows.get_mut(at).filter(|window| window.epoch == epoch)
    }

    /// Whether a message of this assignment is still ours to work on.
    pub fn is_current(&self, at: &TopicPartition, epoch: Epoch) -> bool {
        self.windows.get(at).is_some_and(|window| window.epoch == epoch && !window.closing)
    }

    /// Work on a message begins. `false`: it is not ours any more, leave it.
    pub fn begin(&mut self, at: &TopicPartition, epoch: Epoch) -> bool {
        match self.current(at, epoch).filter(|window| !window.closing) {
            Some(window) => {
                window.busy += 1;
                true
            }
            None => false,
        }
    }

    /// Work on a message ended, settled or not.
    pub fn end(&mut self, at: &TopicPartition, epoch: Epoch) {
        if let Some(window) = self.current(at, epoch) {
            window.busy = window.busy.saturating_sub(1);
        }
    }

    /// A message is settled. `false` where its epoch is over: the result is dropped.
    pub fn settle(&mut self, at: &TopicPartition, epoch: Epoch, offset: i64) -> bool {
        self.current(at, epoch).is_some_and(|window| window.settle(offset))
    }

    /// A partition is being revoked: what is in work may still settle, nothing begins.
    pub fn close(&mut self, at: &TopicPartition) {
        if let Some(window) = self.windows.get_mut(at) {
            window.closing = true;
        }
    }

    /// A partition is gone.
    pub fn remove(&mut self, at: &TopicPartition) {
        self.windows.remove(at);
    }

    /// The assigned partitions.
    pub fn partitions(&self) -> impl Iterator<Item = &TopicPartition> {
        self.windows.keys()
    }

    /// Messages between the mark and the last one read.
    pub fn uncommitted(&self, at: &TopicPartition) -> usize {
        self.windows.get(at).map_or(0, |window| window.entries.len())
    }

    /// Whether messages of a partition are in work.
    pub fn is_busy(&self, at: &TopicPartition) -> bool {
        self.windows.get(at).is_some_and(|window| window.busy > 0)
    }

    /// The mark of a partition: `None` while nothing of it is settled.
    pub fn position(&self, at: &TopicPartition) -> Option<Position> {
        self.windows.get(at)?.position(at)
    }

    /// Every mark there is, whether it was handed to the broker or not.
    pub fn positions(&self) -> Vec<Position> {
        self.windows.iter().filter_map(|(at, window)| window.position(at)).collect()
    }

    /// The marks that the broker was not handed yet.
    pub fn uncommitted_positions(&self) -> Vec<Position> {
        let moved = self.windows.iter().filter(|(_, window)| window.mark != window.committed);
        moved.filter_map(|(at, window)| window.position(at)).collect()
    }

    /// These marks were handed to the broker.
    pub fn committed(&mut self, positions: &[Position]) {
        for position in positions {
            if let Some(window) = self.windows.get_mut(&position.at) {
                window.committed = Some(position.next);
            }
        }
    }

    /// The broker did not take them: they are handed over again.
    pub fn not_committed(&mut self, partitions: &[TopicPartition]) {
        for at in partitions {
            if let Some(window) = self.windows.get_mut(at) {
                window.committed = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

    fn at() -> TopicPartition {
        TopicPartition::new("t", 0)
    }

    fn mark(tracker: &Tracker) -> Option<i64> {
        tracker.position(&at()).map(|position| position.next)
    }

    #[test]
    fn what_is_committed_is_the_next_offset_to_read() {
        assert_eq!(next_after(41), 42);
    }

    #[test]
    fn the_mark_moves_over_the_unbroken_run_and_over_holes_of_compaction() {
        let mut tracker = Tracker::default();
        tracker.assign(at());
        let epochs: Vec<_> = [7, 8, 9, 12, 13, 15]
            .map(|offset| (tracker.read(&at(), offset).expect("assigned"), offset))
            .into();
        let mut settle = |index: usize| {
            let (epoch, offset) = epochs[index];
            assert!(tracker.settle(&at(), epoch, offset));
            mark(&tracker)
        };
        assert_eq!(settle(1), None, "7 is open");
        assert_eq!(settle(0), Some(9));
        assert_eq!(settle(4), Some(9));
        assert_eq!(settle(2), Some(10), "9 is settled, 12 is open");
        assert_eq!(settle(3), Some(14));
        assert_eq!(settle(5), Some(16));
        assert_eq!(tracker.uncommitted(&at()), 0);
    }

    #[test]
    fn a_message_settles_once() {
        let mut tracker = Tracker::default();
        let epoch = tracker.assign(at());
        tracker.read(&at(), 1);
        tracker.read(&at(), 2);
        assert!(tracker.settle(&at(), epoch, 2));
        assert!(!tracker.settle(&at(), epoch, 2), "twice");
        assert!(!tracker.settle(&at(), epoch, 3), "never read");
        assert_eq!(mark(&tracker), None);
    }

    #[test]
    fn results_of_an_earlier_assignment_are_dropped() {
        let mut tracker = Tracker::default();
        let old = tracker.assign(at());
        tracker.read(&at(), 5);
        assert!(tracker.begin(&at(), old));
        tracker.remove(&at());
        assert!(!tracker.settle(&at(), old, 5));

        let new = tracker.assign(at());
        tracker.read(&at(), 5);
        assert!(!tracker.settle(&at(), old, 5));
        assert!(!tracker.begin(&at(), old));
        assert_eq!(mark(&tracker), None);
        assert!(tracker.settle(&at(), new, 5));
        assert_eq!(mark(&tracker), Some(6));
    }

    #[test]
    fn a_closing_partition_begins_nothing_and_still_settles() {
        let mut tracker = Tracker::default();
        let epoch = tracker.assign(at());
        tracker.read(&at(), 1);
        tracker.read(&at(), 2);
        assert!(tracker.begin(&at(), epoch));
        tracker.close(&at());
        assert!(!tracker.begin(&at(), epoch));
        assert!(!tracker.is_current(&at(), epoch));
        assert_eq!(tracker.read(&at(), 3), None);
        assert!(tracker.is_busy(&at()));
        assert!(tracker.settle(&at(), epoch, 1));
        tracker.end(&at(), epoch);
        assert!(!tracker.is_busy(&at()));
        assert_eq!(mark(&tracker), Some(2));
    }

    #[test]
    fn reading_backwards_starts_over() {
        let mut tracker = Tracker::default();
        tracker.assign(at());
        let old = tracker.read(&at(), 100).expect("assigned");
        let new = tracker.read(&at(), 3).expect("assigned");
        assert_ne!(old, new);
        assert!(!tracker.settle(&at(), old, 100));
        assert!(tracker.settle(&at(), new, 3));
        assert_eq!(mark(&tracker), Some(4));
    }

    #[test]
    fn a_mark_is_handed_over_once_unless_the_broker_refused_it() {
        let mut tracker = Tracker::default();
        let epoch = tracker.assign(at());
        tracker.read(&at(), 1);
        assert!(tracker.uncommitted_positions().is_empty());
        tracker.settle(&at(), epoch, 1);
        let positions = tracker.uncommitted_positions();
        assert_eq!(positions, [Position { at: at(), next: 2 }]);
        tracker.committed(&positions);
        assert!(tracker.uncommitted_positions().is_empty());
        tracker.not_committed(&[at()]);
        assert_eq!(tracker.uncommitted_positions(), positions);
        assert_eq!(tracker.positions(), positions);
    }

    /// Against the definition: the mark is one past the longest prefix of the
    /// messages read that are all settled.
    #[test]
    fn the_mark_agrees_with_its_definition_whatever_the_order() {
        for seed in 0..300 {
            let mut rng = StdRng::seed_from_u64(seed);
            let mut tracker = Tracker::default();
            let mut epoch = tracker.assign(at());
            let mut offset = 0;
            let mut read: Vec<(i64, bool)> = Vec::new();
            let mut open: Vec<i64> = Vec::new();
            for _ in 0..400 {
                match rng.random_range(0..100) {
                    0 => {
                        tracker.remove(&at());
                        epoch = tracker.assign(at());
                        read.clear();
                        open.clear();
                        offset = rng.random_range(0..50);
                    }
                    1..50 => {
                        offset += rng.random_range(1..4);
                        assert_eq!(tracker.read(&at(), offset), Some(epoch));
                        read.push((offset, false));
                        open.push(offset);
                    }
                    _ => {
                        open.shuffle(&mut rng);
                        if let Some(settled) = open.pop() {
                            assert!(tracker.settle(&at(), epoch, settled));
                            if let Some(entry) = read.iter_mut().find(|(o, _)| *o == settled) {
                                entry.1 = true;
                            }
                        }
                    }
                }
                let prefix = read.iter().take_while(|(_, settled)| *settled).map(|(o, _)| *o).last();
                assert_eq!(mark(&tracker), prefix.map(|o| o + 1), "seed {seed}");
                let unsettled_from = read.iter().position(|(_, settled)| !settled).unwrap_or(read.len());
                assert_eq!(tracker.uncommitted(&at()), read.len() - unsettled_from, "seed {seed}");
            }
        }
    }
}
