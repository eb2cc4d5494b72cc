//! [`Source`]s: members of a consumer group, and readers of a whole topic.
//!
//! librdkafka announces a rebalance from inside a poll and leaves it to the
//! application to carry it out, whenever that is ready. So nothing is done in the
//! callback: it puts the announcement aside, the poll that it came from returns,
//! and the next one hands it out as an [`Event`]. The worker then drains and
//! commits on its own terms, still a member of the group, and
//! [`release`](Source::release) completes the revocation.

mod context;
mod group;
mod handed;
mod message;
mod view;

pub use group::group_source;
pub use view::view_source;

use crate::{bootstrap::Bootstrap, cluster, config::KafkaConfig, fault::fault};
use context::{End, Note, SourceContext};
use handed::Handed;
use message::Topics;
use ragstream_core::fault::{Fault, Result};
use ragstream_worker::{CommitMode, Event, LogEnd, Position, Source, TopicPartition};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, CommitMode as NativeMode, Consumer as _, RebalanceProtocol},
    error::{KafkaError, RDKafkaErrorCode},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// How long a poll may ask for a topic's partitions.
const PARTITIONS_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a reader of a whole topic looks for new partitions: there is a new one
/// once a year.
const PARTITIONS_INTERVAL: Duration = Duration::from_secs(30);

pub(crate) type Native = BaseConsumer<SourceContext>;

/// Which partitions are read.
enum Reads {
    /// Those that the group's leader gives us.
    Group,
    /// All of one topic, from these offsets, the absent ones from the beginning.
    All { topic: String, start: BTreeMap<i32, i64> },
}

/// A consumer. It needs no broker to be there.
pub(crate) struct KafkaSource {
    /// `None` once closed.
    consumer: Option<Native>,
    bootstrap: Bootstrap,
    reads: Reads,
    topics: Topics,
    assigned: BTreeSet<TopicPartition>,
    /// When a reader of a whole topic last asked for its partitions.
    asked: Option<Instant>,
    handed: Handed,
    /// To be told at the next poll.
    failed_commits: Vec<TopicPartition>,
    /// No broker answers, and none has since: what would wait for one is refused.
    down: bool,
}

impl KafkaSource {
    fn new(config: &KafkaConfig, consumer: Native, reads: Reads) -> Self {
        Self {
            consumer: Some(consumer),
            bootstrap: Bootstrap::of(config),
            reads,
            topics: Topics::default(),
            assigned: BTreeSet::new(),
            asked: None,
            handed: Handed::default(),
            failed_commits: Vec::new(),
            down: false,
        }
    }

    fn consumer(&self) -> Result<&Native> {
        self.consumer.as_ref().ok_or_else(|| Fault::failed("kafka_closed", "the consumer is closed"))
    }

    /// What librdkafka told the context, as an event.
    fn noted(&mut self) -> Result<Option<Event>> {
        let Some(note) = self.consumer()?.context().next_note() else { return Ok(None) };
        let event = match note {
            Note::Assign(partitions) => match self.assign(partitions)? {
                Event::Assigned(none) if none.is_empty() => return Ok(None),
                assigned => assigned,
            },
            Note::Revoke { partitions, lost } => {
                Event::Revoked { partitions: self.topics.all(partitions), lost }
            }
            Note::Down(error) => {
                self.down = true;
                return Err(fault("reading from Kafka", error));
            }
            Note::Statistics(ends) => {
                self.down = false;
                match self.assign_new()? {
                    Some(assigned) => assigned,
                    None => self.statistics(ends),
                }
            }
        };
        Ok(Some(event))
    }

    fn statistics(&mut self, ends: Vec<End>) -> Event {
        let now = Instant::now();
        let (mut known, mut failed) = (Vec::new(), Vec::new());
        for End { topic, partition, end, first, committed } in ends {
            let at = self.topics.one(&topic, partition);
            if !self.assigned.contains(&at) {
                continue;
            }
            if self.handed.acknowledged(&at, committed, now) {
                failed.push(at.clone());
            }
            if let Some(end) = end {
                known.push(LogEnd { at, end, start: committed.or(first) });
            }
        }
        self.failed_commits.extend(failed);
        Event::Ends(known)
    }

    fn assign(&mut self, partitions: Vec<(String, i32)>) -> Result<Event> {
        let partitions = self.topics.all(partitions);
        let list = match &self.reads {
            // Where the group left off.
            Reads::Group => list(&partitions, |_| Offset::Invalid)?,
            Reads::All { start, .. } => {
                list(&partitions, |p| start.get(&p).map_or(Offset::Beginning, |next| Offset::Offset(*next)))?
            }
        };
        // Never seen. Without the partitions this consumer would be idle for ever.
        self.consumer()?
            .incremental_assign(&list)
            .map_err(|error| Fault::failed("kafka_assign", "taking partitions").caused_by(error))?;
        self.assigned.extend(partitions.iter().cloned());
        Ok(Event::Assigned(partitions))
    }

