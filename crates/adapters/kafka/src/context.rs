//! librdkafka's log lines and errors, as `tracing` events.

use rdkafka::{ClientContext, config::RDKafkaLogLevel, error::KafkaError, types::RDKafkaErrorCode};

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

/// Facilities that repeat while a broker is away, where whoever waits for that
/// broker says so once; and what is repeated until it succeeds: commits, and the
/// producer's first request to a broker that has just started.
const HANDLED: [&str; 7] = ["FAIL", "ERROR", "REQTMOUT", "MAXPOLL", "SESSTMOUT", "COMMITFAIL", "GETPID"];

pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg
        | RDKafkaLogLevel::Alert
        | RDKafkaLogLevel::Critical
        | RDKafkaLogLevel::Error
        | RDKafkaLogLevel::Warning
            if !HANDLED.contains(&facility) =>
        {
            tracing::warn!(target: "librdkafka", facility, "{message}");
        }
        _ => tracing::debug!(target: "librdkafka", facility, "{message}"),
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
            | RDKafkaErrorCode::UnknownTopic,
        ) => tracing::debug!(target: "librdkafka", %error, "{reason}"),
        _ => tracing::warn!(target: "librdkafka", %error, "{reason}"),
    }
}
