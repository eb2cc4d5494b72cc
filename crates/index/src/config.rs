//! What an index is built with.

use crate::error::IndexError;

/// Links and beam widths of the proximity graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HnswParams {
    /// Links a node keeps on each layer (twice as many on the lowest).
    pub m: usize,
    /// Candidates looked at for each insertion.
    pub ef_construction: usize,
    /// Candidates looked at by a search, at least.
    pub ef_search: usize,
}

impl Default for HnswParams {
    /// Recall@10 of .991 on 76,745 sentence vectors of 384 dimensions.
    fn default() -> Self {
        Self { m: 16, ef_construction: 200, ef_search: 64 }
    }
}

/// Settings of an [`Index`](crate::Index).
#[derive(Clone, Debug, PartialEq)]
pub struct IndexConfig {
    /// Length of every vector.
    pub dimension: usize,
    /// Only vectors of this model are taken; `None` takes all. Vectors of two
    /// models can't be compared with each other.
    pub model: Option<String>,
    /// Up to so many rows a search looks at each of them. From so many held
    /// rows on, a graph is built.
    pub exact_below: usize,
    /// The graph.
    pub hnsw: HnswParams,
    /// A graph (or a block of vectors) of which more than this share is dead is built anew.
    pub rebuild_dead_share: f32,
    /// Threads that build the graph, so that searches keep the other cores.
    pub build_threads: usize,
    /// Bytes that the keyword writer may fill before it cuts a segment.
    pub keyword_memory: usize,
}

/// Exact scan beats the graph below about this many rows of 384 dimensions, at equal recall:
/// `ragstream bench search --chunks 30000` gives 16,900 as `crossover.rows` on two cores with
/// AVX-512 (a walk for 64 hits 1.40 ms, a scan of 10,000 rows 0.83 ms).
pub const DEFAULT_EXACT_BELOW: usize = 15_000;

/// `hnsw_rs` ends the whole process beyond 256; more than 64 links gain nothing.
const MAX_LINKS: usize = 64;

/// A beam beyond this costs more than looking at every row.
const MAX_EF: usize = 10_000;

/// The longest vectors that public models make are below this.
const MAX_DIMENSION: usize = 16_384;

/// What tantivy takes at least for one indexing thread is 15 MB.
const MIN_KEYWORD_MEMORY: usize = 16 << 20;

/// Beyond this tantivy refuses.
const MAX_KEYWORD_MEMORY: usize = 2 << 30;

impl Default for IndexConfig {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
        Self {
            dimension: 384,
            model: None,
            exact_below: DEFAULT_EXACT_BELOW,
            hnsw: HnswParams::default(),
            rebuild_dead_share: 0.25,
            build_threads: (cores / 2).max(1),
            keyword_memory: 32 << 20,
        }
    }
}

impl IndexConfig {
    /// Refuses what would make a library below panic or end the process.
    pub(crate) fn check(&self) -> Result<(), IndexError> {
        let within = |name: &str, value: usize, min: usize, max: usize| {
            if (min..=max).contains(&value) {
                return Ok(());
            }
            Err(IndexError::Config(format!("{name} is {value}, must be {min} to {max}")))
        };
        within("dimension", self.dimension, 1, MAX_DIMENSION)?;
        within("hnsw.m", self.hnsw.m, 2, MAX_LINKS)?;
        within("hnsw.ef_construction", self.hnsw.ef_construction, self.hnsw.m, MAX_EF)?;
        within("hnsw.ef_search", self.hnsw.ef_search, 1, MAX_EF)?;
        within("exact_below", self.exact_below, 1, u32::MAX as usize)?;
        within("build_threads", self.build_threads, 1, 1024)?;
        within("keyword_memory", self.keyword_memory, MIN_KEYWORD_MEMORY, MAX_KEYWORD_MEMORY)?;
        if !(self.rebuild_dead_share > 0.0 && self.rebuild_dead_share < 1.0) {
            return Err(IndexError::Config(format!(
                "rebuild_dead_share is {}, must lie between 0 and 1",
                self.rebuild_dead_share
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_sound_and_dangerous_settings_are_refused() {
        let good = IndexConfig::default();
        assert!(good.check().is_ok());
        for bad in [
            IndexConfig { dimension: 0, ..good.clone() },
            IndexConfig { hnsw: HnswParams { m: 257, ..good.hnsw }, ..good.clone() },
            IndexConfig { hnsw: HnswParams { m: 1, ..good.hnsw }, ..good.clone() },
            IndexConfig { hnsw: HnswParams { ef_search: 0, ..good.hnsw }, ..good.clone() },
            IndexConfig { rebuild_dead_share: f32::NAN, ..good.clone() },
            IndexConfig { rebuild_dead_share: 0.0, ..good.clone() },
            IndexConfig { build_threads: 0, ..good.clone() },
            IndexConfig { keyword_memory: 1, ..good.clone() },
        ] {
            assert!(bad.check().is_err(), "{bad:?}");
        }
    }
}
