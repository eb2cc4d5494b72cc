//! Dead letters: `<topic>.dlq`, the record as it was, and why it lies there.

use crate::{
    config::BATCH_BYTES,
    fault::TOO_LARGE,
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

/// Most bytes of key and headers that a letter keeps whose record is too large for
/// the dead-letter topic.
const SLIM_BYTES: usize = 256 * 1024;

/// Headers that say why; a letter that was sent back to its topic and failed again
/// gets new ones. How often it was sent back ([`header::REDRIVES`]) stays.
const OURS: [&str; 12] = [
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
    header::VALUE_OMITTED,
];

/// Stores dead letters in Kafka: key, value and headers of the record as they
/// were, byte for byte, and the headers of [`header`] that tell its story. Of a
/// record that was sent back from a dead-letter topic the first failure is kept.
///
/// A record that no dead-letter topic takes for its size must not hold up those
/// behind it for ever: its letter has no value, says so ([`header::VALUE_OMITTED`]),
/// and names the place where the record itself lies.
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
        let topic = dead_letters_of(&message.topic);
        let story = story(letter);
        let mut headers: Vec<(&str, Option<&[u8]>)> = message
            .headers
            .iter()
            .filter(|(name, _)| !OURS.contains(&name.as_str()))
            .map(|(name, value)| (name.as_str(), value.as_deref()))
            .collect();
        let kept = headers.len();
        headers.extend(story.iter().map(|(name, value)| (*name, Some(value.as_bytes()))));
        let key = message.key.as_deref();
        let record = Record {
            topic: &topic,
            partition: None,
            key,
            value: message.value.as_deref(),
            headers: &headers,
        };
        let Err(fault) = self.producer.append(&[record]).await else { return Ok(()) };
        let bytes = |value: &Option<&[u8]>| value.map_or(0, <[u8]>::len);
        let around: usize = headers[..kept].iter().map(|(name, value)| name.len() + bytes(value)).sum();
        let (rest, size) = (bytes(&key) + around, bytes(&message.value.as_deref()));
        // A smaller one was refused for those that shared its request: its topic takes
        // less than any should. It goes through when it is alone.
        if fault.class != TOO_LARGE || rest + size < BATCH_BYTES {
            return Err(fault);
        }
        let omitted = size.to_string();
        headers.push((header::VALUE_OMITTED, Some(omitted.as_bytes())));
        let (key, headers) = if rest <= SLIM_BYTES { (key, &headers[..]) } else { (None, &headers[kept..]) };
        let slim = Record { topic: &topic, partition: None, key, value: None, headers };
        self.producer.append(&[slim]).await.map(drop)
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
