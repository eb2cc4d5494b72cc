//! The proximity graph: `hnsw_rs` behind a wall.
//!
//! What it must never be asked, and how that is kept:
//! - Only vectors of [`unit`](super::unit::unit) reach it, compared by a
//!   distance that rounding can't make negative or NaN: its asserts hold.
//! - Identical vectors wreck such a graph: each distinct vector is one node,
//!   and a node stands for any number of rows.
//! - It has no deletion: rows that are dead are left out by the caller, and
//!   the graph is built anew once too many are.
//! - A node that it does not find by its own vector is kept in a list of lost
//!   nodes, which every search looks at one by one. Each node is looked up when
//!   it is new and again once the graph has grown, for links get lost as it grows.
//! - Its own filtered search, its iterators and its dump are never called.
//! - Should it panic all the same, the panic ends here.

use super::dot::Dot;
use crate::config::HnswParams;
use hnsw_rs::prelude::{Distance, Hnsw};
use rayon::{
    ThreadPool,
    iter::{IntoParallelRefIterator, ParallelIterator},
};
use sha2::{Digest, Sha256};
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// `hnsw_rs` allows no more layers.
const MAX_LAYERS: usize = 16;

/// `max(0, 1 - cosine)` of unit vectors.
struct CosineDistance(Dot);

impl Distance<f32> for CosineDistance {
    #[inline]
    fn eval(&self, a: &[f32], b: &[f32]) -> f32 {
        (1.0 - self.0.of(a, b)).max(0.0)
    }
}

/// 128 bits of SHA-256: two different vectors never share it.
type Fingerprint = [u8; 16];

fn fingerprint(vector: &[f32]) -> Fingerprint {
    let mut hasher = Sha256::new();
    for x in vector {
        // Adding zero makes -0.0 the same as 0.0.
        hasher.update((x + 0.0).to_le_bytes());
    }
    let mut print = Fingerprint::default();
    print.copy_from_slice(&hasher.finalize()[..16]);
    print
}

/// Which rows each node stands for.
#[derive(Default)]
struct Nodes {
    first: Vec<u32>,
    /// The others of nodes with more than one row.
    more: HashMap<usize, Vec<u32>>,
    /// Nodes that do not find themselves.
    lost: Vec<usize>,
    rows: usize,
}

impl Nodes {
    fn rows(&self, node: usize) -> impl Iterator<Item = u32> + '_ {
        let more = self.more.get(&node).into_iter().flatten();
        self.first.get(node).into_iter().chain(more).copied()
    }
}

/// What a search of the graph brings.
pub(crate) struct Near {
    /// Rows of the nearest nodes, in no order; dead ones too.
    pub(crate) rows: Vec<u32>,
    /// Rows of all lost nodes, none of them in `rows`.
    pub(crate) lost: Vec<u32>,
    /// Nearest nodes found: fewer than asked for when the graph has no more to give.
    pub(crate) nodes: usize,
}

/// A graph over the rows below its watermark.
pub(crate) struct Graph {
    hnsw: Hnsw<'static, f32, CosineDistance>,
    ef_search: usize,
    nodes: RwLock<Nodes>,
    /// Node of each distinct vector. Only the builder locks it.
    known: Mutex<HashMap<Fingerprint, usize>>,
    watermark: AtomicU32,
}

/// `hnsw_rs` panicked: the graph is not to be used any more.
#[derive(Debug)]
pub(crate) struct Panicked;

impl Graph {
    /// An empty graph that expects about `rows` rows.
    pub(crate) fn new(params: HnswParams, dot: Dot, rows: usize) -> Self {
        let distance = CosineDistance(dot);
        Self {
            hnsw: Hnsw::new(params.m, rows, MAX_LAYERS, params.ef_construction, distance),
            ef_search: params.ef_search,
            nodes: RwLock::default(),
            known: Mutex::default(),
            watermark: AtomicU32::new(0),
        }
    }

    /// All rows below are in the graph, except those that were dead when it came to them.
    pub(crate) fn watermark(&self) -> u32 {
        self.watermark.load(Ordering::Acquire)
    }

    /// Adds rows that are not in it yet, looks new nodes up if `check`, then moves the watermark.
    pub(crate) fn insert(
        &self,
        rows: &[(u32, &[f32])],
        watermark: u32,
        check: bool,
        pool: &ThreadPool,
    ) -> Result<(), Panicked> {
        let mut fresh: Vec<(&[f32], usize)> = Vec::with_capacity(rows.len());
        {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
            for &(row, vector) in rows {
                nodes.rows += 1;
                let next = nodes.first.len();
                let node = *known.entry(fingerprint(vector)).or_insert(next);
                if node == next {
                    nodes.first.push(row);
                    fresh.push((vector, node));
                } else {
                    nodes.more.entry(node).or_default().push(row);
                }
            }
        }
        let guarded = AssertUnwindSafe(|| {
            let mut waiting = fresh.clone();
            if self.hnsw.get_nb_point() == 0 && !waiting.is_empty() {
                // A graph without an entry point can't take two at once.
                self.hnsw.insert_slice(waiting.remove(0));
            }
            pool.install(|| self.hnsw.parallel_insert_slice(&waiting));
        });
        catch_unwind(guarded).map_err(|_| Panicked)?;
        if check {
            self.check(&fresh, pool)?;
        }
        self.watermark.store(watermark, Ordering::Release);
        Ok(())
    }

