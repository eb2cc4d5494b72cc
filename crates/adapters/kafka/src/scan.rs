//! Reads what `chunk-embeddings` comes to, from beginning to end.
//!
//! Of each record only ids stay in memory, and a fetch of librdkafka's at a time.

use crate::{
    cluster,
    config::{KafkaConfig, REQUEST_TIMEOUT},
    context::QuietContext,
    fault::fault,
};
use async_trait::async_trait;
use ragstream_core::{
    contents::LogContents,
    fault::{Fault, Result},
    ports::LogScan,
    topics::EMBEDDINGS,
};
use ragstream_proto::decode;
use rdkafka::{
    Message, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer},
    error::{KafkaError, RDKafkaErrorCode},
};
use std::{
    collections::BTreeMap,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// librdkafka wants a name of a group even where none is joined and nothing is committed.
const NO_GROUP: &str = "ragstream-verify";
/// How long a poll waits: how late an abandoned scan ends.
const POLL: Duration = Duration::from_millis(200);
/// Pause between questions that were refused.
const PAUSE: Duration = Duration::from_millis(100);
/// A broker that gives nothing for this long is away.
const STALLED: Duration = Duration::from_secs(30);

type Native = BaseConsumer<QuietContext>;

/// Scans the embeddings topic of a cluster.
#[derive(Clone, Debug)]
pub struct KafkaLogScan {
    config: KafkaConfig,
}

impl KafkaLogScan {
    /// Connects anew for each scan.
    pub fn new(config: &KafkaConfig) -> Self {
        Self { config: config.clone() }
    }
}

#[async_trait]
impl LogScan for KafkaLogScan {
    async fn read_on(&self, contents: LogContents) -> Result<LogContents> {
        let config = self.config.clone();
        let abandoned = Arc::new(AtomicBool::new(false));
        let _tells = SetOnDrop(abandoned.clone());
        tokio::task::spawn_blocking(move || Scan { contents, abandoned }.run(&config))
            .await
            .unwrap_or_else(|error| Err(Fault::failed("kafka_client", "a scan panicked").caused_by(error)))
    }
}

/// Tells the thread that nobody waits for it any more.
struct SetOnDrop(Arc<AtomicBool>);

impl Drop for SetOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

struct Scan {
    contents: LogContents,
    abandoned: Arc<AtomicBool>,
}

impl Scan {
    fn run(mut self, config: &KafkaConfig) -> Result<LogContents> {
        let consumer: Native = config
            .group(NO_GROUP)
            // A partition whose last records are gone ends without a record.
            .set("enable.partition.eof", "true")
            .set("statistics.interval.ms", "0")
            .create_with_context(QuietContext)
            .map_err(|error| fault("creating a Kafka consumer", error))?;
        let ends = ends(&consumer)?;
        let mut open = self.assign(&consumer, &ends)?;
        let mut heard = Instant::now();
        while !open.is_empty() {
            if self.abandoned.load(Ordering::Relaxed) {
                return Err(Fault::unavailable("abandoned", "nobody waits for this scan any more"));
            }
            match consumer.poll(POLL) {
                Some(Ok(record)) => {
                    heard = Instant::now();
                    let (partition, offset) = (record.partition(), record.offset());
                    let Some(end) = open.get(&partition).copied() else { continue };
                    if offset < end {
                        let key = record.key().and_then(|key| std::str::from_utf8(key).ok());
                        match decode::index_event(key, record.payload()) {
                            Ok(event) => self.contents.apply(partition, offset, &event),
                            Err(_) => self.contents.skip(partition, offset),
                        }
                    }
                    if offset + 1 >= end {
                        open.remove(&partition);
                    }
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    heard = Instant::now();
                    open.remove(&partition);
                }
                Some(Err(error)) if !is_passing(&error) => return Err(fault("reading the log", error)),
                _ if heard.elapsed() > STALLED => {
                    return Err(Fault::unavailable(
                        "kafka_unavailable",
                        "the broker stopped sending the log",
                    ));
                }
                _ => {}
            }
        }
        // Of a partition without records nobody has a position.
        for (partition, range) in ends.into_iter().filter(|(_, range)| !range.is_empty()) {
            self.contents.reached(partition, range.end);
        }
        Ok(self.contents)
    }

    /// Takes the partitions that have something to read; where each ends.
    fn assign(&self, consumer: &Native, ends: &BTreeMap<i32, Range<i64>>) -> Result<BTreeMap<i32, i64>> {
        let mut open = BTreeMap::new();
        let mut list = TopicPartitionList::with_capacity(ends.len());
        for (partition, range) in ends {
            let position = self.contents.positions().get(partition).copied().unwrap_or(range.start);
            let start = position.max(range.start);
            if start < range.end {
                list.add_partition_offset(EMBEDDINGS, *partition, Offset::Offset(start))
                    .map_err(|error| fault("naming an offset", error))?;
                open.insert(*partition, range.end);
            }
        }
        consumer.assign(&list).map_err(|error| fault("taking partitions", error))?;
        Ok(open)
    }
}

/// Where the log ends. A broker that has just started refuses for a moment.
fn ends(consumer: &Native) -> Result<BTreeMap<i32, Range<i64>>> {
    let began = Instant::now();
    loop {
        match cluster::ends(consumer.client(), EMBEDDINGS) {
            Err(fault) if fault.is_unavailable() && began.elapsed() < REQUEST_TIMEOUT => {
                std::thread::sleep(PAUSE);
            }
            ends => return ends,
        }
    }
}

/// librdkafka tries again by itself.
fn is_passing(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::*;
    matches!(
        error.rdkafka_error_code(),
        Some(BrokerTransportFailure | OperationTimedOut | AllBrokersDown | NotLeaderForPartition)
    )
}
