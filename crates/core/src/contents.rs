//! What the records of `chunk-embeddings` come to, by ids alone: the rules by which an
//! index shows chunks, without their texts and vectors.
//!
//! The newest record of a key counts. A version is visible once its marker was read and
//! as many of its chunks are there as the marker promises; the newest such version
//! replaces the ones before, and a deletion all of them. What is left besides waits for
//! its version to be whole, or is over and waits for its tombstone.

use crate::{
    checksum::share,
    event::{IndexEvent, IndexKey},
    id::{ChunkId, DocumentId, Version},
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How a record counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// Its version is the one that searches see.
    Visible,
    /// Its version is not whole, or a tombstone took it out of sight.
    Waiting,
    /// Its version or document is over: no index holds it.
    Over,
}

/// A chunk or marker whose newest record has a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveRecord {
    /// Its document.
    pub document_id: DocumentId,
    /// Its version.
    pub version: Version,
    /// Where it lies.
    pub partition: i32,
    /// How it counts.
    pub standing: Standing,
}

#[derive(Clone, Debug)]
struct Versions {
    held: BTreeMap<Version, HashSet<ChunkId>>,
    /// Chunks that each version's marker promises.
    markers: BTreeMap<Version, u32>,
    shown: Option<Version>,
    /// Versions below are over.
    floor: Version,
}

impl Default for Versions {
    fn default() -> Self {
        Self { held: BTreeMap::new(), markers: BTreeMap::new(), shown: None, floor: Version(i32::MIN) }
    }
}

/// The floor of a deleted document: no version reaches it.
const DELETED: Version = Version(i32::MAX);

impl Versions {
    fn is_empty(&self) -> bool {
        self.floor != DELETED && self.held.is_empty() && self.markers.is_empty() && self.shown.is_none()
    }

    fn newest_whole(&self) -> Option<Version> {
        let held = |version| self.held.get(version).map_or(0, HashSet::len);
        let whole = self.markers.iter().rev().find(|(version, count)| held(version) == **count as usize);
        whole.map(|(version, _)| *version)
    }
}

/// What the log comes to, up to its [positions](Self::positions): about 160 bytes a chunk.
#[derive(Clone, Debug, Default)]
pub struct LogContents {
    positions: BTreeMap<i32, i64>,
    chunks: HashMap<ChunkId, LiveRecord>,
    documents: HashMap<DocumentId, Versions>,
    /// Markers whose newest record has a value, and where it lies.
    markers: BTreeMap<(DocumentId, Version), i32>,
    unreadable: u64,
}

impl LogContents {
    /// Next offset to read for each partition.
    pub fn positions(&self) -> &BTreeMap<i32, i64> {
        &self.positions
    }

    /// All before `offset` was read.
    pub fn reached(&mut self, partition: i32, offset: i64) {
        let position = self.positions.entry(partition).or_insert(offset);
        *position = offset.max(*position);
    }

    /// Records that could not be decoded: indexes skip them.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// A record that can't be decoded.
    pub fn skip(&mut self, partition: i32, offset: i64) {
        self.unreadable += 1;
        self.reached(partition, offset.saturating_add(1));
    }

    /// The next record of a partition.
    pub fn apply(&mut self, partition: i32, offset: i64, event: &IndexEvent) {
        self.reached(partition, offset.saturating_add(1));
        match event {
            IndexEvent::Chunk(event) => {
                let (document_id, version) = (event.document.document_id, event.document.version);
                self.chunk(event.chunk.id, document_id, version, partition);
            }
            IndexEvent::Commit(marker) => {
                self.marker(marker.document_id, marker.version, marker.chunk_count, partition);
            }
            IndexEvent::Deleted(id) => self.deleted(*id),
            IndexEvent::Gone(IndexKey::Chunk(id)) => self.chunk_gone(*id),
            IndexEvent::Gone(IndexKey::Commit(id, version)) => self.marker_gone(*id, *version),
            IndexEvent::Gone(IndexKey::Deleted(id)) => {
                if self.floor(*id) == DELETED {
                    self.documents.remove(id);
                }
            }
        }
    }

    /// The chunks that searches see.
    pub fn visible(&self) -> impl Iterator<Item = (ChunkId, &LiveRecord)> {
        self.chunks().filter(|(_, record)| record.standing == Standing::Visible)
    }

    /// All chunks whose newest record has a value.
    pub fn chunks(&self) -> impl Iterator<Item = (ChunkId, &LiveRecord)> {
        self.chunks.iter().map(|(id, record)| (*id, record))
    }

    /// A chunk whose newest record has a value.
    pub fn chunk_of(&self, id: ChunkId) -> Option<&LiveRecord> {
        self.chunks.get(&id)
    }

