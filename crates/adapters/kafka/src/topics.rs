//! Makes the topics.

use crate::{
    cluster,
    config::{KafkaConfig, LETTER_TOPIC_MESSAGE_BYTES, REQUEST_TIMEOUT, TOPIC_MESSAGE_BYTES},
    context::QuietContext,
    fault::fault,
};
use ragstream_core::{
    fault::{Fault, Result},
    topics::{ALL, LIFECYCLE, TopicSpec, dead_letters_of},
};
use rdkafka::{
    admin::{
        AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
    },
    types::RDKafkaErrorCode,
};
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

const DAY_MS: u64 = 24 * 60 * 60 * 1000;
/// Work waits this long for a consumer: longer than a holiday without operators.
const WORK_RETENTION_MS: u64 = 14 * DAY_MS;
/// Dead letters wait for a person.
const DEAD_LETTER_RETENTION_MS: u64 = 180 * DAY_MS;
/// A view that was away for longer than this must be rebuilt from the beginning:
/// it may have missed tombstones.
const TOMBSTONE_RETENTION_MS: u64 = 30 * DAY_MS;
/// Deleted text leaves the log at the latest after this (and what the cleaner takes).
const MAX_COMPACTION_LAG_MS: u64 = DAY_MS;
/// Events of documents are all kept for a while, for consumers that were away: a long
/// weekend. Then the last of each document is.
const EVENTS_MIN_LAG_MS: u64 = 4 * DAY_MS;
const EVENTS_MAX_LAG_MS: u64 = 5 * DAY_MS;
/// Only closed segments are compacted.
const COMPACTED_SEGMENT_MS: u64 = 6 * 60 * 60 * 1000;
const COMPACTED_SEGMENT_BYTES: u64 = 128 * 1024 * 1024;

/// How long to wait for a cluster that is starting and for all leaders.
const DEADLINE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);

/// How topics are laid out where they do not exist yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicSettings {
    /// Partitions of each topic: the most consumers that can share its work. A
    /// dead-letter topic has one.
    pub partitions: i32,
    /// Copies of each record. With 3 and more, two must have it before it counts.
    pub replication: i32,
}

impl Default for TopicSettings {
    /// One broker; more partitions than one machine has workers.
    fn default() -> Self {
        Self { partitions: 6, replication: 1 }
    }
}

struct Wanted {
    name: String,
    partitions: i32,
    config: Vec<(&'static str, String)>,
}

fn work(spec: &TopicSpec, settings: TopicSettings) -> Wanted {
    let mut config = if spec.compacted {
        let (min_lag, max_lag) = match spec.name {
            LIFECYCLE => (EVENTS_MIN_LAG_MS, EVENTS_MAX_LAG_MS),
            _ => (0, MAX_COMPACTION_LAG_MS),
        };
        vec![
            ("cleanup.policy", "compact".to_owned()),
            ("delete.retention.ms", TOMBSTONE_RETENTION_MS.to_string()),
            ("min.compaction.lag.ms", min_lag.to_string()),
            ("max.compaction.lag.ms", max_lag.to_string()),
            ("segment.ms", COMPACTED_SEGMENT_MS.to_string()),
            ("segment.bytes", COMPACTED_SEGMENT_BYTES.to_string()),
        ]
    } else {
        vec![("cleanup.policy", "delete".to_owned()), ("retention.ms", WORK_RETENTION_MS.to_string())]
    };
    config.extend(common(settings, TOPIC_MESSAGE_BYTES));
    Wanted { name: spec.name.to_owned(), partitions: settings.partitions, config }
}

fn dead_letters(spec: &TopicSpec, settings: TopicSettings) -> Wanted {
    let mut config = vec![
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", DEAD_LETTER_RETENTION_MS.to_string()),
        ("retention.bytes", "-1".to_owned()),
    ];
    config.extend(common(settings, LETTER_TOPIC_MESSAGE_BYTES));
    Wanted { name: dead_letters_of(spec.name), partitions: 1, config }
}

fn common(settings: TopicSettings, message_bytes: usize) -> [(&'static str, String); 2] {
    let in_sync = if settings.replication >= 3 { 2 } else { 1 };
    [("max.message.bytes", message_bytes.to_string()), ("min.insync.replicas", in_sync.to_string())]
}

fn wanted(settings: TopicSettings) -> Vec<Wanted> {
    let letters = ALL.iter().filter(|spec| spec.consumed).map(|spec| dead_letters(spec, settings));
    ALL.iter().map(|spec| work(spec, settings)).chain(letters).collect()
}

/// Creates the topics of [`ALL`] and their dead-letter topics where they are
/// missing, and returns when each is there with all its leaders. What exists is
/// left as it is. Any number of processes may call it at the same time.
///
/// `Unavailable` when the cluster did not answer, or not so, within a minute.
/// `Invalid` of class `topic_settings`: the cluster refuses the settings, or a
/// topic that is to keep the newest record of each key for ever exists with
/// another `cleanup.policy` and would lose documents.
pub async fn ensure_topics(config: &KafkaConfig, settings: TopicSettings) -> Result<()> {
    let wanted = Arc::new(wanted(settings));
    let deadline = Instant::now() + DEADLINE;
    loop {
        let admin: AdminClient<QuietContext> = config
            .admin()
            .create_with_context(QuietContext)
            .map_err(|error| fault("creating a Kafka admin client", error))?;
        let admin = Arc::new(admin);
        let result = match create(&admin, &wanted, settings).await {
            Ok(()) => match all_there(&admin, &wanted).await {
                Ok(()) => kept_for_ever(&admin).await,
                Err(fault) => Err(fault),
            },
            Err(fault) => Err(fault),
        };
        match result {
            Err(fault) if fault.is_unavailable() && Instant::now() < deadline => sleep(PAUSE).await,
            result => return result,
        }
    }
}

async fn create(admin: &AdminClient<QuietContext>, wanted: &[Wanted], settings: TopicSettings) -> Result<()> {
    let topics: Vec<NewTopic<'_>> = wanted
        .iter()
        .map(|topic| {
            let new =
                NewTopic::new(&topic.name, topic.partitions, TopicReplication::Fixed(settings.replication));
            topic.config.iter().fold(new, |new, (name, value)| new.set(name, value))
        })
        .collect();
    let options =
        AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT)).operation_timeout(Some(REQUEST_TIMEOUT));
    let results =
        admin.create_topics(&topics, &options).await.map_err(|error| fault("creating topics", error))?;
    for result in results {
        match result {
            Ok(topic) => tracing::info!(topic, "topic created"),
            Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => return Err(refused(&topic, code)),
        }
    }
    Ok(())
}

