//! A body in parts: sent as they come, a few at a time, and nothing left behind
//! where it does not come to its end.

use crate::{
    faults::fault_of,
    parts::{PART, Parts},
};
use aws_sdk_s3::{
    Client,
    error::{ProvideErrorMetadata, SdkError},
    operation::{
        abort_multipart_upload::AbortMultipartUploadError,
        complete_multipart_upload::CompleteMultipartUploadError,
    },
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bytes::Bytes;
use ragstream_core::{
    fault::{Fault, Result},
    ports::MAX_PARTS,
    seldom::Seldom,
};
use std::time::Instant;
use tokio::{runtime::Handle, task::JoinSet};

/// Parts that are on their way at once; one more is being read. Bounds the memory
/// of an upload to 24 MiB, and hides the store's latency.
const ON_THEIR_WAY: usize = 2;

static LEFT: Seldom = Seldom::new();

/// Where an upload goes.
#[derive(Clone)]
pub(crate) struct Target {
    client: Client,
    bucket: String,
    key: String,
    id: String,
}

/// An upload that is taken back unless it is completed.
struct Upload {
    target: Target,
    on_their_way: JoinSet<Result<CompletedPart>>,
    completed: bool,
}

/// Sends the parts `first` and `rest`; returns the size of all.
pub(crate) async fn in_parts(
    client: &Client,
    bucket: &str,
    key: &str,
    first: [Bytes; 2],
    mut rest: Parts,
) -> Result<u64> {
    let mut upload = Upload::begin(client, bucket, key).await?;
    let mut first = first.into_iter();
    let mut done = Vec::new();
    let mut size = 0;
    for number in 1.. {
        let part = match first.next() {
            Some(part) => Some(part),
            None => rest.next().await?,
        };
        let Some(part) = part else { break };
        if number > i32::from(MAX_PARTS) {
            let most = usize::from(MAX_PARTS) * PART;
            return Err(Fault::invalid("blob_refused", format!("a blob has at most {most} bytes")));
        }
        if upload.on_their_way.len() >= ON_THEIR_WAY {
            done.extend(upload.one_arrives().await?);
        }
        size += part.len() as u64;
        upload.send(number, part);
    }
    while let Some(part) = upload.one_arrives().await? {
        done.push(part);
    }
    done.sort_by_key(CompletedPart::part_number);
    upload.complete(done).await?;
    Ok(size)
}

impl Upload {
    async fn begin(client: &Client, bucket: &str, key: &str) -> Result<Self> {
        let target = Target::begin(client, bucket, key).await?;
        Ok(Self { target, on_their_way: JoinSet::new(), completed: false })
    }

    fn send(&mut self, number: i32, part: Bytes) {
        let target = self.target.clone();
        self.on_their_way.spawn(async move { target.send(number, part).await });
    }

    /// Waits for a part to arrive; `None` where none is on its way.
    async fn one_arrives(&mut self) -> Result<Option<CompletedPart>> {
        match self.on_their_way.join_next().await {
            None => Ok(None),
            Some(Ok(arrived)) => arrived.map(Some),
            Some(Err(error)) => {
                Err(Fault::failed("upload_interrupted", "sending a part was interrupted").caused_by(error))
            }
        }
    }

    async fn complete(mut self, parts: Vec<CompletedPart>) -> Result<()> {
        self.target.complete(parts).await.map_err(|error| self.target.fault("complete an upload", error))?;
        self.completed = true;
        Ok(())
    }
}

impl Target {
    /// Begins an upload.
    pub(crate) async fn begin(client: &Client, bucket: &str, key: &str) -> Result<Self> {
        let mut target = Self::of(client, bucket, key, "");
        let begun = client.create_multipart_upload().bucket(bucket).key(key).send().await;
        let begun = begun.map_err(|error| target.fault("begin an upload", error))?;
        target.id = begun.upload_id.ok_or_else(|| {
            Fault::unavailable("blob_store_unreachable", "the blob store began an upload without an id")
        })?;
        Ok(target)
    }

    /// An upload that was begun before.
    pub(crate) fn of(client: &Client, bucket: &str, key: &str, id: &str) -> Self {
        Self { client: client.clone(), bucket: bucket.into(), key: key.into(), id: id.into() }
    }

    /// The store's name of this upload.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) async fn send(&self, number: i32, part: Bytes) -> Result<CompletedPart> {
        let sent = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .part_number(number)
            .body(ByteStream::from(part))
            .send()
            .await
            .map_err(|error| self.fault("take a part", error))?;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build())
    }

    pub(crate) async fn complete(
        &self,
        parts: Vec<CompletedPart>,
    ) -> Result<(), SdkError<CompleteMultipartUploadError>> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        self.client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .multipart_upload(parts)
            .send()
            .await
            .map(drop)
    }

    pub(crate) async fn abort(&self) -> Result<(), SdkError<AbortMultipartUploadError>> {
        self.client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .send()
            .await
            .map(drop)
    }

    pub(crate) fn fault<E>(&self, operation: &'static str, error: SdkError<E>) -> Fault
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        fault_of(operation, &self.bucket, error)
    }
}

impl Drop for Upload {
    /// Whoever stored it has gone away or met an error. A part that arrives after the
    /// upload was taken back could stay for ever, so those on their way are waited for.
    fn drop(&mut self) {
        if self.completed {
            return;
        }
        // Outside of a runtime there is nobody left who could do it.
        if let Ok(runtime) = Handle::try_current() {
            let target = self.target.clone();
            let mut on_their_way = std::mem::take(&mut self.on_their_way);
            runtime.spawn(async move {
                while on_their_way.join_next().await.is_some() {}
                if let Err(error) = target.abort().await {
                    let error = target.fault("take an upload back", error);
                    if let Some(more) = LEFT.say(error.class, Instant::now()) {
                        tracing::warn!(%error, more, "parts of uploads stay in the blob store until it expires them");
                    }
                }
            });
        }
    }
}
