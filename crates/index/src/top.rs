//! The best rows of a leg.

use crate::{request::PerDocument, view::View};
use ragstream_core::id::{ChunkId, DocumentId};
use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeSet, BinaryHeap, HashMap, HashSet},
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

/// Keeps the best `limit` of the rows that are offered, or the best row of each of
/// the best `limit` documents.
pub(crate) struct Top<'v> {
    view: &'v View,
    limit: usize,
    kept: Kept,
}

enum Kept {
    Rows(BinaryHeap<Reverse<Scored>>),
    Documents { best: BTreeSet<Scored>, of: HashMap<DocumentId, Scored> },
}

impl<'v> Top<'v> {
    pub(crate) fn new(view: &'v View, limit: usize, per_document: PerDocument) -> Self {
        let kept = match per_document {
            PerDocument::All => Kept::Rows(BinaryHeap::with_capacity(limit + 1)),
            PerDocument::Best => Kept::Documents { best: BTreeSet::new(), of: HashMap::new() },
        };
        Self { view, limit, kept }
    }

    /// Whether so many rows are as many as are to be kept.
    pub(crate) fn can_be_filled_by(&self, rows: impl Iterator<Item = u32>) -> bool {
        match self.kept {
            Kept::Rows(_) => rows.take(self.limit).count() == self.limit,
            Kept::Documents { .. } => {
                let documents = rows.filter_map(|row| Some(self.view.record(row)?.document.document_id));
                documents.collect::<HashSet<_>>().len() >= self.limit
            }
        }
    }

    /// A row with a lower score than this is not kept.
    #[inline]
    pub(crate) fn threshold(&self) -> f32 {
        let (worst, len) = match &self.kept {
            Kept::Rows(heap) => (heap.peek().map(|Reverse(worst)| worst), heap.len()),
            Kept::Documents { best, .. } => (best.first(), best.len()),
        };
        worst.filter(|_| len >= self.limit).map_or(f32::MIN, |worst| worst.score)
    }

    /// Offers a row of the view; each row once.
    #[inline]
    pub(crate) fn offer(&mut self, row: u32, score: f32) {
        if score < self.threshold() || self.limit == 0 {
            return;
        }
        let Some(record) = self.view.record(row) else { return };
        let scored = Scored { row, score, id: record.chunk.id };
        match &mut self.kept {
            Kept::Rows(heap) => {
                heap.push(Reverse(scored));
                if heap.len() > self.limit {
                    heap.pop();
                }
            }
            Kept::Documents { best, of } => {
                let document = record.document.document_id;
                match of.get(&document) {
                    Some(before) if *before >= scored => return,
                    Some(before) => _ = best.remove(before),
                    None => {}
                }
                of.insert(document, scored);
                best.insert(scored);
                // A document that falls out comes back with a better row.
                if best.len() > self.limit
                    && let Some(record) = best.pop_first().and_then(|worst| self.view.record(worst.row))
                {
                    of.remove(&record.document.document_id);
                }
            }
        }
    }

    /// Best first.
    pub(crate) fn into_sorted(self) -> Vec<Scored> {
        match self.kept {
            Kept::Rows(heap) => heap.into_sorted_vec().into_iter().map(|Reverse(scored)| scored).collect(),
            Kept::Documents { best, .. } => best.into_iter().rev().collect(),
        }
    }
}
