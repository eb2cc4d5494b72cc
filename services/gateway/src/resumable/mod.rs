//! Resumable uploads by the [tus protocol 1.0](https://tus.io/protocols/resumable-upload), straight
//! into the blob store: nothing of a file is kept in the gateway.
//!
//! The bytes of a request are cut into parts of the store's multipart upload. A row says how
//! many bytes are stored, and has the state of SHA-256 after them: whoever is asked next, the
//! same gateway after a crash or another one, goes on from there. What is left of a request after
//! its last whole part lies in a blob of its own, the tail, and is read back by the next.
//!
//! - **One writer.** A request claims the upload, which ends the one before: the protocol has a
//!   client ask for the offset first, so whoever claims at that offset is the one that is alive.
//!   Each writer uses numbers for its parts that none before it has used ([`ResumableUploads::reserve`]).
//! - **Flat memory.** A part that is being filled and two on their way: 24 MiB a request.
//! - **The end** is that of every upload ([`upload::Acceptor`](crate::upload::Acceptor)). A gateway
//!   that dies before it leaves an upload that has all its bytes: the [sweep](janitor) ends it.
//!
//! Written here and not taken from `fileloft-core`, the one protocol crate that leaves the store to
//! its user: it keeps bytes whose checksum does not match, and has no place for a hash that goes on.

mod append;
mod checksum;
mod janitor;
mod metadata;
#[cfg(test)]
mod tests;

pub(crate) use append::{Body, BodyError};
pub(crate) use checksum::{ALGORITHMS, Checksum};
pub(crate) use janitor::run as run_janitor;
pub(crate) use metadata::Said;

use crate::{
    GatewayConfig, metrics, notices,
    upload::{Acceptor, check_announced, hex, new_key, record_jobless, rejected, too_large, uploaded},
};
use append::Writer;
use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, stream};
use ragstream_api::{documents::UploadedFile, problem::Problem};
use ragstream_core::{
    document::Blob,
    fault::{Fault, Result},
    id::{BatchId, DocumentId, JobId, UploadId},
    ports::{
        Accepted, Batches, Intake, Jobless, NewResumable, NewUpload, Outcome, PartStore, Resumable,
        ResumableUploads, UploadKind, Why,
    },
};
use ragstream_runtime::http::RequestContext;
use std::sync::Arc;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio_util::sync::CancellationToken;

/// How long an upload that became a document is still told of.
const TOLD: TimeDelta = TimeDelta::days(1);

/// What resumable uploads rest on.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) uploads: Arc<dyn ResumableUploads>,
    pub(crate) batches: Arc<dyn Batches>,
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) store: Arc<dyn PartStore>,
    pub(crate) acceptor: Acceptor,
    pub(crate) notifier: notices::Notifier,
    /// Bodies that are read at once.
    pub(crate) slots: Arc<Semaphore>,
}

/// Takes resumable uploads.
#[derive(Clone)]
pub(crate) struct Resumables {
    ports: Ports,
    max_file_bytes: u64,
    expiry: TimeDelta,
    /// The gateway stops: what is being received is put down for the next.
    stopping: CancellationToken,
}

/// An upload that begins, checked as far as it can be.
pub(crate) struct Begin {
    pub(crate) kind: UploadKind,
    pub(crate) said: Said,
    pub(crate) concat_said: Option<String>,
    pub(crate) length: Option<u64>,
}

impl Resumables {
    pub(crate) fn new(config: &GatewayConfig, ports: Ports, stopping: CancellationToken) -> Self {
        Self {
            ports,
            max_file_bytes: config.max_file_bytes,
            expiry: TimeDelta::hours(i64::from(config.upload_expiry_hours)),
            stopping,
        }
    }

    pub(crate) fn max_file_bytes(&self) -> u64 {
        self.max_file_bytes
    }

    fn expires_at(&self) -> DateTime<Utc> {
        Utc::now() + self.expiry
    }

    /// Puts a new upload on record.
    pub(crate) async fn begin(&self, begin: Begin, context: &RequestContext) -> Result<Resumable, Problem> {
        if let Some(length) = begin.length {
            self.check_length(length)?;
        }
        let Said { text, filename, details } = begin.said;
        if let Some(batch_id) = details.batch_id {
            check_announced(&*self.ports.batches, batch_id).await?;
        }
        self.ports.notifier.check(details.notify.as_deref())?;
        let upload = NewResumable {
            upload_id: UploadId::generate(),
            kind: begin.kind,
            document_id: DocumentId::generate(),
            job_id: JobId::generate(),
            batch_id: details.batch_id.unwrap_or_else(BatchId::generate),
            collection: details.collection,
            external_id: details.external_ids.into_iter().next().flatten(),
            filename,
            metadata: details.metadata,
            priority: details.priority,
            blob_key: new_key(),
            length: begin.length,
            metadata_said: text,
            concat_said: begin.concat_said,
            correlation_id: context.correlation_id.clone(),
            expires_at: self.expires_at(),
        };
        // A piece becomes no document of its own.
        if upload.kind != UploadKind::Partial {
            let about = notices::about(details.batch_id, upload.job_id);
            self.ports.notifier.tell(about, details.notify.as_deref()).await?;
        }
        tracing::debug!(upload_id = %upload.upload_id, length = upload.length, "upload begins");
        Ok(self.ports.uploads.begin(&upload).await?)
    }

