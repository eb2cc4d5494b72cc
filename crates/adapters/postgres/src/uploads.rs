//! Resumable uploads. Every write of a writer names its epoch, and changes nothing once
//! another one has claimed the upload.

use crate::{error::fault, pool::Ledger};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ragstream_core::{
    document::Metadata,
    fault::{Fault, Result},
    id::{BatchId, DocumentId, JobId, UploadId},
    ports::{NewResumable, Outcome, Progress, Resumable, ResumableUploads, StoredPart},
};
use serde::{Deserialize, Serialize};
use tokio_postgres::{
    Row,
    types::{Json, ToSql},
};
use uuid::Uuid;

/// An outcome in its column.
#[derive(Debug, Serialize, Deserialize)]
struct OutcomeColumn {
    document_id: Uuid,
    job_id: Uuid,
    duplicate: bool,
    sha256: String,
}

#[async_trait]
impl ResumableUploads for Ledger {
    async fn begin(&self, upload: &NewResumable) -> Result<Resumable> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "INSERT INTO uploads (upload_id, kind, document_id, job_id, batch_id, collection, external_id,
                                      filename, metadata, priority, correlation_id, metadata_said, concat_said,
                                      blob_key, length, expires_at)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
                 RETURNING *",
            )
            .await
            .map_err(fault)?;
        let row = client
            .query_one(
                &statement,
                &[
                    &upload.upload_id.0,
                    &upload.kind.as_str(),
                    &upload.document_id.0,
                    &upload.job_id.0,
                    &upload.batch_id.0,
                    &upload.collection,
                    &upload.external_id,
                    &upload.filename,
                    &Json(&upload.metadata),
                    &upload.priority,
                    &upload.correlation_id,
                    &upload.metadata_said,
                    &upload.concat_said,
                    &upload.blob_key,
                    &upload.length.map(|length| length as i64),
                    &upload.expires_at,
                ],
            )
            .await
            .map_err(fault)?;
        resumable(&row)
    }

    async fn resumable(&self, upload_id: UploadId) -> Result<Option<Resumable>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached("SELECT * FROM uploads WHERE upload_id = $1 AND expires_at > now()")
            .await
            .map_err(fault)?;
        let row = client.query_opt(&statement, &[&upload_id.0]).await.map_err(fault)?;
        row.as_ref().map(resumable).transpose()
    }

    async fn claim(&self, upload_id: UploadId, offset: u64) -> Result<Option<Resumable>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "UPDATE uploads SET epoch = epoch + 1
                  WHERE upload_id = $1 AND stored_bytes = $2 AND outcome IS NULL AND expires_at > now()
                 RETURNING *",
            )
            .await
            .map_err(fault)?;
        let row = client.query_opt(&statement, &[&upload_id.0, &(offset as i64)]).await.map_err(fault)?;
        row.as_ref().map(resumable).transpose()
    }

    async fn set_length(&self, upload_id: UploadId, epoch: i64, length: u64) -> Result<bool> {
        let length = length as i64;
        self.fenced("length = $3 WHERE length IS NULL AND ", upload_id, epoch, &[&length]).await
    }

    async fn set_parts_id(&self, upload_id: UploadId, epoch: i64, parts_id: &str) -> Result<bool> {
        self.fenced("parts_id = $3 WHERE parts_id IS NULL AND ", upload_id, epoch, &[&parts_id]).await
    }

    async fn reserve(&self, upload_id: UploadId, epoch: i64, up_to: u16) -> Result<bool> {
        let up_to = i32::from(up_to);
        self.fenced("reserved = greatest(reserved, $3) WHERE ", upload_id, epoch, &[&up_to]).await
    }

    async fn advance(
        &self,
        upload_id: UploadId,
        epoch: i64,
        parts: &[StoredPart],
        progress: &Progress,
        expires_at: DateTime<Utc>,
    ) -> Result<bool> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "WITH ours AS (
                     UPDATE uploads SET stored_bytes = $3, hash = $4, tail_key = $5, tail_bytes = $6,
                                        content_type = $7, expires_at = $8, updated_at = now()
                      WHERE upload_id = $1 AND epoch = $2 RETURNING upload_id),
                 parts AS (
                     INSERT INTO upload_parts (upload_id, number, etag)
                     SELECT ours.upload_id, part.number, part.etag
                       FROM ours, unnest($9::int[], $10::text[]) AS part (number, etag))
                 SELECT FROM ours",
            )
            .await
            .map_err(fault)?;
        let (tail_key, tail_bytes) = progress.tail.as_ref().map(|(key, bytes)| (key, *bytes as i64)).unzip();
        let numbers: Vec<i32> = parts.iter().map(|part| i32::from(part.number)).collect();
        let etags: Vec<&str> = parts.iter().map(|part| part.etag.as_str()).collect();
        let ours = client
            .query_opt(
                &statement,
                &[
                    &upload_id.0,
                    &epoch,
                    &(progress.offset as i64),
                    &progress.hash,
                    &tail_key,
                    &tail_bytes,
                    &progress.content_type,
                    &expires_at,
                    &numbers,
                    &etags,
                ],
            )
            .await
            .map_err(fault)?;
        Ok(ours.is_some())
    }

    async fn stored_parts(&self, upload_id: UploadId) -> Result<Vec<StoredPart>> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached("SELECT number, etag FROM upload_parts WHERE upload_id = $1 ORDER BY number")
            .await
            .map_err(fault)?;
        let rows = client.query(&statement, &[&upload_id.0]).await.map_err(fault)?;
        let part =
            |row: &Row| StoredPart { number: row.get::<_, i32>("number") as u16, etag: row.get("etag") };
        Ok(rows.iter().map(part).collect())
    }

    async fn stored(&self, upload_id: UploadId, epoch: i64) -> Result<bool> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "WITH ours AS (
                     UPDATE uploads SET is_stored = true, tail_key = NULL, tail_bytes = NULL, updated_at = now()
                      WHERE upload_id = $1 AND epoch = $2 RETURNING upload_id),
                 forgotten AS (DELETE FROM upload_parts p USING ours WHERE p.upload_id = ours.upload_id)
                 SELECT FROM ours",
            )
            .await
            .map_err(fault)?;
        Ok(client.query_opt(&statement, &[&upload_id.0, &epoch]).await.map_err(fault)?.is_some())
    }

    async fn finish(&self, upload_id: UploadId, outcome: &Outcome, expires_at: DateTime<Utc>) -> Result<()> {
        let client = self.client().await?;
        let column = OutcomeColumn {
            document_id: outcome.document_id.0,
            job_id: outcome.job_id.0,
            duplicate: outcome.duplicate,
            sha256: outcome.sha256.clone(),
        };
        client
            .execute(
                "UPDATE uploads SET outcome = $2, expires_at = $3, updated_at = now()
                  WHERE upload_id = $1 AND outcome IS NULL",
                &[&upload_id.0, &Json(column), &expires_at],
            )
            .await
            .map(drop)
            .map_err(fault)
    }

    async fn terminate(&self, upload_id: UploadId) -> Result<Option<Resumable>> {
        let client = self.client().await?;
        let row = client
            .query_opt("DELETE FROM uploads WHERE upload_id = $1 RETURNING *", &[&upload_id.0])
            .await
            .map_err(fault)?;
        row.as_ref().map(resumable).transpose()
    }

    async fn expired(&self, now: DateTime<Utc>, max: u32) -> Result<Vec<Resumable>> {
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT * FROM uploads WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
                &[&now, &i64::from(max)],
            )
            .await
            .map_err(fault)?;
        rows.iter().map(resumable).collect()
    }

    async fn unfinished(&self, before: DateTime<Utc>, max: u32) -> Result<Vec<UploadId>> {
        let client = self.client().await?;
        let rows = client
            .query(
                "SELECT upload_id FROM uploads
                  WHERE stored_bytes = length AND outcome IS NULL AND kind <> 'partial'
                    AND updated_at < $1 AND expires_at > now()
                  ORDER BY updated_at LIMIT $2",
                &[&before, &i64::from(max)],
            )
            .await
            .map_err(fault)?;
        Ok(rows.iter().map(|row| UploadId(row.get("upload_id"))).collect())
    }
}

