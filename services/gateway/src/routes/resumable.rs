//! Resumable uploads: the tus protocol 1.0 as HTTP.

use super::extract::Id;
use crate::{
    Gateway,
    resumable::{ALGORITHMS, Begin, Body, BodyError, Checksum, Said},
};
use axum::{
    Json,
    body::Body as HttpBody,
    extract::{Extension, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use ragstream_api::{documents::ResumableResponse, problem::Problem};
use ragstream_core::{
    id::UploadId,
    ports::{Resumable, UploadKind},
};
use ragstream_runtime::http::RequestContext;
use std::fmt::Display;

const PATH: &str = "/api/v2/uploads";
/// The version of the protocol.
const VERSION: &str = "1.0.0";
const EXTENSIONS: &str =
    "creation,creation-with-upload,creation-defer-length,checksum,expiration,termination,concatenation";
/// The media type of bytes that go on with an upload.
const BYTES: &str = "application/offset+octet-stream";
/// The most partial uploads of one document: a header of them still fits.
const MAX_CONCATENATED: usize = 100;

const RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
const VERSIONS: HeaderName = HeaderName::from_static("tus-version");
const EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
const MAX_SIZE: HeaderName = HeaderName::from_static("tus-max-size");
const CHECKSUM_ALGORITHM: HeaderName = HeaderName::from_static("tus-checksum-algorithm");
const OFFSET: HeaderName = HeaderName::from_static("upload-offset");
const LENGTH: HeaderName = HeaderName::from_static("upload-length");
const DEFER_LENGTH: HeaderName = HeaderName::from_static("upload-defer-length");
const METADATA: HeaderName = HeaderName::from_static("upload-metadata");
const CONCAT: HeaderName = HeaderName::from_static("upload-concat");
const CHECKSUM: HeaderName = HeaderName::from_static("upload-checksum");
const EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
const OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");
const DOCUMENT: HeaderName = HeaderName::from_static("ragstream-document-id");
const JOB: HeaderName = HeaderName::from_static("ragstream-job-id");
const DUPLICATE: HeaderName = HeaderName::from_static("ragstream-duplicate");

/// Speaks the protocol's version, and refuses to speak another.
pub(super) async fn versioned(request: Request, next: Next) -> Response {
    let speaks = request.headers().get(RESUMABLE).is_some_and(|version| version == VERSION);
    let mut response = match *request.method() {
        Method::OPTIONS | Method::GET => next.run(request).await,
        _ if speaks => next.run(request).await,
        _ => {
            let detail =
                format!("send `Tus-Resumable: {VERSION}`: this is the tus resumable upload protocol");
            let refusal = Problem::new(StatusCode::PRECONDITION_FAILED, "tus_version", detail);
            ([(VERSIONS, VERSION)], refusal).into_response()
        }
    };
    response.headers_mut().insert(RESUMABLE, HeaderValue::from_static(VERSION));
    response
}

/// `POST` in place of the method that `X-HTTP-Method-Override` names, for clients whose network
/// lets nothing else through.
pub(super) async fn overridden(
    state: State<Gateway>,
    context: Extension<RequestContext>,
    id: Id<UploadId>,
    request: Request,
) -> Result<Response, Problem> {
    match request.headers().get(OVERRIDE).map(HeaderValue::as_bytes) {
        Some(b"PATCH") => patch(state, context, id, request).await,
        Some(b"DELETE") => delete(state, id).await.map(IntoResponse::into_response),
        Some(b"HEAD") => head(state, id).await,
        _ => Err(Problem::bad_request(
            "no_method_override",
            "POST stands for another method here: name it as `X-HTTP-Method-Override: PATCH`, `DELETE` or `HEAD`",
        )),
    }
}

/// What this server can do of the tus protocol.
#[utoipa::path(options, path = "/api/v2/uploads", tag = "resumable uploads",
    responses((status = 204, description = "`Tus-Version`, `Tus-Extension`, `Tus-Max-Size`, `Tus-Checksum-Algorithm`")))]
pub(crate) async fn options(State(gateway): State<Gateway>) -> impl IntoResponse {
    let headers = [
        (VERSIONS, HeaderValue::from_static(VERSION)),
        (EXTENSION, HeaderValue::from_static(EXTENSIONS)),
        (CHECKSUM_ALGORITHM, HeaderValue::from_static(ALGORITHMS)),
        (MAX_SIZE, HeaderValue::from(gateway.resumables.max_file_bytes())),
    ];
    (StatusCode::NO_CONTENT, headers)
}

