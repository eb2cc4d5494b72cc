//! The graph: recall against the exact scan, filters, identical vectors,
//! deletion and rebuilding.
#![allow(clippy::unwrap_used)]

mod common;

use common::{chunk_gone, commit, document, filter, reference, rng};
use ragstream_core::{
    chunk::Chunk,
    event::{ChunkEmbedded, IndexEvent},
    id::{ChunkId, Version},
};
use ragstream_index::{Filter, Index, IndexConfig, Legs, Positioned, SearchHits, SearchRequest, VectorPath};
use rand::{RngExt, rngs::StdRng};
use serde_json::json;
use std::{collections::BTreeSet, sync::LazyLock, time::Duration};

const DIMENSION: usize = 64;
const DOCUMENTS: u128 = 200;
const CHUNKS: u32 = 100;
const CLUSTERS: usize = 150;

/// Longer than any build here can take.
const PATIENCE: Duration = Duration::from_secs(300);

fn config() -> IndexConfig {
    IndexConfig { dimension: DIMENSION, exact_below: 1_000, build_threads: 2, ..IndexConfig::default() }
}

fn gauss(rng: &mut StdRng) -> f32 {
    (0..6).map(|_| rng.random_range(-1.0..1.0f32)).sum::<f32>() / 2f32.sqrt()
}

struct Clusters {
    rng: StdRng,
    centers: Vec<Vec<f32>>,
}

impl Clusters {
    fn new(seed: u64) -> Self {
        let mut rng = rng(seed);
        let centers = (0..CLUSTERS).map(|_| (0..DIMENSION).map(|_| gauss(&mut rng)).collect()).collect();
        Self { rng, centers }
    }

    fn next(&mut self) -> Vec<f32> {
        let center = self.rng.random_range(0..CLUSTERS);
        let spread = 0.5;
        let mut vector = self.centers[center].clone();
        vector.iter_mut().for_each(|x| *x += spread * gauss(&mut self.rng));
        let norm = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= norm);
        vector
    }
}

fn chunk(doc: u128, version: i32, position: u32, vector: Vec<f32>) -> IndexEvent {
    IndexEvent::Chunk(Box::new(ChunkEmbedded {
        document: reference(doc, version),
        chunk: Chunk {
            id: ChunkId::derive(document(doc), Version(version), "test", position),
            position,
            text: "text".into(),
            span: 0..4,
            page: None,
            headings: Vec::new(),
            tokens: 1,
        },
        model: "test".into(),
        vector,
    }))
}

fn apply(index: &Index, events: Vec<IndexEvent>) {
    let from = index.positions().get(&0).copied().unwrap_or(0);
    let events = (from..).zip(events).map(|(offset, event)| Positioned { partition: 0, offset, event });
    assert!(index.apply(events.collect()).unwrap().rejected.is_empty());
}

fn ask(index: &Index, vector: &[f32], filter: Filter, top_k: usize) -> SearchHits {
    let vector = Some(vector.to_vec());
    index.search(&SearchRequest { vector, top_k, filter, mode: Legs::Vector, ..Default::default() }).unwrap()
}

/// The true neighbours among `vectors`.
fn exact<'a>(
    vectors: impl Iterator<Item = &'a (ChunkId, Vec<f32>)>,
    question: &[f32],
    k: usize,
) -> BTreeSet<ChunkId> {
    let dot = |v: &[f32]| v.iter().zip(question).map(|(x, y)| x * y).sum::<f32>();
    let mut scored: Vec<_> = vectors.map(|(id, v)| (dot(v), *id)).collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    scored.into_iter().take(k).map(|(_, id)| id).collect()
}

fn ids(hits: &SearchHits) -> BTreeSet<ChunkId> {
    hits.hits.iter().map(|hit| hit.chunk_id).collect()
}

/// A chunk, the document it is of, and its vector.
type Known = (u128, (ChunkId, Vec<f32>));

/// 20,000 chunks in 200 documents, made once for the tests that only read.
static LARGE: LazyLock<(Index, Vec<Known>)> = LazyLock::new(|| {
    let index = Index::new(config()).unwrap();
    let mut clusters = Clusters::new(1);
    let mut all = Vec::new();
    for doc in 1..=DOCUMENTS {
        let mut events = Vec::new();
        for position in 0..CHUNKS {
            let vector = clusters.next();
            all.push((doc, (ChunkId::derive(document(doc), Version(1), "test", position), vector.clone())));
            events.push(chunk(doc, 1, position, vector));
        }
        events.push(commit(doc, 1, CHUNKS));
        apply(&index, events);
    }
    assert!(index.settle(PATIENCE));
    (index, all)
});

