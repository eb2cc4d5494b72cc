//! What each event means: one rule a test, and then all of them at random
//! against a model that is too simple to be wrong.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ragstream_core::{
    checksum::checksum,
    contents::{LogContents, Standing},
    event::{IndexEvent, IndexKey},
    id::{ChunkId, DocumentId, Version},
};
use ragstream_index::{Applied, Filter, Incomplete, Index, IndexConfig, Legs, Positioned, Presence};
use rand::{RngExt, rngs::StdRng};
use std::collections::{BTreeMap, BTreeSet, HashMap};

fn visible(index: &Index) -> BTreeSet<ChunkId> {
    index.visible_chunks().into_iter().map(|(.., id)| id).collect()
}

fn index() -> Index {
    Index::new(config()).unwrap()
}

#[test]
fn chunks_are_hidden_until_their_marker_and_then_all_seen() {
    let index = index();
    let applied = index.apply(at(0, [chunk(1, 1, 0), chunk(1, 1, 1)])).unwrap();
    assert_eq!(applied.indexed, [chunk_id(1, 1, 0), chunk_id(1, 1, 1)]);
    assert!(applied.complete.is_empty());
    for mode in [Legs::Vector, Legs::Keyword, Legs::Hybrid] {
        assert!(found(&index, mode, Filter::default()).is_empty());
    }
    assert_eq!(index.stats().staged, 2);
    assert_eq!(index.visible_version(document(1)), None);

    let applied = index.apply(at(2, [commit(1, 1, 2)])).unwrap();
    assert_eq!(applied.complete, [(document(1), Version(1))]);
    let both = BTreeSet::from([chunk_id(1, 1, 0), chunk_id(1, 1, 1)]);
    for mode in [Legs::Vector, Legs::Keyword, Legs::Hybrid] {
        assert_eq!(found(&index, mode, Filter::default()), both);
    }
    assert_eq!(index.visible_version(document(1)), Some(Version(1)));
    assert_eq!(index.positions(), BTreeMap::from([(0, 3)]));
    assert_eq!(index.stats().checksum, checksum(both));
}

#[test]
fn a_new_version_retires_the_old_one_whose_late_events_change_nothing() {
    let index = index();
    index.apply(at(0, version(1, 1, 3))).unwrap();
    index.apply(at(10, version(1, 2, 2))).unwrap();
    let new = BTreeSet::from([chunk_id(1, 2, 0), chunk_id(1, 2, 1)]);
    assert_eq!(visible(&index), new);
    assert_eq!(index.stats().staged, 0);

    let late = index.apply(at(20, version(1, 1, 3).into_iter().chain([chunk_gone(1, 1, 0)]))).unwrap();
    assert_eq!(late, Applied { stale: 4, ..Applied::default() });
    assert_eq!(visible(&index), new);
    assert_eq!(index.visible_version(document(1)), Some(Version(2)));
}

#[test]
fn a_marker_without_its_chunks_waits_for_them() {
    let index = index();
    index.apply(at(0, version(1, 1, 1))).unwrap();
    let applied = index.apply(at(5, [chunk(1, 2, 0), commit(1, 2, 2)])).unwrap();
    let incomplete = Incomplete { document_id: document(1), version: Version(2), expected: 2, held: 1 };
    assert_eq!((applied.complete, applied.incomplete), (vec![], vec![incomplete]));
    assert_eq!(index.visible_version(document(1)), Some(Version(1)));

    let applied = index.apply(at(7, [chunk(1, 2, 1)])).unwrap();
    assert_eq!(applied.complete, [(document(1), Version(2))]);
    assert_eq!(visible(&index), BTreeSet::from([chunk_id(1, 2, 0), chunk_id(1, 2, 1)]));
}

#[test]
fn what_comes_again_changes_nothing_and_is_reported_again() {
    let index = index();
    index.apply(at(0, version(1, 1, 2))).unwrap();
    let before = (visible(&index), index.stats().visible, index.stats().staged);
    // At new offsets, as a producer that retries makes them, and at the old ones.
    for offset in [3, 0] {
        let applied = index.apply(at(offset, version(1, 1, 2))).unwrap();
        assert_eq!(applied.indexed, [chunk_id(1, 1, 0), chunk_id(1, 1, 1)]);
        assert_eq!(applied.complete, [(document(1), Version(1))]);
        assert_eq!((visible(&index), index.stats().visible, index.stats().staged), before);
    }
    assert_eq!(index.positions(), BTreeMap::from([(0, 6)]));
}

