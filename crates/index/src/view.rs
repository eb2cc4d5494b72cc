//! The whole state of the index at one moment.
//!
//! A view never changes once it is published: `apply` copies the current one
//! (cheaply: blocks, document shards and collections are shared and copied on
//! write), changes the copy and publishes it in one step. A search works on
//! one view from beginning to end.

use crate::{
    block::Block,
    documents::{DocumentEntry, Documents},
    filter::Filter,
    record::ChunkRecord,
    request::{Contents, DocumentState},
    rows::{BLOCK_ROWS, RowSet, count},
};
use ragstream_core::{checksum, document::DocumentRef, id::DocumentId};
use roaring::RoaringBitmap;
use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    sync::Arc,
};
use tantivy::Searcher;

/// What searches see of one collection.
#[derive(Clone, Default)]
struct Shown {
    rows: Arc<RoaringBitmap>,
    /// Over their chunk ids.
    checksum: u64,
}

/// Rows, what is known of them, and the keyword index over them.
#[derive(Clone)]
pub(crate) struct View {
    dimension: usize,
    dead_share: f32,
    blocks: Vec<Option<Arc<Block>>>,
    next_row: u32,
    /// Rows that the blocks hold, dead ones too.
    stored: usize,
    /// Staged and visible rows.
    pub(crate) live: RowSet,
    /// Rows that searches see.
    pub(crate) visible: RowSet,
    /// What searches see of each collection.
    collections: HashMap<Arc<str>, Shown>,
    /// Documents by id.
    pub(crate) documents: Documents,
    /// Documents that searches see.
    pub(crate) shown_documents: usize,
    /// Next offset to read for each partition.
    pub(crate) positions: BTreeMap<i32, i64>,
    /// Over the visible chunk ids.
    pub(crate) checksum: u64,
    /// Sees the keywords of all live rows, and maybe of dead ones.
    pub(crate) searcher: Searcher,
}

impl View {
    pub(crate) fn empty(dimension: usize, dead_share: f32, searcher: Searcher) -> Self {
        Self {
            dimension,
            dead_share,
            blocks: Vec::new(),
            next_row: 0,
            stored: 0,
            live: RowSet::default(),
            visible: RowSet::default(),
            collections: HashMap::new(),
            documents: Documents::default(),
            shown_documents: 0,
            positions: BTreeMap::new(),
            checksum: 0,
            searcher,
        }
    }

    /// One more than the highest row number there is.
    pub(crate) fn next_row(&self) -> u32 {
        self.next_row
    }

    /// Rows that take memory and are neither visible nor staged.
    pub(crate) fn dead(&self) -> usize {
        self.stored - self.live.len()
    }

    pub(crate) fn vector_bytes(&self) -> usize {
        self.blocks.iter().flatten().map(|block| block.vector_bytes()).sum()
    }

    /// Blocks in the order of their rows; `None` where all rows are dead.
    pub(crate) fn blocks(&self) -> &[Option<Arc<Block>>] {
        &self.blocks
    }

    fn place(&self, row: u32) -> Option<(&Block, usize)> {
        let block = self.blocks.get(row as usize / BLOCK_ROWS)?.as_deref()?;
        Some((block, block.slot(row as usize % BLOCK_ROWS)?))
    }

    /// The record of a live row.
    pub(crate) fn record(&self, row: u32) -> Option<&Arc<ChunkRecord>> {
        self.place(row).map(|(block, slot)| block.record(slot))
    }

    /// The vector of a live row.
    pub(crate) fn vector(&self, row: u32) -> Option<&[f32]> {
        self.place(row).map(|(block, slot)| block.vector(slot))
    }

    /// What is held of `document`.
    pub(crate) fn state(&self, document: DocumentId) -> DocumentState {
        let Some(entry) = self.documents.get(document) else { return DocumentState::default() };
        let rows = entry.shown().map_or(&[][..], |held| &held.rows);
        DocumentState {
            visible: entry.shown,
            visible_chunks: rows.iter().filter(|row| self.visible.contains(**row)).count(),
            held: entry.held.iter().map(|(version, held)| (*version, held.rows.len())).collect(),
            markers: entry.markers.clone(),
        }
    }

    /// Up to `n` chunks on either side of `record` in the version that searches see; none if
    /// it is not of that version.
    pub(crate) fn neighbours(&self, record: &ChunkRecord, n: usize) -> Vec<Arc<ChunkRecord>> {
        let shown = self.documents.get(record.document.document_id).and_then(|entry| entry.shown());
        let Some(held) = shown.filter(|held| held.reference.version == record.document.version) else {
            return Vec::new();
        };
        let own = record.chunk.position;
        let records = held.rows.iter().filter_map(|row| self.record(*row));
        let mut others: Vec<_> = records.filter(|other| other.chunk.position != own).collect();
        others.sort_unstable_by_key(|other| other.chunk.position);
        let at = others.partition_point(|other| other.chunk.position < own);
        let range = at.saturating_sub(n)..at.saturating_add(n).min(others.len());
        others[range].iter().map(|other| Arc::clone(other)).collect()
    }