fn recall(filter: Filter, passes: impl Fn(u128) -> bool, path: VectorPath) -> f64 {
    let (index, all) = &*LARGE;
    let mut clusters = Clusters::new(1);
    clusters.rng = rng(2);
    let (mut hit, mut wanted) = (0, 0);
    for _ in 0..200 {
        let question = clusters.next();
        let found = ask(index, &question, filter.clone(), 10);
        assert_eq!(found.vector_path, Some(path));
        let truth = exact(all.iter().filter(|(doc, _)| passes(*doc)).map(|(_, v)| v), &question, 10);
        assert_eq!(found.hits.len(), truth.len());
        assert!(found.hits.iter().all(|hit| passes(hit.record.document.document_id.0.as_u128())));
        hit += ids(&found).intersection(&truth).count();
        wanted += truth.len();
    }
    hit as f64 / wanted as f64
}

#[test]
fn the_graph_finds_the_neighbours_that_an_exact_scan_finds() {
    let stats = LARGE.0.stats().graph.unwrap();
    assert_eq!((stats.nodes, stats.rows, stats.tail), (20_000, 20_000, 0));
    let recall = recall(Filter::default(), |_| true, VectorPath::Graph);
    assert!(recall >= 0.95, "recall@10 is {recall}");
}

#[test]
fn half_of_the_rows_are_found_in_the_graph_and_few_by_a_scan() {
    let half = filter(json!({"parity": 1}));
    let found = recall(half, |doc| doc % 2 == 1, VectorPath::Graph);
    assert!(found >= 0.95, "recall@10 of half is {found}");
    let third = recall(Filter::collection("c2"), |doc| doc % 3 == 2, VectorPath::Graph);
    assert!(third >= 0.95, "recall@10 of a third is {third}");
    let few = Filter::documents((1..=5).map(document));
    assert_eq!(recall(few, |doc| doc <= 5, VectorPath::Exact), 1.0);
    // Many hits from a fifth of the rows: cheaper to look at each.
    let fifth = filter(json!({"external_id": (1..=40).map(|d| format!("x{d}")).collect::<Vec<_>>()}));
    let hits = ask(&LARGE.0, &LARGE.1[0].1.1, fifth, 1_000);
    assert_eq!((hits.hits.len(), hits.vector_path), (1_000, Some(VectorPath::Exact)));
}

/// Whatever share of the rows passes, and whichever way the leg goes: the ten that an exact scan
/// finds, in a hybrid search whose other leg finds nothing, so that no hit is pushed out.
#[test]
fn a_filter_of_any_selectivity_costs_no_recall() {
    let index = Index::new(IndexConfig { exact_below: 2_000, ..config() }).unwrap();
    let (mut clusters, mut numbers) = (Clusters::new(5), rng(6));
    let mut all: Vec<(f64, (ChunkId, Vec<f32>))> = Vec::new();
    let mut events = Vec::new();
    for doc in 1..=20_000u128 {
        let (vector, at) = (clusters.next(), numbers.random_range(0.0..1.0));
        let IndexEvent::Chunk(mut event) = chunk(doc, 1, 0, vector.clone()) else { unreachable!() };
        event.document.metadata = json!({"at": at}).as_object().unwrap().clone();
        all.push((at, (event.chunk.id, vector)));
        events.extend([IndexEvent::Chunk(event), commit(doc, 1, 1)]);
    }
    apply(&index, events);
    assert!(index.settle(PATIENCE));
    for share in [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0] {
        let passing = filter(json!({"at": {"lt": share}}));
        let (mut hit, mut wanted, mut paths, mut took) = (0, 0, BTreeSet::new(), Duration::ZERO);
        for _ in 0..50 {
            let question = clusters.next();
            let request = SearchRequest {
                text: "zebra".into(),
                vector: Some(question.clone()),
                top_k: 10,
                filter: passing.clone(),
                ..SearchRequest::default()
            };
            let found = index.search(&request).unwrap();
            let truth = exact(all.iter().filter(|(at, _)| *at < share).map(|(_, v)| v), &question, 10);
            hit += ids(&found).intersection(&truth).count();
            wanted += truth.len();
            paths.insert(format!("{:?}", found.vector_path.unwrap()));
            took += found.timings.vector;
        }
        let recall = hit as f64 / wanted as f64;
        println!("share {share}: recall@10 {recall:.4}, {paths:?}, {:?} a search", took / 50);
        assert!(recall >= 0.98, "recall@10 is {recall} where {share} of the rows pass");
    }
}

