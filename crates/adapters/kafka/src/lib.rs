//! Kafka, through librdkafka: the only crate that names `rdkafka`.
//!
//! - [`KafkaPublisher`] appends, and returns when all in-sync replicas have every
//!   record. Idempotent producer, lz4, Java's partitioner; where its queue is
//!   full, append waits.
//! - [`group_source`] is a member of a consumer group for a
//!   [`Worker`](ragstream_worker::Worker): cooperative-sticky, nothing committed
//!   but what the worker says. [`view_source`] reads a whole topic from given
//!   offsets, outside any group, for those who keep a view of it.
//! - [`KafkaLogScan`] reads what `chunk-embeddings` comes to, by ids alone.
//! - [`KafkaDeadLetters`] keeps what was given up in `<topic>.dlq`, byte for byte.
//! - [`KafkaDeadLetterLog`] reads them, and [`KafkaPublisher`] appends records as they
//!   are, for those that are sent back.
//! - [`ensure_topics`] makes the topics where they are missing.
//!
//! A broker that is away is not an error of anybody's work: appends are
//! `Unavailable`, sources go on by themselves when it is back, and the log says so
//! once, not once a retry. Nothing here needs a broker in order to be created.

mod bootstrap;
mod cluster;
mod config;
mod context;
mod dead_letters;
mod fault;
mod headers;
mod letters;
mod partitioner;
mod producer;
mod publisher;
mod scan;
mod source;
mod topics;

pub use config::{KafkaConfig, MAX_RECORD_BYTES};
pub use dead_letters::KafkaDeadLetters;
pub use letters::KafkaDeadLetterLog;
pub use partitioner::partition_of;
pub use publisher::KafkaPublisher;
pub use scan::KafkaLogScan;
pub use source::{group_source, view_source};
pub use topics::{TopicSettings, ensure_topics};
