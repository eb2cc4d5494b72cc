//! Documents that the gateway fetches.

use super::extract::JsonBody;
use crate::{Gateway, upload::Form};
use axum::{
    Json,
    extract::{Extension, State},
    http::StatusCode,
};
use futures::{StreamExt, TryStreamExt, stream};
use ragstream_api::{
    batches::{BatchCreated, BatchLinks, ImportRequest, MAX_IMPORTS},
    problem::Problem,
};
use ragstream_core::{
    id::BatchId,
    ports::{About, NewBatch, NewImport},
};
use ragstream_runtime::http::RequestContext;

/// Priority of an import that names none: it gives way to uploads.
const PRIORITY: u8 = 2;
/// Addresses that are looked up at once.
const AT_ONCE: usize = 16;

/// Fetch documents from addresses on the web, or from buckets.
///
/// `https://…` and `http://…` are fetched, redirects included, from public addresses only; `s3://bucket/key` and
/// `s3://bucket/prefix/` (all files below) from buckets that the server is configured to read. Each file becomes
/// a document whose `external_id` is its address: importing it again is an update, or a duplicate where it has not
/// changed. Follow the batch.
#[utoipa::path(
    post, path = "/api/v2/documents/import", tag = "documents", request_body = ImportRequest,
    responses((status = 202, body = BatchCreated), (status = 422, body = Problem), (status = 503, body = Problem))
)]
pub(crate) async fn import(
    State(gateway): State<Gateway>,
    Extension(context): Extension<RequestContext>,
    JsonBody(request): JsonBody<ImportRequest>,
) -> Result<(StatusCode, Json<BatchCreated>), Problem> {
    let ImportRequest { urls, collection, metadata, priority, name, notify } = request;
    if urls.is_empty() || urls.len() > MAX_IMPORTS {
        return Err(Problem::invalid_field("urls", format_args!("names 1 to {MAX_IMPORTS} addresses")));
    }
    // The same rules as for every upload.
    let mut form = Form::default();
    if let Some(collection) = collection {
        form.set("collection", collection)?;
    }
    form.set("metadata", serde_json::Value::Object(metadata).to_string())?;
    form.set("priority", priority.unwrap_or(PRIORITY).to_string())?;
    let details = form.check(1)?;
    gateway.notifier.check(notify.as_deref())?;
    let checks: Vec<_> = urls.iter().map(|url| gateway.importer.check(url)).collect();
    stream::iter(checks).buffered(AT_ONCE).try_collect::<Vec<()>>().await?;

    let batch_id = BatchId::generate();
    let batch = NewBatch { batch_id, name, files_total: urls.len() as u32 };
    let import = NewImport {
        batch_id,
        collection: details.collection,
        metadata: details.metadata,
        priority: details.priority,
        correlation_id: context.correlation_id,
    };
    gateway.notifier.tell(About::Batch(batch_id), notify.as_deref()).await?;
    gateway.importer.imports.begin_import(&batch, &import, &urls).await?;
    gateway.importer.begun.notify_one();
    tracing::info!(%batch_id, sources = urls.len(), "import begun");
    Ok((StatusCode::ACCEPTED, Json(BatchCreated { batch_id: batch_id.0, links: BatchLinks::new(batch_id) })))
}
