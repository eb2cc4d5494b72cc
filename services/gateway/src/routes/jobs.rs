//! Jobs.

use super::extract::Id;
use crate::Gateway;
use axum::{Json, extract::State};
use chrono::Utc;
use ragstream_api::{documents::JobResponse, problem::Problem};
use ragstream_core::id::JobId;

/// How far a job is.
#[utoipa::path(
    get, path = "/api/v2/documents/status/{job_id}", tag = "documents",
    params(("job_id" = uuid::Uuid, Path, description = "From the answer to the upload")),
    responses((status = 200, body = JobResponse), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn status(
    State(gateway): State<Gateway>,
    Id(job_id): Id<JobId>,
) -> Result<Json<JobResponse>, Problem> {
    let job = gateway.intake.job(job_id).await?;
    let job = job.ok_or_else(|| Problem::not_found(format!("there is no job {job_id}")))?;
    Ok(Json(JobResponse::new(job, Utc::now())))
}