#[test]
fn the_first_tombstone_takes_the_whole_version_out_of_sight() {
    let index = index();
    index.apply(at(0, version(1, 1, 3).into_iter().chain(version(2, 1, 1)))).unwrap();
    index.apply(at(10, [chunk_gone(1, 1, 1)])).unwrap();
    assert_eq!(visible(&index), BTreeSet::from([chunk_id(2, 1, 0)]));
    assert_eq!(index.visible_version(document(1)), None);
    assert_eq!(index.stats().staged, 2);

    index.apply(at(11, [chunk_gone(1, 1, 0), chunk_gone(1, 1, 2), marker_gone(1, 1)])).unwrap();
    assert_eq!((index.stats().visible, index.stats().staged, index.stats().documents), (1, 0, 1));
    // The same chunk again is a new record of the log.
    index.apply(at(20, version(1, 1, 3))).unwrap();
    assert_eq!(index.stats().visible, 4);
}

#[test]
fn a_deletion_removes_all_of_a_document_and_is_remembered() {
    let index = index();
    index.apply(at(0, version(1, 1, 3).into_iter().chain([chunk(1, 2, 0), chunk(9, 1, 0)]))).unwrap();
    assert!(!index.is_deleted(document(1)));
    index.apply(at(10, [deleted(1), deleted(7), chunk_gone(7, 1, 0)])).unwrap();
    assert!(index.is_deleted(document(1)));
    assert!(visible(&index).is_empty());
    assert_eq!(index.stats().staged, 1, "the chunk of document 9");
    assert_eq!(index.document(document(1)), Default::default());
    assert!(found(&index, Legs::Keyword, Filter::default()).is_empty());

    // Late work of any version, before and after a restart.
    let folder = tempfile::tempdir().unwrap();
    for restart in [false, true] {
        let index = if restart {
            index.snapshot(folder.path()).unwrap();
            &Index::restore(config(), folder.path()).unwrap().unwrap()
        } else {
            &index
        };
        let late = index.apply(at(20 + i64::from(restart) * 10, version(1, 3, 2))).unwrap();
        assert_eq!(late, Applied { stale: 3, ..Applied::default() });
        assert!(visible(index).is_empty());
    }

    // Once the record itself is gone, so is the memory of it.
    index.apply(at(50, [IndexEvent::Gone(IndexKey::Deleted(document(1)))])).unwrap();
    index.apply(at(60, version(1, 3, 2))).unwrap();
    assert_eq!(index.visible_version(document(1)), Some(Version(3)));
}

#[test]
fn a_version_without_its_marker_is_out_of_sight() {
    let index = index();
    index.apply(at(0, version(1, 1, 2).into_iter().chain(version(1, 2, 1)))).unwrap();
    // That of a version that is over changes nothing.
    index.apply(at(10, [marker_gone(1, 1), marker_gone(3, 1)])).unwrap();
    assert_eq!(visible(&index), BTreeSet::from([chunk_id(1, 2, 0)]));
    index.apply(at(20, [marker_gone(1, 2)])).unwrap();
    assert!(visible(&index).is_empty());
    let again = index.apply(at(30, [commit(1, 2, 1)])).unwrap();
    assert_eq!(again.complete, [(document(1), Version(2))]);
    assert_eq!(visible(&index), BTreeSet::from([chunk_id(1, 2, 0)]));
}

#[test]
fn a_version_without_chunks_is_visible_too() {
    let index = index();
    let applied = index.apply(at(0, version(1, 1, 2).into_iter().chain([commit(1, 2, 0)]))).unwrap();
    assert_eq!(applied.complete, [(document(1), Version(1)), (document(1), Version(2))]);
    assert_eq!(index.visible_version(document(1)), Some(Version(2)));
    assert!(visible(&index).is_empty());
    index.apply(at(10, [deleted(1)])).unwrap();
    assert_eq!(index.stats().documents, 0);
}

#[test]
fn vectors_that_can_not_be_held_are_rejected_with_a_reason() {
    let config = IndexConfig { model: Some("test".into()), ..config() };
    let index = Index::new(config).unwrap();
    let good = || embedded(1, 1, 0, "text", vec![1.0; DIMENSION]);
    let bad = [
        with(good(), |c| c.vector = vec![1.0; DIMENSION - 1]),
        with(good(), |c| c.vector = Vec::new()),
        with(good(), |c| c.vector[3] = f32::NAN),
        with(good(), |c| c.vector[3] = f32::INFINITY),
        with(good(), |c| c.vector = vec![0.0; DIMENSION]),
        with(good(), |c| c.model = "other".into()),
    ];
    let count = bad.len();
    let applied = index.apply(at(0, bad)).unwrap();
    assert_eq!(applied.rejected.len(), count);
    let offsets: Vec<i64> = applied.rejected.iter().map(|rejected| rejected.offset).collect();
    assert_eq!(offsets, (0..count as i64).collect::<Vec<_>>());
    assert!(applied.indexed.is_empty());
    assert_eq!(index.positions(), BTreeMap::from([(0, count as i64)]));

    // Any length will do; an id stays with its document.
    let long = with(good(), |c| c.vector = vec![1e20; DIMENSION]);
    let thief = with(good(), |c| c.document = reference(2, 1));
    let applied = index.apply(at(50, [long, commit(1, 1, 1), thief])).unwrap();
    assert_eq!(applied.rejected.len(), 1);
    let hit = &search(&index, Legs::Vector, Filter::default(), 10).hits[0];
    assert!((hit.vector.unwrap().score - 1.0).abs() < 1e-5);
}