    /// Looks every given node up by its own vector and remembers those that are not found.
    pub(crate) fn check(&self, given: &[(&[f32], usize)], pool: &ThreadPool) -> Result<(), Panicked> {
        let find = |(vector, node): &&(&[f32], usize)| {
            let found = self.hnsw.search(vector, self.ef_search, self.ef_search);
            !found.iter().any(|neighbour| neighbour.d_id == *node)
        };
        let guarded = AssertUnwindSafe(|| {
            pool.install(|| given.par_iter().filter(find).map(|(_, node)| *node).collect::<Vec<_>>())
        });
        let lost = catch_unwind(guarded).map_err(|_| Panicked)?;
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        nodes.lost.extend(lost);
        nodes.lost.sort_unstable();
        nodes.lost.dedup();
        Ok(())
    }

    /// Up to `count` nodes from `from` on, each with the vector of one of its
    /// rows, where `vector` still has one: what [`check`](Self::check) takes.
    pub(crate) fn nodes<'v>(
        &self,
        from: usize,
        count: usize,
        vector: impl Fn(u32) -> Option<&'v [f32]>,
    ) -> Vec<(&'v [f32], usize)> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let range = from..nodes.first.len().min(from + count);
        range.filter_map(|node| Some((nodes.rows(node).find_map(&vector)?, node))).collect()
    }

    /// The rows of the `count` nearest nodes.
    pub(crate) fn near(&self, question: &[f32], count: usize) -> Result<Near, Panicked> {
        let found = catch_unwind(AssertUnwindSafe(|| self.hnsw.search(question, count, count)));
        let found = found.map_err(|_| Panicked)?;
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        let lost = &nodes.lost;
        let met = found.iter().map(|neighbour| neighbour.d_id).filter(|d| lost.binary_search(d).is_err());
        Ok(Near {
            rows: met.flat_map(|node| nodes.rows(node)).collect(),
            lost: lost.iter().flat_map(|node| nodes.rows(*node)).collect(),
            nodes: found.len(),
        })
    }

    /// Nodes, rows behind them, and lost nodes.
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        (nodes.first.len(), nodes.rows, nodes.lost.len())
    }
}

#[cfg(test)]
impl Graph {
    /// Makes nodes lost.
    pub(crate) fn lose(&self, nodes: Vec<usize>) {
        self.nodes.write().unwrap_or_else(PoisonError::into_inner).lost = nodes;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn graph(vectors: &[Vec<f32>]) -> Graph {
        let graph = Graph::new(HnswParams::default(), Dot::detect(), vectors.len());
        let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().unwrap();
        let rows: Vec<(u32, &[f32])> =
            vectors.iter().map(Vec::as_slice).zip(0..).map(|(v, r)| (r, v)).collect();
        graph.insert(&rows, vectors.len() as u32, true, &pool).unwrap();
        graph
    }

    #[test]
    fn identical_vectors_are_one_node() {
        let mut vectors = vec![vec![1.0, 0.0]; 1_000];
        vectors.push(vec![0.0, 1.0]);
        vectors.push(vec![-0.0, 1.0]);
        let graph = graph(&vectors);
        assert_eq!(graph.sizes(), (2, 1_002, 0));
        let near = graph.near(&[1.0, 0.0], 10).unwrap();
        assert_eq!(near.nodes, 2);
        assert_eq!(near.rows.len(), 1_002);
    }

    #[test]
    fn a_lost_node_comes_with_every_answer_and_once() {
        let vectors: Vec<Vec<f32>> =
            (0..100).map(|i| (i as f32 / 100.0).sin_cos()).map(|(a, b)| vec![a, b]).collect();
        let graph = graph(&vectors);
        graph.lose(vec![0, 99]);
        for question in [[0.0, 1.0], [1.0, 0.0]] {
            let near = graph.near(&question, 5).unwrap();
            assert_eq!(near.lost, [0, 99]);
            assert!(!near.rows.contains(&0) && !near.rows.contains(&99));
        }
    }

    #[test]
    fn an_empty_graph_answers_with_nothing() {
        assert_eq!(graph(&[]).near(&[1.0, 0.0], 10).unwrap().rows, Vec::<u32>::new());
    }
}
