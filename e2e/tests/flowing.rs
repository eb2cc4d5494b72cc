//! Texts longer than anybody wants in memory: their chunks are on their way while they are
//! still being read, whatever happens meanwhile.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{
    api::text,
    cluster::{Cluster, Kind},
    eventually,
};
use std::{collections::BTreeSet, fmt::Write};

const MIB: u64 = 1 << 20;
/// Where its chunks go: so long a text goes by the bulk lane.
const CHUNKS: &str = "chunk-processing.bulk";
/// The size of the text.
const LONG: usize = 100 << 20;
/// What ingestion may grow by over its idle size: three parts of 8 MiB on their way to the blob
/// store, a piece of the text, its chunks and their events as they wait for acknowledgement, and
/// what the allocator keeps of them. Who holds the text and all its chunks needs several times that.
const GROWTH: u64 = 88 * MIB;

/// A text of different lines.
fn log_file(bytes: usize) -> String {
    let mut log = String::with_capacity(bytes + 200);
    for hour in 0_u64.. {
        if log.len() >= bytes {
            break;
        }
        let (station, rain) = (hour.wrapping_mul(2_654_435_761) % 977, hour * 31 % 97);
        let _ = writeln!(
            log,
            "Hour {hour}: the keeper of station {station} wrote down {rain} millimetres of rain."
        );
    }
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_a_long_text_flow_before_its_end_and_a_crash_loses_and_doubles_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path()).await.common(&[("RAGSTREAM_PARTITIONS", "3".to_owned())]);
    cluster.add(Kind::Gateway, "gateway", &[]);
    cluster.add(Kind::Ingestion, "ingestion", &[]);
    cluster.ready().await;
    let api = cluster.gateway();
    let first = api.upload("first.txt", log_file(10_000), &[]).await;
    let first = text(&first.body, "document_id");
    eventually("a first small document", || async {
        let rows = cluster.rows().await;
        rows.current_job(&first).unwrap().chunks.is_some().then_some(())
    })
    .await;
    let idle = cluster.role("ingestion").process().memory("VmHWM");

    let log = log_file(LONG);
    let uploaded = api.upload("long.txt", log.clone(), &[]).await;
    assert_eq!(uploaded.status, 202, "{uploaded:?}");
    let document = text(&uploaded.body, "document_id");
    let early = eventually("chunks of a text that goes on", || async {
        let rows = cluster.rows().await;
        assert_eq!(rows.current_job(&document).unwrap().chunks, None, "it was not seen to flow");
        let chunks = rows.chunks_of(&document, 1).count();
        (chunks > 1000).then_some(chunks)
    })
    .await;
    let appended = cluster.records(CHUNKS).len();
    assert!(appended >= early / 2, "{appended} of {early} chunks are in the log");

    let role = cluster.role("ingestion");
    role.kill();
    role.start(&[]);
    let total = eventually("the end of the text", || async {
        cluster.rows().await.current_job(&document).unwrap().chunks
    })
    .await;
    let grown = cluster.role("ingestion").process().memory("VmHWM").saturating_sub(idle);
    println!("{LONG} bytes: {early} chunks seen early, {total} in all; grown by {} MiB", grown / MIB);
    assert!(grown < GROWTH, "grown by {} MiB", grown / MIB);

    let rows = cluster.rows().await;
    assert_eq!(rows.current_job(&document).unwrap().stage, "embedding");
    let ids: BTreeSet<_> = rows.chunks_of(&document, 1).map(|chunk| chunk.id.clone()).collect();
    assert_eq!(ids.len(), total as usize);
    eventually("the last chunks in the log", || async {
        let records = cluster.records(CHUNKS);
        let keys: BTreeSet<_> = records.into_iter().map(|record| record.key).collect();
        ids.is_subset(&keys).then_some(())
    })
    .await;
    // Each chunk is where it says, and between them lie blanks alone.
    let stored = api.text(&format!("/api/v2/documents/{document}/text")).await;
    assert!(stored == log, "the text is another one");
    let mut end = 0;
    for from in (0..total).step_by(1000) {
        let path = format!("/api/v2/documents/{document}/chunks?from={from}&limit=1000");
        for chunk in api.get(&path).await.body["chunks"].as_array().unwrap() {
            let place = |which: &str| chunk["span"][which].as_u64().unwrap() as usize;
            let (from, to) = (place("start"), place("end"));
            assert!(from <= end || log[end..from].trim().is_empty(), "between {end} and {from}");
            end = to;
        }
    }
    assert!(log[end..].trim().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_turns_out_too_long_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut cluster = Cluster::start(dir.path()).await;
    let most = [("RAGSTREAM_INGESTION_EXTRACT_OUTPUT", (4 * MIB).to_string())];
    cluster.add(Kind::Gateway, "gateway", &[]);
    cluster.add(Kind::Ingestion, "ingestion", &most);
    cluster.ready().await;
    let api = cluster.gateway();
    let uploaded = api.upload("long.txt", log_file(6 << 20), &[]).await;
    let job = api.finished(&text(&uploaded.body, "job_id")).await;
    assert_eq!(text(&job["failure"], "class"), "document_too_large", "{job:#}");
    let document = text(&uploaded.body, "document_id");
    assert_eq!(cluster.rows().await.chunks_of(&document, 1).count(), 0);
    assert_eq!(api.get(&format!("/api/v2/documents/{document}/text")).await.status, 404);
    let asked: BTreeSet<_> =
        cluster.records("chunk-processing").into_iter().map(|record| record.key).collect();
    assert!(!asked.is_empty(), "it was not seen to flow");
    eventually("a tombstone for each chunk", || async {
        let records = cluster.records("chunk-embeddings");
        let gone: BTreeSet<_> =
            records.into_iter().filter(|record| !record.has_value).map(|record| record.key).collect();
        asked.is_subset(&gone).then_some(())
    })
    .await;
}