    /// Adds a row, staged. `None` once all row numbers are used up.
    pub(crate) fn append(&mut self, record: Arc<ChunkRecord>, vector: &[f32]) -> Option<u32> {
        let row = self.next_row;
        self.next_row = row.checked_add(1)?;
        let number = row as usize / BLOCK_ROWS;
        if self.blocks.len() <= number {
            self.blocks.resize(number + 1, None);
        }
        let block = self.blocks[number].get_or_insert_with(|| Arc::new(Block::new(self.dimension)));
        Arc::make_mut(block).push(row as usize % BLOCK_ROWS, record, vector);
        self.live.insert(row);
        self.stored += 1;
        Some(row)
    }

    /// Lets searches see rows of `collection`.
    pub(crate) fn show(&mut self, collection: &str, rows: &[u32]) {
        let mut added = 0u64;
        for &row in rows {
            if self.live.contains(row) && self.visible.insert(row) {
                added = added.wrapping_add(self.share(row));
            }
        }
        self.checksum = self.checksum.wrapping_add(added);
        if !self.collections.contains_key(collection) {
            self.collections.insert(collection.into(), Shown::default());
        }
        if let Some(shown) = self.collections.get_mut(collection) {
            Arc::make_mut(&mut shown.rows).extend(rows.iter().copied());
            shown.checksum = shown.checksum.wrapping_add(added);
        }
    }

    /// Hides rows of `collection` from searches; they stay held.
    pub(crate) fn hide(&mut self, collection: &str, rows: &[u32]) {
        let mut removed = 0u64;
        for &row in rows {
            if self.visible.remove(row) {
                removed = removed.wrapping_add(self.share(row));
            }
        }
        self.checksum = self.checksum.wrapping_sub(removed);
        let Some(shown) = self.collections.get_mut(collection) else { return };
        let bitmap = Arc::make_mut(&mut shown.rows);
        for &row in rows {
            bitmap.remove(row);
        }
        shown.checksum = shown.checksum.wrapping_sub(removed);
        if bitmap.is_empty() {
            self.collections.remove(collection);
        }
    }

    /// What a row adds to a checksum.
    fn share(&self, row: u32) -> u64 {
        self.record(row).map_or(0, |record| checksum::share(record.chunk.id))
    }

    /// What searches see where `filter` lets them look: the collections that it names, or all.
    pub(crate) fn contents(&self, filter: &Filter) -> Contents {
        let positions = self.positions.clone();
        let Some(names) = filter.named_collections() else {
            return Contents { positions, chunks: self.visible.len(), checksum: self.checksum };
        };
        let shown = names.into_iter().filter_map(|name| self.collections.get(name));
        shown.fold(Contents { positions, ..Contents::default() }, |sum, shown| Contents {
            chunks: sum.chunks + shown.rows.len() as usize,
            checksum: sum.checksum.wrapping_add(shown.checksum),
            ..sum
        })
    }

    /// Lets go of hidden rows for ever, and of their memory once enough of a block is dead.
    pub(crate) fn retire(&mut self, rows: &[u32]) {
        for &row in rows {
            debug_assert!(!self.visible.contains(row), "only hidden rows are retired");
            self.live.remove(row);
        }
        let mut touched: Vec<usize> = rows.iter().map(|row| *row as usize / BLOCK_ROWS).collect();
        touched.sort_unstable();
        touched.dedup();
        for number in touched {
            let Some(Some(block)) = self.blocks.get(number) else { continue };
            let live = self.live.mask(number);
            let (before, after) = (block.len(), count(&live));
            if (before - after) as f32 > self.dead_share * before as f32 {
                self.blocks[number] = block.without_dead(&live).map(Arc::new);
                self.stored -= before - after;
            }
        }
    }

    /// The visible rows that pass `filter`.
    pub(crate) fn select(&self, filter: &Filter) -> Cow<'_, RowSet> {
        if filter.is_empty() {
            return Cow::Borrowed(&self.visible);
        }
        let mut selected = RowSet::default();
        let mut consider = |entry: &DocumentEntry| {
            if let Some(held) = entry.shown().filter(|held| filter.matches(&held.reference)) {
                for &row in held.rows.iter().filter(|row| self.visible.contains(**row)) {
                    selected.insert(row);
                }
            }
        };
        if let Some(named) = filter.named_documents() {
            named.into_iter().filter_map(|id| self.documents.get(id)).for_each(|entry| consider(entry));
        } else if let Some(names) = filter.named_collections() {
            let shown = names.into_iter().filter_map(|name| self.collections.get(name));
            return Cow::Owned(self.matching(filter, shown.flat_map(|shown| shown.rows.iter())));
        } else {
            self.documents.iter().for_each(|(_, entry)| consider(entry));
        }
        Cow::Owned(selected)
    }

    /// Those of `rows` that pass `filter`, which names their collections.
    fn matching(&self, filter: &Filter, rows: impl Iterator<Item = u32>) -> RowSet {
        if filter.names_collections_only() {
            return rows.collect();
        }
        // The rows of a document mostly lie beside each other: one verdict for all of them.
        let mut last: Option<(*const DocumentRef, bool)> = None;
        let passes = |row: &u32| {
            let Some(record) = self.record(*row) else { return false };
            let document = Arc::as_ptr(&record.document);
            match last {
                Some((same, verdict)) if same == document => verdict,
                _ => {
                    let verdict = filter.matches(&record.document);
                    last = Some((document, verdict));
                    verdict
                }
            }
        };
        rows.filter(passes).collect()
    }
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("visible", &self.visible.len()).finish_non_exhaustive()
    }
}
