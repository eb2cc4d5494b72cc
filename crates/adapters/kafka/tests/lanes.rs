//! Two lanes on a real broker: what an express record waits for, counted in bulk records,
//! and how members share each lane.
#![allow(clippy::unwrap_used)]

mod support;

use async_trait::async_trait;
use ragstream_core::{
    lane::Lane,
    ports::{Outgoing, Publisher},
};
use ragstream_kafka::*;
use ragstream_worker::{Config, Handler, Message, Verdict, Worker, metrics};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};
use support::*;
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

/// Bulk records that wait.
const BACKLOG: usize = 20_000;
/// Partitions of each lane, as topics are made.
const PARTITIONS: i32 = 6;
/// Messages of a batch, and batches of the bulk lane in the handler: what the embedding
/// pool has on two cores.
const BATCH: usize = 32;
const BATCHES: usize = 4;

/// A handler whose every batch takes one permit; what it was given, in order: lane and key.
struct Gated {
    bulk: String,
    gate: Semaphore,
    given: Mutex<Vec<(Lane, String)>>,
}

impl Gated {
    fn count(&self, lane: Lane) -> usize {
        self.given.lock().unwrap().iter().filter(|(of, _)| *of == lane).count()
    }

    /// Bulk messages that were given between the first `from` and the one of this key.
    fn bulk_between(&self, from: usize, key: &str) -> Option<usize> {
        let given = self.given.lock().unwrap();
        let at = given.iter().position(|(_, of)| of == key)?;
        Some(given[from.min(at)..at].iter().filter(|(lane, _)| *lane == Lane::Bulk).count())
    }
}

#[async_trait]
impl Handler for Gated {
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict> {
        let lane = |message: &Message| if *message.topic == *self.bulk { Lane::Bulk } else { Lane::Express };
        let keyed = batch.iter().map(|m| (lane(m), m.key_str().unwrap().to_owned()));
        self.given.lock().unwrap().extend(keyed);
        self.gate.acquire().await.unwrap().forget();
        vec![Verdict::Done; batch.len()]
    }
}

/// As long as a chunk with its document: words and what is as good as random.
fn value(i: usize) -> Vec<u8> {
    format!("{:0>16x} of a bulk import ", i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).repeat(40).into_bytes()
}

async fn fill(kafka: &KafkaConfig, topic: &str) {
    let publisher = KafkaPublisher::new(kafka).unwrap();
    for from in (0..BACKLOG).step_by(4_000) {
        let records: Vec<Outgoing> = (from..from + 4_000).map(|i| record(topic, i, value(i))).collect();
        publisher.append(records).await.unwrap();
    }
}

/// Messages of a lane that wait in the worker.
fn queued(consumer: &str, lane: Lane) -> usize {
    metrics::QUEUED.with_label_values(&[consumer, lane.as_str()]).get() as usize
}

struct Lanes {
    publisher: KafkaPublisher,
    express: String,
    handler: Arc<Gated>,
    shutdown: CancellationToken,
    task: JoinHandle<Result<(), ragstream_worker::WorkerError>>,
}

/// A worker on both lanes, the bulk one full.
async fn lanes(consumer: &str, kept_for_express: usize) -> Lanes {
    let kafka = broker().await;
    let express = topic(&kafka, "express", PARTITIONS).await;
    let bulk = topic(&kafka, "bulk", PARTITIONS).await;
    fill(&kafka, &bulk).await;
    let handler = Arc::new(Gated { bulk: bulk.clone(), gate: Semaphore::new(0), given: Mutex::default() });
    let source = |topic: &str| group_source(&kafka, &unique("group"), &[topic]).unwrap();
    let settings = Config {
        batch_max: BATCH,
        concurrency: BATCHES + kept_for_express,
        bulk_concurrency: BATCHES,
        ..Config::named(consumer)
    };
    let letters = Arc::new(KafkaDeadLetters::new(&KafkaPublisher::new(&kafka).unwrap()));
    let worker = Worker::new(settings, source(&express), handler.clone(), letters).with_bulk(source(&bulk));
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(worker.run(shutdown.clone()));
    // The handler is full, and so is the queue before it; the client has fetched more.
    until("the handler is full of bulk", || handler.count(Lane::Bulk) == BATCH * BATCHES).await;
    let paused = metrics::PAUSED.with_label_values(&[consumer, Lane::Bulk.as_str()]);
    until("a full queue", || paused.get() == i64::from(PARTITIONS)).await;
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    Lanes { publisher, express, handler, shutdown, task }
}

impl Lanes {
    async fn append(&self, key: &str) {
        self.publisher.append(vec![record(&self.express, key, "urgent")]).await.unwrap();
    }

