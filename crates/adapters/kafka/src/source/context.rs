//! What librdkafka tells while it is polled, put aside for the source to hand out.

use super::{Native, let_go};
use crate::context::{log, report};
use rdkafka::{
    ClientContext, Statistics, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, Consumer as _, ConsumerContext},
    error::{KafkaError, RDKafkaErrorCode},
    statistics::Broker,
    types::RDKafkaRespErr,
};
use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// A broker that is connected for this long is there: one that is shutting down
/// or starting takes connections and drops them.
const STEADY_MICROS: i64 = 1_000_000;

/// A partition, from the statistics.
pub(crate) struct End {
    pub topic: String,
    pub partition: i32,
    /// Where it ends, where that is known.
    pub end: Option<i64>,
    /// The offset of its first record, where that is known.
    pub first: Option<i64>,
    /// What the broker last acknowledged to this group.
    pub committed: Option<i64>,
}

/// Something that was told.
pub(crate) enum Note {
    Assign(Vec<(String, i32)>),
    Revoke {
        partitions: Vec<(String, i32)>,
        lost: bool,
    },
    /// No broker is connected.
    Down(KafkaError),
    /// At least one broker is connected.
    Statistics(Vec<End>),
}

/// Callbacks run on the thread that polls, so the notes never grow by more than a
/// poll tells.
#[derive(Default)]
pub(crate) struct SourceContext {
    notes: Mutex<VecDeque<Note>>,
    closing: AtomicBool,
}

impl SourceContext {
    pub(crate) fn next_note(&self) -> Option<Note> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn note(&self, note: Note) {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push_back(note);
    }

    pub(crate) fn closing(&self) {
        self.closing.store(true, Ordering::Release);
    }
}

impl ClientContext for SourceContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report(&error, reason);
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown) {
            self.note(Note::Down(error));
        }
    }

    fn stats(&self, statistics: Statistics) {
        let up = |broker: &Broker| broker.state == "UP" && broker.stateage >= STEADY_MICROS;
        if !statistics.brokers.values().any(up) {
            return;
        }
        let known = |offset: i64| (offset >= 0).then_some(offset);
        let partitions = statistics.topics.into_values().flat_map(|topic| {
            let name = topic.topic;
            topic.partitions.into_values().map(move |partition| End {
                topic: name.clone(),
                partition: partition.partition,
                end: known(partition.hi_offset),
                first: known(partition.lo_offset),
                committed: known(partition.committed_offset),
            })
        });
        self.note(Note::Statistics(partitions.collect()));
    }
}

impl ConsumerContext for SourceContext {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let closing = self.closing.load(Ordering::Acquire);
        match code {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS if !closing => {
                self.note(Note::Assign(names(list)));
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS if !closing => {
                self.note(Note::Revoke { partitions: names(list), lost: consumer.assignment_lost() });
            }
            _ => let_go(consumer as &Native, list),
        }
    }
}

fn names(list: &TopicPartitionList) -> Vec<(String, i32)> {
    list.elements().iter().map(|element| (element.topic().to_owned(), element.partition())).collect()
}
