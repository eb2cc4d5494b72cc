//! Kafka's errors, by what the caller must do.

use ragstream_core::fault::Fault;
use rdkafka::{error::KafkaError, types::RDKafkaErrorCode};

/// The class of a record that no broker will ever take.
pub(crate) const TOO_LARGE: &str = "record_too_large";

/// What `doing` failed with. Nearly everything is `Unavailable`: a cluster that
/// elects, restarts, is reconfigured or refuses a password works again when
/// somebody has seen to it, and no record is to blame.
pub(crate) fn fault(doing: &str, error: KafkaError) -> Fault {
    use RDKafkaErrorCode::*;
    let fault = match &error {
        KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_) => Fault::invalid("kafka_config", doing),
        KafkaError::MessageConsumptionFatal(_) => Fault::failed("kafka_fatal", doing),
        _ => match error.rdkafka_error_code() {
            Some(MessageSizeTooLarge | InvalidMessageSize | MessageBatchTooLarge) => {
                Fault::invalid(TOO_LARGE, doing)
            }
            Some(InvalidTopic) => Fault::invalid("topic_name", doing),
            // One without a key for a compacted topic, say.
            Some(InvalidRecord) => Fault::invalid("record_refused", doing),
            Some(Fatal | Fenced | FencedInstanceId) => Fault::failed("kafka_fatal", doing),
            Some(
                TopicAuthorizationFailed
                | GroupAuthorizationFailed
                | ClusterAuthorizationFailed
                | SaslAuthenticationFailed
                | Authentication,
            ) => Fault::unavailable("kafka_denied", doing),
            Some(UnknownTopic | UnknownPartition | UnknownTopicOrPartition) => {
                Fault::unavailable("topic_missing", doing)
            }
            _ => Fault::unavailable("kafka_unavailable", doing),
        },
    };
    match error.rdkafka_error_code() {
        // rdkafka's error says the same, twice.
        Some(code) => fault.caused_by(code),
        None => fault.caused_by(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ragstream_core::fault::FaultKind;

    #[test]
    fn only_what_is_wrong_with_a_record_is_its_fault() {
        let of = |code| fault("append", KafkaError::MessageProduction(code));
        assert_eq!(of(RDKafkaErrorCode::MessageSizeTooLarge).kind, FaultKind::Invalid);
        assert_eq!(of(RDKafkaErrorCode::MessageSizeTooLarge).class, "record_too_large");
        assert_eq!(of(RDKafkaErrorCode::InvalidRecord).class, "record_refused");
        let text = of(RDKafkaErrorCode::AllBrokersDown).to_string();
        assert_eq!(text.matches("AllBrokersDown").count(), 1, "{text}");
        for code in [
            RDKafkaErrorCode::MessageTimedOut,
            RDKafkaErrorCode::AllBrokersDown,
            RDKafkaErrorCode::NotEnoughReplicas,
            RDKafkaErrorCode::TopicAuthorizationFailed,
            RDKafkaErrorCode::UnknownTopicOrPartition,
        ] {
            assert_eq!(of(code).kind, FaultKind::Unavailable, "{code:?}");
        }
    }
}
