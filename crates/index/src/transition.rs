//! From one view to the next: what each event of the log means.
//!
//! The contents are a function of the log. A version is visible once its
//! marker was read and as many of its chunks are held as the marker promises,
//! in whichever order these come: compaction may have moved a chunk that was
//! sent twice behind its marker. A newer complete version replaces an older
//! one, whose late records are ignored from then on.
//!
//! A tombstone of a visible chunk takes its whole version out of sight: a part
//! of a version is never shown, and a replay of the compacted log, in which
//! that chunk never was, shows no more either.
//!
//! A deletion is a record of its own that stays in the log: it takes effect in
//! one step, and what late work appends of the document afterwards is ignored,
//! live and in every replay.

use crate::{
    documents::DocumentEntry,
    error::IndexError,
    record::ChunkRecord,
    request::{Applied, Incomplete, Positioned, Rejected},
    vector::unit::unit,
    view::View,
};
use ragstream_core::{
    event::{ChunkEmbedded, IndexEvent, IndexKey, VersionCommitted},
    id::{ChunkId, DocumentId, Version},
};
use std::{collections::HashMap, sync::Arc};

/// A view in the making.
pub(crate) struct Transition<'a> {
    pub(crate) view: &'a mut View,
    /// The row of each chunk that is held.
    pub(crate) chunks: &'a mut HashMap<ChunkId, u32>,
    /// The only model whose vectors are taken.
    pub(crate) model: Option<&'a str>,
    pub(crate) dimension: usize,
    /// What the caller is told.
    pub(crate) applied: Applied,
    /// Rows that were retired.
    pub(crate) retired: Vec<u32>,
}