/// The rules once more, over plain sets.
#[derive(Clone, Default)]
struct Model {
    documents: HashMap<DocumentId, ModelDocument>,
    next: BTreeMap<i32, i64>,
}

#[derive(Clone, Default)]
struct ModelDocument {
    held: BTreeMap<i32, BTreeSet<ChunkId>>,
    markers: BTreeMap<i32, u32>,
    shown: Option<(i32, BTreeSet<ChunkId>)>,
    floor: i32,
}

impl Model {
    fn apply(&mut self, positioned: &Positioned) {
        let next = self.next.entry(positioned.partition).or_insert(0);
        if positioned.offset < *next {
            return;
        }
        *next = positioned.offset + 1;
        match &positioned.event {
            IndexEvent::Chunk(c) => {
                let document = self.documents.entry(c.document.document_id).or_default();
                if c.vector.len() == DIMENSION && c.document.version.0 >= document.floor {
                    document.held.entry(c.document.version.0).or_default().insert(c.chunk.id);
                }
            }
            IndexEvent::Commit(m) => {
                let document = self.documents.entry(m.document_id).or_default();
                if m.version.0 >= document.floor {
                    document.markers.insert(m.version.0, m.chunk_count);
                }
            }
            IndexEvent::Gone(IndexKey::Commit(id, version)) => {
                if let Some(document) = self.documents.get_mut(id) {
                    document.markers.remove(&version.0);
                    if document.shown.as_ref().is_some_and(|(shown, _)| *shown == version.0) {
                        document.shown = None;
                    }
                }
            }
            IndexEvent::Deleted(id) => {
                self.documents.insert(*id, ModelDocument { floor: i32::MAX, ..ModelDocument::default() });
            }
            IndexEvent::Gone(IndexKey::Deleted(id)) => {
                if self.documents.get(id).is_some_and(|document| document.floor == i32::MAX) {
                    self.documents.remove(id);
                }
            }
            IndexEvent::Gone(IndexKey::Chunk(id)) => {
                for document in self.documents.values_mut() {
                    document.held.values_mut().for_each(|chunks| {
                        chunks.remove(id);
                    });
                    if document.shown.as_ref().is_some_and(|(_, chunks)| chunks.contains(id)) {
                        document.shown = None;
                    }
                }
            }
        }
        for document in self.documents.values_mut() {
            let complete: Vec<i32> = (1..100)
                .filter(|v| {
                    let held = document.held.get(v).map_or(0, BTreeSet::len);
                    document.markers.get(v).is_some_and(|count| *count as usize == held)
                })
                .collect();
            let Some(newest) = complete.last() else { continue };
            if document.shown.as_ref().is_none_or(|(shown, _)| shown < newest) {
                document.floor = *newest;
                document.held.retain(|version, _| version >= newest);
                document.markers.retain(|version, _| version >= newest);
                document.shown = Some((*newest, document.held.get(newest).cloned().unwrap_or_default()));
            }
        }
    }

    fn visible(&self) -> BTreeSet<ChunkId> {
        self.documents
            .values()
            .flat_map(|d| d.shown.iter().flat_map(|(_, chunks)| chunks.iter().copied()))
            .collect()
    }

    fn staged(&self) -> usize {
        let held: usize = self.documents.values().flat_map(|d| d.held.values().map(BTreeSet::len)).sum();
        held - self.visible().len()
    }

    /// As many of each standing, and the same chunks visible, as by ids alone.
    fn check_log(&self, log: &LogContents) {
        let visible: BTreeSet<ChunkId> = log.visible().map(|(id, _)| id).collect();
        assert_eq!(visible, self.visible());
        assert_eq!(log.summary(), (visible.len() as u64, checksum(visible)));
        let waiting = log.chunks().filter(|(_, record)| record.standing == Standing::Waiting).count();
        assert_eq!(waiting, self.staged());
        for marker in log.live_markers() {
            let document = self.documents.get(&marker.document_id);
            let shown = document.and_then(|document| document.shown.as_ref()).map(|(version, _)| *version);
            let is_shown = shown == Some(marker.version.0);
            assert_eq!(marker.standing == Standing::Visible, is_shown, "{marker:?}");
        }
    }

