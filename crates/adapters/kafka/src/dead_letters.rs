//! Dead letters: `<topic>.dlq`, the record as it was, and why it lies there.

use crate::{
    producer::{Producer, Record},
    publisher::KafkaPublisher,
};
use async_trait::async_trait;
use chrono::SecondsFormat;
use ragstream_core::{
    fault::Result,
    topics::{dead_letters_of, header},
};
use ragstream_worker::{DeadLetter, DeadLetters};

/// Longest error message in a header; the rest is in the log.
const MESSAGE_BYTES: usize = 8 * 1024;

/// Headers that say why; a letter that was sent back to its topic and failed again
/// gets new ones.
const OURS: [&str; 11] = [
    header::ORIGINAL_TOPIC,
    header::ORIGINAL_PARTITION,
    header::ORIGINAL_OFFSET,
    header::ORIGINAL_TIMESTAMP,
    header::ERROR_KIND,
    header::ERROR_CLASS,
    header::ERROR_MESSAGE,
    header::ATTEMPTS,
    header::FIRST_FAILURE,
    header::LAST_FAILURE,
    header::CONSUMER,
];

/// Stores dead letters in Kafka: key, value and headers of the record as they
/// were, byte for byte, and the headers of [`header`] that tell its story. Of a
/// record that was sent back from a dead-letter topic the first failure is kept.
#[derive(Clone)]
pub struct KafkaDeadLetters {
    producer: Producer,
}

impl KafkaDeadLetters {
    /// Shares the publisher's producer.
    pub fn new(publisher: &KafkaPublisher) -> Self {
        Self { producer: publisher.producer.clone() }
    }
}

#[async_trait]
impl DeadLetters for KafkaDeadLetters {
    async fn send(&self, letter: &DeadLetter) -> Result<()> {
        let message = &letter.message;
        let story = story(letter);
        let kept = message.headers.iter().filter(|(name, _)| !OURS.contains(&name.as_str()));
        let headers: Vec<(&str, &[u8])> = kept
            .map(|(name, value)| (name.as_str(), value.as_ref()))
            .chain(story.iter().map(|(name, value)| (*name, value.as_bytes())))
            .collect();
        let record = Record {
            topic: &dead_letters_of(&message.topic),
            partition: None,
            key: message.key.as_deref(),
            value: message.value.as_deref(),
            headers: &headers,
        };
        self.producer.append(&[record]).await.map(|_| ())
    }
}

fn story(letter: &DeadLetter) -> [(&'static str, String); 11] {
    let message = &letter.message;
    let first = message.header(header::FIRST_FAILURE).map(ToOwned::to_owned);
    let mut error = letter.fault.to_string();
    error.truncate(error.floor_char_boundary(MESSAGE_BYTES));
    [
        (header::ORIGINAL_TOPIC, message.topic.to_string()),
        (header::ORIGINAL_PARTITION, message.partition.to_string()),
        (header::ORIGINAL_OFFSET, message.offset.to_string()),
        (header::ORIGINAL_TIMESTAMP, message.timestamp_ms.to_string()),
        (header::ERROR_KIND, letter.fault.kind.as_str().to_owned()),
        (header::ERROR_CLASS, letter.fault.class.to_owned()),
        (header::ERROR_MESSAGE, error),
        (header::ATTEMPTS, letter.attempts.to_string()),
        (
            header::FIRST_FAILURE,
            first.unwrap_or_else(|| letter.first_failure.to_rfc3339_opts(SecondsFormat::Millis, true)),
        ),
        (header::LAST_FAILURE, letter.last_failure.to_rfc3339_opts(SecondsFormat::Millis, true)),
        (header::CONSUMER, letter.consumer.clone()),
    ]
}
