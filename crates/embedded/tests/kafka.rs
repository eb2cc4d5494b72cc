//! The embedded broker, on real Kafka: what is acknowledged stays, whatever dies.
#![allow(clippy::unwrap_used)]

mod common;

use common::{HELPER_DIR, PATIENCE, helper, kill, runs, stay, until};
use ragstream_embedded::{EmbeddedError, Kafka, KafkaOptions, PartState, Parts};
use rdkafka::{
    ClientConfig, Message, TopicPartitionList,
    admin::{AdminClient, AdminOptions, NewTopic, TopicReplication},
    client::DefaultClientContext,
    consumer::{BaseConsumer, Consumer},
    producer::{FutureProducer, FutureRecord},
};
use std::{path::Path, time::Duration};

const TOPIC: &str = "survivors";

fn options(dir: &Path) -> KafkaOptions {
    KafkaOptions { dir: dir.to_owned(), parts: Parts::locate().unwrap(), port: None }
}

fn client(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("message.timeout.ms", "60000");
    config
}

async fn create_topic(bootstrap: &str) {
    let admin: AdminClient<DefaultClientContext> = client(bootstrap).create().unwrap();
    let topic = NewTopic::new(TOPIC, 1, TopicReplication::Fixed(1));
    for result in admin.create_topics(&[topic], &AdminOptions::new()).await.unwrap() {
        result.unwrap();
    }
}

async fn append(producer: &FutureProducer, value: &str) {
    producer.send(FutureRecord::to(TOPIC).key("k").payload(value), PATIENCE).await.unwrap();
}

fn read_all(bootstrap: &str, count: usize) -> Vec<String> {
    let consumer: BaseConsumer = client(bootstrap).set("group.id", "reader").create().unwrap();
    let mut from = TopicPartitionList::new();
    from.add_partition_offset(TOPIC, 0, rdkafka::Offset::Beginning).unwrap();
    consumer.assign(&from).unwrap();
    let mut values = Vec::new();
    until("all records are read", || {
        if let Some(Ok(message)) = consumer.poll(Duration::from_millis(100)) {
            values.push(String::from_utf8(message.payload().unwrap().to_vec()).unwrap());
        }
        values.len() >= count
    });
    values
}

#[tokio::test(flavor = "multi_thread")]
async fn records_survive_a_stop_and_the_death_of_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let kafka = Kafka::start(options(dir.path())).await.unwrap();
    let bootstrap = kafka.bootstrap();
    create_topic(&bootstrap).await;
    let producer: FutureProducer = client(&bootstrap).create().unwrap();
    append(&producer, "before the stop").await;

    let second = Kafka::start(options(dir.path())).await;
    assert!(matches!(second, Err(EmbeddedError::Locked { .. })), "a folder has one owner");

    let pid = kafka.report().pid.unwrap();
    kafka.stop(PATIENCE).await;
    assert!(!runs(pid));

    let kafka = Kafka::start(options(dir.path())).await.unwrap();
    assert_eq!(kafka.bootstrap(), bootstrap, "the port is kept");
    append(&producer, "after the stop").await;

    let pid = kafka.report().pid.unwrap();
    kill(pid);
    until("the broker is restarted", || {
        let report = kafka.report();
        report.restarts == 1 && report.state == PartState::Running
    });
    assert!(kafka.report().last_exit.unwrap().contains("SIGKILL"));
    append(&producer, "after its death").await;
    assert_eq!(read_all(&bootstrap, 3), ["before the stop", "after the stop", "after its death"]);

    let pid = kafka.report().pid.unwrap();
    drop(kafka);
    assert!(!runs(pid), "a broker that is dropped ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_node_leaves_no_broker_behind_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (mut node, ready) = helper("helper_node", dir.path());
    let (pid, bootstrap) = ready.split_once(' ').unwrap();
    let pid: u32 = pid.parse().unwrap();
    create_topic(bootstrap).await;
    let producer: FutureProducer = client(bootstrap).create().unwrap();
    append(&producer, "acknowledged").await;
    assert!(runs(pid));

    node.kill().unwrap();
    node.wait().unwrap();
    until("the broker has ended with its node", || !runs(pid));

    let kafka = Kafka::start(options(dir.path())).await.unwrap();
    assert_eq!(read_all(&kafka.bootstrap(), 1), ["acknowledged"]);
}

#[tokio::test]
async fn a_broker_that_can_not_start_says_why() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("data")).unwrap();
    std::fs::write(dir.path().join("data/meta.properties"), "version=1\nnode.id=7\ncluster.id=x\n").unwrap();
    let error = Kafka::start(options(dir.path())).await.err().expect("another node's folder").to_string();
    assert!(error.contains("kafka did not start") && error.contains("node id 7"), "{error}");
}

/// Not a test: the node that is killed. Does nothing unless run as a helper.
#[test]
fn helper_node() {
    if let Some(dir) = std::env::var_os(HELPER_DIR) {
        let kafka = Kafka::start_blocking(options(Path::new(&dir))).unwrap();
        stay(&format!("{} {}", kafka.report().pid.unwrap(), kafka.bootstrap()));
    }
}
