//! A letter, understood: its story from its headers, its record decoded.

use chrono::{DateTime, Utc};
use ragstream_core::{
    event::{ChunkReady, IndexEvent, IndexKey, IngestRequested, QueryRequested},
    fault::{Fault, Result},
    id::{ChunkId, DocumentId, JobId, Version},
    lifecycle::LifecycleEvent,
    ports::{Place, StoredRecord},
    topics::{self, header, original_of},
};
use ragstream_proto::decode;
use std::str::FromStr;

/// What the headers tell: where the record came from, and why it was given up.
/// Anybody may write to a topic, so each part may be missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Story {
    pub(crate) stored_at: Option<DateTime<Utc>>,
    pub(crate) original: Option<Place>,
    pub(crate) original_at: Option<DateTime<Utc>>,
    pub(crate) error_kind: Option<String>,
    pub(crate) error_class: Option<String>,
    pub(crate) error_message: Option<String>,
    pub(crate) attempts: Option<u32>,
    pub(crate) first_failure: Option<DateTime<Utc>>,
    pub(crate) last_failure: Option<DateTime<Utc>>,
    pub(crate) consumer: Option<String>,
    pub(crate) correlation_id: Option<String>,
    /// How often the record was sent back before it became this letter.
    pub(crate) redrives: u32,
    /// The letter lacks the value that its record had.
    pub(crate) value_omitted: bool,
}

impl Story {
    pub(crate) fn of(record: &StoredRecord) -> Self {
        let text = |name: &str| record.header(name).map(ToOwned::to_owned);
        fn parsed<T: FromStr>(record: &StoredRecord, name: &str) -> Option<T> {
            record.header(name)?.trim().parse().ok()
        }
        let original = text(header::ORIGINAL_TOPIC).and_then(|topic| {
            Some(Place {
                topic,
                partition: parsed(record, header::ORIGINAL_PARTITION)?,
                offset: parsed(record, header::ORIGINAL_OFFSET)?,
            })
        });
        Self {
            stored_at: record.stored_at,
            original,
            original_at: parsed(record, header::ORIGINAL_TIMESTAMP)
                .filter(|millis| *millis > 0)
                .and_then(DateTime::from_timestamp_millis),
            error_kind: text(header::ERROR_KIND),
            error_class: text(header::ERROR_CLASS),
            error_message: text(header::ERROR_MESSAGE),
            attempts: parsed(record, header::ATTEMPTS),
            first_failure: parsed(record, header::FIRST_FAILURE),
            last_failure: parsed(record, header::LAST_FAILURE),
            consumer: text(header::CONSUMER),
            correlation_id: text(header::CORRELATION),
            redrives: parsed(record, header::REDRIVES).unwrap_or(0),
            value_omitted: record.headers.iter().any(|(name, _)| name == header::VALUE_OMITTED),
        }
    }
}

/// What a record is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ids {
    pub(crate) document_id: Option<DocumentId>,
    pub(crate) job_id: Option<JobId>,
    pub(crate) version: Option<Version>,
    pub(crate) chunk_id: Option<ChunkId>,
}

/// What a record says.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Ingest(IngestRequested),
    Chunk(ChunkReady),
    Index(IndexEvent),
    Query(QueryRequested),
    /// `None`: a tombstone.
    Lifecycle(Option<LifecycleEvent>),
}

/// A letter's record, decoded as far as it can be.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// From the record, or from its key where nothing else can be read.
    pub(crate) ids: Ids,
    pub(crate) event: Result<Event>,
}

impl Content {
    pub(crate) fn of(record: &StoredRecord) -> Self {
        let key = record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok());
        let topic = original_of(&record.place.topic).unwrap_or_default();
        let event = event(topic, key, record.value.as_deref());
        let ids = match &event {
            Ok(Event::Lifecycle(None)) | Err(_) => key.map(|key| ids_of_key(topic, key)).unwrap_or_default(),
            Ok(event) => ids_of(event),
        };
        Self { ids, event }
    }
}

fn event(topic: &str, key: Option<&str>, value: Option<&[u8]>) -> Result<Event> {
    match topic {
        topics::INGEST_REQUESTS | topics::BULK_INGEST_REQUESTS => {
            decode::ingest_requested(value).map(Event::Ingest)
        }
        topics::CHUNKS | topics::BULK_CHUNKS => decode::chunk_ready(value).map(Event::Chunk),
        topics::EMBEDDINGS => decode::index_event(key, value).map(Event::Index),
        topics::LIFECYCLE => decode::lifecycle(value).map(Event::Lifecycle),
        topics::QUERY_REQUESTS => decode::query_requested(value).map(Event::Query),
        _ => Err(Fault::invalid("undecodable", format!("nothing here reads records of {topic}"))),
    }
}

fn ids_of(event: &Event) -> Ids {
    let of = |document: &ragstream_core::document::DocumentRef, chunk_id| Ids {
        document_id: Some(document.document_id),
        job_id: Some(document.job_id),
        version: Some(document.version),
        chunk_id,
    };
    match event {
        Event::Ingest(event) => of(&event.document, None),
        Event::Chunk(event) => of(&event.document, Some(event.chunk.id)),
        Event::Index(IndexEvent::Chunk(event)) => of(&event.document, Some(event.chunk.id)),
        Event::Index(IndexEvent::Commit(marker)) => Ids {
            document_id: Some(marker.document_id),
            job_id: Some(marker.job_id),
            version: Some(marker.version),
            chunk_id: None,
        },
        Event::Index(IndexEvent::Deleted(id)) => Ids { document_id: Some(*id), ..Ids::default() },
        Event::Index(IndexEvent::Gone(key)) => ids_of_index_key(key),
        Event::Lifecycle(Some(event)) => Ids {
            document_id: Some(event.document_id),
            job_id: Some(event.job_id),
            version: Some(event.version),
            chunk_id: None,
        },
        Event::Lifecycle(None) => Ids::default(),
        Event::Query(event) => Ids { job_id: Some(JobId(event.job_id.0)), ..Ids::default() },
    }
}

