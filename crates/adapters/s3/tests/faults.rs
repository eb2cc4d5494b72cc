//! What becomes of a store that goes away, and of what uploads leave on its disk.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use futures::{StreamExt, stream};
use ragstream_core::{
    fault::{Fault, FaultKind},
    ports::{BlobStore, PartStore, Probe},
};
use ragstream_embedded::{S3Options, S3Server};
use ragstream_s3::S3Blobs;
use ragstream_testkit::{collect, stream_of};
use std::{
    fs::{self, File},
    future::ready,
    path::Path,
    time::{Duration, Instant, SystemTime},
};
use tempfile::TempDir;

const PART: usize = 8 << 20;
const PATIENCE: Duration = Duration::from_secs(60);

async fn start(dir: &Path) -> (S3Server, S3Blobs) {
    let server = S3Server::start(S3Options { dir: dir.to_owned(), port: None }).await.unwrap();
    let store = S3Blobs::new(&server.url().parse().unwrap());
    (server, store)
}

/// The names of all files of the store but its objects, its lock and its credentials.
fn side_files(dir: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(dir.path().join("data")).unwrap().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().unwrap().is_file());
    files.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

async fn until_no_side_files(dir: &TempDir) {
    let deadline = Instant::now() + PATIENCE;
    while !side_files(dir).is_empty() {
        assert!(Instant::now() < deadline, "left behind: {:?}", side_files(dir));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn broken() -> Fault {
    Fault::failed("upload_broken", "the client went away")
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_dropped_and_deleted_blobs_leave_no_files() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, store) = start(dir.path()).await;

    let bytes = stream_of(vec![1; 4 * PART], 1 << 20).chain(stream::once(ready(Err(broken())))).boxed();
    assert_eq!(store.put("failed", bytes).await.unwrap_err().class, "upload_broken");
    until_no_side_files(&dir).await;

    // Stops before its last piece and never goes on.
    let bytes = stream_of(vec![1; 3 * PART], 1 << 20).chain(stream::pending()).boxed();
    let put = tokio::spawn({
        let store = store.clone();
        async move { store.put("dropped", bytes).await }
    });
    let deadline = Instant::now() + PATIENCE;
    while !side_files(&dir).iter().any(|name| name.contains(".part-1")) {
        assert!(Instant::now() < deadline, "no part arrives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    put.abort();
    until_no_side_files(&dir).await;

    for (key, size) in [("small", 10), ("large", 2 * PART)] {
        store.put(key, stream_of(vec![1; size], PART)).await.unwrap();
        store.delete(key).await.unwrap();
    }
    until_no_side_files(&dir).await;
    assert_eq!(store.list("", None).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn blobs_and_parts_survive_the_server_and_what_nobody_goes_on_with_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let (server, store) = start(dir.path()).await;
    store.put("kept", stream_of("kept", 2)).await.unwrap();
    let open = store.begin_parts("open").await.unwrap();
    let first = store.put_part("open", &open, 1, vec![1; PART].into()).await.unwrap();
    let left = store.begin_parts("left").await.unwrap();
    store.put_part("left", &left, 1, vec![1; PART].into()).await.unwrap();
    // It was left more than a week ago; and a process was killed while it wrote a file.
    let long_ago = SystemTime::now() - Duration::from_secs(8 * 24 * 3600);
    for name in side_files(&dir).iter().filter(|name| name.contains(&left)) {
        File::options().write(true).open(data.join(name)).unwrap().set_modified(long_ago).unwrap();
    }
    fs::write(data.join(".tmp.0.internal.part"), "{}").unwrap();
    let endpoint = server.endpoint();
    server.stop(PATIENCE).await;
    let (server, again) = start(dir.path()).await;
    assert_eq!(server.endpoint(), endpoint, "the port is kept");
    for store in [&store, &again] {
        assert_eq!(collect(store.get("kept", None).await.unwrap()).await.unwrap(), b"kept");
    }
    let files = side_files(&dir);
    assert!(files.iter().all(|name| !name.contains(&left) && !name.contains("tmp")), "{files:?}");
    let second = again.put_part("open", &open, 2, vec![2; 3].into()).await.unwrap();
    again.complete_parts("open", &open, &[first, second]).await.unwrap();
    assert!(
        collect(again.get("open", None).await.unwrap()).await.unwrap()
            == [vec![1; PART], vec![2; 3]].concat()
    );
    again.delete("open").await.unwrap();
    again.delete("kept").await.unwrap();
    until_no_side_files(&dir).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_away_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let (server, store) = start(dir.path()).await;
    store.put("key", stream_of("value", 5)).await.unwrap();
    server.stop(PATIENCE).await;
    let faults = [
        store.probe().await.unwrap_err(),
        store.head("key").await.unwrap_err(),
        store.get("key", None).await.err().unwrap(),
        store.get("missing", None).await.err().unwrap(),
        store.put("key", stream_of("other", 5)).await.unwrap_err(),
        store.put("key", stream_of(vec![1; 2 * PART], PART)).await.unwrap_err(),
        store.delete("key").await.unwrap_err(),
        store.list("", None).await.unwrap_err(),
    ];
    for fault in faults {
        assert!(fault.is_unavailable() && fault.class == "blob_store_unreachable", "{fault:?}");
    }
    let (_server, _) = start(dir.path()).await;
    store.probe().await.unwrap();
    assert_eq!(collect(store.get("key", None).await.unwrap()).await.unwrap(), b"value");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_off_is_an_error_and_not_a_short_blob() {
    let dir = tempfile::tempdir().unwrap();
    let (server, store) = start(dir.path()).await;
    // More than fits into the sockets between here and there.
    let size = 64 << 20;
    store.put("large", stream_of(vec![1; size], 1 << 20)).await.unwrap();
    let mut body = store.get("large", None).await.unwrap();
    let first: Bytes = body.next().await.unwrap().unwrap();
    drop(server);
    let rest = collect(body).await;
    let fault = rest.map(|rest| rest.len() + first.len()).expect_err("the body can't be whole");
    assert!(fault.is_unavailable(), "{fault:?}");
}

#[tokio::test]
async fn what_the_store_never_takes_is_invalid() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, store) = start(dir.path()).await;
    for key in ["k".repeat(2000), "../escape".into(), "a//b".into(), String::new()] {
        let fault = store.put(&key, stream_of("x", 1)).await.unwrap_err();
        assert_eq!((fault.kind, fault.class), (FaultKind::Invalid, "blob_refused"), "{key}: {fault:?}");
    }
}
