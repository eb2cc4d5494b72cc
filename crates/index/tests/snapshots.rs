//! Snapshots: whole and fitting or refused, two of them, beside everything else.
#![allow(clippy::unwrap_used)]

mod common;

use chrono::{TimeDelta, Utc};
use common::*;
use ragstream_index::{
    Filter, Fit, Incoming, Index, IndexConfig, IndexError, Legs, MAX_SNAPSHOT_AGE, SNAPSHOT_FILES, put_aside,
    snapshots,
};
use std::{collections::BTreeMap, fs, ops::Range, path::Path};

fn filled() -> Index {
    let index = Index::new(config()).unwrap();
    let events =
        (1..30).flat_map(|doc| version(doc, 1, 5)).chain([chunk(1, 2, 0), commit(1, 2, 9), chunk(99, 1, 0)]);
    index.apply(at(0, events)).unwrap();
    index
}

fn damaged_file(dir: &Path) -> String {
    match Index::restore(config(), dir) {
        Err(IndexError::Damaged { path, reason }) => {
            assert!(!reason.is_empty());
            path.file_name().unwrap().to_str().unwrap().into()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_restored_index_holds_the_same() {
    let index = filled();
    let dir = tempfile::tempdir().unwrap();
    assert!(Index::restore(config(), dir.path()).unwrap().is_none());
    assert!(Index::restore(config(), &dir.path().join("none")).unwrap().is_none());
    let info = index.snapshot(dir.path()).unwrap();
    assert_eq!((info.number, info.chunks, &info.positions), (1, 147, &index.positions()));
    let size: u64 = fs::read_dir(&info.path).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
    assert_eq!(info.bytes, size);

    let restored = Index::restore(config(), dir.path()).unwrap().unwrap();
    assert_eq!(restored.positions(), index.positions());
    assert_eq!(restored.stats().checksum, index.stats().checksum);
    assert_eq!(restored.stats().staged, index.stats().staged);
    for doc in [1, 2, 99] {
        assert_eq!(restored.document(document(doc)), index.document(document(doc)));
    }
    for mode in [Legs::Vector, Legs::Keyword] {
        let of = |index: &Index| {
            let hits = search(index, mode, Filter::collection("c1"), 50).hits;
            hits.into_iter().map(|hit| (hit.chunk_id, hit.record, hit.vector)).collect::<Vec<_>>()
        };
        assert_eq!(of(&restored), of(&index));
    }
    // Facts are shared as they were.
    let hits = search(&restored, Legs::Vector, Filter::documents([document(2)]), 9).hits;
    assert!(std::sync::Arc::ptr_eq(&hits[0].record.document, &hits[1].record.document));
    // The marker that waited still waits for its chunks.
    let rest = (1..9).map(|position| chunk(1, 2, position));
    let applied = restored.apply(at(1_000, rest)).unwrap();
    assert_eq!(applied.complete.len(), 1);
}

#[test]
fn every_truncation_flipped_bit_and_missing_file_is_found_and_named() {
    let dir = tempfile::tempdir().unwrap();
    let info = filled().snapshot(dir.path()).unwrap();
    let names: Vec<String> =
        fs::read_dir(&info.path).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(names.len(), 4);
    for name in names {
        let path = info.path.join(&name);
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(good.len() / 60 + 1).chain([good.len() - 1]) {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, &bad).unwrap();
            // A changed format number is another format, which is refused as well.
            match Index::restore(config(), dir.path()) {
                Err(IndexError::Damaged { path, .. } | IndexError::Unfit { path, .. }) => {
                    assert!(path.ends_with(&name))
                }
                other => panic!("{name} at {at}: {other:?}"),
            }
        }
        for len in [0, 1, good.len() / 2, good.len() - 1] {
            fs::write(&path, &good[..len]).unwrap();
            assert_eq!(damaged_file(dir.path()), name, "cut to {len}");
        }
        fs::write(&path, [&good[..], b"x"].concat()).unwrap();
        assert_eq!(damaged_file(dir.path()), name, "one byte more");
        fs::remove_file(&path).unwrap();
        assert_eq!(damaged_file(dir.path()), name, "missing");
        fs::write(&path, &good).unwrap();
        assert!(Index::restore(config(), dir.path()).unwrap().is_some());
    }
}

#[test]
fn a_snapshot_of_other_settings_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    filled().snapshot(dir.path()).unwrap();
    for other in [
        IndexConfig { dimension: DIMENSION + 1, ..config() },
        IndexConfig { model: Some("another".into()), ..config() },
    ] {
        assert!(matches!(Index::restore(other, dir.path()), Err(IndexError::Unfit { .. })));
    }
}

#[test]
fn the_last_two_are_kept_and_a_damaged_one_can_be_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    // What a process left that was killed while it wrote.
    fs::create_dir_all(dir.path().join(".unfinished-1/x")).unwrap();
    fs::write(dir.path().join(".unfinished-1/vectors.f32"), "half").unwrap();
    assert!(Index::restore(config(), dir.path()).unwrap().is_none());
    let index = filled();
    for number in 1..=4 {
        index.apply(at(1_000 * number, version(500 + number as u128, 1, 1))).unwrap();
        assert_eq!(index.snapshot(dir.path()).unwrap().number, number as u64);
    }
    let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|f| f.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["snapshot-0000000003", "snapshot-0000000004"]);

    let newest = dir.path().join("snapshot-0000000004");
    fs::write(newest.join("chunks.jsonl"), "").unwrap();
    assert_eq!(damaged_file(dir.path()), "chunks.jsonl");
    let older = dir.path().join("snapshot-0000000003");
    let aside = put_aside(&newest).unwrap();
    assert!(aside.ends_with("damaged-0000000004"));
    assert_eq!(snapshots(dir.path()).unwrap(), std::slice::from_ref(&older));
    let before = Index::restore(config(), dir.path()).unwrap().unwrap();
    assert_eq!(before.positions()[&0], 3_002);
    // One is kept to look at.
    let again = put_aside(&older).unwrap();
    assert!(!aside.exists() && again.ends_with("damaged-0000000003"));
    assert_eq!(fs::read_dir(again).unwrap().count(), 4);
}

