//! A reader of a whole topic, for those who keep a view of it.

use super::{KafkaSource, Native, Reads};
use crate::{config::KafkaConfig, fault::fault, source::context::SourceContext};
use ragstream_core::fault::Result;
use ragstream_worker::Source;
use std::collections::BTreeMap;

/// Reads every partition of `topic`, alone, from the offsets in `start` (the next
/// one to read); a partition that is not in it from its beginning, and one whose
/// offset is gone from the log too. Partitions that are added later are read as well.
///
/// Nothing is shared with others: `observer_group` is a name under which the
/// positions are committed so that operators see the reader's lag. They are never
/// read back; take one name per reader. Needs no broker to be there yet.
pub fn view_source(
    config: &KafkaConfig,
    topic: &str,
    start: BTreeMap<i32, i64>,
    observer_group: String,
) -> Result<Box<dyn Source>> {
    let consumer: Native = config
        .group(&observer_group)
        .create_with_context(SourceContext::default())
        .map_err(|error| fault("creating a Kafka consumer", error))?;
    Ok(Box::new(KafkaSource::new(config, consumer, Reads::All { topic: topic.to_owned(), start })))
}
