//! Questions that run as jobs.

use super::extract::{Id, JsonBody};
use crate::Gateway;
use axum::{
    Json,
    extract::{Extension, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use ragstream_api::{
    problem::Problem,
    query_jobs::{QueryJobCreated, QueryJobLinks, QueryJobResponse},
    search::{QueryRequest, QueryResponse},
};
use ragstream_core::{
    id::QueryJobId,
    ports::{QueryJob, QueryStatus},
};
use ragstream_runtime::http::RequestContext;
use serde_json::{Map, Value};

/// Seconds after which to ask again for an answer: most are made by then.
const AGAIN_AFTER: u64 = 1;

/// Ask a question as a job: the answer is fetched later.
///
/// The body is that of `POST /api/v2/query`, without `stream`. Follow `links.status`; the answer is at
/// `links.result`. It is kept for a day, unless the server is configured otherwise, and a question that is not
/// answered within that time is not asked any more.
#[utoipa::path(
    post, path = "/api/v2/query/jobs", tag = "asking", request_body = QueryRequest,
    responses(
        (status = 202, body = QueryJobCreated), (status = 400, body = Problem), (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    JsonBody(request): JsonBody<Map<String, Value>>,
) -> Result<Response, Problem> {
    let job_id = gateway.questions.submit(request, &context).await?;
    let links = QueryJobLinks::new(job_id);
    let location = [(header::LOCATION, links.status.clone())];
    let created = QueryJobCreated { job_id: job_id.0, status: QueryStatus::Queued.to_string(), links };
    Ok((StatusCode::ACCEPTED, location, Json(created)).into_response())
}

/// How far a question is that runs as a job.
#[utoipa::path(
    get, path = "/api/v2/query/jobs/{job_id}", tag = "asking", params(("job_id" = uuid::Uuid, Path)),
    responses((status = 200, body = QueryJobResponse), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn status(
    State(gateway): State<Gateway>,
    Id(job_id): Id<QueryJobId>,
) -> Result<Json<QueryJobResponse>, Problem> {
    let job = gateway.questions.ledger.query_job(job_id).await?;
    job.map(|job| Json(job.into())).ok_or_else(|| no_such_job(job_id))
}

/// The answer to a question that ran as a job.
///
/// 409 `not_complete` while there is none yet, and `cancelled` where there never will be; 410 once it has expired.
/// Of a job that failed, the problem that it failed by.
#[utoipa::path(
    get, path = "/api/v2/query/jobs/{job_id}/result", tag = "asking", params(("job_id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = QueryResponse), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 410, body = Problem), (status = 503, body = Problem)
    )
)]
pub(crate) async fn result(
    State(gateway): State<Gateway>,
    Id(job_id): Id<QueryJobId>,
) -> Result<Response, Problem> {
    let (job, answer) =
        gateway.questions.ledger.query_answer(job_id).await?.ok_or_else(|| no_such_job(job_id))?;
    match (job.status, answer) {
        (QueryStatus::Complete, Some(answer)) => {
            Ok(([(header::CONTENT_TYPE, "application/json")], answer).into_response())
        }
        _ => Err(no_answer(job)),
    }
}

/// Why there is no answer.
fn no_answer(job: QueryJob) -> Problem {
    let job_id = job.job_id;
    match job.status {
        QueryStatus::Queued | QueryStatus::Running => Problem {
            retry_after: Some(AGAIN_AFTER),
            ..Problem::conflict("not_complete", format!("{job_id} is {}: ask again in a moment", job.status))
        },
        QueryStatus::Cancelled => Problem::conflict("cancelled", format!("{job_id} was cancelled")),
        QueryStatus::Failed => {
            job.failure.and_then(|problem| serde_json::from_value(problem).ok()).unwrap_or_else(|| {
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "query_failed", format!("{job_id} failed"))
            })
        }
        QueryStatus::Complete | QueryStatus::Expired => Problem::new(
            StatusCode::GONE,
            "expired",
            format!("the time of {job_id} was over at {}: ask again", job.expires_at.to_rfc3339()),
        ),
    }
}

/// End a question that runs as a job: whatever comes of it is not kept.
#[utoipa::path(
    post, path = "/api/v2/query/jobs/{job_id}/cancel", tag = "asking", params(("job_id" = uuid::Uuid, Path)),
    responses(
        (status = 200, body = QueryJobResponse), (status = 404, body = Problem), (status = 409, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn cancel(
    State(gateway): State<Gateway>,
    Id(job_id): Id<QueryJobId>,
) -> Result<Json<QueryJobResponse>, Problem> {
    let job = gateway.questions.cancel(job_id).await?.ok_or_else(|| no_such_job(job_id))?;
    match job.status {
        QueryStatus::Cancelled => Ok(Json(job.into())),
        over => {
            Err(Problem::conflict("wrong_status", format!("{job_id} is {over}: there is nothing to end")))
        }
    }
}

/// Remove a question that runs, or ran, as a job, and its answer.
#[utoipa::path(
    delete, path = "/api/v2/query/jobs/{job_id}", tag = "asking", params(("job_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn delete(
    State(gateway): State<Gateway>,
    Id(job_id): Id<QueryJobId>,
) -> Result<StatusCode, Problem> {
    match gateway.questions.ledger.remove_query(job_id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(no_such_job(job_id)),
    }
}

fn no_such_job(job_id: QueryJobId) -> Problem {
    Problem::not_found(format!("there is no query job {job_id}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Utc;

    #[test]
    fn who_gets_no_answer_is_told_whether_to_ask_again() {
        let problem = Problem::invalid_field("top_k", "is too much");
        let of = |status| {
            let now = Utc::now();
            no_answer(QueryJob {
                job_id: QueryJobId::generate(),
                status,
                attempts: 1,
                failure: serde_json::to_value(&problem).ok(),
                created_at: now,
                started_at: None,
                completed_at: None,
                updated_at: now,
                expires_at: now,
            })
        };
        for status in [QueryStatus::Queued, QueryStatus::Running] {
            let problem = of(status);
            assert_eq!((problem.status, problem.retry_after), (409, Some(AGAIN_AFTER)), "{status}");
        }
        let cancelled = of(QueryStatus::Cancelled);
        assert_eq!((cancelled.status, cancelled.retry_after), (409, None));
        assert_eq!(of(QueryStatus::Expired).status, 410);
        assert_eq!(of(QueryStatus::Failed), problem, "as if it had been asked at once");
    }
}
