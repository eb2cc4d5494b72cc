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
    id::{BatchId, ImportId},
    ports::{Import, NewBatch},
};
use ragstream_runtime::http::RequestContext;
use url::Url;

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
    let ImportRequest { urls, collection, metadata, priority, name } = request;
    if urls.is_empty() || urls.len() > MAX_IMPORTS {
        let detail = format!("`urls` names 1 to {MAX_IMPORTS} addresses");
        return Err(Problem::unprocessable("invalid_field", detail));
    }
    // The same rules as for every upload.
    let mut form = Form::default();
    if let Some(collection) = collection {
        form.set("collection", collection)?;
    }
    form.set("metadata", serde_json::Value::Object(metadata).to_string())?;
    form.set("priority", priority.unwrap_or(PRIORITY).to_string())?;
    let details = form.check(1)?;
    let checks: Vec<_> = urls.iter().map(|url| check(&gateway, url)).collect();
    stream::iter(checks).buffered(AT_ONCE).try_collect::<Vec<()>>().await?;

    let batch_id = BatchId::generate();
    let files_total = urls.len() as u32;
    let imports: Vec<Import> = urls
        .into_iter()
        .map(|source| Import {
            import_id: ImportId::generate(),
            batch_id,
            source,
            collection: details.collection.clone(),
            metadata: details.metadata.clone(),
            priority: details.priority,
            correlation_id: context.correlation_id.clone(),
            attempts: 0,
        })
        .collect();
    let batch = NewBatch { batch_id, name, files_total };
    gateway.importer.imports.begin_import(&batch, &imports).await?;
    gateway.importer.begun.notify_one();
    tracing::info!(%batch_id, sources = imports.len(), "import begun");
    Ok((StatusCode::ACCEPTED, Json(BatchCreated { batch_id: batch_id.0, links: BatchLinks::new(batch_id) })))
}

/// Whether something may be fetched from there; asked again when it is.
async fn check(gateway: &Gateway, source: &str) -> Result<(), Problem> {
    if let Some(place) = source.strip_prefix("s3://") {
        let bucket = place.split('/').next().unwrap_or_default();
        return match gateway.importer.buckets.contains_key(bucket) {
            true => Ok(()),
            false => Err(Problem::unprocessable("bucket_refused", crate::imports::not_configured(bucket))),
        };
    }
    let url: Url = source
        .parse()
        .map_err(|e| Problem::unprocessable("address_refused", format!("{source:?} is no address: {e}")))?;
    Ok(gateway.importer.outbound.check(&url).await?)
}
