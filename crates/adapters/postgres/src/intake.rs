//! Uploads into rows, and documents out of them.

use crate::{
    error::{CONFLICT, again, fault, is_unique_violation},
    lane, outbox,
    pool::Ledger,
};
use async_trait::async_trait;
use deadpool_postgres::{GenericClient, Object};
use ragstream_core::{
    chunk::ChunkStatus,
    document::{Blob, Document, DocumentRef, Metadata, text_of_key},
    fault::{Fault, Result},
    id::{BatchId, DocumentId, JobId, Version},
    job::JobStage,
    lane::Lane,
    ports::{
        Accepted, ChunkRow, DocumentFilter, Intake, JobFailure, JobStatus, Lineage, NewUpload, Outgoing,
        RequestOf,
    },
};
use tokio_postgres::{Row, types::Json};

#[async_trait]
impl Intake for Ledger {
    async fn accept(&self, upload: NewUpload, request: &RequestOf<'_>) -> Result<Accepted> {
        let lost = || Fault::unavailable(CONFLICT, "the same document is being uploaded many times at once");
        again(|| async { self.try_accept(&upload, request).await?.ok_or_else(lost) }).await
    }

    async fn job(&self, job_id: JobId) -> Result<Option<JobStatus>> {
        crate::status::job(&self.client().await?, job_id).await
    }

    async fn document(&self, document_id: DocumentId) -> Result<Option<Document>> {
        let client = self.client().await?;
        let statement =
            client.prepare_cached("SELECT * FROM documents WHERE document_id = $1").await.map_err(fault)?;
        let row = client.query_opt(&statement, &[&document_id.0]).await.map_err(fault)?;
        Ok(row.as_ref().map(document))
    }

    async fn documents(&self, filter: &DocumentFilter) -> Result<Vec<Document>> {
        let client = self.client().await?;
        // Document ids are UUIDv7: their order is the order of upload.
        let statement = client
            .prepare_cached(
                "SELECT * FROM documents WHERE ($1::text IS NULL OR collection = $1)
                   AND ($2::text IS NULL OR external_id = $2)
                   AND ($3::uuid IS NULL OR document_id < $3)
                 ORDER BY document_id DESC LIMIT $4",
            )
            .await
            .map_err(fault)?;
        let rows = client
            .query(
                &statement,
                &[
                    &filter.collection,
                    &filter.external_id,
                    &filter.before.map(|d| d.0),
                    &i64::from(filter.limit),
                ],
            )
            .await
            .map_err(fault)?;
        Ok(rows.iter().map(document).collect())
    }

    async fn lineage(&self, document_id: DocumentId) -> Result<Option<Lineage>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT j.extractor, j.chunker, j.pages, j.text_bytes, p.title, p.properties
                   FROM documents d
                   JOIN document_jobs j ON j.job_id = d.job_id AND j.extractor IS NOT NULL
                   LEFT JOIN document_properties p ON p.document_id = d.document_id AND p.version = d.version
                  WHERE d.document_id = $1",
            )
            .await
            .map_err(fault)?;
        let row = client.query_opt(&statement, &[&document_id.0]).await.map_err(fault)?;
        Ok(row.map(|row| Lineage {
            extractor: row.get("extractor"),
            chunker: row.get::<_, Option<String>>("chunker").unwrap_or_default(),
            pages: row.get::<_, Option<i32>>("pages").map(|n| n as u32),
            text_bytes: row.get::<_, Option<i64>>("text_bytes").unwrap_or_default() as u64,
            title: row.get("title"),
            properties: row
                .get::<_, Option<Json<Metadata>>>("properties")
                .map(|json| json.0)
                .unwrap_or_default(),
        }))
    }

    async fn chunks(
        &self,
        document_id: DocumentId,
        from: u32,
        limit: u32,
    ) -> Result<(Lineage, Vec<ChunkRow>)> {
        let lineage = self.lineage(document_id).await?.unwrap_or_default();
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT c.* FROM document_chunks c JOIN documents d USING (document_id, version)
                 WHERE d.document_id = $1 AND c.position >= $2 ORDER BY c.position LIMIT $3",
            )
            .await
            .map_err(fault)?;
        let rows = client
            .query(&statement, &[&document_id.0, &(from.min(i32::MAX as u32) as i32), &i64::from(limit)])
            .await
            .map_err(fault)?;
        Ok((lineage, rows.iter().map(chunk_row).collect::<Result<_>>()?))
    }

    async fn unreferenced(&self, keys: &[String]) -> Result<Vec<String>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT key FROM unnest($1::text[], $2::uuid[], $3::int[]) AS b (key, document_id, version)
                  WHERE NOT EXISTS (SELECT FROM document_jobs j WHERE j.blob_key = key)
                    AND NOT EXISTS (SELECT FROM uploads u WHERE u.blob_key = key)
                    AND NOT EXISTS (SELECT FROM uploads u WHERE u.tail_key = key)
                    AND NOT EXISTS (SELECT FROM document_jobs j
                                     WHERE j.document_id = b.document_id AND j.version = b.version)",
            )
            .await
            .map_err(fault)?;
        let texts: Vec<_> = keys.iter().map(|key| text_of_key(key)).collect();
        let documents: Vec<_> = texts.iter().map(|text| text.map(|(id, _)| id.0)).collect();
        let versions: Vec<_> = texts.iter().map(|text| text.map(|(_, version)| version.0)).collect();
        let rows = client.query(&statement, &[&keys, &documents, &versions]).await.map_err(fault)?;
        Ok(rows.iter().map(|row| row.get("key")).collect())
    }
}

