//! A log in memory, scripted; handlers from closures; dead letters in a list.
#![allow(dead_code, clippy::unwrap_used)]

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use ragstream_core::fault::{Fault, Result};
use ragstream_worker::*;
use std::{
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, task::JoinHandle};
use tokio_util::sync::CancellationToken;

pub fn p(partition: i32) -> TopicPartition {
    TopicPartition::new("topic", partition)
}

#[derive(Default)]
pub struct LogState {
    records: BTreeMap<i32, Vec<Message>>,
    reading: BTreeMap<i32, usize>,
    pub paused: HashSet<i32>,
    events: VecDeque<Result<Event>>,
    pub polls: u64,
    pub commits: Vec<(i32, i64, CommitMode)>,
    pub committed: HashMap<i32, i64>,
    pub released: Vec<i32>,
    pub fault: Option<Fault>,
    pub closed: bool,
    pub bug: bool,
    pub threads: HashSet<std::thread::ThreadId>,
}

impl LogState {
    /// Whether a partition is assigned and not yet being revoked.
    pub fn is_read(&self, partition: i32) -> bool {
        self.reading.contains_key(&partition)
    }

    /// How many messages of a partition were read.
    pub fn has_read(&self, partition: i32) -> usize {
        self.reading.get(&partition).copied().unwrap_or(0)
    }
}

/// The log, and everything that was asked of it.
#[derive(Clone, Default)]
pub struct Log(Arc<(Mutex<LogState>, Condvar)>);

impl Log {
    /// A log of which these partitions are assigned.
    pub fn of(partitions: impl IntoIterator<Item = i32>) -> Self {
        let log = Self::default();
        log.assign(partitions);
        log
    }