    fn check_length(&self, length: u64) -> Result<(), Problem> {
        if length == 0 {
            return Err(Problem::unprocessable("empty_file", "the file is empty: there is nothing to index"));
        }
        if length > self.max_file_bytes {
            return Err(too_large(self.max_file_bytes));
        }
        Ok(())
    }

    /// An upload by its id.
    pub(crate) async fn find(&self, upload_id: UploadId) -> Result<Resumable, Problem> {
        self.ports.uploads.resumable(upload_id).await?.ok_or_else(|| no_such_upload(upload_id))
    }

    /// Receives bytes that begin at `offset`; the upload as it is then. Where the body breaks off,
    /// what came is stored, unless it has a checksum: then it could not be told from damage.
    pub(crate) async fn append(
        &self,
        upload_id: UploadId,
        offset: u64,
        length: Option<u64>,
        checksum: Option<Checksum>,
        body: Body,
        context: &RequestContext,
    ) -> Result<Resumable, Problem> {
        let _slot = self.slot().await?;
        let Some(mut upload) = self.ports.uploads.claim(upload_id, offset).await? else {
            return Err(self.not_there(upload_id, offset).await);
        };
        if let Some(length) = length
            && upload.began.length != Some(length)
        {
            self.check_length(length)?;
            if length < offset || !self.ports.uploads.set_length(upload_id, upload.epoch, length).await? {
                return Err(Problem::bad_request(
                    "length_known",
                    "the length of this upload is known already, and is another one",
                ));
            }
            upload.began.length = Some(length);
        }
        let (batch_id, filename) = (upload.began.batch_id, upload.began.filename.clone());
        let written = Writer::open(self, upload).await?.write(body, checksum).await;
        let upload = match written {
            Ok(upload) => upload,
            Err(problem) if problem.status == axum::http::StatusCode::UNSUPPORTED_MEDIA_TYPE.as_u16() => {
                // No byte more could change that.
                self.terminate(upload_id).await?;
                record_jobless(&*self.ports.batches, batch_id, &[rejected(&filename, &problem)]).await;
                return Err(problem);
            }
            Err(problem) => return Err(problem),
        };
        if upload.is_complete() { self.end(upload, context).await } else { Ok(upload) }
    }

