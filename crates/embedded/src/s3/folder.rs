//! What the S3 protocol does to the folder: `s3s-fs`, with what it lacks.
//!
//! Compared with the S3 that clients expect, `s3s-fs` 0.14 does not flush what it
//! has acknowledged to the disk, leaves an object's side files behind when the object is
//! deleted and a dead upload's parts for ever, takes a missing bucket for a missing key
//! or makes it, fails with an internal error on keys whose side files would have too long a name, wants the parts of
//! an upload to be numbered without holes, and loses them where it dies while it puts them together. All of that is
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
    time::Duration,
};
use uuid::Uuid;

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

/// Removes what a process left that died: files that were being written, copies of parts
/// that were being put together, and uploads that nobody has gone on with for a week.
fn sweep(root: &Path) -> io::Result<()> {
    for entry in fs::read_dir(root)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let left = match upload_of(&name) {
            Some(upload) => is_a_copy(upload) || is_older_than(&entry, ABANDONED)?,
            None => name.starts_with(".tmp."),
        };
        if left && entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Uploads that take longer than this from one part to the next are over.
const ABANDONED: Duration = Duration::from_secs(7 * 24 * 3600);

/// The upload that a file at the top of the folder belongs to.
fn upload_of(name: &str) -> Option<Uuid> {
    let id = match name.strip_prefix(".upload_id-").or_else(|| name.strip_prefix(".upload-")) {
        Some(rest) => rest,
        None if name.starts_with(".bucket-") => name.split_once(".upload-")?.1,
        None => return None,
    };
    Uuid::parse_str(id.get(..36)?).ok()
}

/// Whether an upload is one of [`Folder::renumbered`]: `s3s-fs` makes ids of version 4.
fn is_a_copy(upload: Uuid) -> bool {
    upload.get_version_num() == 7
}

fn is_older_than(entry: &fs::DirEntry, age: Duration) -> io::Result<bool> {
    Ok(entry.metadata()?.modified()?.elapsed().is_ok_and(|elapsed| elapsed > age))
}

struct Folder {
    files: FileSystem,
    root: PathBuf,
}

impl Folder {
    fn check_bucket(&self, bucket: &str) -> S3Result<()> {
        match self.root.join(bucket).is_dir() {
            true => Ok(()),
            false => Err(s3_error!(NoSuchBucket)),
        }
    }

    /// Returns once the object is on the disk, under its name.
    async fn flush(&self, bucket: &str, key: &str) -> S3Result<()> {
        let bucket = self.root.join(bucket);
        let object = bucket.join(key);
        let flush = move || -> io::Result<()> {
            File::open(&object)?.sync_all()?;
            let folders = object.ancestors().skip(1).take_while(|folder| folder.starts_with(&bucket));
            folders.into_iter().try_for_each(|folder| File::open(folder)?.sync_all())
        };
        blocking(flush).await
    }

    /// Returns once a part is on the disk, under its name.
    async fn flush_file(&self, path: PathBuf) -> S3Result<()> {
        let root = self.root.clone();
        blocking(move || {
            File::open(&path)?.sync_all()?;
            File::open(root)?.sync_all()
        })
        .await
    }

    fn part(&self, upload: Uuid, number: i32) -> PathBuf {
        self.root.join(format!(".upload_id-{upload}.part-{number}"))
    }

    fn begun(&self, upload: Uuid) -> PathBuf {
        self.root.join(format!(".upload-{upload}.json"))
    }

    /// A second upload of the same parts, with numbers without holes: `s3s-fs` removes the
    /// parts one by one while it puts them together, and these are links.
    fn renumbered(&self, upload: Uuid, numbers: &[i32]) -> S3Result<Uuid> {
        let copy = Uuid::now_v7();
        for (number, original) in (1..).zip(numbers) {
            fs::hard_link(self.part(upload, *original), self.part(copy, number))
                .map_err(|error| s3_error!(error, InvalidPart))?;
        }
        fs::copy(self.begun(upload), self.begun(copy)).map_err(|error| s3_error!(error, InternalError))?;
        Ok(copy)
    }

    /// Removes all files of an upload.
    fn forget_upload(&self, upload: Uuid) {
        let Ok(entries) = fs::read_dir(&self.root) else { return };
        for entry in entries.flatten() {
            if upload_of(&entry.file_name().to_string_lossy()) == Some(upload) {
                // What stays is swept away at the next start, a week later.
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// The upload of this name, where it was begun and not ended.
    fn open_upload(&self, id: &str) -> S3Result<Uuid> {
        let open = Uuid::parse_str(id).ok().filter(|id| self.begun(*id).is_file());
        open.ok_or_else(|| s3_error!(NoSuchUpload))
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

/// Flushes something; that somebody else deleted it in between is no error.
async fn blocking(flush: impl FnOnce() -> io::Result<()> + Send + 'static) -> S3Result<()> {
    match tokio::task::spawn_blocking(flush).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Ok(Err(error)) => Err(s3_error!(error, InternalError)),
        Err(error) => Err(s3_error!(error, InternalError)),
    }
}

fn check_key(key: &str) -> S3Result<()> {
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
        self.check_bucket(&req.input.bucket)?;
        check_key(&req.input.key)?;
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let response = self.files.put_object(req).await?;
        self.flush(&bucket, &key).await?;
        Ok(response)
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.check_bucket(&req.input.bucket)?;
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
        self.check_bucket(&req.input.bucket)?;
        check_key(&req.input.key)?;
        self.files.create_multipart_upload(req).await
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        let upload = self.open_upload(&req.input.upload_id)?;
        let part = self.part(upload, req.input.part_number);
        let response = self.files.upload_part(req).await?;
        self.flush_file(part).await?;
        Ok(response)
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.files.list_parts(req).await
    }

    async fn complete_multipart_upload(
        &self,
        mut req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        let (bucket, key) = (req.input.bucket.clone(), req.input.key.clone());
        let upload = self.open_upload(&req.input.upload_id)?;
        let parts = req.input.multipart_upload.take().and_then(|upload| upload.parts).unwrap_or_default();
        let numbers: Vec<i32> = parts.iter().filter_map(|part| part.part_number).collect();
        if !numbers.is_sorted_by(|a, b| a < b) {
            return Err(s3_error!(InvalidPartOrder));
        }
        let copy = self.renumbered(upload, &numbers)?;
        let parts = parts
            .into_iter()
            .zip(1..)
            .map(|(part, number)| CompletedPart { part_number: Some(number), ..part });
        req.input.multipart_upload = Some(CompletedMultipartUpload { parts: Some(parts.collect()) });
        req.input.upload_id = copy.to_string();
        let response = self.files.complete_multipart_upload(req).await;
        if response.is_ok() {
            self.flush(&bucket, &key).await?;
            self.forget_upload(upload);
        }
        self.forget_upload(copy);
        response
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        self.open_upload(&req.input.upload_id)?;
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
