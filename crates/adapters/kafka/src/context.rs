//! librdkafka's log lines and errors, as `tracing` events.

use rdkafka::{
    ClientContext, config::RDKafkaLogLevel, consumer::ConsumerContext, error::KafkaError,
    types::RDKafkaErrorCode,
};

/// The context of clients that need nothing else.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QuietContext;

impl ClientContext for QuietContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        report(&error, reason);
    }
}

impl ConsumerContext for QuietContext {}

/// Errors that repeat while a broker is away; whoever waits for it says so once.
const CONNECTION: [&str; 3] = ["FAIL", "ERROR", "MAXPOLL"];

/// Warnings are about what librdkafka tries again by itself (requests that timed
/// out, leaders that are elected, commits); only those about settings want a person.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    let loud = match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error => !CONNECTION.contains(&facility),
        RDKafkaLogLevel::Warning => facility == "CONFWARN",
        _ => false,
    };
    if loud {
        tracing::warn!(target: "librdkafka", facility, "{message}");
    } else {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }
}

pub(crate) fn report(error: &KafkaError, reason: &str) {
    match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::AllBrokersDown
            | RDKafkaErrorCode::BrokerTransportFailure
            | RDKafkaErrorCode::Resolve
            | RDKafkaErrorCode::OperationTimedOut
            | RDKafkaErrorCode::UnknownTopicOrPartition
            | RDKafkaErrorCode::UnknownTopic
            // What whoever reads a topic to its end has asked for.
            | RDKafkaErrorCode::PartitionEOF,
        ) => tracing::debug!(target: "librdkafka", %error, "{reason}"),
        _ => tracing::warn!(target: "librdkafka", %error, "{reason}"),
    }
}
