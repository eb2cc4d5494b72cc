//! Vectors and records of up to 256 neighbouring rows.
//!
//! Blocks are shared by views and copied on write: only the last one grows,
//! and an old one is rewritten without its dead rows once too many are dead.
//! A row keeps its number all its life, so a rewritten block finds a row's
//! place by counting the rows before it.

use crate::{
    record::ChunkRecord,
    rows::{BLOCK_ROWS, Mask, count, offsets},
};
use std::sync::Arc;

/// Rows that lie together in memory.
#[derive(Debug)]
pub(crate) struct Block {
    dimension: usize,
    present: Mask,
    records: Vec<Arc<ChunkRecord>>,
    vectors: Vec<f32>,
}

impl Clone for Block {
    /// With room for a whole block, since what is cloned is about to grow.
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.dimension);
        copy.present = self.present;
        copy.records.extend_from_slice(&self.records);
        copy.vectors.extend_from_slice(&self.vectors);
        copy
    }
}

impl Block {
    pub(crate) fn new(dimension: usize) -> Self {
        Self {
            dimension,
            present: Mask::default(),
            records: Vec::with_capacity(BLOCK_ROWS),
            vectors: Vec::with_capacity(BLOCK_ROWS * dimension),
        }
    }

    /// Appends the row at `offset`, which lies after all that are present.
    pub(crate) fn push(&mut self, offset: usize, record: Arc<ChunkRecord>, vector: &[f32]) {
        debug_assert_eq!(vector.len(), self.dimension);
        debug_assert!(offsets(self.present).all(|before| before < offset));
        self.present[offset / 64] |= 1 << (offset % 64);
        self.records.push(record);
        self.vectors.extend_from_slice(vector);
    }

    /// Rows that it holds, dead ones too.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// Bytes of its vectors.
    pub(crate) fn vector_bytes(&self) -> usize {
        self.vectors.len() * size_of::<f32>()
    }

    /// Where the row at `offset` lies, if it is present.
    #[inline]
    pub(crate) fn slot(&self, offset: usize) -> Option<usize> {
        let (word, bit) = (offset / 64, offset % 64);
        if self.present[word] >> bit & 1 == 0 {
            return None;
        }
        let before: u32 = self.present[..word].iter().map(|w| w.count_ones()).sum();
        let within = (self.present[word] & !(u64::MAX << bit)).count_ones();
        Some((before + within) as usize)
    }

    #[inline]
    pub(crate) fn vector(&self, slot: usize) -> &[f32] {
        &self.vectors[slot * self.dimension..(slot + 1) * self.dimension]
    }

    pub(crate) fn record(&self, slot: usize) -> &Arc<ChunkRecord> {
        &self.records[slot]
    }

    /// A copy with the rows of `live` only; `None` if none is left.
    pub(crate) fn without_dead(&self, live: &Mask) -> Option<Self> {
        if count(live) == 0 {
            return None;
        }
        let mut copy = Self::new(self.dimension);
        for offset in offsets(*live) {
            if let Some(slot) = self.slot(offset) {
                copy.push(offset, self.records[slot].clone(), self.vector(slot));
            }
        }
        copy.records.shrink_to_fit();
        copy.vectors.shrink_to_fit();
        Some(copy)
    }
}
