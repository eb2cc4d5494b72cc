//! One hit a document, diversity, neighbours, and filters by every way of selecting rows.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ragstream_core::{event::IndexEvent, id::DocumentId};
use ragstream_index::{
    Filter, Hit, Index, IndexConfig, IndexError, Legs, PerDocument, SearchRequest, VectorPath,
};
use serde_json::json;
use std::{collections::HashMap, time::Duration};

/// Documents with 1 to 40 chunks each, the later the more.
fn index_of(documents: u128, config: IndexConfig) -> Index {
    let index = Index::new(config).unwrap();
    let events: Vec<IndexEvent> =
        (1..=documents).flat_map(|doc| version(doc, 1, doc as u32 % 40 + 1)).collect();
    index.apply(at(0, events)).unwrap();
    index
}

fn request(mode: Legs, top_k: usize) -> SearchRequest {
    let vector = Some(vec![1.0; DIMENSION]);
    SearchRequest {
        text: "common document7 position3".into(),
        vector,
        top_k,
        mode,
        ..SearchRequest::default()
    }
}

fn best(mode: Legs, top_k: usize) -> SearchRequest {
    SearchRequest { per_document: PerDocument::Best, ..request(mode, top_k) }
}

fn documents(hits: &[Hit]) -> Vec<DocumentId> {
    hits.iter().map(|hit| hit.record.document.document_id).collect()
}

/// The documents of single chunks in order, each at its first.
fn firsts(hits: &[Hit]) -> Vec<DocumentId> {
    let mut seen = Vec::new();
    for document in documents(hits) {
        if !seen.contains(&document) {
            seen.push(document);
        }
    }
    seen
}

#[test]
fn the_best_of_each_document_is_as_many_documents_as_are_wanted() {
    let index = index_of(100, config());
    let all = index.search(&request(Legs::Keyword, 1_000)).unwrap().hits;
    for mode in [Legs::Keyword, Legs::Vector, Legs::Hybrid] {
        for top_k in [1, 7, 90, 100, 500] {
            let hits = index.search(&best(mode, top_k)).unwrap().hits;
            assert_eq!(hits.len(), top_k.min(100), "{mode:?}");
            assert_eq!(firsts(&hits).len(), hits.len(), "{mode:?}");
        }
    }
    // Of one leg it is what single chunks would give, each document at its first.
    let one = index.search(&best(Legs::Keyword, 100)).unwrap().hits;
    let expected = firsts(&all);
    assert_eq!(documents(&one)[..expected.len().min(40)], expected[..expected.len().min(40)]);
    for (rank, hit) in one.iter().enumerate() {
        assert_eq!(hit.keyword.unwrap().rank, rank + 1);
    }
}

#[test]
fn a_document_of_many_chunks_does_not_crowd_the_others_out_of_the_graph() {
    let index = Index::new(IndexConfig { exact_below: 500, ..config() }).unwrap();
    // One document lies nearest to the question with all of its chunks.
    let mut events: Vec<IndexEvent> = (0..1_500)
        .map(|position| {
            let mut vector = vec![1.0; DIMENSION];
            vector[position as usize % DIMENSION] += position as f32 * 1e-4;
            IndexEvent::Chunk(Box::new(embedded(1, 1, position, "text", vector)))
        })
        .collect();
    events.push(commit(1, 1, 1_500));
    events.extend((2..=400).flat_map(|doc| version(doc, 1, 2)));
    index.apply(at(0, events)).unwrap();
    assert!(index.settle(Duration::from_secs(120)));
    let all = index.search(&request(Legs::Vector, 20)).unwrap();
    assert_eq!((firsts(&all.hits).len(), all.vector_path), (1, Some(VectorPath::Graph)));
    let hits = index.search(&best(Legs::Vector, 20)).unwrap().hits;
    assert_eq!((hits.len(), firsts(&hits).len()), (20, 20));
}

#[test]
fn each_leg_ranks_documents_and_the_fusion_joins_what_they_say_of_one() {
    let index = Index::new(config()).unwrap();
    let axis = |n: usize| (0..DIMENSION).map(|i| f32::from(u8::from(i == n)) + 0.01).collect::<Vec<_>>();
    let chunk = |doc, position, text: &str, vector| {
        IndexEvent::Chunk(Box::new(embedded(doc, 1, position, text, vector)))
    };
    // Document 1 is the best of both legs, by different chunks.
    let events = vec![
        chunk(1, 0, "rare words", axis(5)),
        chunk(1, 1, "other text", axis(0)),
        commit(1, 1, 2),
        chunk(2, 0, "words and more and more and more", axis(1)),
        commit(2, 1, 1),
    ];
    index.apply(at(0, events)).unwrap();
    let request = SearchRequest {
        text: "rare words".into(),
        vector: Some(axis(0)),
        top_k: 10,
        per_document: PerDocument::Best,
        ..SearchRequest::default()
    };
    let hits = index.search(&request).unwrap().hits;
    assert_eq!(documents(&hits), [document(1), document(2)]);
    assert_eq!((hits[0].vector.unwrap().rank, hits[0].keyword.unwrap().rank), (1, 1));
    assert_eq!(hits[0].score, 1.0);
    assert_eq!(hits[0].chunk_id, chunk_id(1, 1, 0));
}