    /// Readers of a whole topic: takes the partitions that are there and not yet read.
    fn assign_new(&mut self) -> Result<Option<Event>> {
        let Reads::All { topic, .. } = &self.reads else { return Ok(None) };
        if !self.assigned.is_empty() && self.asked.is_some_and(|at| at.elapsed() < PARTITIONS_INTERVAL) {
            return Ok(None);
        }
        let found = cluster::partitions(self.consumer()?.client(), topic, PARTITIONS_TIMEOUT)?;
        self.asked = Some(Instant::now());
        let topic = topic.clone();
        let new =
            found.into_iter().filter(|p| !self.assigned.contains(&TopicPartition::new(topic.as_str(), *p)));
        let new: Vec<_> = new.map(|partition| (topic.clone(), partition)).collect();
        if new.is_empty() { Ok(None) } else { self.assign(new).map(Some) }
    }
}

impl Source for KafkaSource {
    fn poll(&mut self, timeout: Duration) -> Result<Option<Event>> {
        if !self.failed_commits.is_empty() {
            return Ok(Some(Event::CommitFailed(std::mem::take(&mut self.failed_commits))));
        }
        if let Some(event) = self.noted()? {
            return Ok(Some(event));
        }
        if self.assigned.is_empty()
            && let Some(event) = self.assign_new()?
        {
            return Ok(Some(event));
        }
        let Some(consumer) = &self.consumer else { return Ok(None) };
        if self.down {
            self.bootstrap.again(consumer.client());
        }
        match consumer.poll(timeout) {
            Some(Ok(record)) => Ok(Some(Event::Message(message::read(&record, &mut self.topics)))),
            Some(Err(error)) => self.failed(error),
            None => self.noted(),
        }
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let list = list(partitions, |_| Offset::Invalid)?;
        self.consumer()?.pause(&list).map_err(|error| fault("pausing partitions", error))
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        let list = list(partitions, |_| Offset::Invalid)?;
        self.consumer()?.resume(&list).map_err(|error| fault("resuming partitions", error))
    }

    fn commit(&mut self, positions: &[Position], mode: CommitMode) -> Result<()> {
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for Position { at, next } in positions {
            list.add_partition_offset(&at.topic, at.partition, Offset::Offset(*next))
                .map_err(|error| fault("committing offsets", error))?;
        }
        if self.down && mode == CommitMode::Now {
            // librdkafka would hold the poll thread for a session's length.
            return Err(Fault::unavailable("kafka_unavailable", "committing offsets: no broker answers"));
        }
        let native = match mode {
            CommitMode::Now => NativeMode::Sync,
            CommitMode::Eventually => NativeMode::Async,
        };
        self.consumer()?.commit(&list, native).map_err(|error| fault("committing offsets", error))?;
        for Position { at, next } in positions {
            match mode {
                CommitMode::Now => self.handed.forget(at),
                CommitMode::Eventually => self.handed.sent(at, *next, Instant::now()),
            }
        }
        Ok(())
    }

    fn release(&mut self, partitions: &[TopicPartition]) -> Result<()> {
        for at in partitions {
            self.assigned.remove(at);
            self.handed.forget(at);
        }
        // A pause outlives an assignment in librdkafka: it must not meet the next one.
        self.resume(partitions)?;
        let list = list(partitions, |_| Offset::Invalid)?;
        self.consumer()?.incremental_unassign(&list).map_err(|error| fault("giving partitions up", error))
    }

    fn close(&mut self) {
        if let Some(consumer) = self.consumer.take() {
            // From here on revocations are carried out in the callback: the drop
            // polls until the consumer has left its group.
            consumer.context().closing();
            drop(consumer);
        }
    }
}

impl KafkaSource {
    fn failed(&mut self, error: KafkaError) -> Result<Option<Event>> {
        match error.rdkafka_error_code() {
            // One connection of many. When none is left AllBrokersDown follows.
            Some(RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::OperationTimedOut) => Ok(None),
            // The assignment is lost, which comes as an event of its own.
            Some(RDKafkaErrorCode::PollExceeded) => {
                tracing::error!(%error, "the poll thread did not poll for max.poll.interval.ms");
                Ok(None)
            }
            code => {
                self.down |= code == Some(RDKafkaErrorCode::AllBrokersDown);
                Err(fault("reading from Kafka", error))
            }
        }
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.close();
    }
}

fn list(partitions: &[TopicPartition], offset: impl Fn(i32) -> Offset) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for at in partitions {
        match offset(at.partition) {
            Offset::Invalid => {
                list.add_partition(&at.topic, at.partition);
            }
            offset => list
                .add_partition_offset(&at.topic, at.partition, offset)
                .map_err(|error| fault("naming an offset", error))?,
        }
    }
    Ok(list)
}

/// Carries a revocation out at once: nobody is there to settle anything.
fn let_go(consumer: &Native, partitions: &TopicPartitionList) {
    let result = match consumer.rebalance_protocol() {
        RebalanceProtocol::Cooperative => consumer.incremental_unassign(partitions),
        _ => consumer.unassign(),
    };
    if let Err(error) = result {
        tracing::debug!(%error, "giving partitions up while closing failed");
    }
}
