//! Why a document is found where it is, or not.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ragstream_core::{event::IndexEvent, id::Version};
use ragstream_index::{Explanation, Filter, Index, Legs, PerDocument, SearchRequest, Target};
use serde_json::json;

fn index() -> Index {
    let index = Index::new(config()).unwrap();
    let mut events: Vec<IndexEvent> = (1..=300).flat_map(|doc| version(doc, 1, 2)).collect();
    // Staged: its marker promises more.
    events.push(chunk(301, 1, 0));
    events.push(commit(301, 1, 2));
    events.push(deleted(300));
    index.apply(at(0, events)).unwrap();
    index
}

fn request(filter: Filter) -> SearchRequest {
    SearchRequest {
        text: "common position0 zebra".into(),
        vector: Some(vec![1.0; DIMENSION]),
        top_k: 10,
        filter,
        ..SearchRequest::default()
    }
}

fn explain(index: &Index, request: &SearchRequest, doc: u128) -> Explanation {
    index.explain(request, Target::Document(document(doc))).unwrap()
}

#[test]
fn ranks_are_those_of_the_search_and_go_on_where_it_ends() {
    let index = index();
    for per_document in [PerDocument::All, PerDocument::Best] {
        let request = SearchRequest { per_document, ..request(Filter::default()) };
        let found = index.search(&SearchRequest { top_k: 32, ..request.clone() }).unwrap();
        for (rank, hit) in found.hits.iter().take(10).enumerate() {
            let why = index.explain(&request, Target::Chunk(hit.chunk_id)).unwrap();
            let chunk = &why.chunks[0];
            assert_eq!(chunk.fused.map(|at| (at.rank, at.score)), Some((rank + 1, hit.score)));
            if let Some(leg) = hit.vector.filter(|_| per_document == PerDocument::All) {
                assert_eq!(chunk.vector, Some(leg));
            }
            let whole = explain(&index, &request, hit.record.document.document_id.0.as_u128());
            assert!(whole.chunks.iter().any(|other| other == chunk));
        }
    }
    let every = SearchRequest { top_k: 1_000, mode: Legs::Vector, ..request(Filter::default()) };
    let last = index.search(&every).unwrap().hits.pop().unwrap();
    let why = index.explain(&request(Filter::default()), Target::Chunk(last.chunk_id)).unwrap();
    assert_eq!((why.chunks[0].vector, why.candidates), (last.vector, 598));
    assert!(why.chunks[0].vector.unwrap().rank > why.leg_depth);
}

#[test]
fn terms_are_told_with_their_weight() {
    let index = index();
    let why = index.explain(&request(Filter::default()), Target::Chunk(chunk_id(7, 1, 1))).unwrap();
    let terms: Vec<(&str, bool)> = why.chunks[0].terms.iter().map(|t| (t.term.as_str(), t.found)).collect();
    assert_eq!(terms, [("zebra", false), ("position0", false), ("common", true)]);
    assert!(why.chunks[0].terms.windows(2).all(|pair| pair[0].weight > pair[1].weight));
    // What no term is in has no place in that leg, and is explained all the same.
    let nothing = SearchRequest { text: "zebra".into(), mode: Legs::Keyword, ..request(Filter::default()) };
    let why = explain(&index, &nothing, 7);
    assert_eq!(why.chunks.len(), 2);
    assert!(why.chunks.iter().all(|c| c.keyword.is_none() && c.vector.is_none() && c.fused.is_none()));
}

#[test]
fn what_is_filtered_staged_deleted_or_unknown_is_told_apart() {
    let index = index();
    let filtered = explain(&index, &request(filter(json!({"parity": 1, "doc": {"gte": 100}}))), 7);
    assert_eq!((filtered.known, filtered.failed_condition.as_deref()), (true, Some("filter.doc.gte")));
    assert!(filtered.chunks.iter().all(|chunk| chunk.visible && chunk.fused.is_none()));
    let passes = explain(&index, &request(filter(json!({"parity": 1}))), 7);
    assert_eq!(passes.failed_condition, None);

    let staged = index.explain(&request(Filter::default()), Target::Chunk(chunk_id(301, 1, 0))).unwrap();
    assert_eq!(
        (staged.state.visible, staged.state.held[&Version(1)], staged.state.markers[&Version(1)]),
        (None, 1, 2)
    );
    assert_eq!((staged.chunks[0].visible, staged.chunks[0].vector), (false, None));

    let deleted = explain(&index, &request(Filter::default()), 300);
    assert_eq!((deleted.known, deleted.deleted, deleted.chunks.len()), (false, true, 0));
    let unknown = explain(&index, &request(Filter::default()), 999);
    assert_eq!((unknown.known, unknown.deleted), (false, false));
    let unknown = index.explain(&request(Filter::default()), Target::Chunk(chunk_id(999, 1, 0))).unwrap();
    assert_eq!((unknown.document_id, unknown.known), (None, false));
}