#[test]
fn chunks_find_themselves() {
    let (index, all) = &*LARGE;
    let finds =
        |(id, vector): &(ChunkId, Vec<f32>)| ask(index, vector, Filter::default(), 1).hits[0].chunk_id == *id;
    let missed = all.iter().filter(|(_, known)| !finds(known)).count();
    // Links lost since the graph was last looked through: it has grown by a tenth at most.
    assert!(missed <= 10, "{missed} of 20,000");
}

#[test]
fn identical_vectors_hide_neither_each_other_nor_their_neighbours() {
    let index = Index::new(IndexConfig { exact_below: 500, ..config() }).unwrap();
    let mut clusters = Clusters::new(3);
    let boilerplate = clusters.next();
    let mut distinct = Vec::new();
    let mut events = Vec::new();
    for doc in 1..=60u128 {
        for position in 0..100 {
            // Boilerplate first, as page footers come.
            let vector = if doc <= 30 { boilerplate.clone() } else { clusters.next() };
            if doc > 30 {
                distinct.push((ChunkId::derive(document(doc), Version(1), "test", position), vector.clone()));
            }
            events.push(chunk(doc, 1, position, vector));
        }
        events.push(commit(doc, 1, 100));
    }
    apply(&index, events);
    assert!(index.settle(PATIENCE));
    assert_eq!(index.stats().graph.unwrap().nodes, 3_001);
    let mut hit = 0;
    for _ in 0..100 {
        let question = clusters.next();
        let found = ask(&index, &question, Filter::default(), 10);
        assert_eq!(found.vector_path, Some(VectorPath::Graph));
        hit += ids(&found).intersection(&exact(distinct.iter(), &question, 10)).count();
    }
    assert!(hit >= 950, "{hit} of 1000");
    let same = ask(&index, &boilerplate, Filter::default(), 100);
    assert_eq!(same.hits.len(), 100);
    assert!(same.hits.iter().all(|hit| hit.vector.unwrap().score > 0.9999));
}

#[test]
fn updates_wear_the_graph_out_and_it_is_built_anew_while_all_is_found() {
    let index = Index::new(IndexConfig { exact_below: 500, ..config() }).unwrap();
    let mut clusters = Clusters::new(4);
    let mut live: Vec<Vec<(ChunkId, Vec<f32>)>> = vec![Vec::new(); 41];
    for version in 1..=4 {
        for doc in 1..=40u128 {
            let mut events = Vec::new();
            live[doc as usize].clear();
            for position in 0..50 {
                let vector = clusters.next();
                let id = ChunkId::derive(document(doc), Version(version), "test", position);
                live[doc as usize].push((id, vector.clone()));
                events.push(chunk(doc, version, position, vector));
            }
            events.push(commit(doc, version, 50));
            apply(&index, events);
            // While the builder is at work: nothing dead, nothing missing.
            let (id, vector) = &live[doc as usize][7];
            let hits = ask(&index, vector, Filter::default(), 20);
            assert_eq!(hits.hits[0].chunk_id, *id);
            assert_eq!(hits.hits.len(), 20);
            let known = |id: &ChunkId| live.iter().flatten().any(|(live, _)| live == id);
            assert!(hits.hits.iter().all(|hit| known(&hit.chunk_id)));
        }
    }
    assert!(index.settle(PATIENCE));
    let graph = index.stats().graph.unwrap();
    assert_eq!(index.stats().visible, 2_000);
    assert!(graph.rows <= 2_667, "more than a quarter of {} rows is dead", graph.rows);
    assert_eq!(graph.tail, 0);
    let mut hit = 0;
    for _ in 0..100 {
        let question = clusters.next();
        hit += ids(&ask(&index, &question, Filter::default(), 10))
            .intersection(&exact(live.iter().flatten(), &question, 10))
            .count();
    }
    assert!(hit >= 950, "{hit} of 1000");

    // Nearly all deleted: the graph is let go.
    apply(&index, (5..=40u128).map(|doc| chunk_gone_of(doc, 4)).collect());
    assert!(index.settle(PATIENCE));
    assert_eq!((index.stats().visible, index.stats().documents), (200, 4));
    apply(&index, (5..=40u128).flat_map(|doc| (1..50).map(move |p| chunk_gone(doc, 4, p))).collect());
    assert!(index.settle(PATIENCE));
    assert_eq!((index.stats().graph, index.stats().staged), (None, 0));
    assert!(index.stats().dead <= 256);
}

fn chunk_gone_of(doc: u128, version: i32) -> IndexEvent {
    chunk_gone(doc, version, 0)
}
