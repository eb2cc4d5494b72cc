//! A topic's records, read from its beginning to its present end.

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    message::Headers,
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How long the broker may take to answer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A record.
#[derive(Clone, Debug)]
pub struct Record {
    /// Its partition.
    pub partition: i32,
    /// Its key.
    pub key: String,
    /// Its offset.
    pub offset: i64,
    /// Whether it has a value: a tombstone has none.
    pub has_value: bool,
    /// The value.
    pub value: Vec<u8>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
}

/// All records of a topic.
///
/// # Panics
/// Where the broker does not give them.
pub fn records(brokers: &str, topic: &str) -> Vec<Record> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", "e2e-reader")
        .set("enable.auto.commit", "false")
        .set("enable.partition.eof", "false")
        .create()
        .expect("a consumer can be made");
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).expect("the broker answers");
    let mut left = BTreeMap::new();
    let mut assignment = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        let (low, high) = range(&consumer, topic, partition.id());
        if high > low {
            left.insert(partition.id(), high);
            assignment
                .add_partition_offset(topic, partition.id(), Offset::Offset(low))
                .expect("a valid offset");
        }
    }
    consumer.assign(&assignment).expect("partitions can be assigned");
    let mut records = Vec::new();
    let deadline = Instant::now() + TIMEOUT;
    while !left.is_empty() {
        // Connections come and go where the broker has just been restarted.
        let Some(Ok(message)) = consumer.poll(Duration::from_secs(1)) else {
            assert!(Instant::now() < deadline, "{topic}: records do not come in time");
            continue;
        };
        let headers = message.headers().map(|headers| {
            headers
                .iter()
                .map(|h| {
                    (h.key.to_owned(), String::from_utf8_lossy(h.value.unwrap_or_default()).into_owned())
                })
                .collect()
        });
        records.push(Record {
            partition: message.partition(),
            key: String::from_utf8_lossy(message.key().unwrap_or_default()).into_owned(),
            offset: message.offset(),
            has_value: message.payload().is_some(),
            value: message.payload().unwrap_or_default().to_vec(),
            headers: headers.unwrap_or_default(),
        });
        if left.get(&message.partition()).is_some_and(|high| message.offset() + 1 >= *high) {
            left.remove(&message.partition());
        }
    }
    records
}

/// Where a partition begins and ends. One that was just made, or whose broker is just back, has no
/// leader for a moment.
fn range(consumer: &BaseConsumer, topic: &str, partition: i32) -> (i64, i64) {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        match consumer.fetch_watermarks(topic, partition, TIMEOUT) {
            Ok(range) => return range,
            Err(error) => assert!(Instant::now() < deadline, "{topic}/{partition}: {error}"),
        }
        std::thread::sleep(crate::POLL);
    }
}

/// Keys whose newest record has a value: what the topic holds once it is compacted.
pub fn live_keys(records: &[Record]) -> Vec<&str> {
    let mut newest: BTreeMap<&str, bool> = BTreeMap::new();
    for record in records {
        newest.insert(&record.key, record.has_value);
    }
    newest.into_iter().filter_map(|(key, live)| live.then_some(key)).collect()
}