impl Transition<'_> {
    /// Applies one event. `Err` only when no row number is left.
    pub(crate) fn apply(&mut self, positioned: Positioned) -> Result<(), IndexError> {
        let Positioned { partition, offset, event } = positioned;
        let next = self.view.positions.entry(partition).or_insert(i64::MIN);
        if offset < *next {
            self.repeat(&event);
            return Ok(());
        }
        *next = offset.saturating_add(1);
        match event {
            IndexEvent::Chunk(chunk) => return self.chunk(partition, offset, *chunk),
            IndexEvent::Commit(marker) => self.commit(&marker),
            IndexEvent::Gone(IndexKey::Chunk(id)) => self.chunk_gone(id),
            IndexEvent::Gone(IndexKey::Commit(id, version)) => self.marker_gone(id, version),
            IndexEvent::Gone(IndexKey::Deleted(id)) => self.deletion_gone(id),
            IndexEvent::Deleted(id) => self.deleted(id),
        }
        Ok(())
    }

    /// Reports again what an event that was applied before led to.
    fn repeat(&mut self, event: &IndexEvent) {
        self.applied.repeated += 1;
        match event {
            IndexEvent::Chunk(chunk) if self.chunks.contains_key(&chunk.chunk.id) => {
                self.applied.indexed.push(chunk.chunk.id);
            }
            IndexEvent::Commit(marker) => {
                let entry = self.view.documents.get(marker.document_id);
                if entry.is_some_and(|entry| entry.shown == Some(marker.version)) {
                    self.applied.complete.push((marker.document_id, marker.version));
                }
            }
            _ => {}
        }
    }

    fn chunk(&mut self, partition: i32, offset: i64, event: ChunkEmbedded) -> Result<(), IndexError> {
        let ChunkEmbedded { document, chunk, model, vector } = event;
        let (id, document_id, version) = (chunk.id, document.document_id, document.version);
        let mut reject = |reason: String| {
            self.applied.rejected.push(Rejected { partition, offset, chunk_id: id, reason });
            Ok(())
        };
        if self.view.documents.get(document_id).is_some_and(|entry| version < entry.floor) {
            self.applied.stale += 1;
            return Ok(());
        }
        if let Some(record) = self.chunks.get(&id).and_then(|row| self.view.record(*row)) {
            if record.document.document_id != document_id || record.document.version != version {
                return reject("the chunk id is held for another document or version".into());
            }
            self.applied.indexed.push(id);
            return Ok(());
        }
        if let Some(wanted) = self.model.filter(|wanted| *wanted != model) {
            return reject(format!("the vector is of model {model:?}, not {wanted:?}"));
        }
        let vector = match unit(vector, self.dimension) {
            Ok(vector) => vector,
            Err(reason) => return reject(reason),
        };
        let held = self.view.documents.get(document_id).and_then(|entry| entry.held.get(&version));
        let (document, model) = match held {
            Some(held) => {
                let known = held.rows.first().and_then(|row| self.view.record(*row));
                let model =
                    known.filter(|r| *r.model == *model).map_or_else(|| model.into(), |r| r.model.clone());
                (held.reference.clone(), model)
            }
            None => (Arc::new(document), model.into()),
        };
        let record = Arc::new(ChunkRecord { chunk, document: document.clone(), model });
        let row = self.view.append(record, &vector).ok_or(IndexError::Full)?;
        self.chunks.insert(id, row);
        let held = &mut self.view.documents.entry(document_id).held;
        held.entry(version)
            .or_insert_with(|| crate::documents::Held { reference: document, rows: Vec::new() })
            .rows
            .push(row);
        self.applied.indexed.push(id);
        if let Some(shown) = self.show_newest(document_id) {
            self.applied.complete.push((document_id, shown));
        }
        Ok(())
    }

    fn commit(&mut self, marker: &VersionCommitted) {
        let VersionCommitted { document_id, version, chunk_count, .. } = *marker;
        if self.view.documents.get(document_id).is_some_and(|entry| version < entry.floor) {
            self.applied.stale += 1;
            return;
        }
        self.view.documents.entry(document_id).markers.insert(version, chunk_count);
        self.show_newest(document_id);
        let entry = self.view.documents.entry(document_id);
        let held = entry.held_count(version);
        if entry.shown == Some(version) && held == chunk_count as usize {
            self.applied.complete.push((document_id, version));
        } else {
            let incomplete = Incomplete { document_id, version, expected: chunk_count, held };
            self.applied.incomplete.push(incomplete);
        }
    }

    fn chunk_gone(&mut self, id: ChunkId) {
        let Some(row) = self.chunks.remove(&id) else { return };
        let Some(record) = self.view.record(row) else { return };
        let (document_id, version) = (record.document.document_id, record.document.version);
        if self.view.visible.contains(row) {
            self.hide(document_id);
        }
        let entry = self.view.documents.entry(document_id);
        if let Some(held) = entry.held.get_mut(&version) {
            held.rows.retain(|other| *other != row);
            if held.rows.is_empty() {
                entry.held.remove(&version);
            }
        }
        if entry.is_empty() {
            self.view.documents.remove(document_id);
        }
        self.retire(vec![row]);
        if let Some(shown) = self.show_newest(document_id) {
            self.applied.complete.push((document_id, shown));
        }
    }

    /// Without its marker a version is not whole: it goes out of sight.
    fn marker_gone(&mut self, document_id: DocumentId, version: Version) {
        let Some(entry) = self.view.documents.get(document_id) else { return };
        let (shown, deleted) = (entry.shown, entry.is_deleted());
        if deleted {
            return;
        }
        if shown == Some(version) {
            self.hide(document_id);
        }
        let entry = self.view.documents.entry(document_id);
        entry.markers.remove(&version);
        if entry.is_empty() {
            self.view.documents.remove(document_id);
        }
    }

    /// All of it goes in one step, and nothing of it that comes later counts.
    fn deleted(&mut self, document_id: DocumentId) {
        self.hide(document_id);
        let entry = self.view.documents.entry(document_id);
        let held = std::mem::replace(entry, DocumentEntry::deleted()).held;
        self.retire(held.values().flat_map(|held| held.rows.iter().copied()).collect());
    }

    fn deletion_gone(&mut self, document_id: DocumentId) {
        if self.view.documents.get(document_id).is_some_and(|entry| entry.is_deleted()) {
            self.view.documents.remove(document_id);
        }
    }

    /// Shows the newest complete version if it is newer than what is shown,
    /// and lets go of the versions before it. `Some`: the version it now shows.
    fn show_newest(&mut self, document_id: DocumentId) -> Option<Version> {
        let entry = self.view.documents.get(document_id)?;
        let newest = entry.newest_complete().filter(|newest| entry.shown < Some(*newest))?;
        self.hide(document_id);
        let entry = self.view.documents.entry(document_id);
        let over = std::mem::take(&mut entry.held);
        let mut retired = Vec::new();
        for (version, held) in over {
            if version < newest {
                retired.extend(held.rows);
            } else {
                entry.held.insert(version, held);
            }
        }
        entry.markers.retain(|version, _| *version >= newest);
        entry.floor = newest;
        entry.shown = Some(newest);
        let shown = entry.shown().map(|held| (held.reference.clone(), held.rows.clone()));
        self.view.shown_documents += 1;
        if let Some((reference, rows)) = shown {
            self.view.show(&reference.collection, &rows);
        }
        self.retire(retired);
        Some(newest)
    }

    /// Takes a document out of sight; what is held of it stays.
    fn hide(&mut self, document_id: DocumentId) {
        let Some(entry) = self.view.documents.get(document_id) else { return };
        if entry.shown.is_none() {
            return;
        }
        let shown = entry.shown().map(|held| (held.reference.clone(), held.rows.clone()));
        self.view.documents.entry(document_id).shown = None;
        self.view.shown_documents -= 1;
        if let Some((reference, rows)) = shown {
            self.view.hide(&reference.collection, &rows);
        }
    }

    fn retire(&mut self, rows: Vec<u32>) {
        for row in &rows {
            let id = self.view.record(*row).map(|record| record.chunk.id);
            if let Some(id) = id {
                self.chunks.remove(&id);
            }
        }
        self.view.retire(&rows);
        self.retired.extend(rows);
    }
}