/// Begin a resumable upload ([tus 1.0](https://tus.io/protocols/resumable-upload)).
///
/// `Upload-Length`, or `Upload-Defer-Length: 1`; `Upload-Metadata` with `filename` and optionally `collection`,
/// `metadata` (JSON), `priority`, `external_id`, `batch_id`, `notify` (an e-mail address), each value in base64. The body may hold the first bytes.
/// `Upload-Concat: partial` begins a piece, `Upload-Concat: final;<url> <url>` makes a document of pieces.
#[utoipa::path(
    post, path = "/api/v2/uploads", tag = "resumable uploads",
    params(
        ("Tus-Resumable" = String, Header, description = "`1.0.0`"),
        ("Upload-Length" = Option<u64>, Header), ("Upload-Metadata" = Option<String>, Header),
        ("Upload-Concat" = Option<String>, Header)
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses(
        (status = 201, description = "`Location` is the upload"), (status = 400, body = Problem),
        (status = 412, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
pub(crate) async fn create(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let said = Said::parse(text(&headers, &METADATA)?.unwrap_or_default())?;
    let concat = text(&headers, &CONCAT)?;
    let mut begin = Begin {
        kind: UploadKind::Whole,
        said,
        concat_said: concat.map(str::to_owned),
        length: length(&headers)?,
    };
    let uploads = &gateway.resumables;
    let upload = match concat.map(str::trim) {
        Some(concat) if concat.starts_with("final;") => {
            begin.kind = UploadKind::Final;
            uploads.concatenate(begin, &concatenated(concat)?, &context).await?
        }
        Some("partial") | None => {
            if concat.is_some() {
                begin.kind = UploadKind::Partial;
            }
            if begin.length.is_none() && text(&headers, &DEFER_LENGTH)? != Some("1") {
                return Err(Problem::bad_request(
                    "no_length",
                    "send the file's size as Upload-Length, or Upload-Defer-Length: 1 where you will tell it later",
                ));
            }
            let upload = uploads.begin(begin, &context).await?;
            if is_bytes(&headers) {
                let checksum = checksum(&headers)?;
                uploads.append(upload.began.upload_id, 0, None, checksum, stream(body), &context).await?
            } else {
                upload
            }
        }
        Some(_) => {
            return Err(Problem::bad_request(
                "bad_concat",
                "Upload-Concat is `partial` or `final;` and addresses",
            ));
        }
    };
    let location = format!("{PATH}/{}", upload.began.upload_id);
    let mut response = (StatusCode::CREATED, described(&upload)).into_response();
    set(response.headers_mut(), header::LOCATION, location);
    Ok(response)
}

/// How far a resumable upload is: `Upload-Offset`, `Upload-Length`, `Upload-Metadata`.
#[utoipa::path(
    head, path = "/api/v2/uploads/{upload_id}", tag = "resumable uploads", params(("upload_id" = uuid::Uuid, Path)),
    responses((status = 200), (status = 404), (status = 412))
)]
pub(crate) async fn head(
    State(gateway): State<Gateway>,
    Id(upload_id): Id<UploadId>,
) -> Result<Response, Problem> {
    let upload = gateway.resumables.find(upload_id).await?;
    let mut headers = described(&upload);
    if !upload.began.metadata_said.is_empty() {
        set(&mut headers, METADATA, &upload.began.metadata_said);
    }
    if let Some(concat) = &upload.began.concat_said {
        set(&mut headers, CONCAT, concat);
    }
    Ok((StatusCode::OK, headers).into_response())
}

/// A resumable upload as JSON, and the document that it became.
#[utoipa::path(
    get, path = "/api/v2/uploads/{upload_id}", tag = "resumable uploads", params(("upload_id" = uuid::Uuid, Path)),
    responses((status = 200, body = ResumableResponse), (status = 404, body = Problem))
)]
pub(crate) async fn get(
    State(gateway): State<Gateway>,
    Id(upload_id): Id<UploadId>,
) -> Result<Json<ResumableResponse>, Problem> {
    let upload = gateway.resumables.find(upload_id).await?;
    let file = gateway.resumables.file(&upload).await?;
    Ok(Json(ResumableResponse {
        upload_id: upload_id.0,
        offset: upload.progress.offset,
        length: upload.began.length,
        batch_id: upload.began.batch_id.0,
        expires_at: upload.began.expires_at,
        file,
    }))
}

