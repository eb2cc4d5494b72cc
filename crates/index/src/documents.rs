//! What is known of each document, shared by views and copied on write.

use ragstream_core::{
    document::DocumentRef,
    id::{DocumentId, Version},
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Rows of one version.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) reference: Arc<DocumentRef>,
    pub(crate) rows: Vec<u32>,
}

/// A document: its versions that are held, the markers seen, and the version that searches see.
#[derive(Clone, Debug)]
pub(crate) struct DocumentEntry {
    /// Rows of each version that is not retired.
    pub(crate) held: BTreeMap<Version, Held>,
    /// Chunks that each version's marker promised.
    pub(crate) markers: BTreeMap<Version, u32>,
    /// The version that searches see.
    pub(crate) shown: Option<Version>,
    /// Versions below are over: what still comes of them is ignored.
    pub(crate) floor: Version,
}

impl Default for DocumentEntry {
    fn default() -> Self {
        Self { held: BTreeMap::new(), markers: BTreeMap::new(), shown: None, floor: Version(i32::MIN) }
    }
}

/// The floor of a document that is over for good: no version reaches it.
const DELETED: Version = Version(i32::MAX);

impl DocumentEntry {
    /// What remains of a deleted document: that it is one.
    pub(crate) fn deleted() -> Self {
        Self { floor: DELETED, ..Self::default() }
    }

    /// Whether it was deleted.
    pub(crate) fn is_deleted(&self) -> bool {
        self.floor == DELETED
    }

    /// Chunks held of `version`.
    pub(crate) fn held_count(&self, version: Version) -> usize {
        self.held.get(&version).map_or(0, |held| held.rows.len())
    }

    /// The newest version that has its marker and all its chunks.
    pub(crate) fn newest_complete(&self) -> Option<Version> {
        let complete = |(version, count): &(&Version, &u32)| self.held_count(**version) == **count as usize;
        self.markers.iter().rev().find(complete).map(|(version, _)| *version)
    }

    /// Facts and rows of the version that searches see.
    pub(crate) fn shown(&self) -> Option<&Held> {
        self.shown.and_then(|version| self.held.get(&version))
    }

    /// Nothing is known of it any more.
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_deleted() && self.held.is_empty() && self.markers.is_empty() && self.shown.is_none()
    }
}

/// Shards copied one by one: an `apply` copies those that it touches.
const SHARDS: usize = 256;

/// All documents.
#[derive(Clone, Debug)]
pub(crate) struct Documents {
    shards: Vec<Arc<HashMap<DocumentId, Arc<DocumentEntry>>>>,
}

impl Default for Documents {
    fn default() -> Self {
        Self { shards: vec![Arc::default(); SHARDS] }
    }
}

/// The last byte of a UUID is random in every version that is in use.
fn shard(id: DocumentId) -> usize {
    usize::from(id.0.as_bytes()[15]) % SHARDS
}

impl Documents {
    pub(crate) fn get(&self, id: DocumentId) -> Option<&Arc<DocumentEntry>> {
        self.shards[shard(id)].get(&id)
    }

    /// The entry of `id`, made if there is none.
    pub(crate) fn entry(&mut self, id: DocumentId) -> &mut DocumentEntry {
        Arc::make_mut(Arc::make_mut(&mut self.shards[shard(id)]).entry(id).or_default())
    }

    pub(crate) fn remove(&mut self, id: DocumentId) -> Option<Arc<DocumentEntry>> {
        self.get(id)?;
        Arc::make_mut(&mut self.shards[shard(id)]).remove(&id)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&DocumentId, &Arc<DocumentEntry>)> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }
}