    async fn stop(self) {
        self.handler.gate.add_permits(Semaphore::MAX_PERMITS / 2);
        self.shutdown.cancel();
        self.task.await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_express_record_comes_while_no_bulk_record_is_handled_at_all() {
    let lanes = lanes("kept", 1).await;
    lanes.append("urgent").await;
    until("it is in the handler", || lanes.handler.count(Lane::Express) == 1).await;
    assert_eq!(lanes.handler.bulk_between(BATCH * BATCHES, "urgent"), Some(0));
    lanes.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_express_record_is_the_next_one_where_no_place_is_kept() {
    let lanes = lanes("next", 0).await;
    lanes.append("urgent").await;
    // That it gets here at all, while the other lane stands still, is one half of it.
    until("it waits for the handler", || queued("next", Lane::Express) == 1).await;
    lanes.handler.gate.add_permits(1);
    until("it is in the handler", || lanes.handler.count(Lane::Express) == 1).await;
    assert_eq!(lanes.handler.bulk_between(BATCH * BATCHES, "urgent"), Some(0));
    lanes.stop().await;
}

/// Appended while bulk work flows: what is handled from the broker's acknowledgement on, until
/// the record was fetched and taken.
#[tokio::test(flavor = "multi_thread")]
async fn express_records_overtake_a_flow_of_bulk_records() {
    let lanes = lanes("flow", 1).await;
    let (handler, stop) = (lanes.handler.clone(), CancellationToken::new());
    let pace = {
        let (handler, stop) = (handler.clone(), stop.clone());
        // A batch of 32 every 20 ms: faster than any model here.
        tokio::spawn(async move {
            while !stop.is_cancelled() {
                handler.gate.add_permits(1);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    };
    let mut overtaken = Vec::new();
    for i in 0..20 {
        let key = format!("urgent {i}");
        lanes.append(&key).await;
        let before = handler.given.lock().unwrap().len();
        until("it is in the handler", || handler.bulk_between(before, &key).is_some()).await;
        overtaken.extend(handler.bulk_between(before, &key));
    }
    let left = BACKLOG - handler.count(Lane::Bulk);
    overtaken.sort_unstable();
    println!("bulk records handled between the append of an express record and its turn: {overtaken:?}");
    assert!(left > BACKLOG / 4, "the backlog was gone: {left}");
    // 64 batches: an eighth of what waited. In one queue it would have been what waited.
    assert!(overtaken.iter().all(|n| *n < 64 * BATCH), "{overtaken:?}");
    stop.cancel();
    pace.await.unwrap();
    lanes.stop().await;
}

/// In one group of two topics the second member would take one of them whole.
#[tokio::test(flavor = "multi_thread")]
async fn members_that_join_share_each_lane() {
    let kafka = broker().await;
    let mut topics = BTreeMap::new();
    for lane in Lane::ALL {
        topics.insert(lane, (topic(&kafka, lane.as_str(), PARTITIONS).await, unique("group")));
    }
    let member = |name: &str| {
        let source = |lane: Lane| group_source(&kafka, &topics[&lane].1, &[&topics[&lane].0]).unwrap();
        let handler = Arc::new(Recorder::all());
        let letters = Arc::new(KafkaDeadLetters::new(&KafkaPublisher::new(&kafka).unwrap()));
        let settings = Config { name: name.into(), ..config() };
        let worker = Worker::new(settings, source(Lane::Express), handler.clone(), letters)
            .with_bulk(source(Lane::Bulk));
        let shutdown = CancellationToken::new();
        (handler, tokio::spawn(worker.run(shutdown.clone())), shutdown)
    };
    let publisher = KafkaPublisher::new(&kafka).unwrap();
    let wave = async |number: usize| {
        for (topic, _) in topics.values() {
            let records = (0..100).map(|i| record(topic, format!("{number}/{i}"), "x")).collect();
            publisher.append(records).await.unwrap();
        }
    };
    let (first, first_task, first_shutdown) = member("first");
    wave(0).await;
    until("the first handled all", || first.count() == 200).await;
    let (second, second_task, second_shutdown) = member("second");
    // Partitions move in steps, a wave shows where they are.
    let partitions_of = |handler: &Recorder, number: usize, lane: Lane| -> BTreeSet<i32> {
        let prefix = format!("{number}/");
        let done = handler.done.lock().unwrap();
        let of_wave = done.iter().filter(|m| m.key_str().unwrap().starts_with(&prefix));
        of_wave.filter(|m| *m.topic == *topics[&lane].0).map(|m| m.partition).collect()
    };
    let mut number = 0;
    loop {
        number += 1;
        assert!(number < 100, "the members never shared");
        wave(number).await;
        until("a wave", || first.count() + second.count() >= 200 * (number + 1)).await;
        let shares = Lane::ALL.map(|lane| {
            (partitions_of(&first, number, lane).len(), partitions_of(&second, number, lane).len())
        });
        if shares == [(3, 3), (3, 3)] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for (task, shutdown) in [(first_task, first_shutdown), (second_task, second_shutdown)] {
        shutdown.cancel();
        task.await.unwrap().unwrap();
    }
}
