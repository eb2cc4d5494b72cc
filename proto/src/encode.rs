//! Domain events to records: topic, key, partition and headers in one place.

use crate::{SCHEMA_VERSION, v1};
use prost::{Message, Name};
use ragstream_core::{
    event::{ChunkEmbedded, ChunkReady, IndexKey, IngestRequested, QueryRequested, VersionCommitted},
    id::{DocumentId, Version},
    lane::Lane,
    ports::{CommitPlan, Outgoing, Placement},
    topics::{self, header},
    trace::TraceContext,
};
use std::collections::BTreeSet;

pub use crate::lifecycle::encode as lifecycle;

/// What a record carries from the request that caused it.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The id under which all log lines of one upload can be found.
    pub correlation_id: String,
    /// The trace it belongs to.
    pub trace: TraceContext,
}

impl Origin {
    /// What a record that was caused by another one carries on: the other's
    /// correlation id and trace, or new ones where it has none.
    pub fn following<'a>(header_of: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self {
            correlation_id: header_of(header::CORRELATION).unwrap_or("unknown").to_owned(),
            trace: header_of(header::TRACEPARENT)
                .and_then(TraceContext::parse)
                .map_or_else(TraceContext::root, |parent| parent.child()),
        }
    }
}

fn record<M: Message + Name>(
    topic: &str,
    key: String,
    placement: Placement,
    value: &M,
    origin: &Origin,
) -> Outgoing {
    let mut headers = origin_headers(origin);
    headers.push((header::TYPE.into(), M::full_name()));
    headers.push((header::SCHEMA.into(), SCHEMA_VERSION.into()));
    Outgoing { topic: topic.into(), key, value: Some(value.encode_to_vec().into()), headers, placement }
}

fn origin_headers(origin: &Origin) -> Vec<(String, String)> {
    vec![
        (header::CORRELATION.into(), origin.correlation_id.clone()),
        (header::TRACEPARENT.into(), origin.trace.to_string()),
    ]
}

/// For `doc-ingest-requests`, or that of the bulk lane.
pub fn ingest_requested(event: &IngestRequested, lane: Lane, origin: &Origin) -> Outgoing {
    let (topic, key) = (topics::ingest_requests(lane), event.document.document_id.to_string());
    record(topic, key, Placement::ByKey, &v1::IngestRequested::from(event), origin)
}

/// For `chunk-processing`, or that of the bulk lane: spread by chunk, so that the pool
/// shares a large document.
pub fn chunk_ready(event: &ChunkReady, lane: Lane, origin: &Origin) -> Outgoing {
    let (topic, key) = (topics::chunks(lane), event.chunk.id.to_string());
    record(topic, key, Placement::ByKey, &v1::ChunkReady::from(event), origin)
}

/// For `query-requests`.
pub fn query_requested(event: &QueryRequested, origin: &Origin) -> Outgoing {
    let value = v1::QueryRequested { query_job_id: event.job_id.to_string() };
    record(topics::QUERY_REQUESTS, event.job_id.to_string(), Placement::ByKey, &value, origin)
}

/// For `chunk-embeddings`: all of a document in one partition, so that its marker comes last.
pub fn chunk_embedded(event: &ChunkEmbedded, origin: &Origin) -> Outgoing {
    let value = v1::IndexRecord { record: Some(v1::index_record::Record::Chunk(event.into())) };
    index_record(IndexKey::Chunk(event.chunk.id), event.document.document_id, &value, origin)
}

/// For `chunk-embeddings`, after all chunks of the version.
pub fn version_committed(event: &VersionCommitted, origin: &Origin) -> Outgoing {
    let value = v1::IndexRecord { record: Some(v1::index_record::Record::Commit(event.into())) };
    index_record(IndexKey::Commit(event.document_id, event.version), event.document_id, &value, origin)
}

/// For `chunk-embeddings`, once it has all chunks of a version: the version's marker.
pub fn marker(plan: &CommitPlan, origin: &Origin) -> Outgoing {
    let marker = VersionCommitted {
        document_id: plan.document_id,
        version: plan.version,
        job_id: plan.job_id,
        chunk_count: plan.chunk_count,
    };
    version_committed(&marker, origin)
}

/// For `chunk-embeddings`, after the marker: tombstones for what it retires.
pub fn farewell(plan: &CommitPlan, origin: &Origin) -> Vec<Outgoing> {
    let chunks = plan.retired.iter().map(|(_, id)| IndexKey::Chunk(*id));
    let versions: BTreeSet<Version> = plan.retired.iter().map(|(version, _)| *version).collect();
    let markers = versions.into_iter().map(|version| IndexKey::Commit(plan.document_id, version));
    chunks.chain(markers).map(|key| gone(key, plan.document_id, origin)).collect()
}

/// For `chunk-embeddings`, before the tombstones of a deleted document.
pub fn document_deleted(document: DocumentId, origin: &Origin) -> Outgoing {
    let deleted = v1::DocumentDeleted { document_id: document.to_string() };
    let value = v1::IndexRecord { record: Some(v1::index_record::Record::Deleted(deleted)) };
    index_record(IndexKey::Deleted(document), document, &value, origin)
}

/// A tombstone for `chunk-embeddings`.
pub fn gone(key: IndexKey, document: DocumentId, origin: &Origin) -> Outgoing {
    Outgoing {
        topic: topics::EMBEDDINGS.into(),
        key: key.to_string(),
        value: None,
        headers: origin_headers(origin),
        placement: Placement::By(document.to_string()),
    }
}

fn index_record(key: IndexKey, document: DocumentId, value: &v1::IndexRecord, origin: &Origin) -> Outgoing {
    record(topics::EMBEDDINGS, key.to_string(), Placement::By(document.to_string()), value, origin)
}