    fn check(&self, index: &Index) {
        let expected = self.visible();
        assert_eq!(visible(index), expected);
        assert_eq!(found(index, Legs::Vector, Filter::default()), expected);
        assert_eq!(found(index, Legs::Keyword, Filter::default()), expected);
        let stats = index.stats();
        assert_eq!(stats.checksum, checksum(expected.iter().copied()));
        assert_eq!((stats.visible, stats.staged), (expected.len(), self.staged()));
        assert_eq!(index.positions(), self.next);
        let contents = index.contents();
        assert_eq!((contents.chunks, contents.checksum), (stats.visible, stats.checksum));
        assert_eq!(contents.positions, self.next);
        for names in [vec!["c0"], vec!["c1", "c2"], vec!["none"]] {
            let filter = Filter::default().within(names.iter().map(|name| (*name).to_owned()).collect());
            let own: Vec<ChunkId> = (self.documents.iter())
                .filter(|(document, _)| {
                    names.contains(&reference(document.0.as_u128(), 1).collection.as_str())
                })
                .filter_map(|(_, document)| document.shown.as_ref())
                .flat_map(|(_, chunks)| chunks.iter().copied())
                .collect();
            let contents = index.contents_within(&filter);
            assert_eq!((contents.chunks, contents.checksum), (own.len(), checksum(own)), "{names:?}");
        }
        let held: Vec<ChunkId> =
            self.documents.values().flat_map(|d| d.held.values().flatten().copied()).collect();
        for (id, presence) in held.iter().zip(index.presence(&held)) {
            let visible = if expected.contains(id) { Presence::Visible } else { Presence::Staged };
            assert_eq!(presence, visible);
        }
        assert_eq!(index.presence(&[chunk_id(999, 1, 0)]), [Presence::Absent]);
        assert_eq!(BTreeSet::from_iter(index.held_chunks()), BTreeSet::from_iter(held));
        let shown: Vec<_> =
            self.documents.iter().filter_map(|(id, d)| Some((*id, d.shown.as_ref()?.0))).collect();
        assert_eq!(stats.documents, shown.len());
        let versions = BTreeSet::from_iter(index.visible_versions());
        assert_eq!(versions, shown.iter().map(|(id, version)| (*id, Version(*version))).collect());
        for (id, version) in shown {
            assert_eq!(index.visible_version(id), Some(Version(version)));
        }
    }
}

/// Any event may come at any time: whole versions most often, and noise.
fn random_log(rng: &mut StdRng, steps: usize) -> Vec<Positioned> {
    let mut log = Vec::new();
    let mut offsets = [0i64; 2];
    for _ in 0..steps {
        let doc = rng.random_range(1..7u128);
        let v = rng.random_range(1..5);
        let position = rng.random_range(0..4);
        let events = match rng.random_range(0..10) {
            0..=3 => {
                let mut events = version(doc, v, 4);
                if rng.random_bool(0.3) {
                    let (a, b) = (rng.random_range(0..5), rng.random_range(0..5));
                    events.swap(a, b);
                }
                events
            }
            4..=5 => vec![chunk(doc, v, position)],
            6 => vec![commit(doc, v, rng.random_range(0..5))],
            7 => vec![chunk_gone(doc, v, position)],
            8 if rng.random_bool(0.5) => vec![deleted(doc)],
            8 if rng.random_bool(0.5) => vec![IndexEvent::Gone(IndexKey::Deleted(document(doc)))],
            8 => vec![marker_gone(doc, v)],
            _ => vec![with(embedded(doc, v, position, "bad", vec![1.0]), |_| ())],
        };
        // A document's events lie in one partition, with gaps that compaction left.
        let partition = (doc % 2) as usize;
        for event in events {
            offsets[partition] += rng.random_range(1..4);
            log.push(Positioned { partition: partition as i32, offset: offsets[partition], event });
        }
    }
    log
}

fn apply_in_batches(
    rng: &mut StdRng,
    index: &Index,
    mut log: &[Positioned],
    mut each: impl FnMut(&[Positioned]),
) {
    while !log.is_empty() {
        let (batch, rest) = log.split_at(rng.random_range(1..=log.len().min(25)));
        index.apply(batch.to_vec()).unwrap();
        each(batch);
        log = rest;
    }
}

