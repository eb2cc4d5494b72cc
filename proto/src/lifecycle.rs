//! Events of the public topic `document-lifecycle`.

use crate::{
    SCHEMA_VERSION,
    convert::{parse, undecodable},
    decode::message,
    v1,
};
use chrono::{DateTime, SecondsFormat, Utc};
use prost::{Message, Name};
use ragstream_core::{
    fault::{Fault, Result},
    id::Version,
    lifecycle::{DELETED, LifecycleEvent},
    ports::{JobFailure, Outgoing, Placement},
    topics::{self, header},
};

/// For `document-lifecycle`: the event, and after a deletion a tombstone, so that
/// compaction forgets the document.
pub fn encode(event: &LifecycleEvent) -> Vec<Outgoing> {
    let correlation = event.correlation_id.iter().map(|id| (header::CORRELATION.to_owned(), id.clone()));
    let record = Outgoing {
        topic: topics::LIFECYCLE.to_owned(),
        key: event.document_id.to_string(),
        value: Some(v1::DocumentLifecycle::from(event).encode_to_vec().into()),
        headers: correlation
            .chain([
                (header::TYPE.to_owned(), v1::DocumentLifecycle::full_name()),
                (header::SCHEMA.to_owned(), SCHEMA_VERSION.to_owned()),
            ])
            .collect(),
        placement: Placement::ByKey,
    };
    if event.kind != DELETED {
        return vec![record];
    }
    let tombstone = Outgoing { value: None, headers: Vec::new(), ..record.clone() };
    vec![record, tombstone]
}

/// A value of `document-lifecycle`; `None` for a tombstone.
pub fn decode(value: Option<&[u8]>) -> Result<Option<LifecycleEvent>> {
    match value {
        None => Ok(None),
        value => message::<v1::DocumentLifecycle>(value)?.try_into().map(Some),
    }
}

impl From<&LifecycleEvent> for v1::DocumentLifecycle {
    fn from(e: &LifecycleEvent) -> Self {
        Self {
            event_id: e.event_id,
            r#type: e.kind.clone(),
            occurred_at: e.occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            document_id: e.document_id.to_string(),
            version: e.version.0,
            job_id: e.job_id.to_string(),
            batch_id: e.batch_id.map(|id| id.to_string()),
            collection: e.collection.clone(),
            external_id: e.external_id.clone(),
            filename: e.filename.clone(),
            stage: e.stage.clone(),
            chunks_total: e.chunks_total,
            error: e
                .failure
                .as_ref()
                .map(|f| v1::LifecycleError { class: f.class.clone(), message: f.message.clone() }),
            correlation_id: e.correlation_id.clone(),
        }
    }
}

impl TryFrom<v1::DocumentLifecycle> for LifecycleEvent {
    type Error = Fault;

    fn try_from(e: v1::DocumentLifecycle) -> Result<Self> {
        let occurred_at = DateTime::parse_from_rfc3339(&e.occurred_at)
            .map_err(|error| undecodable(format_args!("occurred_at: {error}")))?;
        Ok(Self {
            event_id: e.event_id,
            kind: e.r#type,
            occurred_at: occurred_at.with_timezone(&Utc),
            document_id: parse("document_id", &e.document_id)?,
            version: Version(e.version),
            job_id: parse("job_id", &e.job_id)?,
            batch_id: e.batch_id.map(|id| parse("batch_id", &id)).transpose()?,
            collection: e.collection,
            external_id: e.external_id,
            filename: e.filename,
            stage: e.stage,
            chunks_total: e.chunks_total,
            failure: e.error.map(|f| JobFailure { class: f.class, message: f.message }),
            correlation_id: e.correlation_id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ragstream_core::{
        fault::FaultKind,
        id::{BatchId, DocumentId, JobId},
        lifecycle::FAILED,
    };

    fn event(kind: &str) -> LifecycleEvent {
        LifecycleEvent {
            event_id: 1 << 40,
            kind: kind.into(),
            occurred_at: DateTime::from_timestamp_micros(1_764_000_000_123_456).expect("a time"),
            document_id: DocumentId::generate(),
            version: Version(3),
            job_id: JobId::generate(),
            batch_id: Some(BatchId::generate()),
            collection: "harbour".into(),
            external_id: Some("größe/1".into()),
            filename: "a.md".into(),
            stage: Some("failed".into()),
            chunks_total: Some(0),
            failure: Some(JobFailure { class: "corrupt_document".into(), message: "no".into() }),
            correlation_id: Some("c".into()),
        }
    }

    #[test]
    fn every_field_comes_back_as_it_went() {
        let full = event(FAILED);
        let bare = LifecycleEvent {
            batch_id: None,
            external_id: None,
            stage: None,
            chunks_total: None,
            failure: None,
            correlation_id: None,
            ..full.clone()
        };
        for event in [full, bare] {
            let records = encode(&event);
            assert_eq!(records.len(), 1);
            let record = &records[0];
            assert_eq!((&*record.topic, &record.key), ("document-lifecycle", &event.document_id.to_string()));
            assert_eq!(record.placement, Placement::ByKey);
            assert!(record.headers.contains(&(header::TYPE.into(), "ragstream.v1.DocumentLifecycle".into())));
            assert_eq!(decode(record.value.as_deref()).expect("decodes"), Some(event));
        }
    }

    #[test]
    fn a_tombstone_follows_a_deletion() {
        let event = event(DELETED);
        let records = encode(&event);
        assert_eq!(records.len(), 2);
        assert_eq!(decode(records[0].value.as_deref()).expect("decodes"), Some(event));
        assert_eq!((&records[1].key, &records[1].value), (&records[0].key, &None));
        assert_eq!(decode(None).expect("a tombstone is no error"), None);
    }

    #[test]
    fn what_cannot_be_read_is_invalid() {
        let mut timeless = v1::DocumentLifecycle::from(&event(FAILED));
        timeless.occurred_at = "yesterday".into();
        let mut nameless = v1::DocumentLifecycle::from(&event(FAILED));
        nameless.document_id = "7".into();
        for bytes in [timeless.encode_to_vec(), nameless.encode_to_vec(), b"\xff\xff\xff".to_vec()] {
            let fault = decode(Some(&bytes)).expect_err("undecodable");
            assert_eq!((fault.kind, fault.class), (FaultKind::Invalid, "undecodable"));
        }
    }
}
