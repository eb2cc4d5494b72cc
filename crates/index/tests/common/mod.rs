//! Events made short.
#![allow(dead_code, clippy::unwrap_used)]

use ragstream_core::{
    chunk::Chunk,
    document::DocumentRef,
    event::{ChunkEmbedded, IndexEvent, IndexKey, VersionCommitted},
    id::{ChunkId, DocumentId, JobId, Version},
};
use ragstream_index::{Filter, Index, IndexConfig, Legs, Positioned, SearchHits, SearchRequest};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::json;
use std::collections::BTreeSet;
use uuid::Uuid;

pub const DIMENSION: usize = 8;

pub fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

pub fn config() -> IndexConfig {
    IndexConfig { dimension: DIMENSION, build_threads: 2, ..IndexConfig::default() }
}

pub fn document(n: u128) -> DocumentId {
    DocumentId(Uuid::from_u128(n))
}

pub fn chunk_id(doc: u128, version: i32, position: u32) -> ChunkId {
    ChunkId::derive(document(doc), Version(version), "test", position)
}

pub fn reference(doc: u128, version: i32) -> DocumentRef {
    DocumentRef {
        document_id: document(doc),
        version: Version(version),
        job_id: JobId(Uuid::from_u128(doc << 32 | version as u128)),
        collection: format!("c{}", doc % 3),
        external_id: Some(format!("x{doc}")),
        filename: format!("file{doc}.txt"),
        content_type: "text/plain".into(),
        metadata: json!({"doc": doc as u64, "parity": doc as u64 % 2}).as_object().unwrap().clone(),
    }
}

pub fn random_vector(rng: &mut StdRng, dimension: usize) -> Vec<f32> {
    (0..dimension).map(|_| rng.random_range(-1.0..1.0)).collect()
}

pub fn embedded(doc: u128, version: i32, position: u32, text: &str, vector: Vec<f32>) -> ChunkEmbedded {
    ChunkEmbedded {
        document: reference(doc, version),
        chunk: Chunk {
            id: chunk_id(doc, version, position),
            position,
            text: text.into(),
            span: 0..text.len() as u64,
            page: None,
            headings: Vec::new(),
            tokens: 1,
        },
        model: "test".into(),
        vector,
    }
}

/// A chunk whose vector follows from its id.
pub fn chunk(doc: u128, version: i32, position: u32) -> IndexEvent {
    let seed = (doc as u64) << 32 | (version as u64) << 16 | u64::from(position);
    let text = format!("common words of document{doc} version{version} position{position}");
    IndexEvent::Chunk(Box::new(embedded(
        doc,
        version,
        position,
        &text,
        random_vector(&mut rng(seed), DIMENSION),
    )))
}

pub fn with(mut event: ChunkEmbedded, change: impl FnOnce(&mut ChunkEmbedded)) -> IndexEvent {
    change(&mut event);
    IndexEvent::Chunk(Box::new(event))
}

pub fn commit(doc: u128, version: i32, chunk_count: u32) -> IndexEvent {
    IndexEvent::Commit(VersionCommitted {
        document_id: document(doc),
        version: Version(version),
        job_id: JobId(Uuid::from_u128(1)),
        chunk_count,
    })
}

pub fn chunk_gone(doc: u128, version: i32, position: u32) -> IndexEvent {
    IndexEvent::Gone(IndexKey::Chunk(chunk_id(doc, version, position)))
}

pub fn marker_gone(doc: u128, version: i32) -> IndexEvent {
    IndexEvent::Gone(IndexKey::Commit(document(doc), Version(version)))
}

pub fn deleted(doc: u128) -> IndexEvent {
    IndexEvent::Deleted(document(doc))
}

/// Events of partition 0 in order from `offset` on.
pub fn at(offset: i64, events: impl IntoIterator<Item = IndexEvent>) -> Vec<Positioned> {
    (offset..).zip(events).map(|(offset, event)| Positioned { partition: 0, offset, event }).collect()
}

/// All chunks of a version and its marker.
pub fn version(doc: u128, version: i32, chunks: u32) -> Vec<IndexEvent> {
    let mut events: Vec<_> = (0..chunks).map(|position| chunk(doc, version, position)).collect();
    events.push(commit(doc, version, chunks));
    events
}

/// A filter as users write it.
pub fn filter(json: serde_json::Value) -> Filter {
    Filter::parse(Vec::new(), json.as_object().unwrap()).unwrap()
}

/// What a search of one leg finds, as a set.
pub fn found(index: &Index, mode: Legs, filter: Filter) -> BTreeSet<ChunkId> {
    let hits = search(index, mode, filter, 1_000);
    hits.hits.iter().map(|hit| hit.chunk_id).collect()
}

pub fn search(index: &Index, mode: Legs, filter: Filter, top_k: usize) -> SearchHits {
    let vector = Some(vec![1.0; DIMENSION]);
    let text = "common".into();
    index.search(&SearchRequest { text, vector, top_k, filter, mode, ..SearchRequest::default() }).unwrap()
}