fn unfit(opened: Result<Index, IndexError>) -> String {
    match opened {
        Err(IndexError::Unfit { path, reason }) => {
            assert!(path.ends_with("manifest.json"));
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_snapshot_that_may_lack_deletions_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let taken = filled().snapshot(dir.path()).unwrap();
    let at = |now| Index::open(config(), &taken.path, &Fit { now, log: None });
    let last = taken.taken_at + MAX_SNAPSHOT_AGE;
    assert!(at(last).is_ok() && at(taken.taken_at - TimeDelta::days(1)).is_ok());
    assert!(unfit(at(last + TimeDelta::seconds(1))).contains("25 days old"));
}

#[test]
fn a_snapshot_of_another_log_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let taken = filled().snapshot(dir.path()).unwrap();
    let position = taken.positions[&0];
    let open = |log: &[(i32, Range<i64>)]| {
        let log = BTreeMap::from_iter(log.iter().cloned());
        Index::open(config(), &taken.path, &Fit { now: Utc::now(), log: Some(&log) })
    };
    // Compaction took what lay before, or the partition is not in the log.
    for good in [&[(0, 0..position)][..], &[(0, position + 5..position + 9), (1, 0..3)], &[(7, 0..1)]] {
        assert!(open(good).is_ok(), "{good:?}");
    }
    let reason = unfit(open(&[(0, 0..position - 1)]));
    assert!(reason.contains("another log"), "{reason}");
}

#[test]
fn a_snapshot_of_another_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = filled().snapshot(dir.path()).unwrap().path.join("manifest.json");
    let good: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let mut before = good.clone();
    before["format"] = 1.into();
    before.as_object_mut().unwrap().remove("taken_at");
    let mut later = good;
    later["format"] = 3.into();
    later["graph"] = "here".into();
    for other in [before, later] {
        fs::write(&path, other.to_string()).unwrap();
        let reason = unfit(Index::restore(config(), dir.path()).map(Option::unwrap));
        assert!(reason.contains(&format!("format {}", other["format"])), "{reason}");
    }
}

#[test]
fn a_copy_from_elsewhere_is_a_snapshot_once_it_is_whole() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let index = filled();
    let taken = index.snapshot(there.path()).unwrap();
    let manifest = fs::read(taken.path.join("manifest.json")).unwrap();
    let begin = |manifest: &[u8]| Incoming::begin(here.path(), manifest.to_vec(), &config(), &Fit::now());
    assert!(matches!(begin(&manifest[1..]), Err(IndexError::Damaged { .. })));
    let old = Fit { now: taken.taken_at + TimeDelta::days(26), log: None };
    let refused = Incoming::begin(here.path(), manifest.clone(), &config(), &old);
    assert!(matches!(refused, Err(IndexError::Unfit { .. })));

    for whole in [false, true] {
        let incoming = begin(&manifest).unwrap();
        assert_eq!(incoming.files().len() + 1, SNAPSHOT_FILES.len());
        for (name, bytes) in incoming.files() {
            assert_eq!(fs::copy(taken.path.join(name), incoming.folder().join(name)).unwrap(), *bytes);
        }
        if !whole {
            drop(incoming);
            assert_eq!(fs::read_dir(here.path()).unwrap().count(), 0, "nothing is left of it");
            continue;
        }
        let folder = incoming.finish().unwrap();
        assert_eq!(snapshots(here.path()).unwrap(), std::slice::from_ref(&folder));
        let opened = Index::open(config(), &folder, &Fit::now()).unwrap();
        assert_eq!(opened.stats().checksum, index.stats().checksum);
    }
}

#[test]
fn an_empty_index_has_a_snapshot_too() {
    let dir = tempfile::tempdir().unwrap();
    Index::new(config()).unwrap().snapshot(dir.path()).unwrap();
    let restored = Index::restore(config(), dir.path()).unwrap().unwrap();
    assert_eq!(restored.stats().visible, 0);
    assert!(restored.positions().is_empty());
}
