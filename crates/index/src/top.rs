//! The best rows of a leg.

use crate::view::View;
use ragstream_core::id::ChunkId;
use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

/// A row with its score. The greater one is the better one: the higher
/// score, then the lower chunk id, so that equal scores come in one order
/// however rows are numbered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scored {
    pub(crate) row: u32,
    pub(crate) score: f32,
    id: ChunkId,
}

impl Ord for Scored {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.id.cmp(&self.id))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scored {}

/// Keeps the best `limit` of the rows that are offered.
pub(crate) struct Top<'v> {
    view: &'v View,
    limit: usize,
    heap: BinaryHeap<Reverse<Scored>>,
}

impl<'v> Top<'v> {
    pub(crate) fn new(view: &'v View, limit: usize) -> Self {
        Self { view, limit, heap: BinaryHeap::with_capacity(limit + 1) }
    }

    /// A row with a lower score than this is not kept.
    #[inline]
    pub(crate) fn threshold(&self) -> f32 {
        match self.heap.peek() {
            Some(Reverse(worst)) if self.heap.len() >= self.limit => worst.score,
            _ => f32::MIN,
        }
    }

    /// Offers a row of the view; each row once.
    #[inline]
    pub(crate) fn offer(&mut self, row: u32, score: f32) {
        if score < self.threshold() || self.limit == 0 {
            return;
        }
        let Some(record) = self.view.record(row) else { return };
        self.heap.push(Reverse(Scored { row, score, id: record.chunk.id }));
        if self.heap.len() > self.limit {
            self.heap.pop();
        }
    }

    /// Best first.
    pub(crate) fn into_sorted(self) -> Vec<Scored> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(scored)| scored).collect()
    }
}