impl Ledger {
    /// `None`: another upload of the same content or external id came in between; the next
    /// try meets its committed row.
    async fn try_accept(&self, upload: &NewUpload, request: &RequestOf<'_>) -> Result<Option<Accepted>> {
        let mut client = self.client().await?;
        let same = duplicate(&client, upload).await?;
        // The bytes of a job that was cancelled are asked for anew: they are the next version.
        let cancelled = match same {
            Some(accepted) if accepted.stage == JobStage::Cancelled => Some(accepted.document.document_id),
            Some(accepted) => return Ok(Some(accepted)),
            None => None,
        };
        let transaction = client.transaction().await.map_err(fault)?;
        let existing = match (cancelled, &upload.external_id) {
            (Some(document_id), _) => {
                let statement = transaction
                    .prepare_cached(
                        "SELECT d.document_id, d.version, d.external_id FROM documents d
                           JOIN document_jobs j ON j.job_id = d.job_id
                          WHERE d.document_id = $1 AND j.stage = 'cancelled' FOR NO KEY UPDATE OF d",
                    )
                    .await
                    .map_err(fault)?;
                let row = transaction.query_opt(&statement, &[&document_id.0]).await.map_err(fault)?;
                // Gone, or another upload of it was faster.
                if row.is_none() {
                    return Ok(None);
                }
                row
            }
            (None, Some(external_id)) => {
                let statement = transaction
                    .prepare_cached(
                        "SELECT document_id, version, external_id FROM documents
                          WHERE collection = $1 AND external_id = $2 FOR NO KEY UPDATE",
                    )
                    .await
                    .map_err(fault)?;
                transaction.query_opt(&statement, &[&upload.collection, external_id]).await.map_err(fault)?
            }
            (None, None) => None,
        };
        let (document_id, version) = match &existing {
            Some(row) => (DocumentId(row.get("document_id")), Version(row.get::<_, i32>("version") + 1)),
            None => (upload.document_id, Version(1)),
        };
        let document = DocumentRef {
            document_id,
            version,
            job_id: upload.job_id,
            collection: upload.collection.clone(),
            external_id: match &existing {
                Some(row) => row.get("external_id"),
                None => upload.external_id.clone(),
            },
            filename: upload.filename.clone(),
            content_type: upload.content_type.clone(),
            metadata: upload.metadata.clone(),
        };
        let lane = lane::decide(&transaction, upload).await?;
        let record = request(&document, lane);
        let written = write(&transaction, upload, &document, existing.is_some(), lane, record).await;
        match written {
            Ok(()) => match transaction.commit().await {
                Ok(()) => Ok(Some(Accepted {
                    document,
                    batch_id: upload.batch_id,
                    stage: JobStage::Accepted,
                    duplicate: false,
                })),
                Err(error) => Err(fault(error)),
            },
            Err(error) if is_unique_violation(&error) => Ok(None),
            Err(error) => Err(fault(error)),
        }
    }
}

/// The live document of the collection that has these bytes as its current version.
async fn duplicate(client: &Object, upload: &NewUpload) -> Result<Option<Accepted>> {
    let statement = client
        .prepare_cached(
            "SELECT d.*, j.stage, j.batch_id FROM documents d JOIN document_jobs j ON j.job_id = d.job_id
             WHERE d.collection = $1 AND d.sha256 = $2",
        )
        .await
        .map_err(fault)?;
    let row =
        client.query_opt(&statement, &[&upload.collection, &upload.blob.sha256]).await.map_err(fault)?;
    row.map(|row| {
        Ok(Accepted {
            document: document(&row).reference,
            batch_id: BatchId(row.get("batch_id")),
            stage: parse(row.get("stage"))?,
            duplicate: true,
        })
    })
    .transpose()
}

