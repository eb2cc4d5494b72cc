//! What those who watch are told.

use crate::{error::fault, lifecycle::event, pool::Ledger, status};
use async_trait::async_trait;
use ragstream_core::{
    fault::Result,
    id::JobId,
    lifecycle::LifecycleEvent,
    ports::{JobStatus, ProgressLog, StageEntered, Totals, Watched},
};
use std::collections::BTreeMap;
use tokio_postgres::types::{Json, ToSql};

#[async_trait]
impl ProgressLog for Ledger {
    async fn last_event(&self) -> Result<i64> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached("SELECT coalesce(max(id), 0) AS last FROM lifecycle_events")
            .await
            .map_err(fault)?;
        Ok(client.query_one(&statement, &[]).await.map_err(fault)?.get("last"))
    }

    async fn events(&self, after: i64, missing: &[i64], max: u32) -> Result<Vec<LifecycleEvent>> {
        self.read(
            "SELECT * FROM lifecycle_events WHERE id > $1 OR id = ANY($2) ORDER BY id LIMIT $3",
            &[&after, &missing, &i64::from(max)],
        )
        .await
    }

    async fn events_of(&self, watched: Watched, after: i64, max: u32) -> Result<Vec<LifecycleEvent>> {
        let max = i64::from(max);
        match watched {
            Watched::Job(job_id) => {
                let of_job =
                    "SELECT * FROM lifecycle_events WHERE id > $1 AND job_id = $2 ORDER BY id LIMIT $3";
                self.read(of_job, &[&after, &job_id.0, &max]).await
            }
            Watched::Batch(batch_id) => {
                let of_batch =
                    "SELECT * FROM lifecycle_events WHERE id > $1 AND batch_id = $2 ORDER BY id LIMIT $3";
                self.read(of_batch, &[&after, &batch_id.0, &max]).await
            }
            Watched::All => {
                self.read(
                    "SELECT * FROM lifecycle_events WHERE id > $1 ORDER BY id LIMIT $2",
                    &[&after, &max],
                )
                .await
            }
        }
    }

    async fn jobs_by_id(&self, ids: &[JobId]) -> Result<Vec<JobStatus>> {
        status::jobs_by_id(&self.client().await?, ids).await
    }

    async fn jobs_under_way(&self, max: u32) -> Result<Vec<JobStatus>> {
        status::jobs_under_way(&self.client().await?, max).await
    }

    async fn history(&self, job_id: JobId) -> Result<Vec<StageEntered>> {
        let events = self.events_of(Watched::Job(job_id), 0, u32::MAX).await?;
        let entered = |event: LifecycleEvent| StageEntered {
            event: event.kind.trim_start_matches("document.").to_owned(),
            stage: event.stage,
            at: event.occurred_at,
        };
        Ok(events.into_iter().map(entered).collect())
    }

    async fn totals(&self) -> Result<Totals> {
        let client = self.client().await?;
        let statement = client
            .prepare_cached(
                "SELECT d.*, j.*, c.* FROM
                    (SELECT count(*) AS documents, coalesce(sum(size_bytes), 0)::bigint AS bytes FROM documents) d,
                    (SELECT coalesce(jsonb_object_agg(stage, n), '{}') AS jobs, coalesce(sum(recent), 0)::real AS ended
                       FROM (SELECT stage, count(*) AS n,
                                    count(*) FILTER (WHERE stage = 'complete'
                                                       AND completed_at > now() - interval '1 min') AS recent
                               FROM document_jobs WHERE NOT forgotten GROUP BY stage) s) j,
                    (SELECT coalesce(jsonb_object_agg(status, n), '{}') AS chunks,
                            coalesce(sum(recent), 0)::float8 / 20 AS embedded
                       FROM (SELECT status, count(*) AS n,
                                    count(*) FILTER (WHERE status IN ('embedded', 'indexed')
                                                       AND updated_at > now() - interval '20 s') AS recent
                               FROM document_chunks GROUP BY status) s) c",
            )
            .await
            .map_err(fault)?;
        let row = client.query_one(&statement, &[]).await.map_err(fault)?;
        Ok(Totals {
            documents: row.get::<_, i64>("documents") as u64,
            bytes: row.get::<_, i64>("bytes") as u64,
            jobs: row.get::<_, Json<BTreeMap<String, u64>>>("jobs").0,
            chunks: row.get::<_, Json<BTreeMap<String, u64>>>("chunks").0,
            documents_per_minute: row.get("ended"),
            chunks_per_second: row.get::<_, f64>("embedded") as f32,
        })
    }
}

impl Ledger {
    async fn read(&self, statement: &str, parameters: &[&(dyn ToSql + Sync)]) -> Result<Vec<LifecycleEvent>> {
        let client = self.client().await?;
        let statement = client.prepare_cached(statement).await.map_err(fault)?;
        client.query(&statement, parameters).await.map_err(fault)?.iter().map(event).collect()
    }
}