#[test]
fn diversity_takes_what_is_new_first_and_one_is_the_order_of_the_scores() {
    let index = Index::new(config()).unwrap();
    let mut events = Vec::new();
    // Nine documents say one thing, a bit nearer to the question than the tenth.
    for doc in 1..=10u128 {
        let mut vector = vec![1.0; DIMENSION];
        vector[0] = if doc == 10 { -1.0 } else { 1.0 + doc as f32 * 1e-3 };
        events.push(IndexEvent::Chunk(Box::new(embedded(doc, 1, 0, "common", vector))));
        events.push(commit(doc, 1, 1));
    }
    index.apply(at(0, events)).unwrap();
    let ask = |diversity| {
        let request = SearchRequest { diversity, ..request(Legs::Vector, 3) };
        index.search(&request).map(|found| documents(&found.hits))
    };
    let plain = ask(None).unwrap();
    assert!(!plain.contains(&document(10)));
    assert_eq!(ask(Some(1.0)).unwrap(), plain);
    let diverse = ask(Some(0.3)).unwrap();
    assert_eq!((diverse[0], diverse[1], diverse.len()), (plain[0], document(10), 3));
    for bad in [-0.1, 1.1, f32::NAN] {
        assert!(matches!(ask(Some(bad)), Err(IndexError::Request(_))), "{bad}");
    }
}

#[test]
fn neighbours_are_of_the_visible_version_and_of_the_moment_of_the_search() {
    let index = Index::new(config()).unwrap();
    index.apply(at(0, version(1, 1, 6))).unwrap();
    let found = index.search(&request(Legs::Vector, 6)).unwrap();
    let hit = |position| found.hits.iter().find(|hit| hit.record.chunk.position == position).unwrap();
    let positions = |position, n| {
        let records = found.neighbours(hit(position), n);
        records.iter().map(|record| record.chunk.position).collect::<Vec<_>>()
    };
    assert_eq!(positions(2, 2), [0, 1, 3, 4]);
    assert_eq!(positions(0, 2), [1, 2]);
    assert_eq!(positions(5, 9), [0, 1, 2, 3, 4]);
    assert!(positions(3, 0).is_empty());
    assert_eq!(index.neighbours(hit(2), 1), found.neighbours(hit(2), 1));
    // After an update, the moment of the search still has them; the index has others.
    index.apply(at(10, version(1, 2, 3))).unwrap();
    assert_eq!(positions(2, 1), [1, 3]);
    assert!(index.neighbours(hit(2), 1).is_empty());
}

#[test]
fn every_way_of_selecting_rows_gives_what_the_filter_says() {
    let index = index_of(60, config());
    let chunks = |doc: u128| doc as usize % 40 + 1;
    let count =
        |passes: &dyn Fn(u128) -> bool| (1..=60).filter(|doc| passes(*doc)).map(chunks).sum::<usize>();
    let id = |doc| document(doc).to_string();
    let cases: Vec<(Filter, usize)> = vec![
        (Filter::default(), count(&|_| true)),
        (Filter::collection("c1"), count(&|doc| doc % 3 == 1)),
        (filter(json!({"collection": ["c1", "c2", "none"]})), count(&|doc| doc % 3 != 0)),
        (filter(json!({"collection": "c1"})).within(vec!["c2".into()]), 0),
        (filter(json!({"parity": 1})).within(vec!["c1".into()]), count(&|doc| doc % 6 == 1)),
        (filter(json!({"collection": {"ne": "c1"}})), count(&|doc| doc % 3 != 1)),
        (filter(json!({"document_id": [id(4), id(5), id(999)]})), chunks(4) + chunks(5)),
        (filter(json!({"document_id": id(4), "parity": 1})), 0),
        (filter(json!({"document_id": {"nin": [id(4)]}})), count(&|doc| doc != 4)),
        (Filter::documents([]), 0),
        (filter(json!({"doc": {"gt": 10, "lte": 20}})), count(&|doc| doc > 10 && doc <= 20)),
        (
            filter(json!({"or": [{"doc": 3}, {"and": [{"collection": "c0"}, {"not": {"parity": 0}}]}]})),
            count(&|doc| doc == 3 || (doc % 3 == 0 && doc % 2 == 1)),
        ),
    ];
    for (filter, expected) in cases {
        let request = SearchRequest { filter: filter.clone(), ..request(Legs::Vector, 1_000) };
        let found = index.search(&request).unwrap();
        assert_eq!(found.candidates, expected, "{filter:?}");
        let mut each: HashMap<DocumentId, usize> = HashMap::new();
        for hit in &found.hits {
            assert!(filter.matches(&hit.record.document), "{filter:?}");
            *each.entry(hit.record.document.document_id).or_default() += 1;
        }
        assert_eq!(each.values().sum::<usize>(), expected.min(1_000));
    }
}
