use crate::{
    document::Metadata,
    fault::Result,
    id::{BatchId, DocumentId, JobId, UploadId},
    ports::StoredPart,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};

/// What the bytes of a resumable upload become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UploadKind {
    /// A document.
    Whole,
    /// A piece, of which a document is put together later.
    Partial,
    /// The document that was put together.
    Final,
}

impl UploadKind {
    /// The name in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Partial => "partial",
            Self::Final => "final",
        }
    }
}

impl std::str::FromStr for UploadKind {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        [Self::Whole, Self::Partial, Self::Final]
            .into_iter()
            .find(|kind| kind.as_str() == s)
            .ok_or_else(|| format!("unknown kind of upload {s:?}"))
    }
}

/// A resumable upload, as it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewResumable {
    /// Its id.
    pub upload_id: UploadId,
    /// What it becomes.
    pub kind: UploadKind,
    /// The document it becomes if that is new.
    pub document_id: DocumentId,
    /// The job that will process it.
    pub job_id: JobId,
    /// The files that it belongs to.
    pub batch_id: BatchId,
    /// Where the document goes.
    pub collection: String,
    /// The uploader's id of the document.
    pub external_id: Option<String>,
    /// Name of the file.
    pub filename: String,
    /// The uploader's metadata.
    pub metadata: Metadata,
    /// 0 (last) to 9 (first).
    pub priority: i16,
    /// Where its bytes go.
    pub blob_key: String,
    /// How many they will be; `None`: told later.
    pub length: Option<u64>,
    /// The client's `Upload-Metadata`, word for word: it asks for that again.
    pub metadata_said: String,
    /// And its `Upload-Concat`.
    pub concat_said: Option<String>,
    /// The id under which its log lines are found.
    pub correlation_id: String,
    /// When it is given up, unless it goes on.
    pub expires_at: DateTime<Utc>,
}

/// How far the bytes of an upload have come: all of this outlives any process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are stored.
    pub offset: u64,
    /// SHA-256 after these bytes, as its implementation writes it down; empty at the beginning.
    pub hash: Vec<u8>,
    /// The last of them, fewer than a part: where they lie, and how many.
    pub tail: Option<(String, u64)>,
    /// The media type, once the first bytes told it.
    pub content_type: Option<String>,
}

/// What an upload became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The document, or that which has the same bytes.
    pub document_id: DocumentId,
    /// Its job.
    pub job_id: JobId,
    /// The collection had these bytes already.
    pub duplicate: bool,
    /// SHA-256 of the bytes, in hex.
    pub sha256: String,
}

/// A resumable upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resumable {
    /// How it began.
    pub began: NewResumable,
    /// How far it is.
    pub progress: Progress,
    /// The store's id of the blob that is being written; `None`: nothing was, but for the tail.
    pub parts_id: Option<String>,
    /// All bytes are in the blob.
    pub is_stored: bool,
    /// What it became.
    pub outcome: Option<Outcome>,
    /// Who writes to it: each writer has a higher one than the one before.
    pub epoch: i64,
    /// Numbers of parts up to this one may have been sent.
    pub reserved: u16,
}

impl Resumable {
    /// Whether all bytes are here.
    pub fn is_complete(&self) -> bool {
        self.began.length == Some(self.progress.offset)
    }
}

/// Resumable uploads on record. A writer claims an upload, which ends the writing of
/// whoever had it: every call of the earlier one is refused by its epoch (`false`, `None`).
#[async_trait]
pub trait ResumableUploads: Send + Sync {
    /// Puts a new one on record, of which nothing is stored.
    async fn begin(&self, upload: &NewResumable) -> Result<Resumable>;

    /// One of them, unless it has expired.
    async fn resumable(&self, upload_id: UploadId) -> Result<Option<Resumable>>;

    /// Becomes the writer of an upload that has come to `offset` bytes. `None`: it has not, or
    /// it is over.
    async fn claim(&self, upload_id: UploadId, offset: u64) -> Result<Option<Resumable>>;

    /// Its length is known now.
    async fn set_length(&self, upload_id: UploadId, epoch: i64, length: u64) -> Result<bool>;

    /// The store's id of the blob that is being written.
    async fn set_parts_id(&self, upload_id: UploadId, epoch: i64, parts_id: &str) -> Result<bool>;

    /// Parts up to this number may be sent from now on: a later writer uses higher ones, so that
    /// a part which arrives late replaces none of its.
    async fn reserve(&self, upload_id: UploadId, epoch: i64, up_to: u16) -> Result<bool>;

    /// These parts are stored, and with them all bytes up to `progress.offset`.
    async fn advance(
        &self,
        upload_id: UploadId,
        epoch: i64,
        parts: &[StoredPart],
        progress: &Progress,
        expires_at: DateTime<Utc>,
    ) -> Result<bool>;

    /// The parts that are stored, in the order of their numbers.
    async fn stored_parts(&self, upload_id: UploadId) -> Result<Vec<StoredPart>>;

    /// All bytes are in the blob: the parts are forgotten.
    async fn stored(&self, upload_id: UploadId, epoch: i64) -> Result<bool>;

    /// What it became. `Ok` where that is on record already.
    async fn finish(&self, upload_id: UploadId, outcome: &Outcome, expires_at: DateTime<Utc>) -> Result<()>;

    /// Removes it; what there was.
    async fn terminate(&self, upload_id: UploadId) -> Result<Option<Resumable>>;

    /// Those that expired before `now`, at most `max`.
    async fn expired(&self, now: DateTime<Utc>, max: u32) -> Result<Vec<Resumable>>;

    /// Those whose bytes were all here before `before`, without having become anything: their
    /// writer died then. At most `max`.
    async fn unfinished(&self, before: DateTime<Utc>, max: u32) -> Result<Vec<UploadId>>;
}
