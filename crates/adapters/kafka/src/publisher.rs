//! Appends records: the port [`Publisher`].

use crate::{
    cluster,
    config::{KafkaConfig, MAX_RECORD_BYTES},
    fault::TOO_LARGE,
    partitioner::partition_of,
    producer::{Producer, Record},
};
use async_trait::async_trait;
use ragstream_core::{
    fault::{Fault, Result},
    ports::{Appended, LogEnds, Outgoing, Placement, Probe, Publisher, RawPublisher, RawRecord},
};
use rdkafka::producer::Producer as _;
use std::{collections::BTreeMap, ops::Range};

/// Appends to Kafka. Cheap to clone; clones share one producer.
#[derive(Clone)]
pub struct KafkaPublisher {
    pub(crate) producer: Producer,
}

impl KafkaPublisher {
    /// Needs no broker to be there yet. `Invalid`: librdkafka refuses the configuration.
    pub fn new(config: &KafkaConfig) -> Result<Self> {
        Ok(Self { producer: Producer::new(config)? })
    }

    async fn partition(&self, topic: &str, placement: &Placement) -> Result<Option<i32>> {
        match placement {
            // librdkafka's partitioner does it.
            Placement::ByKey => Ok(None),
            Placement::At(partition) => Ok(Some(*partition)),
            Placement::By(key) => {
                let count = self.producer.partition_count(topic).await?;
                Ok(Some(partition_of(key.as_bytes(), count)))
            }
        }
    }
}

fn size(record: &Outgoing) -> usize {
    let headers: usize = record.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    record.key.len() + record.value.as_ref().map_or(0, |value| value.len()) + headers
}

#[async_trait]
impl Probe for KafkaPublisher {
    fn component(&self) -> &'static str {
        "kafka"
    }

    async fn probe(&self) -> Result<()> {
        self.producer.ask(|native| cluster::probe(native.client())).await
    }
}

#[async_trait]
impl Publisher for KafkaPublisher {
    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Appended>> {
        let mut placed = Vec::with_capacity(records.len());
        for record in &records {
            let bytes = size(record);
            if bytes > MAX_RECORD_BYTES {
                let message =
                    format!("a record for {} has {bytes} bytes, of {MAX_RECORD_BYTES} allowed", record.topic);
                return Err(Fault::invalid(TOO_LARGE, message));
            }
            let headers: Vec<(&str, Option<&[u8]>)> =
                record.headers.iter().map(|(name, value)| (name.as_str(), Some(value.as_bytes()))).collect();
            placed.push((record, self.partition(&record.topic, &record.placement).await?, headers));
        }
        let records: Vec<Record<'_>> = placed
            .iter()
            .map(|(record, partition, headers)| Record {
                topic: &record.topic,
                partition: *partition,
                key: Some(record.key.as_bytes()),
                value: record.value.as_deref(),
                headers,
            })
            .collect();
        self.producer.append(&records).await
    }
}

#[async_trait]
impl RawPublisher for KafkaPublisher {
    async fn append_raw(&self, records: &[RawRecord]) -> Result<Vec<Result<Appended>>> {
        let mut placed = Vec::with_capacity(records.len());
        for record in records {
            let headers: Vec<(&str, Option<&[u8]>)> =
                record.headers.iter().map(|(name, value)| (name.as_str(), value.as_deref())).collect();
            placed.push((record, self.partition(&record.topic, &record.placement).await?, headers));
        }
        let records: Vec<Record<'_>> = placed
            .iter()
            .map(|(record, partition, headers)| Record {
                topic: &record.topic,
                partition: *partition,
                key: record.key.as_deref(),
                value: record.value.as_deref(),
                headers,
            })
            .collect();
        Ok(self.producer.append_each(&records).await)
    }
}

#[async_trait]
impl LogEnds for KafkaPublisher {
    async fn ends(&self, topic: &str) -> Result<BTreeMap<i32, Range<i64>>> {
        let topic = topic.to_owned();
        self.producer.ask(move |native| cluster::ends(native.client(), &topic)).await
    }
}