impl Ledger {
    /// An update by the writer of this epoch; `change` ends where its fence begins, and its
    /// parameters count from 3.
    async fn fenced(
        &self,
        change: &str,
        upload_id: UploadId,
        epoch: i64,
        parameters: &[&(dyn ToSql + Sync)],
    ) -> Result<bool> {
        let client = self.client().await?;
        let statement = format!("UPDATE uploads SET {change} upload_id = $1 AND epoch = $2");
        let statement = client.prepare_cached(&statement).await.map_err(fault)?;
        let mut all: Vec<&(dyn ToSql + Sync)> = vec![&upload_id.0, &epoch];
        all.extend(parameters);
        Ok(client.execute(&statement, &all).await.map_err(fault)? == 1)
    }
}

fn resumable(row: &Row) -> Result<Resumable> {
    let kind = row.get::<_, &str>("kind").parse().map_err(|e: String| Fault::failed("unknown_row", e))?;
    let tail: Option<String> = row.get("tail_key");
    Ok(Resumable {
        began: NewResumable {
            upload_id: UploadId(row.get("upload_id")),
            kind,
            document_id: DocumentId(row.get("document_id")),
            job_id: JobId(row.get("job_id")),
            batch_id: BatchId(row.get("batch_id")),
            collection: row.get("collection"),
            external_id: row.get("external_id"),
            filename: row.get("filename"),
            metadata: row.get::<_, Json<Metadata>>("metadata").0,
            priority: row.get("priority"),
            blob_key: row.get("blob_key"),
            length: row.get::<_, Option<i64>>("length").map(|length| length as u64),
            metadata_said: row.get("metadata_said"),
            concat_said: row.get("concat_said"),
            correlation_id: row.get("correlation_id"),
            expires_at: row.get("expires_at"),
        },
        progress: Progress {
            offset: row.get::<_, i64>("stored_bytes") as u64,
            hash: row.get("hash"),
            tail: tail.zip(row.get::<_, Option<i64>>("tail_bytes").map(|bytes| bytes as u64)),
            content_type: row.get("content_type"),
        },
        parts_id: row.get("parts_id"),
        is_stored: row.get("is_stored"),
        outcome: row.get::<_, Option<Json<OutcomeColumn>>>("outcome").map(|Json(column)| Outcome {
            document_id: DocumentId(column.document_id),
            job_id: JobId(column.job_id),
            duplicate: column.duplicate,
            sha256: column.sha256,
        }),
        epoch: row.get("epoch"),
        reserved: row.get::<_, i32>("reserved") as u16,
    })
}
