//! Reads dead letters: ranges of a partition, by a consumer in no group that
//! lives as long as a request.

use crate::{
    config::{KafkaConfig, REQUEST_TIMEOUT},
    context::QuietContext,
    fault::fault,
    headers::headers_of,
};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use ragstream_core::{
    fault::{Fault, Result},
    ports::{DeadLetterLog, DeadLetterReader, Place, StoredRecord, Stretch},
};
use rdkafka::{
    Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    message::{BorrowedMessage, Message as _},
    types::RDKafkaErrorCode,
};
use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Handle;

/// How long a range may take to come: a leader election, or a disk that is slow
/// with letters nobody has read for months. A client waits for the answer.
const DEADLINE: Duration = Duration::from_secs(15);
/// Longest poll, so that the deadline is noticed.
const POLL: Duration = Duration::from_millis(200);

type Native = BaseConsumer<QuietContext>;

/// Opens readers of dead letters.
#[derive(Clone, Debug)]
pub struct KafkaDeadLetterLog {
    config: KafkaConfig,
}

impl KafkaDeadLetterLog {
    /// Reads from this cluster.
    pub fn new(config: &KafkaConfig) -> Self {
        Self { config: config.clone() }
    }
}

impl DeadLetterLog for KafkaDeadLetterLog {
    fn open(&self) -> Result<Box<dyn DeadLetterReader>> {
        let native: Native = self
            .config
            .reader()
            .create_with_context(QuietContext)
            .map_err(|error| fault("creating a Kafka consumer", error))?;
        Ok(Box::new(Reader { native: Some(Arc::new(native)) }))
    }
}

struct Reader {
    /// `None` once dropped.
    native: Option<Arc<Native>>,
}

impl Reader {
    /// Runs something that blocks, where blocking is allowed.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Native) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let native =
            self.native.clone().ok_or_else(|| Fault::failed("kafka_closed", "the reader is closed"))?;
        tokio::task::spawn_blocking(move || question(&native))
            .await
            .unwrap_or_else(|error| Err(Fault::failed("kafka_client", "a request panicked").caused_by(error)))
    }
}

impl Drop for Reader {
    /// librdkafka's threads take a moment to end: not on a thread of the runtime.
    fn drop(&mut self) {
        if let (Some(native), Ok(runtime)) = (self.native.take(), Handle::try_current()) {
            runtime.spawn_blocking(move || drop(native));
        }
    }
}

#[async_trait]
impl DeadLetterReader for Reader {
    async fn read(
        &mut self,
        topic: &str,
        partition: i32,
        range: Range<i64>,
        max_bytes: usize,
    ) -> Result<Stretch> {
        let topic = topic.to_owned();
        self.ask(move |native| read(native, &topic, partition, range, max_bytes)).await
    }

    async fn offset_at(&mut self, topic: &str, partition: i32, time: DateTime<Utc>) -> Result<i64> {
        let topic = topic.to_owned();
        self.ask(move |native| offset_at(native, &topic, partition, time.timestamp_millis())).await
    }
}

fn at(topic: &str, partition: i32, offset: i64) -> Result<TopicPartitionList> {
    let mut list = TopicPartitionList::with_capacity(1);
    list.add_partition_offset(topic, partition, Offset::Offset(offset))
        .map_err(|error| fault("naming an offset", error))?;
    Ok(list)
}

fn read(
    native: &Native,
    topic: &str,
    partition: i32,
    range: Range<i64>,
    max_bytes: usize,
) -> Result<Stretch> {
    if range.is_empty() {
        return Ok(Stretch { records: Vec::new(), end: range.end });
    }
    let doing = || format!("reading {topic}/{partition}");
    native.assign(&at(topic, partition, range.start)?).map_err(|error| fault(&doing(), error))?;
    let deadline = Instant::now() + DEADLINE;
    let mut stretch = Stretch { records: Vec::new(), end: range.start };
    let mut bytes = 0;
    loop {
        match native.poll(POLL) {
            Some(Ok(record)) if record.offset() >= range.end => break,
            Some(Ok(record)) => {
                let record = stored(&record);
                bytes += record.weight();
                if bytes > max_bytes && !stretch.records.is_empty() {
                    return Ok(stretch);
                }
                stretch.end = record.place.offset + 1;
                stretch.records.push(record);
                if stretch.end >= range.end {
                    break;
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => break,
            Some(Err(error)) if !will_pass(&error) => return Err(fault(&doing(), error)),
            Some(Err(_)) | None => {}
        }
        if Instant::now() >= deadline {
            let message = format!("{} took longer than {} s", doing(), DEADLINE.as_secs());
            return Err(Fault::unavailable("kafka_unavailable", message));
        }
    }
    stretch.end = range.end;
    Ok(stretch)
}

/// One connection of many, or one try of many: librdkafka goes on by itself.
fn will_pass(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::NotLeaderForPartition
                | RDKafkaErrorCode::LeaderNotAvailable
        )
    )
}

fn offset_at(native: &Native, topic: &str, partition: i32, millis: i64) -> Result<i64> {
    let doing = || format!("asking for a time in {topic}/{partition}");
    let found = native
        .offsets_for_times(at(topic, partition, millis.max(0))?, REQUEST_TIMEOUT)
        .map_err(|error| fault(&doing(), error))?;
    match found.elements().first().map(|element| (element.offset(), element.error())) {
        Some((Offset::Offset(offset), Ok(()))) => Ok(offset),
        Some((_, Err(error))) => Err(fault(&doing(), error)),
        // Nothing is that new.
        _ => {
            let (_, end) = native
                .fetch_watermarks(topic, partition, REQUEST_TIMEOUT)
                .map_err(|error| fault(&doing(), error))?;
            Ok(end)
        }
    }
}

fn stored(record: &BorrowedMessage<'_>) -> StoredRecord {
    StoredRecord {
        place: Place {
            topic: record.topic().to_owned(),
            partition: record.partition(),
            offset: record.offset(),
        },
        stored_at: record.timestamp().to_millis().and_then(DateTime::from_timestamp_millis),
        key: record.key().map(Bytes::copy_from_slice),
        value: record.payload().map(Bytes::copy_from_slice),
        headers: headers_of(record),
    }
}
