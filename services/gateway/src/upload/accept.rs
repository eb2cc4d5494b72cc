//! The end of every upload, however its bytes came: one transaction, and the answer.

use ragstream_api::documents::{Links, UploadedFile};
use ragstream_core::{
    document::{Blob, DocumentRef},
    event::IngestRequested,
    fault::{Fault, Result},
    lane::Lane,
    ports::{Accepted, Intake, NewUpload},
    token::ConsistencyToken,
};
use ragstream_proto::encode::{self, Origin};
use ragstream_runtime::http::RequestContext;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Notify, time::timeout};

/// How long putting an upload on record may take: past a wait for a connection and a busy
/// moment. A database that takes a question and never answers must not hold the client.
const RECORDED: Duration = Duration::from_secs(10);

/// Puts uploads on record whose bytes are stored.
#[derive(Clone)]
pub(crate) struct Acceptor {
    intake: Arc<dyn Intake>,
    /// Tells the relay that there is something to append.
    accepted: Arc<Notify>,
}

impl Acceptor {
    pub(crate) fn new(intake: Arc<dyn Intake>, accepted: Arc<Notify>) -> Self {
        Self { intake, accepted }
    }

    /// Document, job and request for its processing, or the document that has these bytes.
    ///
    /// After an error it may be unknown whether the transaction took place: the bytes have to
    /// stay, and the janitor removes them later if no row names them.
    pub(crate) async fn accept(&self, upload: NewUpload, context: &RequestContext) -> Result<Accepted> {
        let origin = Origin { correlation_id: upload.correlation_id.clone(), trace: context.trace.child() };
        let blob = upload.blob.clone();
        let request = |document: &DocumentRef, lane: Lane| {
            let event = IngestRequested { document: document.clone(), blob: blob.clone() };
            encode::ingest_requested(&event, lane, &origin)
        };
        let accepted =
            timeout(RECORDED, self.intake.accept(upload, &request)).await.unwrap_or_else(|_| {
                Err(Fault::unavailable("postgres_unavailable", "PostgreSQL does not answer in time"))
            })?;
        if !accepted.duplicate {
            self.accepted.notify_one();
            let document = &accepted.document;
            tracing::info!(
                document_id = %document.document_id,
                job_id = %document.job_id,
                version = document.version.0,
                bytes = blob.size,
                content_type = document.content_type,
                "upload accepted"
            );
        }
        Ok(accepted)
    }
}

/// What the uploader is told of a file.
pub(crate) fn uploaded(accepted: &Accepted, filename: &str, blob: &Blob) -> UploadedFile {
    let document = &accepted.document;
    let token = ConsistencyToken { document_id: document.document_id, version: document.version };
    UploadedFile {
        filename: filename.to_owned(),
        document_id: document.document_id.0,
        job_id: document.job_id.0,
        version: document.version.0,
        collection: document.collection.clone(),
        external_id: document.external_id.clone(),
        duplicate: accepted.duplicate,
        stage: accepted.stage.to_string(),
        sha256: blob.sha256.clone(),
        size_bytes: blob.size,
        consistency_token: token.to_string(),
        links: Links::new(document.document_id, document.job_id),
    }
}
