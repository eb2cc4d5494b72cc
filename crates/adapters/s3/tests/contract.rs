//! The blob store's contract on the standalone node's folder, and on the store that
//! `RAGSTREAM_TEST_S3` names (a MinIO, say), where it is set.
#![allow(clippy::unwrap_used)]

use ragstream_core::ports::{BlobStore, Probe};
use ragstream_s3::{S3Blobs, S3Config};
use ragstream_testkit::{blob_store_contract, part_store_contract, s3, unique};
use std::sync::Arc;

/// Names another store, as `http://ACCESS:SECRET@HOST:PORT/BUCKET`.
const OTHER_STORE: &str = "RAGSTREAM_TEST_S3";

#[tokio::test(flavor = "multi_thread")]
async fn the_folder_keeps_the_contract() {
    let store = S3Blobs::new(&s3().await.url().parse().unwrap());
    store.ensure_bucket().await.unwrap();
    let store = Arc::new(store);
    blob_store_contract(store.clone(), &unique("contract")).await;
    part_store_contract(store, &unique("contract")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_store_keeps_the_contract() {
    let Ok(url) = std::env::var(OTHER_STORE) else { return };
    let store = S3Blobs::new(&url.parse().unwrap());
    store.ensure_bucket().await.unwrap();
    store.ensure_bucket().await.unwrap();
    let store = Arc::new(store);
    blob_store_contract(store.clone(), &unique("contract")).await;
    part_store_contract(store, &unique("contract")).await;
}

#[tokio::test]
async fn a_bucket_is_created_where_it_is_missing() {
    let mut urls = vec![s3().await.url()];
    urls.extend(std::env::var(OTHER_STORE));
    for url in urls {
        let config = S3Config { bucket: unique("bucket"), ..url.parse().unwrap() };
        let store = S3Blobs::new(&config);
        // Before: waiting is right, for nothing is lost; and it says what to do.
        let faults = [
            store.probe().await.unwrap_err(),
            store.head("key").await.unwrap_err(),
            store.get("key", None).await.err().unwrap(),
            store.put("key", ragstream_testkit::stream_of("x", 1)).await.unwrap_err(),
            store.list("", None).await.unwrap_err(),
        ];
        for fault in faults {
            assert!(fault.is_unavailable() && fault.class == "blob_store_misconfigured", "{fault:?}");
            assert!(fault.message.contains(&config.bucket), "{fault:?}");
        }
        store.ensure_bucket().await.unwrap();
        store.ensure_bucket().await.unwrap();
        store.probe().await.unwrap();
        assert_eq!(store.list("", None).await.unwrap(), []);
    }
}

#[tokio::test]
async fn wrong_credentials_are_a_misconfiguration() {
    let mut urls = vec![s3().await.url()];
    urls.extend(std::env::var(OTHER_STORE));
    for url in urls {
        let config = S3Config { secret_key: "wrong-secret".into(), ..url.parse().unwrap() };
        let store = S3Blobs::new(&config);
        for fault in [store.probe().await.unwrap_err(), store.list("", None).await.unwrap_err()] {
            assert!(fault.is_unavailable() && fault.class == "blob_store_misconfigured", "{fault:?}");
        }
    }
}