    pub fn with<T>(&self, f: impl FnOnce(&mut LogState) -> T) -> T {
        let result = f(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        result
    }

    pub fn assign(&self, partitions: impl IntoIterator<Item = i32>) {
        let partitions: Vec<i32> = partitions.into_iter().collect();
        self.with(|s| {
            for partition in &partitions {
                let from = s.committed.get(partition).copied().unwrap_or(0) as usize;
                s.reading.insert(*partition, from);
            }
            s.events.push_back(Ok(Event::Assigned(partitions.into_iter().map(p).collect())));
        });
    }

    pub fn event(&self, event: Result<Event>) {
        self.with(|s| s.events.push_back(event));
    }

    /// Appends messages whose values are their numbers.
    pub fn append(&self, partition: i32, count: usize) {
        self.with(|s| {
            let records = s.records.entry(partition).or_default();
            for _ in 0..count {
                let offset = records.len() as i64;
                records.push(Message {
                    topic: "topic".into(),
                    partition,
                    offset,
                    timestamp_ms: 1,
                    key: Some(Bytes::from(format!("{partition}/{offset}"))),
                    value: Some(Bytes::from(offset.to_string())),
                    headers: vec![],
                    attempt: 1,
                });
            }
        });
    }

    pub fn committed(&self, partition: i32) -> Option<i64> {
        self.with(|s| s.committed.get(&partition).copied())
    }

    pub fn polls(&self) -> u64 {
        self.with(|s| s.polls)
    }
}

pub struct FakeSource(pub Log);

impl Source for FakeSource {
    fn poll(&mut self, timeout: Duration) -> Result<Option<Event>> {
        let (mutex, condvar) = &*self.0.0;
        let mut s = mutex.lock().unwrap();
        let until = Instant::now() + timeout;
        s.polls += 1;
        s.threads.insert(std::thread::current().id());
        loop {
            let bug = s.bug;
            if bug {
                drop(s);
                panic!("a bug in the source");
            }
            if let Some(fault) = &s.fault {
                return Err(fault.clone());
            }
            if let Some(event) = s.events.pop_front() {
                if let Ok(Event::Revoked { partitions, .. }) = &event {
                    for at in partitions {
                        s.reading.remove(&at.partition);
                    }
                }
                return event.map(Some);
            }
            let next = s.reading.iter().find_map(|(partition, next)| {
                let free = !s.paused.contains(partition);
                s.records.get(partition)?.get(*next).filter(|_| free).cloned()
            });
            if let Some(message) = next {
                *s.reading.get_mut(&message.partition).unwrap() += 1;
                return Ok(Some(Event::Message(message)));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            s = condvar.wait_timeout(s, left).unwrap().0;
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.0.with(|s| s.paused.extend(partitions.iter().map(|at| at.partition)));
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.0.with(|s| s.paused.retain(|paused| !partitions.iter().any(|at| at.partition == *paused)));
        Ok(())
    }

    fn commit(&mut self, positions: &[Position], mode: CommitMode) -> Result<()> {
        self.0.with(|s| {
            s.threads.insert(std::thread::current().id());
            for Position { at, next } in positions {
                s.commits.push((at.partition, *next, mode));
                s.committed.insert(at.partition, *next);
            }
        });
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        self.0.with(|s| s.released.extend(partitions.iter().map(|at| at.partition)));
        Ok(())
    }

    fn close(&mut self) {
        self.0.with(|s| s.closed = true);
    }
}

type Answer = Box<dyn Fn(Vec<Message>) -> BoxFuture<'static, Vec<Verdict>> + Send + Sync>;
type GiveUp = Box<dyn Fn(&Message) -> Result<()> + Send + Sync>;

/// A handler from a closure, which remembers what it was given.
pub struct Fake {
    answer: Answer,
    give_up: GiveUp,
    /// (partition, offset, attempt) in the order of being handed over.
    pub seen: Mutex<Vec<(i32, i64, u32)>>,
    pub batches: Mutex<Vec<usize>>,
    pub given_up: Mutex<Vec<i64>>,
}

impl Fake {
    pub fn new<F>(answer: impl Fn(Vec<Message>) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Vec<Verdict>> + Send + 'static,
    {
        Self {
            answer: Box::new(move |batch| Box::pin(answer(batch))),
            give_up: Box::new(|_| Ok(())),
            seen: Mutex::default(),
            batches: Mutex::default(),
            given_up: Mutex::default(),
        }
    }

    /// One verdict a message, at once.
    pub fn each(verdict: impl Fn(&Message) -> Verdict + Send + Sync + 'static) -> Self {
        Self::new(move |batch| {
            let verdicts = batch.iter().map(&verdict).collect();
            async move { verdicts }
        })
    }

    pub fn giving_up(mut self, give_up: impl Fn(&Message) -> Result<()> + Send + Sync + 'static) -> Self {
        self.give_up = Box::new(give_up);
        self
    }

    pub fn offsets(&self) -> Vec<i64> {
        self.seen.lock().unwrap().iter().map(|(_, offset, _)| *offset).collect()
    }

    pub fn attempts(&self, of: i64) -> Vec<u32> {
        self.seen.lock().unwrap().iter().filter(|(_, o, _)| *o == of).map(|(_, _, a)| *a).collect()
    }
}

#[async_trait]
impl Handler for Fake {
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict> {
        self.batches.lock().unwrap().push(batch.len());
        self.seen.lock().unwrap().extend(batch.iter().map(|m| (m.partition, m.offset, m.attempt)));
        (self.answer)(batch.to_vec()).await
    }

    async fn give_up(&self, message: &Message, _: &Fault) -> Result<()> {
        self.given_up.lock().unwrap().push(message.offset);
        (self.give_up)(message)
    }
}

#[derive(Default)]
pub struct Letters {
    pub sent: Mutex<Vec<DeadLetter>>,
    pub tried: Mutex<u32>,
    pub fault: Mutex<Option<Fault>>,
}

impl Letters {
    pub fn offsets(&self) -> Vec<i64> {
        self.sent.lock().unwrap().iter().map(|letter| letter.message.offset).collect()
    }
}

#[async_trait]
impl DeadLetters for Letters {
    async fn send(&self, letter: &DeadLetter) -> Result<()> {
        *self.tried.lock().unwrap() += 1;
        if let Some(fault) = self.fault.lock().unwrap().clone() {
            return Err(fault);
        }
        self.sent.lock().unwrap().push(letter.clone());
        Ok(())
    }
}

/// A handler that answers `Done` when it is let go, one permit a batch.
pub fn gated() -> (Fake, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let handler = Fake::new(move |batch| {
        let held = held.clone();
        async move {
            held.acquire().await.unwrap().forget();
            vec![Verdict::Done; batch.len()]
        }
    });
    (handler, gate)
}

/// Short pauses, so that a test is quick.
pub fn config() -> Config {
    let short = Backoff { min: Duration::from_millis(5), max: Duration::from_millis(20) };
    Config {
        name: "test".into(),
        retry_backoff: short,
        outage_backoff: short,
        commit_interval: Duration::from_millis(5),
        batch_linger: Duration::from_millis(1),
        ..Config::default()
    }
}

/// A running worker and everything around it.
pub struct Running {
    pub log: Log,
    pub handler: Arc<Fake>,
    pub letters: Arc<Letters>,
    pub health: HealthHandle,
    pub shutdown: CancellationToken,
    pub task: JoinHandle<Result<(), WorkerError>>,
}

pub fn start(config: Config, log: &Log, handler: Fake) -> Running {
    start_with(config, log, handler, Letters::default())
}

pub fn start_with(config: Config, log: &Log, handler: Fake, letters: Letters) -> Running {
    let (handler, letters) = (Arc::new(handler), Arc::new(letters));
    let worker = Worker::new(config, Box::new(FakeSource(log.clone())), handler.clone(), letters.clone());
    let (health, shutdown) = (worker.health(), CancellationToken::new());
    let task = tokio::spawn(worker.run(shutdown.clone()));
    Running { log: log.clone(), handler, letters, health, shutdown, task }
}

/// A worker with a source for each lane.
pub fn start_lanes(config: Config, express: &Log, bulk: &Log, handler: Fake) -> Running {
    let (handler, letters) = (Arc::new(handler), Arc::new(Letters::default()));
    let source = |log: &Log| Box::new(FakeSource(log.clone()));
    let worker =
        Worker::new(config, source(express), handler.clone(), letters.clone()).with_bulk(source(bulk));
    let (health, shutdown) = (worker.health(), CancellationToken::new());
    let task = tokio::spawn(worker.run(shutdown.clone()));
    Running { log: express.clone(), handler, letters, health, shutdown, task }
}

impl Running {
    pub async fn committed(&self, partition: i32, next: i64) {
        let what = format!("{partition} committed at {next}");
        until(&what, || self.log.committed(partition) == Some(next)).await;
    }

    pub async fn stop(self) -> Result<(), WorkerError> {
        self.shutdown.cancel();
        self.task.await.unwrap()
    }
}

/// Waits for a condition; a test that waits 20 s has failed.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub fn down() -> Verdict {
    Verdict::Unavailable(Fault::unavailable("database_down", "the database does not answer"))
}

pub fn failed() -> Verdict {
    Verdict::Failed(Fault::failed("broken", "it broke"))
}

pub fn invalid() -> Verdict {
    Verdict::Invalid(Fault::invalid("undecodable", "no such message"))
}