    async fn slot(&self) -> Result<SemaphorePermit<'_>, Problem> {
        self.ports
            .slots
            .acquire()
            .await
            .map_err(|_| Problem::unavailable("stopping", "the gateway is stopping"))
    }

    /// Why an upload could not be claimed.
    async fn not_there(&self, upload_id: UploadId, offset: u64) -> Problem {
        match self.find(upload_id).await {
            Err(problem) => problem,
            Ok(upload) => Problem::conflict(
                "wrong_offset",
                format!(
                    "the upload has come to byte {}, not {offset}: ask for its offset (HEAD) and go on from there",
                    upload.progress.offset
                ),
            ),
        }
    }

    /// Makes one document of partial uploads.
    pub(crate) async fn concatenate(
        &self,
        mut begin: Begin,
        parts: &[UploadId],
        context: &RequestContext,
    ) -> Result<Resumable, Problem> {
        let mut blobs = Vec::with_capacity(parts.len());
        for part in parts {
            let upload = self.find(*part).await?;
            if upload.began.kind != UploadKind::Partial || !upload.is_stored {
                return Err(Problem::bad_request(
                    "partial_incomplete",
                    format!("{part} is no partial upload, or lacks bytes: finish it first"),
                ));
            }
            blobs.push((upload.began.blob_key, upload.progress.offset));
        }
        begin.length = Some(blobs.iter().map(|(_, bytes)| bytes).sum());
        let upload = self.begin(begin, context).await?;
        let store = self.ports.store.clone();
        let body = stream::iter(blobs)
            .then(move |(key, _)| {
                let store = store.clone();
                async move {
                    match store.get(&key, None).await {
                        Ok(bytes) => bytes,
                        Err(fault) => stream::once(async { Err(fault) }).boxed(),
                    }
                }
            })
            .flatten()
            .map(|piece| piece.map_err(|fault| Box::new(fault) as BodyError))
            .boxed();
        let upload = self.append(upload.began.upload_id, 0, None, None, body, context).await?;
        if !upload.is_complete() {
            return Err(Problem::unavailable(
                "blob_store_unreachable",
                "the partial uploads could not be read to their end; try again",
            ));
        }
        Ok(upload)
    }

    /// Ends an upload that has all its bytes: its blob, its document.
    async fn end(&self, mut upload: Resumable, context: &RequestContext) -> Result<Resumable, Problem> {
        let began = &upload.began;
        let upload_id = began.upload_id;
        if !upload.is_stored {
            if let Some(parts_id) = &upload.parts_id {
                let parts = self.ports.uploads.stored_parts(upload_id).await?;
                self.ports.store.complete_parts(&began.blob_key, parts_id, &parts).await?;
            }
            if !self.ports.uploads.stored(upload_id, upload.epoch).await? {
                return Err(taken_over());
            }
            upload.is_stored = true;
        }
        if began.kind == UploadKind::Partial {
            return Ok(upload);
        }
        let blob = Blob {
            key: began.blob_key.clone(),
            size: upload.progress.offset,
            sha256: hex(append::hash_of(&upload.progress.hash)?),
        };
        let accepted = self.ports.acceptor.accept(new_upload(&upload, blob.clone()), context).await?;
        // This very upload, where an earlier end of it was not put on record.
        let duplicate = accepted.duplicate && accepted.document.job_id != began.job_id;
        if duplicate {
            self.ports.notifier.tell_instead(began.job_id, accepted.document.job_id).await?;
        }
        let outcome = Outcome {
            document_id: accepted.document.document_id,
            job_id: accepted.document.job_id,
            duplicate,
            sha256: blob.sha256,
        };
        self.ports.uploads.finish(upload_id, &outcome, Utc::now() + TOLD).await?;
        metrics::UPLOADS.with_label_values(&[if duplicate { "duplicate" } else { "accepted" }]).inc();
        if duplicate {
            let why = Why::Duplicate(outcome.document_id, outcome.job_id);
            let jobless = Jobless { filename: began.filename.clone(), why };
            record_jobless(&*self.ports.batches, began.batch_id, &[jobless]).await;
            self.discard(&blob.key).await;
        }
        upload.outcome = Some(outcome);
        Ok(upload)
    }

    /// What became of an upload, as every uploader is told.
    pub(crate) async fn file(&self, upload: &Resumable) -> Result<Option<UploadedFile>, Problem> {
        let Some(outcome) = &upload.outcome else { return Ok(None) };
        let Some(job) = self.ports.intake.job(outcome.job_id).await? else { return Ok(None) };
        let Some(document) = self.ports.intake.document(outcome.document_id).await? else { return Ok(None) };
        let mut reference = document.reference;
        (reference.version, reference.job_id) = (job.version, job.job_id);
        let accepted = Accepted {
            document: reference,
            batch_id: job.batch_id,
            stage: job.stage,
            duplicate: outcome.duplicate,
        };
        let blob = Blob {
            key: upload.began.blob_key.clone(),
            size: upload.progress.offset,
            sha256: outcome.sha256.clone(),
        };
        Ok(Some(uploaded(&accepted, &upload.began.filename, &blob)))
    }

    /// Removes an upload and what came of it, but for a document.
    pub(crate) async fn terminate(&self, upload_id: UploadId) -> Result<(), Problem> {
        let Some(upload) = self.ports.uploads.terminate(upload_id).await? else {
            return Err(no_such_upload(upload_id));
        };
        self.clear(&upload).await?;
        Ok(())
    }

    /// Removes the bytes of an upload that is off the record.
    async fn clear(&self, upload: &Resumable) -> Result<()> {
        let key = &upload.began.blob_key;
        if let (Some(parts_id), false) = (&upload.parts_id, upload.is_stored) {
            self.ports.store.abort_parts(key, parts_id).await?;
        }
        if let Some((tail, _)) = &upload.progress.tail {
            self.ports.store.delete(tail).await?;
        }
        for unneeded in self.ports.intake.unreferenced(std::slice::from_ref(key)).await? {
            self.ports.store.delete(&unneeded).await?;
        }
        Ok(())
    }

    /// Removes a blob that nothing names; where that fails, it stays for the janitor.
    async fn discard(&self, key: &str) {
        if let Err(fault) = self.ports.store.delete(key).await {
            tracing::debug!(key, error = %fault, "an unneeded blob stays for the janitor");
        }
    }
}

fn new_upload(upload: &Resumable, blob: Blob) -> NewUpload {
    let began = upload.began.clone();
    NewUpload {
        document_id: began.document_id,
        job_id: began.job_id,
        batch_id: began.batch_id,
        collection: began.collection,
        external_id: began.external_id,
        filename: began.filename,
        content_type: upload.progress.content_type.clone().unwrap_or_default(),
        metadata: began.metadata,
        priority: began.priority,
        blob,
        correlation_id: began.correlation_id,
    }
}

fn no_such_upload(upload_id: UploadId) -> Problem {
    Problem::not_found(format!("there is no upload {upload_id}, or it has expired: begin a new one"))
}

/// Another request goes on with the upload.
fn taken_over() -> Problem {
    Problem::new(
        axum::http::StatusCode::LOCKED,
        "upload_taken_over",
        "another request goes on with this upload: ask for its offset (HEAD) before you do",
    )
}

/// A body broke off, or the gateway stops.
fn broken_off(why: &str) -> Problem {
    Problem::unavailable(
        "upload_broken_off",
        format!("{why}: ask for the offset (HEAD) and go on from there"),
    )
}

/// A hash on record is not one of this release.
fn bad_hash() -> Fault {
    Fault::failed("unknown_row", "the hash of an upload on record can't be read")
}