fn ids_of_key(topic: &str, key: &str) -> Ids {
    match topic {
        topics::INGEST_REQUESTS | topics::BULK_INGEST_REQUESTS | topics::LIFECYCLE => {
            Ids { document_id: key.parse().ok(), ..Ids::default() }
        }
        topics::CHUNKS | topics::BULK_CHUNKS => Ids { chunk_id: key.parse().ok(), ..Ids::default() },
        topics::QUERY_REQUESTS => Ids { job_id: key.parse().ok(), ..Ids::default() },
        topics::EMBEDDINGS => key.parse::<IndexKey>().map(|key| ids_of_index_key(&key)).unwrap_or_default(),
        _ => Ids::default(),
    }
}

fn ids_of_index_key(key: &IndexKey) -> Ids {
    match *key {
        IndexKey::Chunk(id) => Ids { chunk_id: Some(id), ..Ids::default() },
        IndexKey::Commit(id, version) => {
            Ids { document_id: Some(id), version: Some(version), ..Ids::default() }
        }
        IndexKey::Deleted(id) => Ids { document_id: Some(id), ..Ids::default() },
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bytes::Bytes;

    /// A letter with these headers.
    pub(crate) fn record(place: &str, key: &str, value: &[u8], headers: &[(&str, &str)]) -> StoredRecord {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some(Bytes::copy_from_slice(value.as_bytes()))));
        StoredRecord {
            place: place.parse().unwrap(),
            stored_at: DateTime::from_timestamp_millis(1_800_000_000_000),
            key: Some(Bytes::copy_from_slice(key.as_bytes())),
            value: Some(Bytes::copy_from_slice(value)),
            headers: headers.collect(),
        }
    }

    #[test]
    fn a_story_is_read_and_nothing_of_it_is_trusted() {
        let whole = record(
            "chunk-processing.dlq/0/9",
            "k",
            b"",
            &[
                ("x-original-topic", "chunk-processing"),
                ("x-original-partition", "3"),
                ("x-original-offset", "41"),
                ("x-original-timestamp", "1700000000000"),
                ("x-error-kind", "failed"),
                ("x-error-class", "inference"),
                ("x-error-message", "the model failed"),
                ("x-attempts", "5"),
                ("x-first-failure", "2026-01-01T00:00:00.000Z"),
                ("x-last-failure", "2026-01-01T00:01:00.000Z"),
                ("x-consumer", "ragstream-embedding"),
                ("x-correlation-id", "c"),
                ("x-redrives", "2"),
            ],
        );
        let story = Story::of(&whole);
        assert_eq!(story.original.unwrap().to_string(), "chunk-processing/3/41");
        assert_eq!(story.original_at.unwrap().timestamp_millis(), 1_700_000_000_000);
        assert_eq!(
            (story.error_kind.as_deref(), story.error_class.as_deref()),
            (Some("failed"), Some("inference"))
        );
        assert_eq!((story.attempts, story.redrives, story.value_omitted), (Some(5), 2, false));
        assert!(story.first_failure < story.last_failure);

        let wrong = record(
            "chunk-processing.dlq/0/9",
            "k",
            b"",
            &[
                ("x-original-topic", "chunk-processing"),
                ("x-original-partition", "three"),
                ("x-original-timestamp", "0"),
                ("x-attempts", "-1"),
                ("x-first-failure", "yesterday"),
                ("x-redrives", "many"),
                ("x-value-omitted", "9000000"),
            ],
        );
        let expected = Story { stored_at: wrong.stored_at, value_omitted: true, ..Story::default() };
        assert_eq!(Story::of(&wrong), expected);
    }

    #[test]
    fn what_can_not_be_read_is_known_by_its_key() {
        let document = DocumentId::generate();
        let chunk = ChunkId::generate();
        let garbage = b"\xff\xff\xff";
        let of =
            |topic: &str, key: &str| Content::of(&record(&format!("{topic}.dlq/0/1"), key, garbage, &[]));
        assert_eq!(of("doc-ingest-requests.bulk", &document.to_string()).ids.document_id, Some(document));
        assert_eq!(of("chunk-processing.bulk", &chunk.to_string()).ids.chunk_id, Some(chunk));
        let ingest = of("doc-ingest-requests", &document.to_string());
        assert_eq!(ingest.event.unwrap_err().class, "undecodable");
        assert_eq!(ingest.ids, Ids { document_id: Some(document), ..Ids::default() });
        let chunk_key = of("chunk-processing", &chunk.to_string());
        assert_eq!(chunk_key.ids, Ids { chunk_id: Some(chunk), ..Ids::default() });
        let marker = of("chunk-embeddings", &format!("commit:{document}:4"));
        assert_eq!((marker.ids.document_id, marker.ids.version), (Some(document), Some(Version(4))));
        assert_eq!(of("chunk-embeddings", "nonsense").ids, Ids::default());
        let told = of("document-lifecycle", &document.to_string());
        assert_eq!((told.event.unwrap_err().class, told.ids.document_id), ("undecodable", Some(document)));
        let job = JobId::generate();
        assert_eq!(of("query-requests", &job.to_string()).ids, Ids { job_id: Some(job), ..Ids::default() });
        assert!(of("elsewhere", "k").event.unwrap_err().to_string().contains("elsewhere"));
    }
}
