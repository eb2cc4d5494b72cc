//! Files that belong together.

use super::{
    documents::page_size,
    extract::{Id, JsonBody, Params},
};
use crate::{Gateway, control::Records, metrics};
use axum::{
    Json,
    extract::{Extension, State},
    http::StatusCode,
};
use futures::{StreamExt, TryStreamExt, stream};
use ragstream_api::{
    batches::{
        BatchCommanded, BatchCreated, BatchFile, BatchFilesResponse, BatchLinks, BatchRequest, BatchResponse,
        BatchesResponse, MAX_FILES, MAX_NAME,
    },
    documents::JobResponse,
    problem::Problem,
};
use ragstream_core::{
    id::{BatchId, JobId},
    job::JobStage,
    ports::{About, Controlled, JobCommand, JobFilter, Jobless, NewBatch, Why},
};
use ragstream_runtime::http::RequestContext;
use serde::Deserialize;
use utoipa::IntoParams;

/// Jobs of a batch that are commanded at once, and in one read.
const AT_ONCE: usize = 8;
const PORTION: u32 = 1_000;

/// Announce files that belong together.
///
/// Give its `batch_id` with each upload, as a field of the form or of the tus metadata: they have one progress then,
/// one stream of events, and can be paused, cancelled and retried together.
#[utoipa::path(
    post, path = "/api/v2/batches", tag = "batches", request_body = BatchRequest,
    responses((status = 201, body = BatchCreated), (status = 422, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    JsonBody(request): JsonBody<BatchRequest>,
) -> Result<(StatusCode, Json<BatchCreated>), Problem> {
    let (batch, notify) = checked(request)?;
    gateway.notifier.check(notify.as_deref())?;
    gateway.notifier.tell(About::Batch(batch.batch_id), notify.as_deref()).await?;
    gateway.batches.announce(&batch).await?;
    let created = BatchCreated { batch_id: batch.batch_id.0, links: BatchLinks::new(batch.batch_id) };
    Ok((StatusCode::CREATED, Json(created)))
}

fn checked(request: BatchRequest) -> Result<(NewBatch, Option<String>), Problem> {
    let BatchRequest { files_total, name, notify } = request;
    if files_total > MAX_FILES {
        return Err(Problem::invalid_field("files_total", format_args!("is more than {MAX_FILES}")));
    }
    if name.as_ref().is_some_and(|name| name.len() > MAX_NAME || name.contains('\0')) {
        return Err(Problem::invalid_field(
            "name",
            format_args!("is longer than {MAX_NAME} bytes, or holds a zero"),
        ));
    }
    Ok((NewBatch { batch_id: BatchId::generate(), name, files_total }, notify))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// At most so many, 1 to 1,000.
    limit: Option<u32>,
    /// Only batches before this one: `next` of the page before has it.
    before: Option<uuid::Uuid>,
}

/// Batches, newest first. A file that was uploaded alone is none.
#[utoipa::path(
    get, path = "/api/v2/batches", tag = "batches", params(ListParams),
    responses((status = 200, body = BatchesResponse), (status = 422, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Params(params): Params<ListParams>,
) -> Result<Json<BatchesResponse>, Problem> {
    let limit = page_size(params.limit)?;
    let batches = gateway.batches.list_batches(params.before.map(BatchId), limit).await?;
    let full = batches.len() == limit as usize;
    let next = batches
        .last()
        .filter(|_| full)
        .map(|last| format!("/api/v2/batches?limit={limit}&before={}", last.batch_id));
    Ok(Json(BatchesResponse { batches: batches.into_iter().map(Into::into).collect(), next }))
}

/// How far a batch is.
#[utoipa::path(
    get, path = "/api/v2/batches/{batch_id}", tag = "batches", params(("batch_id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchResponse), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn get(
    State(gateway): State<Gateway>,
    Id(batch_id): Id<BatchId>,
) -> Result<Json<BatchResponse>, Problem> {
    let batch = find(&gateway, batch_id).await?;
    let notified = gateway.notifier.told(About::Batch(batch_id)).await?;
    Ok(Json(BatchResponse { notified, ..batch }))
}

async fn find(gateway: &Gateway, batch_id: BatchId) -> Result<BatchResponse, Problem> {
    let batch = gateway.batches.batches(&[batch_id]).await?.pop();
    batch.map(Into::into).ok_or_else(|| Problem::not_found(format!("there is no batch {batch_id}")))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct FileParams {
    /// At most so many, 1 to 1,000.
    limit: Option<u32>,
    /// Only files in this stage.
    status: Option<String>,
    /// Skip so many that got no job: `next` of the page before has it.
    skip: Option<u32>,
    /// Only files whose jobs are before this one: `next` of the page before has it.
    before: Option<uuid::Uuid>,
}

/// The files of a batch: those first that got no job (not taken, or here already), then the newest.
#[utoipa::path(
    get, path = "/api/v2/batches/{batch_id}/files", tag = "batches",
    params(("batch_id" = uuid::Uuid, Path), FileParams),
    responses(
        (status = 200, body = BatchFilesResponse), (status = 404, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn files(
    State(gateway): State<Gateway>,
    Id(batch_id): Id<BatchId>,
    Params(params): Params<FileParams>,
) -> Result<Json<BatchFilesResponse>, Problem> {
    let limit = page_size(params.limit)?;
    find(&gateway, batch_id).await?;
    let stage = params.status.as_deref().map(str::parse::<JobStage>).transpose();
    let stage = stage.map_err(|_| Problem::invalid_field("status", "is no stage of a job"))?;
    let mut files: Vec<BatchFile> = Vec::new();
    let skip = params.skip.unwrap_or(0);
    if params.before.is_none() && stage.is_none() {
        files.extend(gateway.batches.jobless(batch_id, skip, limit).await?.into_iter().map(without_job));
    }
    let mut next = (files.len() == limit as usize).then(|| format!("skip={}", skip + limit));
    let left = limit - files.len() as u32;
    if left > 0 {
        let filter = JobFilter {
            batch_id: Some(batch_id),
            stage,
            before: params.before.map(JobId),
            limit: left,
            ..JobFilter::default()
        };
        let jobs = gateway.control.jobs(&filter).await?;
        if jobs.len() == left as usize {
            next = jobs.last().map(|last| format!("before={}", last.job_id));
        }
        files.extend(jobs.into_iter().map(|job| taken(JobResponse::new(job))));
    }
    let status = params.status.map(|status| format!("&status={status}")).unwrap_or_default();
    let next = next.map(|next| format!("/api/v2/batches/{batch_id}/files?limit={limit}{status}&{next}"));
    Ok(Json(BatchFilesResponse { files, next }))
}

fn without_job(file: Jobless) -> BatchFile {
    let filename = file.filename;
    match file.why {
        Why::Rejected(problem) => BatchFile {
            filename,
            status: "rejected".to_owned(),
            document_id: None,
            job: None,
            error: serde_json::from_value(problem).ok(),
        },
        Why::Duplicate(document_id, _) => BatchFile {
            filename,
            status: "duplicate".to_owned(),
            document_id: Some(document_id.0),
            job: None,
            error: None,
        },
    }
}

fn taken(job: JobResponse) -> BatchFile {
    BatchFile {
        filename: job.current_file.clone(),
        status: job.status.clone(),
        document_id: Some(job.document_id),
        job: Some(job),
        error: None,
    }
}

/// Hold all files of a batch that are not over.
#[utoipa::path(
    post, path = "/api/v2/batches/{batch_id}/pause", tag = "batches", params(("batch_id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchCommanded), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn pause(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    Id(batch_id): Id<BatchId>,
) -> Result<Json<BatchCommanded>, Problem> {
    command(&gateway, &context, batch_id, JobCommand::Pause).await
}

/// Go on with the paused files of a batch.
#[utoipa::path(
    post, path = "/api/v2/batches/{batch_id}/resume", tag = "batches", params(("batch_id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchCommanded), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn resume(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    Id(batch_id): Id<BatchId>,
) -> Result<Json<BatchCommanded>, Problem> {
    command(&gateway, &context, batch_id, JobCommand::Resume).await
}

/// End all files of a batch that are not over.
#[utoipa::path(
    post, path = "/api/v2/batches/{batch_id}/cancel", tag = "batches", params(("batch_id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchCommanded), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn cancel(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    Id(batch_id): Id<BatchId>,
) -> Result<Json<BatchCommanded>, Problem> {
    command(&gateway, &context, batch_id, JobCommand::Cancel).await
}

/// Do the failed files of a batch again, and no others.
#[utoipa::path(
    post, path = "/api/v2/batches/{batch_id}/retry", tag = "batches", params(("batch_id" = uuid::Uuid, Path)),
    responses((status = 200, body = BatchCommanded), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn retry(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    Id(batch_id): Id<BatchId>,
) -> Result<Json<BatchCommanded>, Problem> {
    command(&gateway, &context, batch_id, JobCommand::Retry).await
}

async fn command(
    gateway: &Gateway,
    context: &RequestContext,
    batch_id: BatchId,
    command: JobCommand,
) -> Result<Json<BatchCommanded>, Problem> {
    find(gateway, batch_id).await?;
    let stage = match command {
        JobCommand::Retry => Some(JobStage::Failed),
        JobCommand::Resume => Some(JobStage::Paused),
        JobCommand::Pause | JobCommand::Cancel => None,
    };
    let mut commanded = BatchCommanded { done: 0, refused: 0 };
    let mut before = None;
    loop {
        let filter = JobFilter {
            active: stage.is_none(),
            stage,
            batch_id: Some(batch_id),
            before,
            limit: PORTION,
            ..JobFilter::default()
        };
        let jobs = gateway.control.jobs(&filter).await?;
        let ids: Vec<JobId> = jobs.iter().map(|job| job.job_id).collect();
        let outcomes: Vec<Controlled> = stream::iter(ids)
            .map(
                |job_id| async move { gateway.control.control(job_id, command, &Records::of(context)).await },
            )
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let done = outcomes.iter().filter(|outcome| matches!(outcome, Controlled::Done(_))).count();
        commanded.done += done as u32;
        commanded.refused += (outcomes.len() - done) as u32;
        gateway.outbox_filled.notify_one();
        before = jobs.last().map(|job| job.job_id);
        if jobs.len() < PORTION as usize {
            break;
        }
    }
    metrics::COMMANDS.with_label_values(&[command.as_str()]).inc_by(u64::from(commanded.done));
    tracing::info!(command = command.as_str(), %batch_id, files = commanded.done, "batch commanded");
    Ok(Json(commanded))
}
