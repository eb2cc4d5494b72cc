//! An upload: bytes to blob storage, then one transaction.

mod form;
mod janitor;
mod staged;

pub(crate) use janitor::run as run_janitor;

use crate::{GatewayConfig, metrics};
use axum::{
    extract::multipart::{Field, Multipart, MultipartError},
    http::StatusCode,
};
use form::Form;
use futures::{StreamExt, stream};
use ragstream_api::{
    documents::{Links, RejectedFile, UploadResponse, UploadedFile},
    problem::{FileProblem, Problem},
};
use ragstream_core::{
    document::DocumentRef,
    event::IngestRequested,
    fault::Fault,
    id::{BatchId, DocumentId, JobId},
    lane::Lane,
    ports::{Accepted, BlobStore, Intake, NewUpload},
    token::ConsistencyToken,
};
use ragstream_proto::encode::{self, Origin};
use ragstream_runtime::http::RequestContext;
use staged::{Refused, Staged};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{Notify, Semaphore},
    time::timeout,
};

/// Files of one request whose transactions run at once.
const CONCURRENT_TRANSACTIONS: usize = 4;

/// How long putting an upload on record may take: past a wait for a connection and a busy
/// moment. A database that takes a question and never answers must not hold the client.
const RECORDED: Duration = Duration::from_secs(10);

/// Takes uploads.
#[derive(Clone)]
pub(crate) struct Uploads {
    intake: Arc<dyn Intake>,
    blobs: Arc<dyn BlobStore>,
    /// Tells the relay that there is something to append.
    accepted: Arc<Notify>,
    slots: Arc<Semaphore>,
    max_files: usize,
    max_file_bytes: u64,
}

/// A file of a request: its bytes are stored, or it was refused.
type Received = Result<Staged, RejectedFile>;

impl Uploads {
    pub(crate) fn new(
        config: &GatewayConfig,
        intake: Arc<dyn Intake>,
        blobs: Arc<dyn BlobStore>,
        accepted: Arc<Notify>,
    ) -> Self {
        Self {
            intake,
            blobs,
            accepted,
            slots: Arc::new(Semaphore::new(config.max_concurrent_uploads)),
            max_files: config.max_files,
            max_file_bytes: config.max_file_bytes,
        }
    }

    /// Reads the whole request, then accepts its files. A request that can't be
    /// read to its end leaves nothing behind: what was stored is removed as
    /// the [`Staged`] files are dropped.
    pub(crate) async fn receive(
        &self,
        multipart: Multipart,
        context: &RequestContext,
    ) -> Result<(StatusCode, UploadResponse), Problem> {
        let _slot = self
            .slots
            .acquire()
            .await
            .map_err(|_| Problem::unavailable("stopping", "the gateway is stopping"))?;
        let (form, received) = self.read(multipart).await?;
        let details = form.check(received.len())?;
        let batch_id = BatchId::generate();
        let outcomes: Vec<(Result<UploadedFile, RejectedFile>, &'static str)> =
            stream::iter(received.into_iter().zip(details.external_ids.iter().cloned()))
                .map(|(file, external_id)| {
                    let details = &details;
                    async move {
                        match file {
                            Ok(staged) => self.accept(staged, external_id, batch_id, details, context).await,
                            Err(rejected) => (Err(rejected), "rejected"),
                        }
                    }
                })
                .buffered(CONCURRENT_TRANSACTIONS)
                .collect()
                .await;
        self.accepted.notify_one();
        for (_, outcome) in &outcomes {
            metrics::UPLOADS.with_label_values(&[outcome]).inc();
        }
        respond(batch_id, outcomes.into_iter().map(|(file, _)| file))
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
                files.push(self.store(field).await?);
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
    async fn store(&self, field: Field<'_>) -> Result<Received, Problem> {
        let filename = form::clean_filename(field.file_name());
        let reject = |error| Ok(Err(RejectedFile { filename: filename.clone(), error }));
        match Staged::receive(field, &filename, self.max_file_bytes, self.blobs.clone()).await {
            Ok(staged) => Ok(Ok(staged)),
            Err(Refused::File(problem)) => reject(problem),
            Err(Refused::Request(error)) => Err(malformed(error)),
        }
    }

    async fn accept(
        &self,
        staged: Staged,
        external_id: Option<String>,
        batch_id: BatchId,
        details: &form::Details,
        context: &RequestContext,
    ) -> (Result<UploadedFile, RejectedFile>, &'static str) {
        let blob = staged.blob.clone();
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
            blob: blob.clone(),
            correlation_id: context.correlation_id.clone(),
        };
        let origin = Origin { correlation_id: context.correlation_id.clone(), trace: context.trace.child() };
        let request = |document: &DocumentRef, lane: Lane| {
            let event = IngestRequested { document: document.clone(), blob: blob.clone() };
            encode::ingest_requested(&event, lane, &origin)
        };
        let accepted = timeout(RECORDED, self.intake.accept(upload, &request)).await.unwrap_or_else(|_| {
            Err(Fault::unavailable("postgres_unavailable", "PostgreSQL does not answer in time"))
        });
        match accepted {
            Ok(accepted) => {
                let outcome = if accepted.duplicate { "duplicate" } else { "accepted" };
                let file = uploaded(&accepted, &staged);
                if !accepted.duplicate {
                    tracing::info!(
                        document_id = %accepted.document.document_id,
                        job_id = %accepted.document.job_id,
                        version = accepted.document.version.0,
                        bytes = blob.size,
                        content_type = staged.content_type,
                        "upload accepted"
                    );
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

fn malformed(error: MultipartError) -> Problem {
    Problem::new(
        error.status(),
        "malformed_multipart",
        format!("the multipart body can't be read: {}; nothing of this request was kept", error.body_text()),
    )
}

fn uploaded(accepted: &Accepted, staged: &Staged) -> UploadedFile {
    let document = &accepted.document;
    let token = ConsistencyToken { document_id: document.document_id, version: document.version };
    UploadedFile {
        filename: staged.filename.clone(),
        document_id: document.document_id.0,
        job_id: document.job_id.0,
        version: document.version.0,
        collection: document.collection.clone(),
        external_id: document.external_id.clone(),
        duplicate: accepted.duplicate,
        stage: accepted.stage.to_string(),
        sha256: staged.blob.sha256.clone(),
        size_bytes: staged.blob.size,
        consistency_token: token.to_string(),
        links: Links::new(document.document_id, document.job_id),
    }
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
