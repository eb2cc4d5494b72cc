//! The topics of the log and the headers of its records. The names are public:
//! operators see them in their Kafka UI and clients may consume them.

use crate::lane::Lane;

/// Documents waiting for text extraction and chunking, of the express lane. Key: document id.
pub const INGEST_REQUESTS: &str = "doc-ingest-requests";
/// The same of the bulk lane.
pub const BULK_INGEST_REQUESTS: &str = "doc-ingest-requests.bulk";
/// Chunks waiting for their embedding, of the express lane. Key: chunk id.
pub const CHUNKS: &str = "chunk-processing";
/// The same of the bulk lane.
pub const BULK_CHUNKS: &str = "chunk-processing.bulk";
/// Embedded chunks, commit markers and tombstones: what an index is a view of.
/// Compacted. Key: [`crate::event::IndexKey`]; partition: by document.
pub const EMBEDDINGS: &str = "chunk-embeddings";
/// What happened to documents, for others to consume. Compacted. Key: document id.
pub const LIFECYCLE: &str = "document-lifecycle";
/// Queries that run as jobs. Key: query job id.
pub const QUERY_REQUESTS: &str = "query-requests";

/// Where documents of a lane wait for ingestion.
pub fn ingest_requests(lane: Lane) -> &'static str {
    match lane {
        Lane::Express => INGEST_REQUESTS,
        Lane::Bulk => BULK_INGEST_REQUESTS,
    }
}

/// Where chunks of a lane wait for the embedding pool.
pub fn chunks(lane: Lane) -> &'static str {
    match lane {
        Lane::Express => CHUNKS,
        Lane::Bulk => BULK_CHUNKS,
    }
}

/// The lane that a record of this topic came in by; express for topics that have no lanes.
pub fn lane_of(topic: &str) -> Lane {
    match topic {
        BULK_INGEST_REQUESTS | BULK_CHUNKS => Lane::Bulk,
        _ => Lane::Express,
    }
}

/// The topic that holds what a consumer of `topic` gave up.
pub fn dead_letters_of(topic: &str) -> String {
    format!("{topic}.dlq")
}

/// The topic whose letters a dead-letter topic holds.
pub fn original_of(dead_letters: &str) -> Option<&str> {
    dead_letters.strip_suffix(".dlq")
}

/// How a topic is created where it does not exist.
#[derive(Clone, Copy, Debug)]
pub struct TopicSpec {
    /// Its name.
    pub name: &'static str,
    /// Whether only the newest record of each key is kept.
    pub compacted: bool,
    /// Whether a dead-letter topic belongs to it.
    pub consumed: bool,
}

/// Every topic of the pipeline.
pub const ALL: [TopicSpec; 7] = [
    TopicSpec { name: INGEST_REQUESTS, compacted: false, consumed: true },
    TopicSpec { name: BULK_INGEST_REQUESTS, compacted: false, consumed: true },
    TopicSpec { name: CHUNKS, compacted: false, consumed: true },
    TopicSpec { name: BULK_CHUNKS, compacted: false, consumed: true },
    TopicSpec { name: EMBEDDINGS, compacted: true, consumed: true },
    TopicSpec { name: LIFECYCLE, compacted: true, consumed: true },
    TopicSpec { name: QUERY_REQUESTS, compacted: false, consumed: true },
];

/// Names of record headers.
pub mod header {
    /// The full protobuf message name of the value, such as `ragstream.v1.ChunkReady`.
    pub const TYPE: &str = "x-message-type";
    /// The schema version of the value, a decimal number.
    pub const SCHEMA: &str = "x-schema-version";
    /// The id under which all log lines of one upload can be found.
    pub const CORRELATION: &str = "x-correlation-id";
    /// W3C trace context.
    pub const TRACEPARENT: &str = "traceparent";
    /// Dead letters: the topic the record was consumed from.
    pub const ORIGINAL_TOPIC: &str = "x-original-topic";
    /// Dead letters: its partition there.
    pub const ORIGINAL_PARTITION: &str = "x-original-partition";
    /// Dead letters: its offset there.
    pub const ORIGINAL_OFFSET: &str = "x-original-offset";
    /// Dead letters: its timestamp there, milliseconds since the epoch.
    pub const ORIGINAL_TIMESTAMP: &str = "x-original-timestamp";
    /// Dead letters: [`crate::fault::FaultKind`] of the last failure.
    pub const ERROR_KIND: &str = "x-error-kind";
    /// Dead letters: class of the last failure.
    pub const ERROR_CLASS: &str = "x-error-class";
    /// Dead letters: message of the last failure.
    pub const ERROR_MESSAGE: &str = "x-error-message";
    /// Dead letters: how often the work was tried.
    pub const ATTEMPTS: &str = "x-attempts";
    /// Dead letters: RFC 3339 time of the first failure.
    pub const FIRST_FAILURE: &str = "x-first-failure";
    /// Dead letters: RFC 3339 time of the last failure.
    pub const LAST_FAILURE: &str = "x-last-failure";
    /// Dead letters: the consumer that gave it up.
    pub const CONSUMER: &str = "x-consumer";
    /// Dead letters: the record was too large for its dead-letter topic, which holds
    /// it without its value; the size of that in bytes.
    pub const VALUE_OMITTED: &str = "x-value-omitted";
    /// A letter that was sent back to its topic: how often that was done, a decimal number.
    pub const REDRIVES: &str = "x-redrives";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_lane_has_topics_of_its_own_which_exist() {
        for lane in Lane::ALL {
            for topic in [ingest_requests(lane), chunks(lane)] {
                assert_eq!(lane_of(topic), lane);
                assert!(ALL.iter().any(|spec| spec.name == topic && spec.consumed), "{topic}");
            }
        }
        assert_eq!(lane_of(EMBEDDINGS), Lane::Express);
    }
}
