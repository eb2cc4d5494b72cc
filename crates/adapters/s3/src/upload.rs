//! A body in parts: sent as they come, a few at a time, and nothing left behind
//! where it does not come to its end.

use crate::{
    faults::fault_of,
    parts::{PART, Parts},
};
use aws_sdk_s3::{
    Client,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bytes::Bytes;
use ragstream_core::{
    fault::{Fault, Result},
    seldom::Seldom,
};
use std::time::Instant;
use tokio::{runtime::Handle, task::JoinSet};

/// Parts that are on their way at once; one more is being read. Bounds the memory
/// of an upload to 24 MiB, and hides the store's latency.
const ON_THEIR_WAY: usize = 2;

/// The most parts that S3 takes, which bounds a blob to 80,000 MiB.
const MAX_PARTS: i32 = 10_000;

static LEFT: Seldom = Seldom::new();

/// Where an upload goes.
#[derive(Clone)]
struct Target {
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
        if number > MAX_PARTS {
            let most = MAX_PARTS as usize * PART;
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
        let begun = client
            .create_multipart_upload()
            .bucket(bucket)
            .key(key)
            .send()
            .await
            .map_err(|error| fault_of("begin an upload", bucket, error))?;
        let id = begun.upload_id.ok_or_else(|| {
            Fault::unavailable("blob_store_unreachable", "the blob store began an upload without an id")
        })?;
        let target = Target { client: client.clone(), bucket: bucket.into(), key: key.into(), id };
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
        let Target { client, bucket, key, id } = &self.target;
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        client
            .complete_multipart_upload()
            .bucket(bucket)
            .key(key)
            .upload_id(id)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(|error| fault_of("complete an upload", bucket, error))?;
        self.completed = true;
        Ok(())
    }
}

impl Target {
    async fn send(&self, number: i32, part: Bytes) -> Result<CompletedPart> {
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
            .map_err(|error| fault_of("take a part", &self.bucket, error))?;
        Ok(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build())
    }

    async fn abort(&self) {
        let aborted = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .send()
            .await;
        if let Err(error) = aborted {
            let error = fault_of("take an upload back", &self.bucket, error);
            if let Some(more) = LEFT.say(error.class, Instant::now()) {
                tracing::warn!(%error, more, "parts of uploads stay in the blob store until it expires them");
            }
        }
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
                target.abort().await;
            });
        }
    }
}
