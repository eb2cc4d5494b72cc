//! How this process talks to Kafka: librdkafka's settings, each with its reason.

use ragstream_core::fault::{Fault, Result};
use rdkafka::{ClientConfig, config::RDKafkaLogLevel};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, ffi::OsString, fmt, time::Duration};

/// Largest record that [`crate::KafkaPublisher`] appends: key, value and headers.
/// A chunk with its text and vector is a few KiB; this leaves room for a
/// document's metadata and stays far below what a broker's heap minds.
pub const MAX_RECORD_BYTES: usize = 4 * 1024 * 1024;
/// `max.message.bytes` of topics: above what any producer of ours sends to them,
/// framing included, so that the limit that is met first is ours.
pub const TOPIC_MESSAGE_BYTES: usize = 5 * 1024 * 1024;
/// The same of dead-letter topics: whatever fits a topic, by whomever it was
/// written, fits its dead-letter topic together with its story.
pub const LETTER_TOPIC_MESSAGE_BYTES: usize = 6 * 1024 * 1024;
/// Largest record that the producer takes: the largest letter, framing not included.
const MAX_LETTER_BYTES: usize = LETTER_TOPIC_MESSAGE_BYTES - 64 * 1024;
/// Most bytes that share a request; a larger record goes alone. Below the limit of
/// any topic (Kafka's default is 1 MiB), so that a record that is refused for its
/// size was refused for its own.
pub const BATCH_BYTES: usize = 1_000_000;

/// What consumers ask of a partition at a time, as it lies there: compressed. All of an
/// answer is unpacked at once, whatever the queues hold already, and text that repeats
/// itself unpacks to ten times its size. A batch that is larger comes alone.
const FETCH_BYTES: &str = "262144";
/// The same of all partitions of a broker together. librdkafka takes no less than a million.
const ANSWER_BYTES: &str = "1048576";

/// How long a record may take to be acknowledged before its append is
/// `Unavailable`: past a leader election, short enough for a caller to wait.
pub const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a request for metadata or offsets may take.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Settings of librdkafka that what is promised rests on, under each of their names, and why
/// nobody changes them from outside.
const FIXED: [(&[&str], &str); 9] = [
    (&["bootstrap.servers", "metadata.broker.list"], "brokers are given by `--kafka` or RAGSTREAM_KAFKA"),
    (&["group.id"], "the members of a role are one group"),
    (
        &["enable.auto.commit", "auto.commit.enable", "enable.auto.offset.store"],
        "an offset is committed once the work on its record is done, not by a clock",
    ),
    (&["auto.offset.reset"], "a group that has no offset reads from the first record: else records are lost"),
    (&["isolation.level"], "what a transaction took back is not read"),
    (
        &["partition.assignment.strategy", "enable.partition.eof"],
        "partitions are taken and given up one by one, by all members alike",
    ),
    (&["statistics.interval.ms"], "lag, and that a broker is back, are known from statistics"),
    (
        &["enable.idempotence", "acks", "request.required.acks", "transactional.id"],
        "a record counts as appended, once, when all replicas in sync have it",
    ),
    (&["partitioner"], "a document's records share a partition, whoever appends them"),
];

/// Which cluster, and how to get in.
#[derive(Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct KafkaConfig {
    /// `host:port`, comma-separated.
    pub brokers: String,
    /// Names this process in the broker's logs and quotas.
    pub client_id: String,
    /// Further librdkafka settings for every client (`security.protocol`,
    /// `sasl.*`, `ssl.*`, `client.rack` …); they win over what is set here.
    pub extra: BTreeMap<String, String>,
    /// Further settings for consumers only.
    pub consumer: BTreeMap<String, String>,
    /// Further settings for producers only.
    pub producer: BTreeMap<String, String>,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self::new("localhost:9092")
    }
}

impl fmt::Debug for KafkaConfig {
    /// Names of further settings, not their values: there are passwords among them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |settings: &BTreeMap<String, String>| settings.keys().cloned().collect::<Vec<_>>();
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("extra", &names(&self.extra))
            .field("consumer", &names(&self.consumer))
            .field("producer", &names(&self.producer))
            .finish()
    }
}

