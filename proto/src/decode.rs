//! Records to domain events.

use crate::{
    convert::{parse, undecodable},
    v1,
};
use prost::Message;
use ragstream_core::{
    event::{ChunkReady, IndexEvent, IndexKey, IngestRequested, QueryRequested},
    fault::Result,
};

pub use crate::lifecycle::decode as lifecycle;

pub(crate) fn message<M: Message + Default>(value: Option<&[u8]>) -> Result<M> {
    let value = value.ok_or_else(|| undecodable("it has no value"))?;
    M::decode(value).map_err(undecodable)
}

/// A value of `doc-ingest-requests`, of either lane.
pub fn ingest_requested(value: Option<&[u8]>) -> Result<IngestRequested> {
    message::<v1::IngestRequested>(value)?.try_into()
}

/// A value of `chunk-processing`, of either lane.
pub fn chunk_ready(value: Option<&[u8]>) -> Result<ChunkReady> {
    message::<v1::ChunkReady>(value)?.try_into()
}

/// A value of `query-requests`.
pub fn query_requested(value: Option<&[u8]>) -> Result<QueryRequested> {
    let event = message::<v1::QueryRequested>(value)?;
    Ok(QueryRequested { job_id: parse("query_job_id", &event.query_job_id)? })
}

/// A record of `chunk-embeddings`.
pub fn index_event(key: Option<&str>, value: Option<&[u8]>) -> Result<IndexEvent> {
    if value.is_none() {
        let key: IndexKey =
            key.ok_or_else(|| undecodable("a tombstone without a key"))?.parse().map_err(undecodable)?;
        return Ok(IndexEvent::Gone(key));
    }
    match message::<v1::IndexRecord>(value)?.record {
        Some(v1::index_record::Record::Chunk(chunk)) => Ok(IndexEvent::Chunk(Box::new(chunk.try_into()?))),
        Some(v1::index_record::Record::Commit(commit)) => Ok(IndexEvent::Commit(commit.try_into()?)),
        Some(v1::index_record::Record::Deleted(deleted)) => {
            Ok(IndexEvent::Deleted(parse("document_id", &deleted.document_id)?))
        }
        None => Err(undecodable("it is neither a chunk, nor a commit marker, nor a deletion")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{self, Origin};
    use ragstream_core::{
        chunk::Chunk,
        document::DocumentRef,
        event::{ChunkEmbedded, VersionCommitted},
        fault::FaultKind,
        id::{ChunkId, DocumentId, JobId, QueryJobId, Version},
        lane::Lane,
        ports::Placement,
        topics::header,
        trace::TraceContext,
    };

    fn document() -> DocumentRef {
        DocumentRef {
            document_id: DocumentId::generate(),
            version: Version(2),
            job_id: JobId::generate(),
            collection: "default".into(),
            external_id: Some("a/b".into()),
            filename: "a.md".into(),
            content_type: "text/markdown".into(),
            metadata: serde_json::json!({"lang": "de", "n": [1, 2.5]})
                .as_object()
                .cloned()
                .unwrap_or_default(),
        }
    }

    fn chunk() -> Chunk {
        Chunk {
            id: ChunkId::generate(),
            position: 3,
            text: "größer".into(),
            span: 10..17,
            page: Some(2),
            headings: vec!["One".into(), "Two".into()],
            tokens: 4,
        }
    }

    fn origin() -> Origin {
        Origin { correlation_id: "c".into(), trace: TraceContext::root() }
    }

    #[test]
    fn every_event_comes_back_as_it_went() {
        let event = IngestRequested {
            document: document(),
            blob: ragstream_core::document::Blob { key: "k".into(), size: 7, sha256: "ab".into() },
        };
        let sent = encode::ingest_requested(&event, Lane::Bulk, &origin());
        assert_eq!(ingest_requested(sent.value.as_deref()).expect("decodes"), event);
        assert_eq!(sent.topic, "doc-ingest-requests.bulk");

        let event = ChunkReady { document: document(), chunk: chunk(), chunk_count: Some(9) };
        let sent = encode::chunk_ready(&event, Lane::Express, &origin());
        assert_eq!(chunk_ready(sent.value.as_deref()).expect("decodes"), event);
        assert_eq!(sent.topic, "chunk-processing");

        let event = ChunkEmbedded {
            document: document(),
            chunk: chunk(),
            model: "m".into(),
            vector: vec![0.5, -1.25],
        };
        let sent = encode::chunk_embedded(&event, &origin());
        assert_eq!(sent.placement, Placement::By(event.document.document_id.to_string()));
        let key = sent.key.clone();
        assert_eq!(
            index_event(Some(&key), sent.value.as_deref()).expect("decodes"),
            IndexEvent::Chunk(Box::new(event))
        );

        let event = QueryRequested { job_id: QueryJobId::generate() };
        let sent = encode::query_requested(&event, &origin());
        assert_eq!(query_requested(sent.value.as_deref()).expect("decodes"), event);
        assert_eq!((sent.topic.as_str(), sent.key), ("query-requests", event.job_id.to_string()));

        let d = document();
        let event = VersionCommitted {
            document_id: d.document_id,
            version: d.version,
            job_id: d.job_id,
            chunk_count: 4,
        };
        let sent = encode::version_committed(&event, &origin());
        assert!(sent.headers.contains(&(header::TYPE.into(), "ragstream.v1.IndexRecord".into())));
        assert_eq!(index_event(None, sent.value.as_deref()).expect("decodes"), IndexEvent::Commit(event));

        let sent = encode::document_deleted(d.document_id, &origin());
        assert_eq!(sent.key, IndexKey::Deleted(d.document_id).to_string());
        assert_eq!(
            index_event(None, sent.value.as_deref()).expect("decodes"),
            IndexEvent::Deleted(d.document_id)
        );

        let key = IndexKey::Commit(d.document_id, d.version);
        let sent = encode::gone(key, d.document_id, &origin());
        assert_eq!(index_event(Some(&sent.key), None).expect("decodes"), IndexEvent::Gone(key));
    }

    #[test]
    fn what_cannot_be_read_is_invalid() {
        let wrong = v1::ChunkReady { document: None, chunk: None, chunk_count: None }.encode_to_vec();
        for bytes in [Some(&b"\xff\xff\xff"[..]), Some(&wrong[..]), None] {
            let fault = chunk_ready(bytes).expect_err("undecodable");
            assert_eq!((fault.kind, fault.class), (FaultKind::Invalid, "undecodable"));
        }
        assert!(query_requested(Some(b"")).is_err() && query_requested(None).is_err());
        assert!(index_event(None, None).is_err());
        assert!(index_event(Some("nonsense"), None).is_err());
        let mut odd = v1::ChunkEmbedded::from(&ChunkEmbedded {
            document: document(),
            chunk: chunk(),
            model: "m".into(),
            vector: vec![1.0],
        });
        odd.vector = vec![1, 2, 3].into();
        assert!(ChunkEmbedded::try_from(odd).is_err());
    }
}
