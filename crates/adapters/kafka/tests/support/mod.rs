//! A real broker, and workers on it.
#![allow(dead_code, clippy::unwrap_used)]

use async_trait::async_trait;
use bytes::Bytes;
use ragstream_core::{
    fault::Fault,
    ports::{Outgoing, Placement},
};
use ragstream_kafka::*;
pub use ragstream_testkit::unique;
use ragstream_worker::*;
use rdkafka::{
    ClientConfig, Offset, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Waits for a condition; a test that waits this long has failed.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(90);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The broker that this file's tests share.
pub async fn broker() -> KafkaConfig {
    KafkaConfig::new(ragstream_testkit::kafka().await.bootstrap())
}

/// A new topic and its dead-letter topic.
pub async fn topic(config: &KafkaConfig, name: &str, partitions: i32) -> String {
    let name = unique(name);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &config.brokers).create().unwrap();
    let letters = format!("{name}.dlq");
    let new = [
        NewTopic::new(&name, partitions, TopicReplication::Fixed(1)),
        NewTopic::new(&letters, 1, TopicReplication::Fixed(1)).set("max.message.bytes", "6000000"),
    ];
    for result in admin.create_topics(&new, &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
    name
}

pub fn record(topic: &str, key: impl ToString, value: impl Into<Bytes>) -> Outgoing {
    Outgoing {
        topic: topic.to_owned(),
        key: key.to_string(),
        value: Some(value.into()),
        headers: vec![],
        placement: Placement::ByKey,
    }
}

/// What a group has committed, by partition.
pub fn committed(config: &KafkaConfig, group: &str, topic: &str, partitions: i32) -> BTreeMap<i32, i64> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &config.brokers)
        .set("group.id", group)
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_range(topic, 0, partitions - 1);
    // The first question of a broker's life finds no coordinator yet.
    let Ok(found) = consumer.committed_offsets(list, Duration::from_secs(20)) else { return BTreeMap::new() };
    let offsets = found.elements().into_iter().filter_map(|element| match element.offset() {
        Offset::Offset(offset) => Some((element.partition(), offset)),
        _ => None,
    });
    offsets.collect()
}

type Each = Box<dyn Fn(&Message) -> Verdict + Send + Sync>;

/// Answers by a closure, and remembers the messages that it answered `Done`.
pub struct Recorder {
    each: Each,
    pub pause: Mutex<Duration>,
    pub done: Mutex<Vec<Message>>,
    pub calls: Mutex<u32>,
}

impl Recorder {
    pub fn new(each: impl Fn(&Message) -> Verdict + Send + Sync + 'static) -> Self {
        Self {
            each: Box::new(each),
            pause: Mutex::default(),
            done: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    pub fn all() -> Self {
        Self::new(|_| Verdict::Done)
    }

    pub fn pausing(self, pause: Duration) -> Self {
        *self.pause.lock().unwrap() = pause;
        self
    }

    pub fn count(&self) -> usize {
        self.done.lock().unwrap().len()
    }

    /// (partition, offset) of what was done.
    pub fn places(&self) -> Vec<(i32, i64)> {
        self.done.lock().unwrap().iter().map(|m| (m.partition, m.offset)).collect()
    }
}

#[async_trait]
impl Handler for Recorder {
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict> {
        *self.calls.lock().unwrap() += 1;
        let pause = *self.pause.lock().unwrap();
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        let verdicts: Vec<_> = batch.iter().map(&self.each).collect();
        for (message, verdict) in batch.iter().zip(&verdicts) {
            if matches!(verdict, Verdict::Done) {
                self.done.lock().unwrap().push(message.clone());
            }
        }
        verdicts
    }
}

pub struct Running {
    pub handler: Arc<Recorder>,
    pub health: HealthHandle,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), WorkerError>>,
}

pub fn start(kafka: &KafkaConfig, config: Config, source: Box<dyn Source>, handler: Recorder) -> Running {
    let handler = Arc::new(handler);
    let letters = KafkaDeadLetters::new(&KafkaPublisher::new(kafka).unwrap());
    let worker = Worker::new(config, source, handler.clone(), Arc::new(letters));
    let (health, shutdown) = (worker.health(), CancellationToken::new());
    Running { handler, health, task: tokio::spawn(worker.run(shutdown.clone())), shutdown }
}

impl Running {
    pub async fn stop(self) -> Arc<Recorder> {
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
        self.handler
    }
}

pub fn config() -> Config {
    let short = Backoff { min: Duration::from_millis(50), max: Duration::from_millis(500) };
    Config {
        batch_max: 16,
        max_attempts: 2,
        retry_backoff: short,
        outage_backoff: short,
        commit_interval: Duration::from_millis(50),
        ..Config::named("test")
    }
}

pub fn invalid() -> Verdict {
    Verdict::Invalid(Fault::invalid("undecodable", "these bytes are no message"))
}