impl KafkaConfig {
    /// A cluster that lets everybody in.
    pub fn new(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            client_id: "ragstream".to_owned(),
            extra: BTreeMap::new(),
            consumer: BTreeMap::new(),
            producer: BTreeMap::new(),
        }
    }

    /// With the settings among these variables: `RAGSTREAM_KAFKA_CLIENT_SASL_PASSWORD` is
    /// `sasl.password` of every client, `RAGSTREAM_KAFKA_CONSUMER_*` and
    /// `RAGSTREAM_KAFKA_PRODUCER_*` are for these alone. Other variables that begin like
    /// these mean nothing here: Kubernetes makes some of a service's name.
    ///
    /// `Invalid`: one of them is a setting that what is promised rests on.
    pub fn tuned_by(mut self, variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self> {
        for (variable, value) in variables {
            let (Some(variable), Some(value)) = (variable.to_str(), value.to_str()) else { continue };
            let Some(name) = variable.strip_prefix("RAGSTREAM_KAFKA_") else { continue };
            let (settings, name) = match name.split_once('_') {
                Some(("CLIENT", name)) => (&mut self.extra, name),
                Some(("CONSUMER", name)) => (&mut self.consumer, name),
                Some(("PRODUCER", name)) => (&mut self.producer, name),
                _ => continue,
            };
            let name = name.to_lowercase().replace('_', ".");
            if let Some((_, why)) = FIXED.iter().find(|(names, _)| names.contains(&name.as_str())) {
                return Err(Fault::invalid(
                    "kafka_config",
                    format!("take {variable} away: {name} can't be changed, for {why}"),
                ));
            }
            settings.insert(name, value.to_owned());
        }
        Ok(self)
    }

    fn client(&self, settings: &[(&str, &str)], role: &BTreeMap<String, String>) -> ClientConfig {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            // "localhost" is both ::1 and 127.0.0.1, and a broker listens on one
            // of them: every other connection would be refused and logged.
            .set("broker.address.family", "v4")
            .set("socket.keepalive.enable", "true")
            // Requests are batches already: Nagle's algorithm would only delay them.
            .set("socket.nagle.disable", "true")
            // A broker that is back is found within 2 s instead of 10.
            .set("reconnect.backoff.ms", "100")
            .set("reconnect.backoff.max.ms", "2000")
            // Topics are made by `ensure_topics`, never by a typing error.
            .set("allow.auto.create.topics", "false")
            // A topic or partition that appears later is seen within this.
            .set("topic.metadata.refresh.interval.ms", "30000");
        for (name, value) in settings {
            config.set(*name, *value);
        }
        for (name, value) in self.extra.iter().chain(role) {
            config.set(name, value);
        }
        config.set_log_level(RDKafkaLogLevel::Info);
        config
    }

    pub(crate) fn admin(&self) -> ClientConfig {
        self.client(&[], &BTreeMap::new())
    }

    pub(crate) fn producer(&self) -> ClientConfig {
        let delivery_ms = DELIVERY_TIMEOUT.as_millis().to_string();
        let message_bytes = MAX_LETTER_BYTES.to_string();
        let batch_bytes = BATCH_BYTES.to_string();
        self.client(
            &[
                // No duplicates from retries, no reordering, nothing acknowledged
                // that a second replica lacks.
                ("enable.idempotence", "true"),
                ("acks", "all"),
                ("compression.type", "lz4"),
                // Micro-batches: 5 ms are nothing against an embedding.
                ("linger.ms", "5"),
                ("batch.size", &batch_bytes),
                // Java's default: other producers place a key alike.
                ("partitioner", "murmur2_random"),
                ("delivery.timeout.ms", &delivery_ms),
                // Where these are full, append waits.
                ("queue.buffering.max.messages", "50000"),
                ("queue.buffering.max.kbytes", "65536"),
                ("message.max.bytes", &message_bytes),
                ("statistics.interval.ms", "0"),
            ],
            &self.producer,
        )
    }

    /// A reader of given ranges, in no group and for a short time.
    pub(crate) fn reader(&self) -> ClientConfig {
        self.client(
            &[
                // librdkafka assigns nothing to a consumer without one; it is never joined.
                ("group.id", "ragstream-dead-letters"),
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                // What retention removed meanwhile is not read.
                ("auto.offset.reset", "earliest"),
                // The end of the partition ends a range too.
                ("enable.partition.eof", "true"),
                ("fetch.wait.max.ms", "50"),
                ("fetch.min.bytes", "1"),
                ("fetch.error.backoff.ms", "200"),
                // Read ahead: bounds what a request holds besides what it asked for.
                ("queued.min.messages", "1000"),
                ("queued.max.messages.kbytes", "8192"),
                ("fetch.message.max.bytes", FETCH_BYTES),
                ("fetch.max.bytes", ANSWER_BYTES),
            ],
            &self.consumer,
        )
    }

    pub(crate) fn group(&self, group: &str) -> ClientConfig {
        self.client(
            &[
                ("group.id", group),
                // A rebalance moves what has to move, the rest goes on.
                ("partition.assignment.strategy", "cooperative-sticky"),
                // The worker alone says what is committed.
                ("enable.auto.commit", "false"),
                ("enable.auto.offset.store", "false"),
                ("auto.offset.reset", "earliest"),
                // A killed process is replaced after 10 s. One whose poll thread
                // hangs, which takes no work to do, after 60.
                ("session.timeout.ms", "10000"),
                ("heartbeat.interval.ms", "3000"),
                ("max.poll.interval.ms", "60000"),
                // Answered at once where there is something to fetch; else this
                // is how late a partition that was just resumed is asked for.
                ("fetch.wait.max.ms", "100"),
                ("fetch.min.bytes", "1"),
                ("fetch.queue.backoff.ms", "20"),
                ("fetch.error.backoff.ms", "200"),
                // Read ahead: small, for a pause throws it away.
                ("queued.min.messages", "2000"),
                ("queued.max.messages.kbytes", "16384"),
                ("fetch.message.max.bytes", FETCH_BYTES),
                ("fetch.max.bytes", ANSWER_BYTES),
                // The lag, and the sign that a broker is back.
                ("statistics.interval.ms", "2000"),
            ],
            &self.consumer,
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tuned_by(variables: &[(&str, &str)]) -> Result<KafkaConfig> {
        let variables = variables.iter().map(|(name, value)| (name.into(), value.into()));
        KafkaConfig::new("broker:9092").tuned_by(variables)
    }

    #[test]
    fn what_is_promised_can_not_be_tuned_away() {
        for (variable, name) in [
            ("RAGSTREAM_KAFKA_CONSUMER_ENABLE_AUTO_COMMIT", "enable.auto.commit"),
            ("RAGSTREAM_KAFKA_CLIENT_ENABLE_AUTO_COMMIT", "enable.auto.commit"),
            ("RAGSTREAM_KAFKA_CONSUMER_AUTO_OFFSET_RESET", "auto.offset.reset"),
            ("RAGSTREAM_KAFKA_CONSUMER_ISOLATION_LEVEL", "isolation.level"),
            ("RAGSTREAM_KAFKA_PRODUCER_ENABLE_IDEMPOTENCE", "enable.idempotence"),
            ("RAGSTREAM_KAFKA_PRODUCER_ACKS", "acks"),
            ("RAGSTREAM_KAFKA_CLIENT_REQUEST_REQUIRED_ACKS", "request.required.acks"),
            ("RAGSTREAM_KAFKA_CLIENT_BOOTSTRAP_SERVERS", "RAGSTREAM_KAFKA"),
        ] {
            let fault = tuned_by(&[(variable, "x")]).unwrap_err();
            assert_eq!(fault.class, "kafka_config");
            let said = fault.to_string();
            assert!(said.contains(variable) && said.contains(name), "{said}");
        }
    }

    #[test]
    fn all_that_is_fixed_is_known_to_librdkafka() {
        // By their values here, or by any that it takes.
        for name in FIXED.iter().flat_map(|(names, _)| *names) {
            let config = KafkaConfig::new("broker:9092");
            let ours = config.group("g").get(name).or(config.producer().get(name)).map(str::to_owned);
            let value = ours.unwrap_or_else(|| match *name {
                "isolation.level" => "read_committed".into(),
                "auto.commit.enable" | "enable.partition.eof" => "false".into(),
                "request.required.acks" => "all".into(),
                _ => "name".into(),
            });
            let mut native = ClientConfig::new();
            native.set(*name, value);
            assert!(native.create_native_config().is_ok(), "{name}");
        }
    }

    #[test]
    fn the_environment_tunes_clients_consumers_and_producers() {
        let config = tuned_by(&[
            ("RAGSTREAM_KAFKA", "elsewhere:1"),
            ("RAGSTREAM_KAFKA_CLIENT_SECURITY_PROTOCOL", "SASL_SSL"),
            ("RAGSTREAM_KAFKA_CONSUMER_MAX_POLL_INTERVAL_MS", "7000"),
            ("RAGSTREAM_KAFKA_PRODUCER_LINGER_MS", "50"),
            ("RAGSTREAM_KAFKA_PORT_9092_TCP", "tcp://10.0.0.1:9092"),
        ])
        .unwrap();
        assert_eq!(config.brokers, "broker:9092");
        assert_eq!(config.group("g").get("security.protocol"), Some("SASL_SSL"));
        assert_eq!(config.producer().get("security.protocol"), Some("SASL_SSL"));
        assert_eq!(config.group("g").get("max.poll.interval.ms"), Some("7000"));
        assert_eq!(config.producer().get("linger.ms"), Some("50"));
        assert_eq!(config.group("g").get("linger.ms"), None);
    }

    #[test]
    fn passwords_are_not_printed_and_settings_win() {
        let mut config = KafkaConfig::new("broker:9092");
        config.extra.insert("sasl.password".into(), "hunter2".into());
        config.consumer.insert("session.timeout.ms".into(), "45000".into());
        assert!(!format!("{config:?}").contains("hunter2"));
        assert_eq!(config.group("g").get("session.timeout.ms"), Some("45000"));
        assert_eq!(config.producer().get("session.timeout.ms"), None);
        assert_eq!(config.producer().get("sasl.password"), Some("hunter2"));
    }
}
