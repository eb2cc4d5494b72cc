//! The blob store.

use crate::{
    S3Config, client,
    faults::{fault_of, is_not_found, is_past_the_end},
    parts::Parts,
    upload,
};
use async_trait::async_trait;
use aws_sdk_s3::{
    Client,
    error::ProvideErrorMetadata,
    primitives::ByteStream as Body,
    types::{BucketLocationConstraint, CreateBucketConfiguration},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use ragstream_core::{
    fault::{Fault, Result},
    ports::{BlobInfo, BlobStore, ByteStream, Probe},
};
use std::{ops::Range, time::Duration};

/// The most keys of one listing, which is S3's own limit.
const PAGE: i32 = 1000;

/// A store that sends nothing of a body for this long is away.
const NEXT_PIECE: Duration = Duration::from_secs(30);

/// The region in which AWS wants no location for a new bucket.
const NO_LOCATION: &str = "us-east-1";

/// Past this, the end of a range is left open: no blob is as long, and some stores
/// read it as a signed number.
const OPEN_END: u64 = 1 << 60;

/// Blobs in a bucket.
#[derive(Clone, Debug)]
pub struct S3Blobs {
    client: Client,
    bucket: String,
    region: String,
}

impl S3Blobs {
    /// The blobs of this store. Connects at the first call.
    pub fn new(config: &S3Config) -> Self {
        Self { client: client::build(config), bucket: config.bucket.clone(), region: config.region.clone() }
    }

    /// Creates the bucket where it does not exist.
    ///
    /// # Errors
    /// `Unavailable`: the store is away, or does not let these credentials do so.
    pub async fn ensure_bucket(&self) -> Result<()> {
        match self.client.head_bucket().bucket(&self.bucket).send().await {
            Ok(_) => return Ok(()),
            Err(error) if is_not_found(&error) => {}
            Err(error) => return Err(self.fault("look at its bucket", error)),
        }
        let location = (self.region != NO_LOCATION).then(|| {
            let region = BucketLocationConstraint::from(self.region.as_str());
            CreateBucketConfiguration::builder().location_constraint(region).build()
        });
        let created = self
            .client
            .create_bucket()
            .bucket(&self.bucket)
            .set_create_bucket_configuration(location)
            .send()
            .await;
        match created {
            Ok(_) => Ok(()),
            // Another node was faster.
            Err(error) if matches!(error.code(), Some("BucketAlreadyOwnedByYou" | "BucketAlreadyExists")) => {
                self.probe().await
            }
            Err(error) => Err(self.fault("create its bucket", error)),
        }
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    async fn put_whole(&self, key: &str, body: Bytes) -> Result<u64> {
        let size = body.len() as u64;
        let put = self.client.put_object().bucket(&self.bucket).key(key).body(Body::from(body));
        put.send().await.map_err(|error| self.fault("store a blob", error))?;
        Ok(size)
    }

    fn fault<E>(&self, operation: &'static str, error: aws_sdk_s3::error::SdkError<E>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        fault_of(operation, &self.bucket, error)
    }
}

#[async_trait]
impl Probe for S3Blobs {
    fn component(&self) -> &'static str {
        "blobs"
    }

    async fn probe(&self) -> Result<()> {
        match self.client.head_bucket().bucket(&self.bucket).send().await {
            Ok(_) => Ok(()),
            Err(error) if is_not_found(&error) => Err(Fault::unavailable(
                "blob_store_misconfigured",
                format!("there is no bucket `{}`: create it, or configure another", self.bucket),
            )),
            Err(error) => Err(self.fault("look at its bucket", error)),
        }
    }
}

#[async_trait]
impl BlobStore for S3Blobs {
    async fn put(&self, key: &str, bytes: ByteStream) -> Result<u64> {
        let mut parts = Parts::of(bytes);
        let Some(first) = parts.next().await? else { return self.put_whole(key, Bytes::new()).await };
        match parts.next().await? {
            None => self.put_whole(key, first).await,
            Some(second) => upload::in_parts(&self.client, &self.bucket, key, [first, second], parts).await,
        }
    }

    async fn get(&self, key: &str, range: Option<Range<u64>>) -> Result<ByteStream> {
        if range.as_ref().is_some_and(Range::is_empty) {
            // HTTP has no empty range.
            return match self.head(key).await? {
                Some(_) => Ok(stream::empty().boxed()),
                None => Err(Fault::invalid("blob_missing", "there is no such blob to read")),
            };
        }
        let range = range.map(|range| match range.end {
            OPEN_END.. => format!("bytes={}-", range.start),
            end => format!("bytes={}-{}", range.start, end - 1),
        });
        let got = self.client.get_object().bucket(&self.bucket).key(key).set_range(range).send().await;
        match got {
            Ok(got) => Ok(pieces(got.body)),
            Err(error) if is_past_the_end(&error) => Ok(stream::empty().boxed()),
            Err(error) => Err(self.fault("read a blob", error)),
        }
    }

    async fn head(&self, key: &str) -> Result<Option<BlobInfo>> {
        match self.client.head_object().bucket(&self.bucket).key(key).send().await {
            Ok(head) => Ok(Some(info(key.to_owned(), head.content_length))),
            // Says 404 for a missing bucket, too, and nothing must be taken for
            // lost because somebody mistyped a bucket's name.
            Err(error) if is_not_found(&error) => self.probe().await.map(|()| None),
            Err(error) => Err(self.fault("look at a blob", error)),
        }
    }

    async fn delete(&self, key: &str) -> Result<()> {
        match self.client.delete_object().bucket(&self.bucket).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(self.fault("delete a blob", error)),
        }
    }

    async fn list(&self, prefix: &str, after: Option<&str>) -> Result<Vec<BlobInfo>> {
        let listed = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(prefix)
            .set_start_after(after.map(str::to_owned))
            .max_keys(PAGE)
            .send()
            .await
            .map_err(|error| self.fault("list blobs", error))?;
        let objects = listed.contents.unwrap_or_default();
        Ok(objects.into_iter().filter_map(|object| Some(info(object.key?, object.size))).collect())
    }
}

fn info(key: String, size: Option<i64>) -> BlobInfo {
    BlobInfo { key, size: size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default() }
}

/// A body as it comes; an error ends it.
fn pieces(body: Body) -> ByteStream {
    let next = |body: Option<Body>| async move {
        let mut body = body?;
        let broken = |message: &str| Fault::unavailable("blob_store_unreachable", message);
        match tokio::time::timeout(NEXT_PIECE, body.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some((Ok(piece), Some(body))),
            Ok(Some(Err(error))) => {
                Some((Err(broken("the blob store broke off while sending a blob").caused_by(error)), None))
            }
            Err(_) => Some((Err(broken("the blob store stopped sending a blob")), None)),
        }
    };
    stream::unfold(Some(body), next).boxed()
}
