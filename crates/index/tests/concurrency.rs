//! Searches beside `apply`, snapshots and the builder.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use ragstream_core::id::Version;
use ragstream_index::{Filter, Hit, Index, IndexConfig, Legs};
use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
};

const DOCUMENTS: u128 = 4;
const CHUNKS: usize = 6;
const VERSIONS: i32 = 25;

/// Every document is there with all chunks of one version, no older than before.
fn check(hits: &[Hit], seen: &mut BTreeMap<u128, Version>) {
    let mut by_document: BTreeMap<u128, Vec<Version>> = BTreeMap::new();
    for hit in hits {
        let document = &hit.record.document;
        by_document.entry(document.document_id.0.as_u128()).or_default().push(document.version);
    }
    assert_eq!(by_document.len(), DOCUMENTS as usize, "a document is missing");
    for (document, versions) in by_document {
        assert_eq!(versions.len(), CHUNKS, "a part of document {document}: {versions:?}");
        assert!(versions.iter().all(|version| *version == versions[0]), "two versions: {versions:?}");
        let before = seen.insert(document, versions[0]);
        assert!(before <= Some(versions[0]), "back from {before:?} to {:?}", versions[0]);
    }
}

#[test]
fn a_search_sees_each_document_whole_and_in_one_version_while_events_are_applied() {
    // A graph from the first rows on, rebuilt all the time.
    let config = IndexConfig { exact_below: 10, ..config() };
    let index = Index::new(config).unwrap();
    index.apply(at(0, (1..=DOCUMENTS).flat_map(|doc| version(doc, 1, CHUNKS as u32)))).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (done, searches) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for mode in [Legs::Vector, Legs::Keyword, Legs::Hybrid] {
            let (index, done, searches) = (&index, &done, &searches);
            scope.spawn(move || {
                let mut seen = BTreeMap::new();
                while !done.load(Ordering::Relaxed) {
                    check(&search(index, mode, Filter::default(), 200).hits, &mut seen);
                    let one = Filter::documents([document(2)]);
                    assert_eq!(search(index, mode, one, 200).hits.len(), CHUNKS);
                    searches.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let (index_, done_) = (&index, &done);
        let path = dir.path();
        scope.spawn(move || {
            while !done_.load(Ordering::Relaxed) {
                index_.snapshot(path).unwrap();
                let restored = Index::restore(self::config(), path).unwrap().unwrap();
                check(&search(&restored, Legs::Keyword, Filter::default(), 200).hits, &mut BTreeMap::new());
            }
        });
        // Ends the others also when this thread panics.
        struct Done<'a>(&'a AtomicBool);
        impl Drop for Done<'_> {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let _done = Done(&done);
        let mut offset = 1_000;
        for v in 2..=VERSIONS {
            for doc in 1..=DOCUMENTS {
                // In pieces of any size, so that markers come alone and with chunks.
                for piece in version(doc, v, CHUNKS as u32).chunks(v as usize % 5 + 1) {
                    index.apply(at(offset, piece.to_vec())).unwrap();
                    offset += 100;
                }
            }
        }
    });
    assert!(searches.load(Ordering::Relaxed) > 0);
    assert_eq!(index.visible_version(document(1)), Some(Version(VERSIONS)));
    assert!(index.stats().dead <= index.stats().visible + 256, "the memory of the dead is given back");
}
