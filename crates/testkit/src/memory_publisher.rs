//! A log in memory.

use async_trait::async_trait;
use ragstream_core::{
    fault::{Fault, Result},
    ports::{Appended, LogEnds, Outgoing, Placement, Probe, Publisher},
};
use std::{
    collections::BTreeMap,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Partitions of every topic: more than one, so that tests see placement matter.
const PARTITIONS: i32 = 3;

/// A log in memory that remembers what was appended.
#[derive(Debug, Default)]
pub struct MemoryPublisher {
    log: Mutex<Log>,
}

#[derive(Debug, Default)]
struct Log {
    records: Vec<(Outgoing, Appended)>,
    faults: usize,
}

impl MemoryPublisher {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// Everything that was appended, in order, and where it lies.
    pub fn records(&self) -> Vec<(Outgoing, Appended)> {
        self.log().records.clone()
    }

    /// What was appended to one topic, in order.
    pub fn of_topic(&self, topic: &str) -> Vec<Outgoing> {
        let log = self.log();
        log.records
            .iter()
            .filter(|(record, _)| record.topic == topic)
            .map(|(record, _)| record.clone())
            .collect()
    }

    /// Lets the next `calls` appends fail as if the broker were away.
    pub fn fail_next(&self, calls: usize) {
        self.log().faults = calls;
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Log {
    fn next_offset(&self, topic: &str, partition: i32) -> i64 {
        let there = |(record, at): &&(Outgoing, Appended)| record.topic == topic && at.partition == partition;
        i64::try_from(self.records.iter().filter(there).count()).unwrap_or(i64::MAX)
    }

    fn append(&mut self, record: Outgoing) -> Appended {
        let partition = match &record.placement {
            Placement::ByKey => partition_of(&record.key),
            Placement::By(other) => partition_of(other),
            Placement::At(partition) => *partition,
        };
        let at = Appended { partition, offset: self.next_offset(&record.topic, partition) };
        self.records.push((record, at));
        at
    }
}

fn partition_of(key: &str) -> i32 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    i32::try_from(hasher.finish() % u64::from(PARTITIONS.unsigned_abs())).unwrap_or_default()
}

#[async_trait]
impl Probe for MemoryPublisher {
    fn component(&self) -> &'static str {
        "kafka"
    }

    async fn probe(&self) -> Result<()> {
        Ok(())
    }
}

#[async_trait]
impl Publisher for MemoryPublisher {
    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Appended>> {
        let mut log = self.log();
        if log.faults > 0 {
            log.faults -= 1;
            return Err(Fault::unavailable("broker_unreachable", "the broker is away for this test"));
        }
        Ok(records.into_iter().map(|record| log.append(record)).collect())
    }
}

#[async_trait]
impl LogEnds for MemoryPublisher {
    async fn ends(&self, topic: &str) -> Result<BTreeMap<i32, Range<i64>>> {
        let log = self.log();
        Ok((0..PARTITIONS).map(|partition| (partition, 0..log.next_offset(topic, partition))).collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn record(key: &str, placement: Placement) -> Outgoing {
        Outgoing { topic: "t".into(), key: key.into(), value: None, headers: Vec::new(), placement }
    }

    #[tokio::test]
    async fn records_of_one_placement_share_a_partition_in_order() {
        let log = MemoryPublisher::new();
        let records = (0..20).map(|n| record(&n.to_string(), Placement::By("document".into()))).collect();
        let at = log.append(records).await.unwrap();
        assert!(at.iter().enumerate().all(|(n, at)| at.offset == n as i64));
        assert_eq!(at.iter().map(|at| at.partition).min(), at.iter().map(|at| at.partition).max());
        assert_eq!(log.ends("t").await.unwrap()[&at[0].partition], 0..20);
        let spread = (0..20).map(|n| record(&n.to_string(), Placement::ByKey)).collect();
        let at = log.append(spread).await.unwrap();
        assert!(at.iter().any(|one| one.partition != at[0].partition));
    }

    #[tokio::test]
    async fn fails_as_often_as_told_and_keeps_nothing_of_it() {
        let log = MemoryPublisher::new();
        log.fail_next(1);
        assert!(log.append(vec![record("k", Placement::ByKey)]).await.unwrap_err().is_unavailable());
        assert!(log.records().is_empty());
        log.append(vec![record("k", Placement::ByKey)]).await.unwrap();
        assert_eq!(log.of_topic("t").len(), 1);
    }
}
