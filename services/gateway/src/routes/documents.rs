//! Documents: list, facts, bytes, text, chunks.

use super::{
    extract::{Id, Params},
    ranges,
};
use crate::{Gateway, control::Records, metrics};
use axum::{
    Json,
    extract::{Extension, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
};
use ragstream_api::{
    documents::{ChunksResponse, DeletedResponse, DocumentResponse, DocumentsResponse, LineageResponse},
    problem::Problem,
};
use ragstream_core::{
    document::{Document, text_key},
    id::DocumentId,
    ports::DocumentFilter,
    token::ConsistencyToken,
};
use ragstream_runtime::http::RequestContext;
use serde::Deserialize;
use utoipa::IntoParams;

/// Entries of a page where the request does not say.
const DEFAULT_PAGE: u32 = 50;
/// Most entries of a page.
const MAX_PAGE: u32 = 1_000;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListParams {
    /// Only this collection.
    pub(crate) collection: Option<String>,
    /// Only the document with this external id.
    pub(crate) external_id: Option<String>,
    /// At most so many, 1 to 1,000.
    pub(crate) limit: Option<u32>,
    /// Only documents before this one: `next` of the page before has it.
    pub(crate) before: Option<uuid::Uuid>,
}

pub(super) fn page_size(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(DEFAULT_PAGE) {
        n @ 1..=MAX_PAGE => Ok(n),
        n => Err(Problem::unprocessable("bad_limit", format!("limit is {n}: give 1 to {MAX_PAGE}"))),
    }
}

/// Documents, newest first.
#[utoipa::path(
    get, path = "/api/v2/documents", tag = "documents", params(ListParams),
    responses((status = 200, body = DocumentsResponse), (status = 422, body = Problem))
)]
pub(crate) async fn list(
    State(gateway): State<Gateway>,
    Params(params): Params<ListParams>,
) -> Result<Json<DocumentsResponse>, Problem> {
    let limit = page_size(params.limit)?;
    let filter = DocumentFilter {
        collection: params.collection.clone(),
        external_id: params.external_id,
        before: params.before.map(DocumentId),
        limit,
    };
    let documents = gateway.intake.documents(&filter).await?;
    let full = documents.len() == limit as usize;
    let next = documents.last().filter(|_| full).map(|last| {
        let collection =
            params.collection.map(|c| format!("&collection={}", urlencode(&c))).unwrap_or_default();
        format!("/api/v2/documents?limit={limit}&before={}{collection}", last.reference.document_id)
    });
    Ok(Json(DocumentsResponse { documents: documents.into_iter().map(Into::into).collect(), next }))
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
pub(super) fn urlencode(text: &str) -> String {
    text.bytes()
        .map(|b| match b {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(b).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect()
}

async fn find(gateway: &Gateway, document_id: DocumentId) -> Result<Document, Problem> {
    let document = gateway.intake.document(document_id).await?;
    document.ok_or_else(|| no_such_document(document_id))
}

fn no_such_document(document_id: DocumentId) -> Problem {
    Problem::not_found(format!("there is no document {document_id}"))
}

/// A document's facts, those among them that its file tells.
#[utoipa::path(
    get, path = "/api/v2/documents/{id}", tag = "documents", params(("id" = uuid::Uuid, Path)),
    responses((status = 200, body = DocumentResponse), (status = 404, body = Problem))
)]
pub(crate) async fn get(
    State(gateway): State<Gateway>,
    Id(id): Id<DocumentId>,
) -> Result<Json<DocumentResponse>, Problem> {
    let document = find(&gateway, id).await?.into();
    let extracted = gateway.intake.lineage(id).await?.map(Into::into);
    Ok(Json(DocumentResponse { extracted, ..document }))
}

/// Delete a document: its bytes, its text, its rows, its entries in the log and in every index.
///
/// Searches don't find it any more once the query node has applied the deletion, for which
/// `consistency_token` waits; whatever work is under way for it ends without effect.
#[utoipa::path(
    delete, path = "/api/v2/documents/{id}", tag = "documents", params(("id" = uuid::Uuid, Path)),
    responses((status = 202, body = DeletedResponse), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn delete(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    Id(id): Id<DocumentId>,
) -> Result<(StatusCode, Json<DeletedResponse>), Problem> {
    let removed = gateway.control.delete(id, &Records::of(&context)).await?;
    let removed = removed.ok_or_else(|| no_such_document(id))?;
    gateway.outbox_filled.notify_one();
    gateway.trash_filled.notify_one();
    metrics::COMMANDS.with_label_values(&["delete"]).inc();
    tracing::info!(document_id = %id, chunks = removed.chunks.len(), "document deleted");
    let body = DeletedResponse {
        document_id: id.0,
        chunks: removed.chunks.len(),
        consistency_token: ConsistencyToken::of_deletion(id).to_string(),
    };
    Ok((StatusCode::ACCEPTED, Json(body)))
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ContentParams {
    /// For a browser to show rather than to save, where that is safe: PDF, images and plain text.
    #[serde(default)]
    inline: bool,
}

/// The bytes that were uploaded, or the `Range` of them that is asked for.
#[utoipa::path(
    get, path = "/api/v2/documents/{id}/content", tag = "documents",
    params(("id" = uuid::Uuid, Path), ContentParams, ("Range" = Option<String>, Header, description = "`bytes=0-99`")),
    responses(
        (status = 200, content_type = "*/*"), (status = 206, content_type = "*/*"), (status = 404, body = Problem),
        (status = 416, body = Problem)
    )
)]
pub(crate) async fn content(
    State(gateway): State<Gateway>,
    Id(id): Id<DocumentId>,
    Params(params): Params<ContentParams>,
    asking: HeaderMap,
) -> Result<Response, Problem> {
    let document = find(&gateway, id).await?;
    let (blob, reference) = (&document.blob, &document.reference);
    let mut response = ranges::blob(&gateway, &blob.key, blob.size, &blob.sha256, &asking).await?;
    let kind = reference.content_type.as_str();
    let is_inline = params.inline && INLINE.contains(&kind);
    let disposition = if is_inline { "inline" } else { "attachment" };
    // An uploaded page must never run as one of ours. Browsers show no PDF in a sandbox, and run none
    // of it outside of their viewer.
    let policy = if is_inline && kind == PDF { "default-src 'none'" } else { "sandbox" };
    let headers = [
        (header::CONTENT_TYPE, header_value(kind)),
        (
            header::CONTENT_DISPOSITION,
            header_value(&format!("{disposition}; filename*=UTF-8''{}", urlencode(&reference.filename))),
        ),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    response.headers_mut().extend(headers);
    Ok(response)
}

const PDF: &str = "application/pdf";
/// What browsers show without running any of it.
const INLINE: [&str; 6] = [PDF, "image/gif", "image/jpeg", "image/png", "image/webp", "text/plain"];

fn header_value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// The text that was extracted, or the `Range` of it that is asked for; spans of passages and citations
/// count its bytes.
#[utoipa::path(
    get, path = "/api/v2/documents/{id}/text", tag = "documents",
    params(("id" = uuid::Uuid, Path), ("Range" = Option<String>, Header, description = "`bytes=0-99`")),
    responses(
        (status = 200, content_type = "text/plain"), (status = 206, content_type = "text/plain"),
        (status = 404, body = Problem), (status = 416, body = Problem)
    )
)]
pub(crate) async fn text(
    State(gateway): State<Gateway>,
    Id(id): Id<DocumentId>,
    asking: HeaderMap,
) -> Result<Response, Problem> {
    let document = find(&gateway, id).await?;
    let key = text_key(id, document.reference.version);
    let Some(info) = gateway.blobs.head(&key).await? else {
        return Err(Problem::not_found(format!(
            "there is no text of document {id} yet; /api/v2/documents/status/{} tells how far it is",
            document.reference.job_id
        )));
    };
    let version = document.reference.version;
    let mut response = ranges::blob(&gateway, &key, info.size, &format!("{id}-{version}"), &asking).await?;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    Ok(response)
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ChunkParams {
    /// From this position on.
    from: Option<u32>,
    /// At most so many, 1 to 1,000.
    limit: Option<u32>,
}

/// A document's chunks: status and lineage of each.
#[utoipa::path(
    get, path = "/api/v2/documents/{id}/chunks", tag = "documents",
    params(("id" = uuid::Uuid, Path), ChunkParams),
    responses((status = 200, body = ChunksResponse), (status = 404, body = Problem))
)]
pub(crate) async fn chunks(
    State(gateway): State<Gateway>,
    Id(id): Id<DocumentId>,
    Params(params): Params<ChunkParams>,
) -> Result<Json<ChunksResponse>, Problem> {
    let limit = page_size(params.limit)?;
    let document = find(&gateway, id).await?;
    let (lineage, rows) = gateway.intake.chunks(id, params.from.unwrap_or(0), limit).await?;
    let full = rows.len() == limit as usize;
    let next = rows
        .last()
        .filter(|_| full)
        .map(|last| format!("/api/v2/documents/{id}/chunks?from={}&limit={limit}", last.position + 1));
    Ok(Json(ChunksResponse {
        document_id: id.0,
        version: document.reference.version.0,
        lineage: LineageResponse::new(document.blob.sha256, lineage),
        chunks: rows.into_iter().map(Into::into).collect(),
        next,
    }))
}
