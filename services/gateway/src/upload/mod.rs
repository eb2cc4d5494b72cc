//! An upload: bytes to blob storage, then one transaction.

mod accept;
mod batch;
mod form;
mod janitor;
mod staged;

pub(crate) use accept::{Acceptor, uploaded};
pub(crate) use batch::{check_announced, record_jobless, rejected};
pub(crate) use form::{Details, Form, MAX_EXTERNAL_ID, check_collection, clean_filename};
pub(crate) use janitor::run as run_janitor;
pub(crate) use staged::{HEAD_BYTES, Refused, Staged, hex, new_key, told, too_large};

use crate::{GatewayConfig, metrics, notices::Notifier};
use axum::{
    extract::multipart::{Multipart, MultipartError},
    http::StatusCode,
};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use ragstream_api::{
    documents::{RejectedFile, UploadResponse, UploadedFile},
    problem::{FileProblem, Problem},
};
use ragstream_core::{
    fault::Fault,
    id::{BatchId, DocumentId, JobId},
    ports::{About, Batches, BlobStore, Jobless, NewBatch, NewUpload, Why},
};
use ragstream_runtime::http::RequestContext;
use std::{convert::Infallible, sync::Arc};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Files of one request whose transactions run at once.
const CONCURRENT_TRANSACTIONS: usize = 4;

/// What uploads rest on.
#[derive(Clone)]
pub(crate) struct Ports {
    pub(crate) acceptor: Acceptor,
    pub(crate) batches: Arc<dyn Batches>,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) notifier: Notifier,
    /// Bodies that are read at once.
    pub(crate) slots: Arc<Semaphore>,
}

/// Takes uploads.
#[derive(Clone)]
pub(crate) struct Uploads {
    ports: Ports,
    max_files: usize,
    max_file_bytes: u64,
}

/// A file of a request: its bytes are stored, or it was refused.
type Received = Result<Staged, RejectedFile>;

impl Uploads {
    pub(crate) fn new(config: &GatewayConfig, ports: Ports) -> Self {
        Self { ports, max_files: config.max_files, max_file_bytes: config.max_file_bytes }
    }

    /// Reads the whole request, then accepts its files. A request that can't be
    /// read to its end leaves nothing behind: what was stored is removed as
    /// the [`Staged`] files are dropped.
    pub(crate) async fn receive(
        &self,
        multipart: Multipart,
        context: &RequestContext,
    ) -> Result<(StatusCode, UploadResponse), Problem> {
        let _slot = self.slot().await?;
        let (form, received) = self.read(multipart).await?;
        self.take(form, received, context).await
    }

    /// Accepts one file that is here already.
    pub(crate) async fn receive_bytes(
        &self,
        filename: &str,
        bytes: Bytes,
        form: Form,
        context: &RequestContext,
    ) -> Result<(StatusCode, UploadResponse), Problem> {
        let _slot = self.slot().await?;
        let received = self.store(Some(filename), stream::iter([Ok::<_, Infallible>(bytes)])).await;
        let received = received.unwrap_or_else(|never| match never {});
        self.take(form, vec![received], context).await
    }

    async fn slot(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let slot = self.ports.slots.acquire().await;
        slot.map_err(|_| Problem::unavailable("stopping", "the gateway is stopping"))
    }

