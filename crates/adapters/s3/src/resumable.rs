//! Blobs that are written over several calls.

use crate::{blobs::S3Blobs, upload::Target};
use async_trait::async_trait;
use aws_sdk_s3::{
    error::{ProvideErrorMetadata, SdkError},
    types::CompletedPart,
};
use bytes::Bytes;
use ragstream_core::{
    fault::{Fault, Result},
    ports::{BlobStore, PartStore, StoredPart},
};

#[async_trait]
impl PartStore for S3Blobs {
    async fn begin_parts(&self, key: &str) -> Result<String> {
        Ok(Target::begin(self.client(), self.bucket(), key).await?.id().to_owned())
    }

    async fn put_part(&self, key: &str, id: &str, number: u16, bytes: Bytes) -> Result<StoredPart> {
        let part = self.target(key, id).send(i32::from(number), bytes).await?;
        Ok(StoredPart { number, etag: part.e_tag.unwrap_or_default() })
    }

    async fn complete_parts(&self, key: &str, id: &str, parts: &[StoredPart]) -> Result<()> {
        let target = self.target(key, id);
        let mut parts: Vec<_> = parts.iter().map(completed).collect();
        parts.sort_by_key(CompletedPart::part_number);
        match target.complete(parts).await {
            Ok(()) => Ok(()),
            // An answer that did not arrive, or somebody else who was faster: then the blob is there.
            Err(error) if is_no_such_upload(&error) => match self.head(key).await? {
                Some(_) => Ok(()),
                None => Err(Fault::invalid(
                    "parts_gone",
                    "the blob store has forgotten the bytes of this upload: upload the file again",
                )),
            },
            Err(error) => Err(target.fault("complete an upload", error)),
        }
    }

    async fn abort_parts(&self, key: &str, id: &str) -> Result<()> {
        let target = self.target(key, id);
        match target.abort().await {
            Ok(()) => Ok(()),
            Err(error) if is_no_such_upload(&error) => Ok(()),
            Err(error) => Err(target.fault("take an upload back", error)),
        }
    }
}

impl S3Blobs {
    fn target(&self, key: &str, id: &str) -> Target {
        Target::of(self.client(), self.bucket(), key, id)
    }
}

fn completed(part: &StoredPart) -> CompletedPart {
    CompletedPart::builder().part_number(i32::from(part.number)).e_tag(&part.etag).build()
}

fn is_no_such_upload<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    error.code() == Some("NoSuchUpload")
}
