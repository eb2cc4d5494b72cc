//! What every blob store must do. A store that passes can stand in for any other.

use crate::{collect, stream_of};
use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, future, stream};
use ragstream_core::{
    fault::{Fault, FaultKind},
    ports::{BlobStore, ByteStream},
};
use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Stores send bodies of up to this size in one request and larger ones in parts of it.
const PART: usize = 8 << 20;

/// The most keys of one listing.
const PAGE: usize = 1000;

/// How many blobs are written at once where many are needed.
const AT_ONCE: usize = 16;

/// How long a store may take to do what it does after its caller has gone away.
const PATIENCE: Duration = Duration::from_secs(30);

/// Holds a store to the whole contract, under keys that begin with `prefix`.
///
/// # Panics
/// Where the store breaks it, saying how.
pub async fn blob_store_contract(store: Arc<dyn BlobStore>, prefix: &str) {
    let case = |name: &str| Case { store: store.clone(), prefix: format!("{prefix}/{name}/") };
    store.probe().await.expect("a store that answers says so");
    case("sizes").what_is_put_is_got().await;
    case("ranges").ranges_are_cut_at_the_end().await;
    case("missing").what_is_not_there().await;
    case("broken").a_broken_stream_leaves_nothing().await;
    case("dropped").a_dropped_put_leaves_nothing().await;
    case("replaced").a_put_replaces_whole_or_not_at_all().await;
    case("concurrent").concurrent_puts_do_not_mix().await;
    case("keys").keys_are_taken_as_they_are().await;
    case("list").listing_is_ordered_and_goes_on().await;
}

struct Case {
    store: Arc<dyn BlobStore>,
    prefix: String,
}

impl Case {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    async fn put(&self, key: &str, bytes: impl Into<Bytes>, piece: usize) {
        let bytes = bytes.into();
        let size = bytes.len() as u64;
        let stored = self.store.put(key, stream_of(bytes, piece)).await.expect("put");
        assert_eq!(stored, size, "put returns the size of {key}");
    }

    async fn read(&self, key: &str) -> Vec<u8> {
        let stream = self.store.get(key, None).await.expect("get");
        collect(stream).await.expect("the stream ends well")
    }

    async fn size(&self, key: &str) -> Option<u64> {
        let info = self.store.head(key).await.expect("head")?;
        assert_eq!(info.key, key);
        Some(info.size)
    }

    async fn keys(&self) -> Vec<String> {
        let infos = self.store.list(&self.prefix, None).await.expect("list");
        infos.into_iter().map(|info| info.key).collect()
    }

    async fn what_is_put_is_got(&self) {
        // Around the boundaries between one request and parts, and with pieces
        // that are smaller, larger and no divisors of a part.
        for (size, piece) in [
            (0, 1),
            (1, 1),
            (100_000, 7),
            (PART - 1, 65_536),
            (PART, PART),
            (PART + 1, 1_000_003),
            (2 * PART, 100_000),
            (3 * PART + 5, 3 * PART + 5),
        ] {
            let key = self.key(&size.to_string());
            let bytes = noise(size, size as u64);
            self.put(&key, bytes.clone(), piece).await;
            assert!(self.read(&key).await == bytes, "{size} bytes come back as they were");
            assert_eq!(self.size(&key).await, Some(size as u64));
        }
    }

    async fn ranges_are_cut_at_the_end(&self) {
        let key = self.key("blob");
        let bytes = noise(200_000, 1);
        self.put(&key, bytes.clone(), 65_536).await;
        for (from, to) in [
            (0, 1),
            (0, 200_000),
            (5, 5),
            (99_999, 150_001),
            (199_999, 200_000),
            (199_999, u64::MAX),
            (0, u64::MAX),
        ] {
            let stream = self.store.get(&key, Some(from..to)).await.expect("get of a range");
            let got = collect(stream).await.expect("the stream ends well");
            let end = usize::try_from(to).unwrap_or(usize::MAX).min(bytes.len());
            assert!(got == bytes[from as usize..end], "bytes {from} to {to}");
        }
        for (from, to) in [(200_000, 200_001), (1 << 40, u64::MAX)] {
            let stream = self.store.get(&key, Some(from..to)).await.expect("get past the end");
            assert_eq!(collect(stream).await.expect("the stream ends well"), b"", "bytes {from} to {to}");
        }
        let empty = self.key("empty");
        self.put(&empty, "", 1).await;
        let stream = self.store.get(&empty, Some(0..10)).await.expect("get of nothing");
        assert_eq!(collect(stream).await.expect("the stream ends well"), b"");
    }

    async fn what_is_not_there(&self) {
        let key = self.key("nothing");
        for range in [None, Some(0..10)] {
            let fault = self.store.get(&key, range).await.err().expect("there is nothing to get");
            assert_eq!((fault.kind, fault.class), (FaultKind::Invalid, "blob_missing"), "{fault:?}");
        }
        assert_eq!(self.size(&key).await, None);
        self.store.delete(&key).await.expect("deleting nothing is fine");
        self.put(&key, "something", 4).await;
        self.store.delete(&key).await.expect("delete");
        self.store.delete(&key).await.expect("deleting twice is fine");
        assert_eq!(self.size(&key).await, None);
        assert!(self.store.get(&key, None).await.is_err());
        assert_eq!(self.keys().await, [""; 0]);
    }