    /// Accepts the files of a request whose bytes are stored.
    async fn take(
        &self,
        form: Form,
        received: Vec<Received>,
        context: &RequestContext,
    ) -> Result<(StatusCode, UploadResponse), Problem> {
        let details = form.check(received.len())?;
        self.ports.notifier.check(details.notify.as_deref())?;
        let batch_id = self.batch(&details, received.len()).await?;
        let is_batch = details.batch_id.is_some() || received.len() > 1;
        if is_batch {
            self.ports.notifier.tell(About::Batch(batch_id), details.notify.as_deref()).await?;
        }
        let outcomes: Vec<(Result<UploadedFile, RejectedFile>, &'static str)> =
            stream::iter(received.into_iter().zip(details.external_ids.iter().cloned()))
                .map(|(file, external_id)| {
                    let details = &details;
                    async move {
                        match file {
                            Ok(staged) => {
                                let batch = (batch_id, is_batch);
                                self.accept(staged, external_id, batch, details, context).await
                            }
                            Err(rejected) => (Err(rejected), "rejected"),
                        }
                    }
                })
                .buffered(CONCURRENT_TRANSACTIONS)
                .collect()
                .await;
        for (_, outcome) in &outcomes {
            metrics::UPLOADS.with_label_values(&[outcome]).inc();
        }
        if is_batch {
            let jobless: Vec<Jobless> = outcomes.iter().filter_map(|(file, _)| jobless(file)).collect();
            record_jobless(&*self.ports.batches, batch_id, &jobless).await;
        }
        respond(batch_id, outcomes.into_iter().map(|(file, _)| file))
    }

    /// The batch that the files of a request go to: one that was announced, or one of their own.
    async fn batch(&self, details: &Details, files: usize) -> Result<BatchId, Problem> {
        if let Some(batch_id) = details.batch_id {
            check_announced(&*self.ports.batches, batch_id).await?;
            return Ok(batch_id);
        }
        let batch_id = BatchId::generate();
        if files > 1 {
            let batch = NewBatch { batch_id, name: None, files_total: files as u32 };
            self.ports.batches.announce(&batch).await?;
        }
        Ok(batch_id)
    }

    async fn read(&self, mut multipart: Multipart) -> Result<(Form, Vec<Received>), Problem> {
        let mut form = Form::default();
        let mut files = Vec::new();
        while let Some(field) = multipart.next_field().await.map_err(malformed)? {
            let name = field.name().unwrap_or_default().to_owned();
            if name == "file" || name == "files" || name == "file[]" || name == "files[]" {
                if files.len() == self.max_files {
                    return Err(Problem::unprocessable(
                        "too_many_files",
                        format!(
                            "one request takes {} files at most: send the rest in another",
                            self.max_files
                        ),
                    ));
                }
                let filename = field.file_name().map(str::to_owned);
                files.push(self.store(filename.as_deref(), field).await.map_err(malformed)?);
            } else {
                form.read(&name, field).await?;
            }
        }
        if files.is_empty() {
            return Err(Problem::bad_request(
                "no_file",
                "the form holds no file: send at least one part named `file`, as in `curl -F file=@report.pdf`",
            ));
        }
        Ok((form, files))
    }

    /// Stores one file. The outer error ends the request: its body can't be read on.
    async fn store<E>(
        &self,
        filename: Option<&str>,
        bytes: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Received, E> {
        let filename = clean_filename(filename);
        match Staged::receive(bytes, &filename, self.max_file_bytes, self.ports.blobs.clone()).await {
            Ok(staged) => Ok(Ok(staged)),
            Err(Refused::File(error)) => Ok(Err(RejectedFile { filename, error })),
            Err(Refused::Request(error)) => Err(error),
        }
    }

    async fn accept(
        &self,
        staged: Staged,
        external_id: Option<String>,
        (batch_id, is_batch): (BatchId, bool),
        details: &Details,
        context: &RequestContext,
    ) -> (Result<UploadedFile, RejectedFile>, &'static str) {
        let upload = NewUpload {
            document_id: DocumentId::generate(),
            job_id: JobId::generate(),
            batch_id,
            collection: details.collection.clone(),
            external_id,
            filename: staged.filename.clone(),
            content_type: staged.content_type.clone(),
            metadata: details.metadata.clone(),
            priority: details.priority,
            blob: staged.blob.clone(),
            correlation_id: context.correlation_id.clone(),
        };
        let job_id = upload.job_id;
        let notify = details.notify.as_deref().filter(|_| !is_batch);
        let accepted = async {
            self.ports.notifier.tell(About::Job(job_id), notify).await?;
            let accepted = self.ports.acceptor.accept(upload, context).await?;
            if accepted.duplicate && notify.is_some() {
                self.ports.notifier.tell_instead(job_id, accepted.document.job_id).await?;
            }
            Ok::<_, Fault>(accepted)
        };
        let accepted = accepted.await;
        match accepted {
            Ok(accepted) => {
                let outcome = if accepted.duplicate { "duplicate" } else { "accepted" };
                let file = uploaded(&accepted, &staged.filename, &staged.blob);
                if !accepted.duplicate {
                    staged.keep();
                }
                (Ok(file), outcome)
            }
            Err(fault) => {
                // Whether the transaction took place may be unknown: the bytes
                // stay, and the janitor removes them later if no row names them.
                let filename = staged.filename.clone();
                staged.keep();
                (Err(RejectedFile { filename, error: fault.into() }), "unavailable")
            }
        }
    }
}

/// What its batch remembers of a file that got no job.
fn jobless(file: &Result<UploadedFile, RejectedFile>) -> Option<Jobless> {
    match file {
        Ok(file) if file.duplicate => Some(Jobless {
            filename: file.filename.clone(),
            why: Why::Duplicate(DocumentId(file.document_id), JobId(file.job_id)),
        }),
        Ok(_) => None,
        Err(file) => Some(rejected(&file.filename, &file.error)),
    }
}

fn malformed(error: MultipartError) -> Problem {
    Problem::new(
        error.status(),
        "malformed_multipart",
        format!("the multipart body can't be read: {}; nothing of this request was kept", error.body_text()),
    )
}

/// 202 where something new was taken, 200 where all were duplicates, and the
/// reason where nothing was taken.
fn respond(
    batch_id: BatchId,
    outcomes: impl Iterator<Item = Result<UploadedFile, RejectedFile>>,
) -> Result<(StatusCode, UploadResponse), Problem> {
    let (mut files, mut rejected) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Ok(file) => files.push(file),
            Err(file) => rejected.push(file),
        }
    }
    if files.is_empty() {
        let mut problem = match rejected.first() {
            Some(first) => first.error.clone(),
            None => Problem::bad_request("no_file", "the form holds no file"),
        };
        if rejected.len() > 1 {
            problem.detail =
                format!("none of the {} files was taken; `errors` has the reasons", rejected.len());
            problem.errors = rejected
                .into_iter()
                .map(|r| FileProblem { filename: r.filename, problem: r.error })
                .collect();
        }
        return Err(problem);
    }
    let new = files.iter().any(|file| !file.duplicate);
    let status = if new { StatusCode::ACCEPTED } else { StatusCode::OK };
    let file = match (&files[..], rejected.is_empty()) {
        ([only], true) => Some(only.clone()),
        _ => None,
    };
    Ok((status, UploadResponse { batch_id: batch_id.0, file, files, rejected }))
}