async fn write(
    transaction: &impl GenericClient,
    upload: &NewUpload,
    document: &DocumentRef,
    update: bool,
    lane: Lane,
    record: Outgoing,
) -> Result<(), tokio_postgres::Error> {
    if update {
        // What is still under way for an earlier version is superseded. Before the document's row:
        // new bytes change its key, for which a worker that holds the job's row could wait.
        let statement = transaction
            .prepare_cached(
                "UPDATE document_jobs SET stage = 'cancelled', error_class = 'superseded',
                        error_message = 'a newer version was uploaded', updated_at = now(), completed_at = now()
                  WHERE document_id = $1 AND stage NOT IN ('complete', 'failed', 'cancelled')",
            )
            .await?;
        transaction.execute(&statement, &[&document.document_id.0]).await?;
    }
    let statement = transaction
        .prepare_cached(if update {
            "UPDATE documents SET version = $4, job_id = $5, filename = $6, content_type = $7, metadata = $8,
                    size_bytes = $9, sha256 = $10, blob_key = $11, updated_at = now()
              WHERE document_id = $1 AND collection = $2 AND external_id IS NOT DISTINCT FROM $3"
        } else {
            "INSERT INTO documents (document_id, collection, external_id, version, job_id, filename,
                                    content_type, metadata, size_bytes, sha256, blob_key)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        })
        .await?;
    transaction
        .execute(
            &statement,
            &[
                &document.document_id.0,
                &document.collection,
                &document.external_id,
                &document.version.0,
                &document.job_id.0,
                &document.filename,
                &document.content_type,
                &Json(&document.metadata),
                &(upload.blob.size as i64),
                &upload.blob.sha256,
                &upload.blob.key,
            ],
        )
        .await?;
    let statement = transaction
        .prepare_cached(
            "INSERT INTO document_jobs
                    (job_id, batch_id, document_id, version, filename, blob_key, priority, correlation_id,
                     collection, lane)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        )
        .await?;
    transaction
        .execute(
            &statement,
            &[
                &document.job_id.0,
                &upload.batch_id.0,
                &document.document_id.0,
                &document.version.0,
                &document.filename,
                &upload.blob.key,
                &upload.priority,
                &upload.correlation_id,
                &document.collection,
                &lane.as_str(),
            ],
        )
        .await?;
    outbox::put(transaction, &[record]).await
}

pub(crate) fn document(row: &Row) -> Document {
    Document {
        reference: DocumentRef {
            document_id: DocumentId(row.get("document_id")),
            version: Version(row.get("version")),
            job_id: JobId(row.get("job_id")),
            collection: row.get("collection"),
            external_id: row.get("external_id"),
            filename: row.get("filename"),
            content_type: row.get("content_type"),
            metadata: row.get::<_, Json<Metadata>>("metadata").0,
        },
        blob: Blob {
            key: row.get("blob_key"),
            size: row.get::<_, i64>("size_bytes") as u64,
            sha256: row.get("sha256"),
        },
        created_at: row.get("created_at"),
        updated_at: row.get("updated_at"),
    }
}

fn chunk_row(row: &Row) -> Result<ChunkRow> {
    Ok(ChunkRow {
        chunk_id: ragstream_core::id::ChunkId(row.get("chunk_id")),
        position: row.get::<_, i32>("position") as u32,
        status: parse::<ChunkStatus>(row.get("status"))?,
        span: row.get::<_, i64>("span_start") as u64..row.get::<_, i64>("span_end") as u64,
        page: row.get::<_, Option<i32>>("page").map(|n| n as u32),
        headings: row.get("headings"),
        tokens: row.get::<_, i32>("tokens") as u32,
        model: row.get("model"),
        record: row.get::<_, Option<i32>>("log_partition").zip(row.get("log_offset")),
        failure: failure(row),
        updated_at: row.get("updated_at"),
    })
}

/// The reason of a failure in a row that has one.
pub(crate) fn failure(row: &Row) -> Option<JobFailure> {
    let class: Option<String> = row.get("error_class");
    let message: Option<String> = row.get("error_message");
    class.map(|class| JobFailure { class, message: message.unwrap_or_default() })
}

/// A name that the schema's CHECK allows but this release does not know.
pub(crate) fn parse<T: std::str::FromStr<Err = String>>(name: &str) -> Result<T> {
    name.parse().map_err(|e: String| Fault::failed("unknown_row", e))
}