/// Go on with a resumable upload, at its `Upload-Offset`.
///
/// What came is kept where the connection breaks, unless `Upload-Checksum` was given. The answer to the last byte
/// has the headers `Ragstream-Document-Id`, `Ragstream-Job-Id` and `Ragstream-Duplicate`.
#[utoipa::path(
    patch, path = "/api/v2/uploads/{upload_id}", tag = "resumable uploads",
    params(
        ("upload_id" = uuid::Uuid, Path), ("Upload-Offset" = u64, Header),
        ("Upload-Checksum" = Option<String>, Header, description = "`sha1` or `sha256`, a space, base64")
    ),
    request_body(content = Vec<u8>, content_type = "application/offset+octet-stream"),
    responses(
        (status = 204), (status = 404, body = Problem), (status = 409, body = Problem), (status = 413, body = Problem),
        (status = 415, body = Problem), (status = 423, body = Problem), (status = 460, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(crate) async fn patch(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    Id(upload_id): Id<UploadId>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    if !is_bytes(&headers) {
        let detail = format!("send the bytes as `Content-Type: {BYTES}`");
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "bad_content_type", detail));
    }
    let offset = number(&headers, &OFFSET)?.ok_or_else(|| {
        Problem::bad_request("no_offset", "send the byte that the body begins at as Upload-Offset")
    })?;
    let upload = gateway.resumables.find(upload_id).await?;
    if upload.began.kind == UploadKind::Final {
        let detail = "this upload was put together of others: nothing can be added to it";
        return Err(Problem::new(StatusCode::FORBIDDEN, "upload_is_final", detail));
    }
    // Said before a byte of it is read, where that is possible.
    if let (Some(length), Some(coming)) = (upload.began.length, number(&headers, &header::CONTENT_LENGTH)?)
        && offset.saturating_add(coming) > length
    {
        let detail =
            format!("{coming} bytes from {offset} on are more than the {length} bytes of this upload");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "file_too_large", detail));
    }
    if upload.outcome.is_some() && offset == upload.progress.offset {
        // The answer to the last byte did not arrive.
        return Ok((StatusCode::NO_CONTENT, described(&upload)).into_response());
    }
    let checksum = checksum(&headers)?;
    let appended =
        gateway.resumables.append(upload_id, offset, length(&headers)?, checksum, stream(body), &context);
    Ok((StatusCode::NO_CONTENT, described(&appended.await?)).into_response())
}

/// Give up a resumable upload: its bytes are removed. A document that it became stays.
#[utoipa::path(
    delete, path = "/api/v2/uploads/{upload_id}", tag = "resumable uploads", params(("upload_id" = uuid::Uuid, Path)),
    responses((status = 204), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn delete(
    State(gateway): State<Gateway>,
    Id(upload_id): Id<UploadId>,
) -> Result<StatusCode, Problem> {
    gateway.resumables.terminate(upload_id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What every answer says of an upload.
fn described(upload: &Resumable) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(OFFSET, upload.progress.offset.into());
    match upload.began.length {
        Some(length) => headers.insert(LENGTH, length.into()),
        None => headers.insert(DEFER_LENGTH, HeaderValue::from_static("1")),
    };
    match &upload.outcome {
        None => set(&mut headers, EXPIRES, upload.began.expires_at.format("%a, %d %b %Y %H:%M:%S GMT")),
        Some(outcome) => {
            set(&mut headers, DOCUMENT, outcome.document_id);
            set(&mut headers, JOB, outcome.job_id);
            set(&mut headers, DUPLICATE, outcome.duplicate);
        }
    }
    headers
}

/// Sets a header to a value that was checked, or made by us, to be one.
fn set(headers: &mut HeaderMap, name: HeaderName, value: impl Display) {
    if let Ok(value) = HeaderValue::from_str(&value.to_string()) {
        headers.insert(name, value);
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let plain = value.to_str().map_err(|_| {
        Problem::bad_request("bad_header", format!("{name} may have visible characters of ASCII alone"))
    })?;
    Ok(Some(plain))
}

fn number(headers: &HeaderMap, name: &HeaderName) -> Result<Option<u64>, Problem> {
    let Some(text) = text(headers, name)? else { return Ok(None) };
    // The most that a row counts.
    let number = text.parse().ok().filter(|number| *number <= i64::MAX as u64);
    number.map(Some).ok_or_else(|| {
        Problem::bad_request("bad_header", format!("{name} is a number of bytes from 0 on, not {text:?}"))
    })
}

fn length(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    number(headers, &LENGTH)
}

fn checksum(headers: &HeaderMap) -> Result<Option<Checksum>, Problem> {
    text(headers, &CHECKSUM)?.map(Checksum::parse).transpose()
}

fn is_bytes(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == BYTES)
}

fn stream(body: HttpBody) -> Body {
    body.into_data_stream().map(|piece| piece.map_err(|error| Box::new(error) as BodyError)).boxed()
}

/// The uploads that `final;<url> <url>` names: whatever comes before the last part of an address
/// is how the client reaches us.
fn concatenated(concat: &str) -> Result<Vec<UploadId>, Problem> {
    let addresses = concat.trim_start_matches("final;").split_whitespace();
    let ids: Result<Vec<UploadId>, _> =
        addresses.map(|address| address.rsplit('/').next().unwrap_or_default().parse()).collect();
    match ids {
        Ok(ids) if (1..=MAX_CONCATENATED).contains(&ids.len()) => Ok(ids),
        Ok(_) => Err(Problem::bad_request(
            "bad_concat",
            format!("Upload-Concat names 1 to {MAX_CONCATENATED} partial uploads"),
        )),
        Err(_) => Err(Problem::bad_request("bad_concat", "Upload-Concat names something that is no upload")),
    }
}