fn refused(topic: &str, code: RDKafkaErrorCode) -> Fault {
    use RDKafkaErrorCode::*;
    let message = format!("creating topic {topic}: {code}");
    match code {
        InvalidReplicationFactor | InvalidPartitions | InvalidConfig | PolicyViolation => {
            Fault::invalid("topic_settings", message)
        }
        _ => Fault::unavailable("kafka_unavailable", message),
    }
}

async fn all_there(admin: &Arc<AdminClient<QuietContext>>, wanted: &Arc<Vec<Wanted>>) -> Result<()> {
    let (admin, wanted) = (admin.clone(), wanted.clone());
    let ask = move || {
        for topic in wanted.iter() {
            let found = cluster::led_partitions(admin.inner(), &topic.name, REQUEST_TIMEOUT)?;
            if found != topic.partitions {
                tracing::debug!(topic = topic.name, found, wanted = topic.partitions, "topic kept as it is");
            }
        }
        Ok(())
    };
    tokio::task::spawn_blocking(ask)
        .await
        .unwrap_or_else(|error| Err(Fault::failed("kafka_client", "a request panicked").caused_by(error)))
}

/// Whether the compacted topics are compacted, and nothing else.
async fn kept_for_ever(admin: &AdminClient<QuietContext>) -> Result<()> {
    let doing = "asking for the settings of topics";
    let compacted: Vec<_> =
        ALL.iter().filter(|spec| spec.compacted).map(|spec| ResourceSpecifier::Topic(spec.name)).collect();
    let options = AdminOptions::new().request_timeout(Some(REQUEST_TIMEOUT));
    let answers = admin.describe_configs(&compacted, &options).await.map_err(|error| fault(doing, error))?;
    for answer in answers {
        let resource =
            answer.map_err(|code| Fault::unavailable("kafka_unavailable", format!("{doing}: {code}")))?;
        let OwnedResourceSpecifier::Topic(topic) = &resource.specifier else { continue };
        let policy = resource.get("cleanup.policy").and_then(|entry| entry.value.as_deref()).unwrap_or("");
        if policy != "compact" {
            return Err(Fault::invalid(
                "topic_settings",
                format!(
                    "topic {topic} has cleanup.policy={policy}, with which documents would be lost: set it to \
                     `compact` (kafka-configs.sh --alter --topic {topic} --add-config cleanup.policy=compact)"
                ),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ragstream_core::topics::EMBEDDINGS;

    #[test]
    fn each_consumed_topic_has_a_dead_letter_topic() {
        let names: Vec<_> = wanted(TopicSettings::default()).into_iter().map(|topic| topic.name).collect();
        assert!(names.contains(&"chunk-embeddings.dlq".to_owned()));
        assert_eq!(names.len(), 2 * ALL.len());
        assert!(names.contains(&format!("{LIFECYCLE}.dlq")));
    }

    #[test]
    fn settings_that_no_broker_takes_are_said_at_once() {
        assert!(!refused("t", RDKafkaErrorCode::InvalidReplicationFactor).is_unavailable());
        assert!(refused("t", RDKafkaErrorCode::NotController).is_unavailable());
    }

    #[test]
    fn only_views_are_compacted() {
        for topic in wanted(TopicSettings { partitions: 3, replication: 3 }) {
            let compacted = topic.config.contains(&("cleanup.policy", "compact".to_owned()));
            assert_eq!(compacted, [EMBEDDINGS, LIFECYCLE].contains(&topic.name.as_str()), "{}", topic.name);
            assert!(topic.config.contains(&("min.insync.replicas", "2".to_owned())));
        }
    }
}
