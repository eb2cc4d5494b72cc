//! Records byte for byte, as a plain Kafka client sees and writes them.

use rdkafka::{
    ClientConfig, Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode, Consumer},
    message::{Header, Headers, OwnedHeaders},
    producer::{FutureProducer, FutureRecord},
};
use std::{collections::BTreeMap, time::Duration};

/// How long the broker may take to answer.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A record as it lies in a topic, or is to lie there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Its partition.
    pub partition: i32,
    /// Its offset; of no meaning before it is written.
    pub offset: i64,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Record {
    /// A header's value as text; empty where there is none.
    pub fn header(&self, name: &str) -> String {
        let value = self.headers.iter().find(|(n, _)| n == name).and_then(|(_, value)| value.as_deref());
        String::from_utf8_lossy(value.unwrap_or_default()).into_owned()
    }
}

fn consumer(brokers: &str, group: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("group.id", group)
        .set("enable.auto.commit", "false")
        .create()
        .expect("a consumer can be made")
}

/// All records of a topic.
///
/// # Panics
/// Where the broker does not give them.
pub fn records(brokers: &str, topic: &str) -> Vec<Record> {
    let consumer = consumer(brokers, "e2e-reader");
    let metadata = consumer.fetch_metadata(Some(topic), TIMEOUT).expect("the broker answers");
    let mut left = BTreeMap::new();
    let mut assignment = TopicPartitionList::new();
    for partition in metadata.topics()[0].partitions() {
        let (low, high) =
            consumer.fetch_watermarks(topic, partition.id(), TIMEOUT).expect("the broker answers");
        if high > low {
            left.insert(partition.id(), high);
            let from = Offset::Offset(low);
            assignment.add_partition_offset(topic, partition.id(), from).expect("a valid offset");
        }
    }
    consumer.assign(&assignment).expect("partitions can be assigned");
    let mut records = Vec::new();
    while !left.is_empty() {
        let message = consumer.poll(TIMEOUT).expect("records come in time").expect("a record");
        let headers = message
            .headers()
            .map(|headers| headers.iter().map(|h| (h.key.to_owned(), h.value.map(<[u8]>::to_vec))).collect());
        records.push(Record {
            partition: message.partition(),
            offset: message.offset(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.payload().map(<[u8]>::to_vec),
            headers: headers.unwrap_or_default(),
        });
        if left.get(&message.partition()).is_some_and(|high| message.offset() + 1 >= *high) {
            left.remove(&message.partition());
        }
    }
    records
}

/// Writes a record as it is, into its partition.
///
/// # Panics
/// Where the broker does not take it.
pub async fn append(brokers: &str, topic: &str, record: &Record) -> i64 {
    let producer: FutureProducer =
        ClientConfig::new().set("bootstrap.servers", brokers).create().expect("a producer can be made");
    let mut headers = OwnedHeaders::new();
    for (key, value) in &record.headers {
        headers = headers.insert(Header { key, value: value.as_ref() });
    }
    let mut outgoing = FutureRecord::<[u8], [u8]>::to(topic).partition(record.partition).headers(headers);
    outgoing.key = record.key.as_deref();
    outgoing.payload = record.value.as_deref();
    producer.send(outgoing, TIMEOUT).await.expect("the broker takes it").offset
}

/// What a group has committed of partition 0; `None` where nothing yet.
pub fn committed(brokers: &str, group: &str, topic: &str) -> Option<i64> {
    let mut list = TopicPartitionList::new();
    list.add_partition(topic, 0);
    // A group's coordinator may be in the making.
    let found = consumer(brokers, group).committed_offsets(list, TIMEOUT).ok()?;
    match found.find_partition(topic, 0)?.offset() {
        Offset::Offset(offset) => Some(offset),
        _ => None,
    }
}

/// Has a group without members read partition 0 again from its beginning.
///
/// # Panics
/// Where the broker refuses: the group has members.
pub fn rewind(brokers: &str, group: &str, topic: &str) {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, 0, Offset::Offset(0)).expect("a valid offset");
    consumer(brokers, group).commit(&list, CommitMode::Sync).expect("the group is empty");
}
