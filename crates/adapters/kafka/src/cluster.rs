//! What is asked about the cluster: how many partitions a topic has, where they
//! end, whether anybody answers.

use crate::{config::REQUEST_TIMEOUT, fault::fault};
use ragstream_core::fault::{Fault, Result};
use rdkafka::{ClientContext, client::Client, error::KafkaError};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a partition count is believed. A topic that gains partitions places
/// keys anew in any case, which is why operators are told not to.
const BELIEVED: Duration = Duration::from_secs(300);

/// The partitions of a topic. Blocks up to `timeout`.
pub(crate) fn partitions<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<Vec<i32>> {
    Ok(leaders(client, topic, timeout)?.into_keys().collect())
}

/// How many partitions a topic has; `Unavailable` while one of them has no leader.
pub(crate) fn led_partitions<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<i32> {
    let leaders = leaders(client, topic, timeout)?;
    if leaders.values().any(|leader| *leader < 0) {
        return Err(Fault::unavailable(
            "kafka_unavailable",
            format!("{topic} has a partition without a leader"),
        ));
    }
    i32::try_from(leaders.len())
        .map_err(|error| Fault::failed("kafka_client", "too many partitions").caused_by(error))
}

/// Partition to leader, -1 for none.
fn leaders<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> Result<BTreeMap<i32, i32>> {
    let doing = || format!("asking for the partitions of {topic}");
    let metadata = client.fetch_metadata(Some(topic), timeout).map_err(|error| fault(&doing(), error))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    if let Some(error) = found.and_then(|found| found.error()) {
        return Err(fault(&doing(), KafkaError::MetadataFetch(error.into())));
    }
    let partitions = found.map_or(&[][..], |found| found.partitions());
    if partitions.is_empty() {
        return Err(Fault::unavailable("topic_missing", format!("there is no topic {topic}")));
    }
    Ok(partitions.iter().map(|partition| (partition.id(), partition.leader())).collect())
}

/// Where the partitions of a topic begin and end. Blocks.
pub(crate) fn ends<C: ClientContext>(client: &Client<C>, topic: &str) -> Result<BTreeMap<i32, Range<i64>>> {
    let ends = partitions(client, topic, REQUEST_TIMEOUT)?.into_iter().map(|partition| {
        let (low, high) = client
            .fetch_watermarks(topic, partition, REQUEST_TIMEOUT)
            .map_err(|error| fault(&format!("asking where {topic}/{partition} ends"), error))?;
        Ok((partition, low..high))
    });
    ends.collect()
}

/// Asks the cluster for its brokers. Blocks.
pub(crate) fn probe<C: ClientContext>(client: &Client<C>) -> Result<()> {
    // A topic that nobody has makes the answer short; its absence is an answer.
    match client.fetch_metadata(Some("__ragstream_probe"), REQUEST_TIMEOUT) {
        Ok(_) => Ok(()),
        Err(error) => Err(fault("asking Kafka for its brokers", error)),
    }
}

/// Partition counts, remembered for a while.
#[derive(Debug, Default)]
pub(crate) struct Counts(Mutex<HashMap<String, (i32, Instant)>>);

impl Counts {
    pub(crate) fn get(&self, topic: &str) -> Option<i32> {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(topic).filter(|(_, at)| at.elapsed() < BELIEVED).map(|(count, _)| *count)
    }

    pub(crate) fn put(&self, topic: &str, count: i32) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.insert(topic.to_owned(), (count, Instant::now()));
    }
}
