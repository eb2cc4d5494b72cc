//! What a scan of the real log comes to.
#![allow(clippy::unwrap_used)]

mod support;

use ragstream_core::{
    chunk::Chunk,
    contents::{LogContents, Standing},
    document::DocumentRef,
    event::{ChunkEmbedded, IndexKey, VersionCommitted},
    id::{ChunkId, DocumentId, JobId, Version},
    ports::{LogEnds, LogScan, Outgoing, Placement, Publisher},
    topics::EMBEDDINGS,
    trace::TraceContext,
};
use ragstream_kafka::*;
use ragstream_proto::encode::{self, Origin};
use std::collections::BTreeSet;
use support::broker;

/// Chunks of a large document: several fetches of several megabytes.
const MANY: u32 = 3_000;

fn origin() -> Origin {
    Origin { correlation_id: "c".into(), trace: TraceContext::root() }
}

fn chunk_id(document: DocumentId, version: i32, position: u32) -> ChunkId {
    ChunkId::derive(document, Version(version), "c", position)
}

fn chunk(document: DocumentId, version: i32, position: u32) -> Outgoing {
    let event = ChunkEmbedded {
        document: DocumentRef {
            document_id: document,
            version: Version(version),
            job_id: JobId::generate(),
            collection: "default".into(),
            external_id: None,
            filename: "a.txt".into(),
            content_type: "text/plain".into(),
            metadata: Default::default(),
        },
        chunk: Chunk {
            id: chunk_id(document, version, position),
            position,
            text: "words of a chunk ".repeat(60),
            span: 0..9,
            page: None,
            headings: vec![],
            tokens: 5,
        },
        model: "m".into(),
        vector: vec![0.5; 384],
    };
    encode::chunk_embedded(&event, &origin())
}

fn marker(document: DocumentId, version: i32, chunk_count: u32) -> Outgoing {
    let marker = VersionCommitted {
        document_id: document,
        version: Version(version),
        job_id: JobId::generate(),
        chunk_count,
    };
    encode::version_committed(&marker, &origin())
}

fn gone(document: DocumentId, key: IndexKey) -> Outgoing {
    encode::gone(key, document, &origin())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_reads_to_the_end_and_goes_on_from_there() {
    let config = broker().await;
    ensure_topics(&config, TopicSettings { partitions: 3, replication: 1 }).await.unwrap();
    let publisher = KafkaPublisher::new(&config).unwrap();
    let scan = KafkaLogScan::new(&config);
    let empty = scan.read_on(LogContents::default()).await.unwrap();
    assert_eq!(
        (empty.summary().0, empty.positions().len()),
        (0, 0),
        "nothing to read, nobody stands anywhere"
    );

    let [large, updated, deleted, waiting] = std::array::from_fn(|_| DocumentId::generate());
    let mut records: Vec<_> = (0..MANY).map(|position| chunk(large, 1, position)).collect();
    records.push(marker(large, 1, MANY));
    records.extend([
        chunk(updated, 1, 0),
        marker(updated, 1, 1),
        chunk(updated, 2, 0),
        marker(updated, 2, 1),
    ]);
    records.extend([chunk(deleted, 1, 0), marker(deleted, 1, 1), chunk(waiting, 1, 0)]);
    records.push(Outgoing {
        topic: EMBEDDINGS.into(),
        key: "what is this".into(),
        value: Some("\u{ff}nonsense".into()),
        headers: vec![],
        placement: Placement::At(1),
    });
    publisher.append(records).await.unwrap();
    let first = scan.read_on(empty).await.unwrap();
    let ends = publisher.ends(EMBEDDINGS).await.unwrap();
    for (partition, position) in first.positions() {
        assert_eq!(*position, ends[partition].end);
    }
    assert_eq!(first.unreadable(), 1);
    let visible = |contents: &LogContents| contents.visible().map(|(id, _)| id).collect::<BTreeSet<_>>();
    let mut expected: BTreeSet<_> = (0..MANY).map(|position| chunk_id(large, 1, position)).collect();
    expected.extend([chunk_id(updated, 2, 0), chunk_id(deleted, 1, 0)]);
    assert_eq!(visible(&first), expected);
    assert_eq!(first.chunk_of(chunk_id(waiting, 1, 0)).unwrap().standing, Standing::Waiting);
    assert_eq!(first.chunk_of(chunk_id(updated, 1, 0)).unwrap().standing, Standing::Over);

    publisher
        .append(vec![
            gone(updated, IndexKey::Chunk(chunk_id(updated, 1, 0))),
            gone(updated, IndexKey::Commit(updated, Version(1))),
            encode::document_deleted(deleted, &origin()),
            marker(waiting, 1, 1),
        ])
        .await
        .unwrap();
    let on = scan.read_on(first).await.unwrap();
    expected.remove(&chunk_id(deleted, 1, 0));
    expected.insert(chunk_id(waiting, 1, 0));
    assert_eq!(visible(&on), expected);
    assert!(on.chunk_of(chunk_id(updated, 1, 0)).is_none());
    assert_eq!(on.marker_of(deleted, Version(1)).unwrap().standing, Standing::Over);

    // Read on or read anew: the same.
    let anew = scan.read_on(LogContents::default()).await.unwrap();
    assert_eq!((anew.summary(), anew.positions()), (on.summary(), on.positions()));
    assert_eq!(anew.live_markers().collect::<Vec<_>>(), on.live_markers().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_said_to_be() {
    let scan = KafkaLogScan::new(&KafkaConfig::new("127.0.0.1:9"));
    let fault = scan.read_on(LogContents::default()).await.unwrap_err();
    assert!(fault.is_unavailable(), "{fault:?}");
}
