//! Uploads.

use crate::{Gateway, metrics};
use axum::{
    Json,
    extract::{
        DefaultBodyLimit, Extension, FromRequest, Request, State,
        multipart::{Multipart, MultipartRejection},
    },
    http::StatusCode,
};
use ragstream_api::{documents::UploadResponse, problem::Problem};
use ragstream_runtime::http::RequestContext;

/// The form of an upload.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "describes the form in the specification only")]
pub(crate) struct UploadForm {
    /// One or many files.
    #[schema(value_type = Vec<String>, format = Binary)]
    file: Vec<Vec<u8>>,
    /// Where they go; `default` where absent.
    collection: Option<String>,
    /// A JSON object that passages carry and filters match.
    metadata: Option<String>,
    /// 0 (last) to 9 (first); 5 where absent. From 7 on it is served first, up to 2 it gives way. In
    /// between a file goes with the first, unless it is large or much of its collection is under way.
    priority: Option<u8>,
    /// Your own id of the document, one for each file: uploading under the same id again is an update.
    external_id: Option<Vec<String>>,
    /// An e-mail address that is told, once, when all files of the request are over, or of its batch, where it
    /// names one; 422 `mail_off` where the server sends no mail.
    notify: Option<String>,
}

/// The multipart body, whose refusal is a problem.
pub(crate) struct Form(Multipart);

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let form: Result<Multipart, MultipartRejection> = Multipart::from_request(request, state).await;
        form.map(Self).map_err(|e| {
            Problem::bad_request(
                "malformed_multipart",
                format!("{}: send multipart/form-data, as `curl -F file=@report.pdf` does", e.body_text()),
            )
        })
    }
}

/// Upload one or many documents.
///
/// The answer comes once the bytes and the job are safely stored; processing goes
/// on in the background. The same bytes again in a collection are a duplicate
/// (200, the ids of the first). One bad file in a batch never fails the others.
#[utoipa::path(
    post, path = "/api/v2/documents/upload", tag = "documents",
    request_body(content = UploadForm, content_type = "multipart/form-data"),
    responses(
        (status = 202, body = UploadResponse, description = "Taken; follow `links.status`"),
        (status = 200, body = UploadResponse, description = "All of it was here already"),
        (status = 400, body = Problem),
        (status = 413, body = Problem),
        (status = 415, body = Problem),
        (status = 422, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn upload(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    Form(form): Form,
) -> Result<(StatusCode, Json<UploadResponse>), Problem> {
    let timer = metrics::UPLOAD_SECONDS.start_timer();
    let answer = gateway.uploads.receive(form, &context).await;
    timer.observe_duration();
    answer.map(|(status, body)| (status, Json(body)))
}

/// Bodies are streamed, so their size is bounded file by file, not as a whole.
pub(super) fn no_body_limit() -> DefaultBodyLimit {
    DefaultBodyLimit::disable()
}