#[test]
fn random_logs_replays_and_restarts_agree_with_the_model() {
    for seed in 0..12 {
        let mut rng = rng(seed);
        let log = random_log(&mut rng, 60);
        // With a graph that is built, worn and built anew all along, and without one.
        let config = IndexConfig { exact_below: if seed % 2 == 0 { 8 } else { 15_000 }, ..config() };
        let index = Index::new(config.clone()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let snapshot_at = rng.random_range(0..log.len());
        let mut model = Model::default();
        let mut ids = LogContents::default();
        let mut applied = 0;
        let mut snapshot = None;
        apply_in_batches(&mut rng, &index, &log, |batch| {
            for positioned in batch {
                model.apply(positioned);
                match &positioned.event {
                    // Indexes refuse it, and whoever reads ids alone can't know.
                    IndexEvent::Chunk(c) if c.vector.len() != DIMENSION => {
                        ids.reached(positioned.partition, positioned.offset + 1);
                    }
                    event => ids.apply(positioned.partition, positioned.offset, event),
                }
            }
            model.check(&index);
            model.check_log(&ids);
            assert_eq!(ids.positions(), &index.positions());
            applied += batch.len();
            if snapshot.is_none() && applied > snapshot_at {
                index.snapshot(folder.path()).unwrap();
                snapshot = Some((applied, model.clone()));
            }
        });

        // Any suffix again changes nothing.
        let from = rng.random_range(0..log.len());
        apply_in_batches(&mut rng, &index, &log[from..], |_| model.check(&index));

        // A restart from the snapshot, then the log from anywhere before it.
        let (position, then) = snapshot.unwrap();
        let restored = Index::restore(config.clone(), folder.path()).unwrap().unwrap();
        then.check(&restored);
        let from = rng.random_range(0..=position);
        apply_in_batches(&mut rng, &restored, &log[from..], |_| ());
        model.check(&restored);

        // The whole log at once.
        let replayed = Index::new(config).unwrap();
        replayed.apply(log.clone()).unwrap();
        model.check(&replayed);
    }
}

#[test]
fn a_compacted_log_gives_what_the_whole_log_gave() {
    for seed in 100..110 {
        let mut rng = rng(seed);
        // As the pipeline writes it: versions in order, chunks before markers,
        // retries, tombstones of retired versions and of deleted documents, and late
        // work for any of them.
        let mut events = Vec::new();
        let mut versions = HashMap::new();
        for _ in 0..40 {
            let doc = rng.random_range(1..8u128);
            let v = versions.entry(doc).and_modify(|v| *v += 1).or_insert(1);
            events.extend(version(doc, *v, 3));
            if rng.random_bool(0.4) {
                events.push(chunk(doc, *v, rng.random_range(0..3)));
            }
            if rng.random_bool(0.3) {
                events.push(commit(doc, *v, 3));
            }
            if *v > 1 && rng.random_bool(0.7) {
                events.extend((0..3).map(|position| chunk_gone(doc, *v - 1, position)));
                events.push(marker_gone(doc, *v - 1));
            }
            if *v > 1 && rng.random_bool(0.3) {
                events.extend(version(doc, *v - 1, 3));
            }
            if rng.random_bool(0.2) {
                events.push(deleted(doc));
                events.extend((0..3).map(|position| chunk_gone(doc, *v, position)));
                events.push(marker_gone(doc, *v));
            }
        }
        let log = at(0, events);
        let whole = Index::new(config()).unwrap();
        whole.apply(log.clone()).unwrap();

        let mut newest: HashMap<IndexKey, i64> = HashMap::new();
        let key = |event: &IndexEvent| match event {
            IndexEvent::Chunk(c) => IndexKey::Chunk(c.chunk.id),
            IndexEvent::Commit(m) => IndexKey::Commit(m.document_id, m.version),
            IndexEvent::Deleted(id) => IndexKey::Deleted(*id),
            IndexEvent::Gone(key) => *key,
        };
        for event in &log {
            newest.insert(key(&event.event), event.offset);
        }
        for keep_tombstones in [true, false] {
            let mut compacted = log.clone();
            compacted.retain(|event| {
                newest[&key(&event.event)] == event.offset
                    && (keep_tombstones || !matches!(event.event, IndexEvent::Gone(_)))
            });
            let replayed = Index::new(config()).unwrap();
            replayed.apply(compacted).unwrap();
            assert_eq!(visible(&replayed), visible(&whole), "seed {seed}, tombstones {keep_tombstones}");
            assert_eq!(replayed.stats().checksum, whole.stats().checksum);
        }
    }
}
