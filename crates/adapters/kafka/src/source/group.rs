//! A member of a consumer group.

use super::{KafkaSource, Native, Reads};
use crate::{config::KafkaConfig, fault::fault, source::context::SourceContext};
use ragstream_core::fault::Result;
use ragstream_worker::Source;
use rdkafka::consumer::Consumer as _;

/// Reads `topics` together with the other members of `group`, from where the
/// group left off, at first from the beginning.
///
/// Partitions move cooperatively: those that stay are read on during a rebalance.
/// Needs no broker to be there yet. `Invalid`: librdkafka refuses the configuration.
pub fn group_source(config: &KafkaConfig, group: &str, topics: &[&str]) -> Result<Box<dyn Source>> {
    let consumer: Native = config
        .group(group)
        .create_with_context(SourceContext::default())
        .map_err(|error| fault("creating a Kafka consumer", error))?;
    consumer.subscribe(topics).map_err(|error| fault("subscribing", error))?;
    Ok(Box::new(KafkaSource::new(config, consumer, Reads::Group)))
}