    /// All markers whose newest record has a value.
    pub fn live_markers(&self) -> impl Iterator<Item = LiveRecord> {
        self.markers.keys().filter_map(|(id, version)| self.marker_of(*id, *version))
    }

    /// The marker of a version, where its newest record has a value.
    pub fn marker_of(&self, document_id: DocumentId, version: Version) -> Option<LiveRecord> {
        let partition = *self.markers.get(&(document_id, version))?;
        let document = self.documents.get(&document_id);
        let standing = match document {
            Some(document) if document.shown == Some(version) => Standing::Visible,
            Some(document) if document.markers.contains_key(&version) => Standing::Waiting,
            _ => Standing::Over,
        };
        Some(LiveRecord { document_id, version, partition, standing })
    }

    /// How many chunks searches see, and the [`checksum`](crate::checksum::checksum) of their ids.
    pub fn summary(&self) -> (u64, u64) {
        self.visible().fold((0, 0), |(count, sum), (id, _)| (count + 1, sum.wrapping_add(share(id))))
    }

    fn floor(&self, document_id: DocumentId) -> Version {
        self.documents.get(&document_id).map_or(Version(i32::MIN), |document| document.floor)
    }

    fn chunk(&mut self, id: ChunkId, document_id: DocumentId, version: Version, partition: i32) {
        let mut record = LiveRecord { document_id, version, partition, standing: Standing::Over };
        if version < self.floor(document_id) {
            self.chunks.insert(id, record);
            return;
        }
        if self.chunks.get(&id).is_some_and(|held| held.standing != Standing::Over) {
            // Again, or refused: an id stays with its document and version.
            return;
        }
        record.standing = Standing::Waiting;
        self.chunks.insert(id, record);
        let document = self.documents.entry(document_id).or_default();
        document.held.entry(version).or_default().insert(id);
        self.show_newest(document_id);
    }

    fn marker(&mut self, document_id: DocumentId, version: Version, count: u32, partition: i32) {
        self.markers.insert((document_id, version), partition);
        if version < self.floor(document_id) {
            return;
        }
        self.documents.entry(document_id).or_default().markers.insert(version, count);
        self.show_newest(document_id);
    }

    fn chunk_gone(&mut self, id: ChunkId) {
        let Some(record) = self.chunks.remove(&id) else { return };
        if record.standing == Standing::Over {
            return;
        }
        if record.standing == Standing::Visible {
            self.hide(record.document_id);
        }
        let document = self.documents.entry(record.document_id).or_default();
        if let Some(held) = document.held.get_mut(&record.version) {
            held.remove(&id);
            if held.is_empty() {
                document.held.remove(&record.version);
            }
        }
        self.forget_if_empty(record.document_id);
        self.show_newest(record.document_id);
    }

    fn marker_gone(&mut self, document_id: DocumentId, version: Version) {
        self.markers.remove(&(document_id, version));
        let Some(document) = self.documents.get(&document_id) else { return };
        if document.shown == Some(version) {
            self.hide(document_id);
        }
        self.documents.entry(document_id).or_default().markers.remove(&version);
        self.forget_if_empty(document_id);
    }

    fn deleted(&mut self, document_id: DocumentId) {
        let over = self
            .documents
            .insert(document_id, Versions { floor: DELETED, ..Versions::default() })
            .unwrap_or_default();
        self.set(over.held.values().flatten(), Standing::Over);
    }

    fn show_newest(&mut self, document_id: DocumentId) {
        let Some(document) = self.documents.get(&document_id) else { return };
        let newest = document.newest_whole().filter(|newest| document.shown < Some(*newest));
        let Some(newest) = newest else { return };
        self.hide(document_id);
        let document = self.documents.entry(document_id).or_default();
        let kept = document.held.split_off(&newest);
        let over = std::mem::replace(&mut document.held, kept);
        document.markers = document.markers.split_off(&newest);
        document.floor = newest;
        document.shown = Some(newest);
        let shown = document.held.get(&newest).cloned().unwrap_or_default();
        self.set(&shown, Standing::Visible);
        self.set(over.values().flatten(), Standing::Over);
    }

    fn hide(&mut self, document_id: DocumentId) {
        let Some(document) = self.documents.get_mut(&document_id) else { return };
        let Some(shown) = document.shown.take() else { return };
        let hidden: BTreeSet<ChunkId> = document.held.get(&shown).into_iter().flatten().copied().collect();
        self.set(&hidden, Standing::Waiting);
    }

    fn forget_if_empty(&mut self, document_id: DocumentId) {
        if self.documents.get(&document_id).is_some_and(Versions::is_empty) {
            self.documents.remove(&document_id);
        }
    }

    fn set<'a>(&mut self, chunks: impl IntoIterator<Item = &'a ChunkId>, standing: Standing) {
        for id in chunks {
            if let Some(record) = self.chunks.get_mut(id) {
                record.standing = standing;
            }
        }
    }
}
