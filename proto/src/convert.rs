//! Wire <-> domain, type by type.

use crate::v1;
use ragstream_core::{
    chunk::Chunk,
    document::{Blob, DocumentRef},
    event::{ChunkEmbedded, ChunkReady, IngestRequested, VersionCommitted},
    fault::{Fault, Result},
    id::Version,
};
use std::str::FromStr;

/// A record whose bytes can't be read.
pub(crate) fn undecodable(what: impl std::fmt::Display) -> Fault {
    Fault::invalid("undecodable", format!("the record can't be decoded: {what}"))
}

pub(crate) fn parse<T: FromStr>(field: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| undecodable(format_args!("{field} is not a UUID")))
}

fn required<T>(field: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| undecodable(format_args!("{field} is missing")))
}

impl From<&DocumentRef> for v1::Document {
    fn from(d: &DocumentRef) -> Self {
        Self {
            document_id: d.document_id.to_string(),
            version: d.version.0,
            job_id: d.job_id.to_string(),
            collection: d.collection.clone(),
            external_id: d.external_id.clone(),
            filename: d.filename.clone(),
            content_type: d.content_type.clone(),
            metadata_json: serde_json::Value::Object(d.metadata.clone()).to_string(),
        }
    }
}

impl TryFrom<v1::Document> for DocumentRef {
    type Error = Fault;

    fn try_from(d: v1::Document) -> Result<Self> {
        let metadata = match d.metadata_json.as_str() {
            "" => Default::default(),
            json => {
                serde_json::from_str(json).map_err(|e| undecodable(format_args!("metadata_json: {e}")))?
            }
        };
        Ok(Self {
            document_id: parse("document_id", &d.document_id)?,
            version: Version(d.version),
            job_id: parse("job_id", &d.job_id)?,
            collection: d.collection,
            external_id: d.external_id,
            filename: d.filename,
            content_type: d.content_type,
            metadata,
        })
    }
}

impl From<&Chunk> for v1::Chunk {
    fn from(c: &Chunk) -> Self {
        Self {
            chunk_id: c.id.to_string(),
            position: c.position,
            text: c.text.clone(),
            span_start: c.span.start,
            span_end: c.span.end,
            page: c.page,
            headings: c.headings.clone(),
            tokens: c.tokens,
        }
    }
}

impl TryFrom<v1::Chunk> for Chunk {
    type Error = Fault;

    fn try_from(c: v1::Chunk) -> Result<Self> {
        Ok(Self {
            id: parse("chunk_id", &c.chunk_id)?,
            position: c.position,
            text: c.text,
            span: c.span_start..c.span_end,
            page: c.page,
            headings: c.headings,
            tokens: c.tokens,
        })
    }
}

impl From<&IngestRequested> for v1::IngestRequested {
    fn from(e: &IngestRequested) -> Self {
        Self {
            document: Some((&e.document).into()),
            blob_key: e.blob.key.clone(),
            blob_size: e.blob.size,
            blob_sha256: e.blob.sha256.clone(),
        }
    }
}

impl TryFrom<v1::IngestRequested> for IngestRequested {
    type Error = Fault;

    fn try_from(e: v1::IngestRequested) -> Result<Self> {
        Ok(Self {
            document: required("document", e.document)?.try_into()?,
            blob: Blob { key: e.blob_key, size: e.blob_size, sha256: e.blob_sha256 },
        })
    }
}

impl From<&ChunkReady> for v1::ChunkReady {
    fn from(e: &ChunkReady) -> Self {
        Self {
            document: Some((&e.document).into()),
            chunk: Some((&e.chunk).into()),
            chunk_count: e.chunk_count,
        }
    }
}

impl TryFrom<v1::ChunkReady> for ChunkReady {
    type Error = Fault;

    fn try_from(e: v1::ChunkReady) -> Result<Self> {
        Ok(Self {
            document: required("document", e.document)?.try_into()?,
            chunk: required("chunk", e.chunk)?.try_into()?,
            chunk_count: e.chunk_count,
        })
    }
}

impl From<&ChunkEmbedded> for v1::ChunkEmbedded {
    fn from(e: &ChunkEmbedded) -> Self {
        Self {
            document: Some((&e.document).into()),
            chunk: Some((&e.chunk).into()),
            model: e.model.clone(),
            vector: e.vector.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }
}

impl TryFrom<v1::ChunkEmbedded> for ChunkEmbedded {
    type Error = Fault;

    fn try_from(e: v1::ChunkEmbedded) -> Result<Self> {
        let (numbers, rest) = e.vector.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(undecodable("the vector is not a row of 4-byte numbers"));
        }
        Ok(Self {
            document: required("document", e.document)?.try_into()?,
            chunk: required("chunk", e.chunk)?.try_into()?,
            model: e.model,
            vector: numbers.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        })
    }
}

impl From<&VersionCommitted> for v1::VersionCommitted {
    fn from(e: &VersionCommitted) -> Self {
        Self {
            document_id: e.document_id.to_string(),
            version: e.version.0,
            job_id: e.job_id.to_string(),
            chunk_count: e.chunk_count,
        }
    }
}

impl TryFrom<v1::VersionCommitted> for VersionCommitted {
    type Error = Fault;

    fn try_from(e: v1::VersionCommitted) -> Result<Self> {
        Ok(Self {
            document_id: parse("document_id", &e.document_id)?,
            version: Version(e.version),
            job_id: parse("job_id", &e.job_id)?,
            chunk_count: e.chunk_count,
        })
    }
}
