//! Jobs: how far they are, and what users do to them.

use super::{
    documents::{page_size, urlencode},
    extract::{Id, Params},
};
use crate::{Gateway, control::Records, metrics};
use axum::{
    Json,
    extract::{Extension, State},
    http::StatusCode,
};
use ragstream_api::{
    documents::{JobResponse, JobsResponse},
    problem::Problem,
};
use ragstream_core::{
    id::{BatchId, DocumentId, JobId},
    job::JobStage,
    ports::{About, Controlled, JobCommand, JobFilter},
};
use ragstream_runtime::http::RequestContext;
use serde::Deserialize;
use utoipa::IntoParams;

/// How far a job is.
#[utoipa::path(
    get, path = "/api/v2/documents/status/{job_id}", tag = "jobs",
    params(("job_id" = uuid::Uuid, Path, description = "From the answer to the upload")),
    responses((status = 200, body = JobResponse), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn status(
    State(gateway): State<Gateway>,
    Id(job_id): Id<JobId>,
) -> Result<Json<JobResponse>, Problem> {
    let job = gateway.intake.job(job_id).await?;
    let job = job.ok_or_else(|| no_such_job(job_id))?;
    let history = gateway.progress.history(job_id).await?;
    let history = history.into_iter().map(Into::into).collect();
    let notified = gateway.notifier.told(About::Job(job_id)).await?;
    Ok(Json(JobResponse { history, notified, ..JobResponse::new(job) }))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only jobs that are not over.
    #[serde(default)]
    active: bool,
    /// Only jobs in this stage.
    stage: Option<String>,
    /// Only jobs of this document.
    document_id: Option<uuid::Uuid>,
    /// Only jobs of this batch.
    batch_id: Option<uuid::Uuid>,
    /// At most so many, 1 to 1,000.
    limit: Option<u32>,
    /// Only jobs before this one: `next` of the page before has it.
    before: Option<uuid::Uuid>,
}

/// Jobs, newest first.
#[utoipa::path(
    get, path = "/api/v2/jobs", tag = "jobs", params(ListParams),
    responses((status = 200, body = JobsResponse), (status = 422, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Params(params): Params<ListParams>,
) -> Result<Json<JobsResponse>, Problem> {
    let stage = params.stage.as_deref().map(str::parse::<JobStage>).transpose().map_err(|_| {
        let names: Vec<_> = JobStage::ALL.iter().map(|stage| stage.as_str()).collect();
        Problem::invalid_field("stage", format_args!("is none of {}", names.join(", ")))
    })?;
    let filter = JobFilter {
        active: params.active,
        stage,
        document_id: params.document_id.map(DocumentId),
        batch_id: params.batch_id.map(BatchId),
        before: params.before.map(JobId),
        limit: page_size(params.limit)?,
    };
    let jobs = gateway.control.jobs(&filter).await?;
    let full = jobs.len() == filter.limit as usize;
    let next = jobs.last().filter(|_| full).map(|last| {
        let mut next = format!("/api/v2/jobs?limit={}&before={}", filter.limit, last.job_id);
        if filter.active {
            next.push_str("&active=true");
        }
        if let Some(stage) = &params.stage {
            next.push_str(&format!("&stage={}", urlencode(stage)));
        }
        if let Some(document_id) = filter.document_id {
            next.push_str(&format!("&document_id={document_id}"));
        }
        if let Some(batch_id) = filter.batch_id {
            next.push_str(&format!("&batch_id={batch_id}"));
        }
        next
    });
    Ok(Json(JobsResponse { jobs: jobs.into_iter().map(JobResponse::new).collect(), next }))
}

/// Hold a job. What is under way of it ends without effect; the version before stays searchable.
#[utoipa::path(
    post, path = "/api/v2/jobs/{job_id}/pause", tag = "jobs", params(("job_id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = JobResponse), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn pause(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    Id(job_id): Id<JobId>,
) -> Result<Json<JobResponse>, Problem> {
    command(&gateway, &context, job_id, JobCommand::Pause).await
}

/// Go on with a paused job. Chunks that were embedded are not embedded again.
#[utoipa::path(
    post, path = "/api/v2/jobs/{job_id}/resume", tag = "jobs", params(("job_id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = JobResponse), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn resume(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    Id(job_id): Id<JobId>,
) -> Result<Json<JobResponse>, Problem> {
    command(&gateway, &context, job_id, JobCommand::Resume).await
}

/// End a job for good: no late work brings it back. The same file uploaded again is a new version.
#[utoipa::path(
    post, path = "/api/v2/jobs/{job_id}/cancel", tag = "jobs", params(("job_id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = JobResponse), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn cancel(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    Id(job_id): Id<JobId>,
) -> Result<Json<JobResponse>, Problem> {
    command(&gateway, &context, job_id, JobCommand::Cancel).await
}

/// Do a failed job again, its failed chunks included.
#[utoipa::path(
    post, path = "/api/v2/jobs/{job_id}/retry", tag = "jobs", params(("job_id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = JobResponse), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn retry(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    Id(job_id): Id<JobId>,
) -> Result<Json<JobResponse>, Problem> {
    command(&gateway, &context, job_id, JobCommand::Retry).await
}

/// Remove the record of a job that is over. Its document stays.
#[utoipa::path(
    delete, path = "/api/v2/jobs/{job_id}", tag = "jobs", params(("job_id" = uuid::Uuid, Path)),
    responses(
        (status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 503, body = Problem)
    )
)]
pub(crate) async fn forget(
    State(gateway): State<Gateway>,
    Id(job_id): Id<JobId>,
) -> Result<StatusCode, Problem> {
    match gateway.control.forget(job_id).await? {
        Controlled::Refused(stage) => Err(Problem::conflict(
            "job_active",
            format!(
                "the job is in stage `{stage}`: cancel it, or wait for its end, before its record is removed"
            ),
        )),
        Controlled::NotFound => Err(no_such_job(job_id)),
        Controlled::Done(_) | Controlled::Superseded => Ok(StatusCode::NO_CONTENT),
    }
}

async fn command(
    gateway: &Gateway,
    context: &RequestContext,
    job_id: JobId,
    command: JobCommand,
) -> Result<Json<JobResponse>, Problem> {
    match gateway.control.control(job_id, command, &Records::of(context)).await? {
        Controlled::Done(job) => {
            gateway.outbox_filled.notify_one();
            metrics::COMMANDS.with_label_values(&[command.as_str()]).inc();
            tracing::info!(command = command.as_str(), %job_id, document_id = %job.document_id, "job commanded");
            Ok(Json(JobResponse::new(*job)))
        }
        Controlled::Refused(stage) => Err(refusal(command, stage)),
        Controlled::Superseded => Err(Problem::conflict(
            "superseded",
            "a newer version of the document was uploaded: its own job is the one to command",
        )),
        Controlled::NotFound => Err(no_such_job(job_id)),
    }
}

/// Why a job in this stage takes no such command, and what does help.
fn refusal(command: JobCommand, stage: JobStage) -> Problem {
    let help = match (command, stage) {
        (_, JobStage::Cancelled) => "a cancelled job is over: upload the document again",
        (_, JobStage::Complete) => "it is complete: delete the document, or upload a new version",
        (JobCommand::Pause | JobCommand::Cancel, JobStage::Indexing) => {
            "it is about to be searchable: delete the document once it is"
        }
        (JobCommand::Pause, JobStage::Failed) => "it has failed: retry or cancel it",
        (JobCommand::Resume, JobStage::Failed) => "it has failed: `retry` does it again",
        (JobCommand::Retry, JobStage::Paused) => "it is paused: `resume` goes on with it",
        _ => "it is under way",
    };
    Problem::conflict("wrong_stage", format!("`{}` does not go in stage `{stage}`: {help}", command.as_str()))
}

pub(super) fn no_such_job(job_id: JobId) -> Problem {
    Problem::not_found(format!("there is no job {job_id}"))
}