    async fn a_broken_stream_leaves_nothing(&self) {
        for size in [0, 10, PART - 1, 3 * PART + 1] {
            let key = self.key(&size.to_string());
            let broken =
                stream::once(future::ready(Err(Fault::failed("upload_broken", "the client went away"))));
            let bytes = stream_of(noise(size, 2), 65_536).chain(broken).boxed();
            let fault = self.store.put(&key, bytes).await.err().expect("a broken stream can't be stored");
            assert_eq!(
                (fault.kind, fault.class),
                (FaultKind::Failed, "upload_broken"),
                "the stream's own fault"
            );
            assert_eq!(self.size(&key).await, None, "nothing of {size} bytes appears");
        }
        assert_eq!(self.keys().await, [""; 0]);
    }

    async fn a_dropped_put_leaves_nothing(&self) {
        let key = self.key("blob");
        let sent = Arc::new(AtomicU64::new(0));
        let count = sent.clone();
        let endless: ByteStream = stream::repeat_with(move || {
            count.fetch_add(1, Ordering::SeqCst);
            Ok(Bytes::from_static(&[7; 65_536]))
        })
        // Ends at some time, lest a store that ignores being dropped runs for ever.
        .take(100_000)
        .then(|piece| async {
            tokio::task::yield_now().await;
            piece
        })
        .boxed();
        let enough = 3 * PART as u64 / 65_536;
        let (store, to) = (self.store.clone(), key.clone());
        let put = tokio::spawn(async move { store.put(&to, endless).await });
        until("several parts are sent", || future::ready(sent.load(Ordering::SeqCst) > enough)).await;
        put.abort();
        assert!(put.await.is_err_and(|error| error.is_cancelled()), "the put was under way");
        assert_eq!(self.size(&key).await, None);
        assert_eq!(self.keys().await, [""; 0]);
    }

    async fn a_put_replaces_whole_or_not_at_all(&self) {
        let key = self.key("blob");
        for (seed, size) in [(1, 100), (2, PART + 1), (3, 10), (4, 0)] {
            self.put(&key, noise(size, seed), 65_536).await;
            assert!(self.read(&key).await == noise(size, seed), "the last put counts");
            for broken_after in [5, 2 * PART] {
                let broken = stream::once(future::ready(Err(Fault::failed("upload_broken", "gone"))));
                let bytes = stream_of(noise(broken_after, 9), 65_536).chain(broken).boxed();
                self.store.put(&key, bytes).await.expect_err("a broken stream can't be stored");
                assert!(self.read(&key).await == noise(size, seed), "a failed put changes nothing");
            }
        }
        assert_eq!(self.keys().await, [key]);
    }

    async fn concurrent_puts_do_not_mix(&self) {
        let key = self.key("blob");
        let sizes = [1000, PART + 1000, 2000, PART + 2000];
        let puts = sizes.iter().map(|size| self.put(&key, noise(*size, *size as u64), 65_536));
        future::join_all(puts).await;
        let got = self.read(&key).await;
        assert!(sizes.contains(&got.len()), "one of them: {}", got.len());
        assert!(got == noise(got.len(), got.len() as u64), "and whole");
    }

    async fn keys_are_taken_as_they_are(&self) {
        let mut keys: Vec<_> = [
            "plain",
            "with space",
            "plus+percent%20equals=and&question?hash#",
            "größe-文書-🦀",
            "deep/er/and/deeper",
            "UPPER",
            "dots..in.it",
            "quote'and\"double",
        ]
        .map(|name| self.key(name))
        .to_vec();
        for key in &keys {
            self.put(key, key.clone(), 5).await;
        }
        for key in &keys {
            assert_eq!(self.read(key).await, key.as_bytes());
        }
        keys.sort();
        assert_eq!(self.keys().await, keys);
    }

    async fn listing_is_ordered_and_goes_on(&self) {
        let mut keys: Vec<_> = (0..PAGE + 5).map(|n| self.key(&format!("{n}"))).collect();
        stream::iter(&keys).for_each_concurrent(AT_ONCE, |key| self.put(key, "x", 1)).await;
        keys.sort();
        let first = self.store.list(&self.prefix, None).await.expect("list");
        assert_eq!(first.len(), PAGE, "a page is full while there is more");
        let last = first.last().expect("a full page").key.clone();
        let second = self.store.list(&self.prefix, Some(&last)).await.expect("list");
        let listed: Vec<_> = first.iter().chain(&second).map(|info| info.key.clone()).collect();
        assert_eq!(listed, keys);
        assert!(first.iter().all(|info| info.size == 1));

        // A prefix is one of characters, not of path segments; `after` need not exist.
        let tens: Vec<_> = keys.iter().filter(|key| key.starts_with(&self.key("10"))).cloned().collect();
        let listed = self.store.list(&self.key("10"), None).await.expect("list");
        assert_eq!(listed.into_iter().map(|info| info.key).collect::<Vec<_>>(), tens);
        let after = self.key("1000a");
        let rest: Vec<_> = tens.iter().filter(|key| **key > after).cloned().collect();
        let listed = self.store.list(&self.key("10"), Some(&after)).await.expect("list");
        assert_eq!(listed.into_iter().map(|info| info.key).collect::<Vec<_>>(), rest);

        stream::iter(&keys)
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |key| self.store.delete(key))
            .await
            .expect("delete");
        assert_eq!(self.keys().await, [""; 0]);
    }
}

/// Bytes that look random and are the same for the same seed.
fn noise(size: usize, seed: u64) -> Vec<u8> {
    // Xorshift64 (Marsaglia 2003): fast, and no two positions look alike.
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(size + 8);
    while bytes.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(size);
    bytes
}

async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
