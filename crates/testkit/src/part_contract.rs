//! What every store must do that takes blobs in parts, over several calls.

use crate::collect;
use bytes::Bytes;
use ragstream_core::ports::{PART_BYTES, PartStore};
use std::sync::Arc;

/// Holds a store to the contract of parts, under keys that begin with `prefix`.
///
/// # Panics
/// Where the store breaks it, saying how.
pub async fn part_store_contract(store: Arc<dyn PartStore>, prefix: &str) {
    parts_become_a_blob_in_the_order_of_their_numbers(&*store, &format!("{prefix}/parts/order")).await;
    completing_twice_is_completing_once(&*store, &format!("{prefix}/parts/twice")).await;
    what_is_aborted_is_gone(&*store, &format!("{prefix}/parts/aborted")).await;
    uploads_of_one_key_do_not_mix(&*store, &format!("{prefix}/parts/two")).await;
}

fn part(of: u8) -> Bytes {
    vec![of; PART_BYTES].into()
}

async fn read(store: &dyn PartStore, key: &str) -> Vec<u8> {
    collect(store.get(key, None).await.expect("get")).await.expect("the stream ends well")
}

async fn parts_become_a_blob_in_the_order_of_their_numbers(store: &dyn PartStore, key: &str) {
    let id = store.begin_parts(key).await.expect("begin");
    // Out of order, one twice, with a hole in the numbers, and one that is not named in the end.
    let last = store.put_part(key, &id, 12, Bytes::from_static(b"the end")).await.expect("a part");
    store.put_part(key, &id, 2, part(9)).await.expect("a part");
    let second = store.put_part(key, &id, 2, part(2)).await.expect("a part");
    let first = store.put_part(key, &id, 1, part(1)).await.expect("a part");
    store.put_part(key, &id, 5, part(5)).await.expect("a part");
    assert_eq!([first.number, second.number, last.number], [1, 2, 12]);
    assert_eq!(store.head(key).await.expect("head"), None, "not before it is complete");
    store.complete_parts(key, &id, &[first, second, last]).await.expect("complete");
    let expected = [&part(1)[..], &part(2), b"the end"].concat();
    assert!(read(store, key).await == expected, "the blob is its parts");
    let info = store.head(key).await.expect("head").expect("is there");
    assert_eq!(info.size, expected.len() as u64);
    store.delete(key).await.expect("delete");
}

async fn completing_twice_is_completing_once(store: &dyn PartStore, key: &str) {
    let id = store.begin_parts(key).await.expect("begin");
    let only = store.put_part(key, &id, 3, Bytes::from_static(b"x")).await.expect("a part");
    for _ in 0..2 {
        store.complete_parts(key, &id, std::slice::from_ref(&only)).await.expect("complete");
        assert_eq!(read(store, key).await, b"x");
    }
    store.delete(key).await.expect("delete");
    let fault = store.complete_parts(key, &id, &[only]).await.expect_err("neither blob nor parts");
    assert_eq!(fault.class, "parts_gone");
}

async fn what_is_aborted_is_gone(store: &dyn PartStore, key: &str) {
    let id = store.begin_parts(key).await.expect("begin");
    let one = store.put_part(key, &id, 1, Bytes::from_static(b"x")).await.expect("a part");
    for _ in 0..2 {
        store.abort_parts(key, &id).await.expect("abort");
    }
    assert_eq!(store.head(key).await.expect("head"), None);
    let fault = store.complete_parts(key, &id, &[one]).await.expect_err("aborted");
    assert_eq!(fault.class, "parts_gone");
}

async fn uploads_of_one_key_do_not_mix(store: &dyn PartStore, key: &str) {
    let (a, b) = (store.begin_parts(key).await.expect("begin"), store.begin_parts(key).await.expect("begin"));
    assert_ne!(a, b);
    let of_a = store.put_part(key, &a, 1, Bytes::from_static(b"a")).await.expect("a part");
    store.put_part(key, &b, 1, Bytes::from_static(b"b")).await.expect("a part");
    store.complete_parts(key, &a, &[of_a]).await.expect("complete");
    assert_eq!(read(store, key).await, b"a");
    store.abort_parts(key, &b).await.expect("abort");
    assert_eq!(read(store, key).await, b"a", "the other's end is not its own");
    store.delete(key).await.expect("delete");
}
