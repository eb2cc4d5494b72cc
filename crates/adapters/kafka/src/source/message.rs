//! A record of librdkafka's as the worker's message.

use crate::headers::headers_of;
use bytes::Bytes;
use ragstream_worker::{Message, TopicPartition};
use rdkafka::message::{BorrowedMessage, Message as _};
use std::sync::Arc;

/// The names of topics, each kept once.
#[derive(Default)]
pub(crate) struct Topics(Vec<Arc<str>>);

impl Topics {
    pub(crate) fn name(&mut self, name: &str) -> Arc<str> {
        // A consumer reads a handful of topics.
        if let Some(known) = self.0.iter().find(|known| &***known == name) {
            return known.clone();
        }
        let new: Arc<str> = name.into();
        self.0.push(new.clone());
        new
    }

    pub(crate) fn one(&mut self, topic: &str, partition: i32) -> TopicPartition {
        TopicPartition { topic: self.name(topic), partition }
    }

    pub(crate) fn all(&mut self, names: Vec<(String, i32)>) -> Vec<TopicPartition> {
        names.into_iter().map(|(topic, partition)| self.one(&topic, partition)).collect()
    }
}

pub(crate) fn read(record: &BorrowedMessage<'_>, topics: &mut Topics) -> Message {
    Message {
        topic: topics.name(record.topic()),
        partition: record.partition(),
        offset: record.offset(),
        timestamp_ms: record.timestamp().to_millis().unwrap_or(0),
        key: record.key().map(Bytes::copy_from_slice),
        value: record.payload().map(Bytes::copy_from_slice),
        headers: headers_of(record),
        attempt: 1,
    }
}
