//! What the S3 protocol does to the folder: `s3s-fs`, with what it lacks.
//!
//! Compared with the S3 that clients expect, `s3s-fs` 0.14 does not flush what it
//! has acknowledged to the disk, leaves an object's side files behind when the object is
//! deleted and a dead upload's parts for ever, and fails with an internal
//! error on keys whose side files would have too long a name. All of that is
//! mended here. What remains: keys are paths (`a` and `a/b` can't both be objects, and
//! `a//b` is `a/b`), which the keys of this pipeline never run into.

use crate::{EmbeddedError, Result, error::Doing};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use s3s::{
    S3, S3Request, S3Response, S3Result,
    auth::SimpleAuth,
    dto::*,
    s3_error,
    service::{S3Service, S3ServiceBuilder},
};
use s3s_fs::FileSystem;
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// The longest key in bytes. The name of a key's longest side file is the key in base64
/// and about 90 bytes more, and file systems take 255.
const MAX_KEY: usize = 120;

/// The protocol, with one pair of credentials, over this folder.
pub(super) fn service(root: &Path, access_key: &str, secret_key: &str) -> Result<S3Service> {
    sweep(root).doing(|| format!("cleaning {}", root.display()))?;
    let files = FileSystem::new(root)
        .map_err(|error| EmbeddedError::Folder { path: root.to_owned(), reason: format!("{error:?}") })?;
    let mut builder = S3ServiceBuilder::new(Folder { files, root: root.to_owned() });
    builder.set_auth(SimpleAuth::from_single(access_key, secret_key));
    Ok(builder.build())
}

/// Removes the parts of uploads that were open when the last process ended:
/// their clients were told nothing.
fn sweep(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let of_an_upload = name.starts_with(".upload")
            || (name.starts_with(".bucket-") && name.contains(".upload-"))
            || name.starts_with(".tmp.");
        if of_an_upload && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

struct Folder {
    files: FileSystem,
    root: PathBuf,
}

impl Folder {
    /// Returns once the object is on the disk, under its name.
    async fn flush(&self, bucket: &str, key: &str) -> S3Result<()> {
        let bucket = self.root.join(bucket);
        let object = bucket.join(key);
        let flush = move || -> io::Result<()> {
            File::open(&object)?.sync_all()?;
            let folders = object.ancestors().skip(1).take_while(|folder| folder.starts_with(&bucket));
            folders.into_iter().try_for_each(|folder| File::open(folder)?.sync_all())
        };
        match tokio::task::spawn_blocking(flush).await {
            Ok(Ok(())) => Ok(()),
            // Deleted in between by somebody else.
            Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Ok(Err(error)) => Err(s3_error!(error, InternalError)),
            Err(error) => Err(s3_error!(error, InternalError)),
        }
    }

    /// Removes what `s3s-fs` keeps beside an object.
    fn forget(&self, bucket: &str, key: &str) {
        let bucket = URL_SAFE_NO_PAD.encode(bucket);
        let key = URL_SAFE_NO_PAD.encode(key);
        for kind in ["metadata", "internal"] {
            // Not there for every object.
            let _ = fs::remove_file(self.root.join(format!(".bucket-{bucket}.object-{key}.{kind}.json")));
        }
    }
}

fn check(key: &str) -> S3Result<()> {
    if key.len() > MAX_KEY {
        return Err(s3_error!(KeyTooLongError, "a key has at most {} bytes here", MAX_KEY));
    }
    let plain = |part: &str| !matches!(part, "" | "." | "..");
    if !key.split('/').all(plain) {
        return Err(s3_error!(
            InvalidArgument,
            "a key's parts between slashes are not empty and not dots here"
        ));
    }
    Ok(())
}

#[async_trait]
impl S3 for Folder {
    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        check(&req.input.key)?;
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let response = self.files.put_object(req).await?;
        self.flush(&bucket, &key).await?;
        Ok(response)
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.files.get_object(req).await
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.files.head_object(req).await
    }

    async fn delete_object(
        &self,
        req: S3Request<DeleteObjectInput>,
    ) -> S3Result<S3Response<DeleteObjectOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let response = self.files.delete_object(req).await?;
        self.forget(&bucket, &key);
        Ok(response)
    }

    async fn delete_objects(
        &self,
        req: S3Request<DeleteObjectsInput>,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        let bucket = req.input.bucket.clone();
        let keys: Vec<_> = req.input.delete.objects.iter().map(|object| object.key.clone()).collect();
        let response = self.files.delete_objects(req).await?;
        keys.iter().for_each(|key| self.forget(&bucket, key));
        Ok(response)
    }

    async fn list_objects(
        &self,
        req: S3Request<ListObjectsInput>,
    ) -> S3Result<S3Response<ListObjectsOutput>> {
        self.files.list_objects(req).await
    }

    async fn list_objects_v2(
        &self,
        req: S3Request<ListObjectsV2Input>,
    ) -> S3Result<S3Response<ListObjectsV2Output>> {
        self.files.list_objects_v2(req).await
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        check(&req.input.key)?;
        self.files.create_multipart_upload(req).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.files.upload_part(req).await
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.files.list_parts(req).await
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let response = self.files.complete_multipart_upload(req).await?;
        self.flush(&bucket, &key).await?;
        Ok(response)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.files.abort_multipart_upload(req).await
    }

    async fn create_bucket(
        &self,
        req: S3Request<CreateBucketInput>,
    ) -> S3Result<S3Response<CreateBucketOutput>> {
        self.files.create_bucket(req).await
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.files.head_bucket(req).await
    }

    async fn list_buckets(
        &self,
        req: S3Request<ListBucketsInput>,
    ) -> S3Result<S3Response<ListBucketsOutput>> {
        self.files.list_buckets(req).await
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.files.get_bucket_location(req).await
    }
}
