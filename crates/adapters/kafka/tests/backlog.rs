//! A backlog of a million messages before a slow handler: what is held in memory is
//! bounded by the queue and the consumer's own buffers, not by the log.
#![allow(clippy::unwrap_used)]

mod support;

use async_trait::async_trait;
use ragstream_core::ports::{Outgoing, Publisher};
use ragstream_kafka::*;
use ragstream_worker::{Config, Handler, Message, Verdict, Worker};
use std::{
    collections::BTreeSet,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use support::*;
use tokio_util::sync::CancellationToken;

/// Messages in the log.
const BACKLOG: usize = 1_000_000;
/// Bytes of each: a gigabyte in all, which no bound below has room for.
const MESSAGE: usize = 1024;
/// Messages appended at once.
const APPEND: usize = 10_000;
const PARTITIONS: i32 = 3;

const MIB: u64 = 1 << 20;
/// The worker's queue: the bound that this test gives it.
const QUEUE_BYTES: usize = 16 << 20;
/// The consumer's queue (`queued.max.messages.kbytes`).
const FETCHED: u64 = 16 * MIB;
/// An answer on its way (`fetch.max.bytes`), compressed.
const ANSWER: u64 = MIB;
/// How much the text of the messages below shrinks: eight times.
const UNPACKED: u64 = 8;
/// A message's own cost: names, offsets, allocations. As much as its value, for values of a
/// kilobyte.
const OVERHEAD: u64 = 2;
/// What all of it may come to.
const BOUND: u64 = OVERHEAD * (QUEUE_BYTES as u64 + FETCHED + UNPACKED * ANSWER);

/// A line of this process's `/proc/self/status`, in bytes.
fn memory(line: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let value = status.lines().find_map(|l| l.strip_prefix(line)?.strip_prefix(':')).unwrap();
    value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Gives back what producing took, and forgets the highest mark so far.
fn forget_the_past() -> u64 {
    // SAFETY: takes an integer, gives free pages back to the system.
    unsafe { libc::malloc_trim(0) };
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    memory("VmRSS")
}

/// Takes its time, and remembers places alone.
#[derive(Default)]
struct Slow(Mutex<BTreeSet<(i32, i64)>>);

impl Slow {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }
}

#[async_trait]
impl Handler for Slow {
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict> {
        tokio::time::sleep(Duration::from_millis(20)).await;
        for message in batch {
            let new = self.0.lock().unwrap().insert((message.partition, message.offset));
            assert!(new, "{message:?} came twice");
        }
        vec![Verdict::Done; batch.len()]
    }
}

/// Ids, which are as good as random, and a text that says the same again and again: few
/// records of real documents shrink as well.
fn value(i: usize) -> Vec<u8> {
    let id = |n: usize| {
        let mut hasher = DefaultHasher::new();
        (i, n).hash(&mut hasher);
        hasher.finish()
    };
    let mut value: Vec<u8> = (0..6).flat_map(|n| format!("{:016x}", id(n)).into_bytes()).collect();
    value.extend(b"a storm of letters ".iter().cycle().take(MESSAGE - value.len()));
    value
}

async fn produce(config: &KafkaConfig, topic: &str) {
    let publisher = KafkaPublisher::new(config).unwrap();
    for from in (0..BACKLOG).step_by(APPEND) {
        let records: Vec<Outgoing> = (from..from + APPEND).map(|i| record(topic, i, value(i))).collect();
        publisher.append(records).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_a_million_messages_does_not_come_into_memory() {
    let kafka = broker().await;
    let topic = topic(&kafka, "backlog", PARTITIONS).await;
    let begun = Instant::now();
    produce(&kafka, &topic).await;
    let produced = begun.elapsed();
    let before = forget_the_past();

    let group = unique("group");
    let source = group_source(&kafka, &group, &[&topic]).unwrap();
    let handler = Arc::new(Slow::default());
    let settings = Config {
        // So that bytes are what bounds the queue.
        queue_capacity: BACKLOG,
        queue_bytes: QUEUE_BYTES,
        max_uncommitted: BACKLOG,
        batch_max: 64,
        ..config()
    };
    let letters = KafkaDeadLetters::new(&KafkaPublisher::new(&kafka).unwrap());
    let worker = Worker::new(settings, source, handler.clone(), Arc::new(letters));
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(worker.run(shutdown.clone()));
    // The queue fills within the first seconds; then it goes on at the handler's pace.
    let mut seen = 0;
    for step in 1..=8 {
        until("consumption goes on", || handler.count() >= seen + 2_000).await;
        seen = handler.count();
        println!("{step}: {seen} messages, {} MiB", (memory("VmRSS").saturating_sub(before)) / MIB);
    }
    let grown = memory("VmHWM").saturating_sub(before);
    println!(
        "{BACKLOG} messages of {MESSAGE} bytes appended in {produced:?}; {seen} consumed, {} MiB of {} MiB used",
        grown / MIB,
        BOUND / MIB
    );
    assert!(grown < BOUND, "{} MiB", grown / MIB);
    shutdown.cancel();
    task.await.unwrap().unwrap();
}
