//! Snapshots: whole or refused, two of them, beside everything else.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ragstream_index::{Filter, Index, IndexConfig, IndexError, Legs};
use std::{fs, path::Path};

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
    let hits =
        search(&restored, Legs::Vector, Filter { document_ids: vec![document(2)], ..Filter::default() }, 9)
            .hits;
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
    fs::remove_dir_all(newest).unwrap();
    let before = Index::restore(config(), dir.path()).unwrap().unwrap();
    assert_eq!(before.positions()[&0], 3_002);
}

#[test]
fn an_empty_index_has_a_snapshot_too() {
    let dir = tempfile::tempdir().unwrap();
    Index::new(config()).unwrap().snapshot(dir.path()).unwrap();
    let restored = Index::restore(config(), dir.path()).unwrap().unwrap();
    assert_eq!(restored.stats().visible, 0);
    assert!(restored.positions().is_empty());
}
