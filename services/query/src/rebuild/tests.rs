//! The new index against the log and the old one, with records coming in all along.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::testing::{DIMENSION, Rig, chunk_id};
use ragstream_core::{
    event::{IndexEvent, IndexKey},
    id::DocumentId,
};
use ragstream_index::{Positioned, snapshots};
use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};
use uuid::Uuid;

const DOCUMENTS: u128 = 300;
const CHUNKS: u32 = 3;

fn document(n: u128) -> DocumentId {
    DocumentId(Uuid::from_u128(n))
}

async fn filled() -> Rig {
    let rig = Rig::new();
    (0..DOCUMENTS).for_each(|n| rig.log.document(document(n), CHUNKS));
    rig.caught_up().await;
    rig
}

async fn done(rig: &Rig) -> NodeRebuild {
    rig.until("the end of the rebuild", || !rig.rebuilder.status().state.is_running()).await;
    let status = rig.rebuilder.status();
    assert_eq!((status.state, &status.error), (RebuildState::Done, &None));
    assert!(status.finished_at >= status.started_at && status.started_at.is_some());
    assert_eq!(status.records_done, status.records_total);
    status
}

fn visible(rig: &Rig) -> BTreeSet<ChunkId> {
    rig.view.index().visible_chunks().into_iter().map(|(.., id)| id).collect()
}

fn all(documents: u128) -> BTreeSet<ChunkId> {
    (0..documents).flat_map(|n| (0..CHUNKS).map(move |position| chunk_id(document(n), position))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn it_takes_over_at_the_same_place_while_records_come_in() {
    let rig = filled().await;
    let late = document(1 << 100);
    let (view, wait) = (rig.view.clone(), Duration::from_secs(90));
    let waiting = tokio::spawn(async move { view.wait_for(late, Version(1), wait).await });
    let (log, stop) = (rig.log.clone(), Arc::new(AtomicBool::new(false)));
    let stopped = stop.clone();
    let appending = tokio::spawn(async move {
        let mut n = DOCUMENTS;
        while !stopped.load(Ordering::Relaxed) {
            log.document(document(n), CHUNKS);
            log.nonsense(document(n));
            n += 1;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        n
    });
    for round in 1..=3 {
        let before = Arc::downgrade(&rig.view.index());
        let begun = rig.rebuilder.begin().unwrap();
        assert_eq!(begun.state, RebuildState::Replaying);
        assert_eq!(rig.rebuilder.begin().unwrap().started_at, begun.started_at, "one at a time");
        let status = done(&rig).await;
        assert_eq!(status.agrees, Some(true), "{status:?}");
        assert_eq!(status.before, status.after);
        assert_eq!(rig.view.live().number, round);
        assert!(rig.view.require_caught_up().is_ok());
        rig.until("the end of the old index", || before.strong_count() == 0).await;
    }
    stop.store(true, Ordering::Relaxed);
    let documents = appending.await.unwrap();
    rig.log.document(late, 0);
    assert!(waiting.await.unwrap(), "who waits for an upload waits on the index that serves");
    rig.until("all of it", || visible(&rig).len() == documents as usize * CHUNKS as usize).await;
    assert_eq!(visible(&rig), all(documents));
    // What nobody can read is given up once, whoever was live when it was read.
    let nonsense = (documents - DOCUMENTS) as usize;
    rig.until("all letters", || rig.letters.0.load(Ordering::Relaxed) >= nonsense).await;
    assert_eq!(rig.letters.0.load(Ordering::Relaxed), nonsense);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_one_lost_the_new_one_has() {
    let rig = filled().await;
    let lost = IndexEvent::Gone(IndexKey::Chunk(chunk_id(document(7), 0)));
    rig.view.index().apply(vec![Positioned { partition: 99, offset: 5, event: lost }]).unwrap();
    let held = DOCUMENTS as u64 * u64::from(CHUNKS);
    assert_eq!(visible(&rig).len() as u64, held - u64::from(CHUNKS), "a part of a version is never shown");
    rig.rebuilder.begin().unwrap();
    let status = done(&rig).await;
    assert_eq!(status.agrees, Some(false));
    assert_eq!(status.before.unwrap().chunks, held - u64::from(CHUNKS));
    assert_eq!(status.after.unwrap().chunks, held);
    assert_eq!(visible(&rig), all(DOCUMENTS));

    // A restart has it too.
    let newest = &snapshots(rig.dir.path()).unwrap()[0];
    let restored = Index::open(rig.settings.clone(), newest, &ragstream_index::Fit::now()).unwrap();
    assert_eq!(restored.contents(), rig.view.index().contents());
    assert_eq!(rig.settings.dimension, DIMENSION);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rows_are_told_once_and_before_there_is_a_snapshot() {
    let rig = filled().await;
    assert_eq!(rig.rows.times(), BTreeSet::from([1]));
    rig.rows.away.store(true, Ordering::Relaxed);
    rig.rebuilder.begin().unwrap();
    // It serves, for searches need no database.
    rig.until("the switch", || rig.view.live().number == 1).await;
    rig.until("the report", || rig.rebuilder.status().state == RebuildState::Reporting).await;
    assert_eq!(visible(&rig), all(DOCUMENTS));
    rig.snapshots.write().await.unwrap();
    assert_eq!(snapshots(rig.dir.path()).unwrap().len(), 0, "no snapshot is ahead of the reports");
    rig.rows.away.store(false, Ordering::Relaxed);
    done(&rig).await;
    assert_eq!(rig.rows.times(), BTreeSet::from([2]), "not a word while it was built");
    assert_eq!(rig.rows.versions.lock().unwrap().len(), DOCUMENTS as usize);
    assert_eq!(snapshots(rig.dir.path()).unwrap().len(), 1);
    // It goes on reporting.
    rig.log.document(document(DOCUMENTS), 1);
    rig.until("a new one's report", || rig.rows.times() == BTreeSet::from([1, 2])).await;
}
