//! The lane of a new job.

use crate::error::fault;
use deadpool_postgres::GenericClient;
use ragstream_core::{
    fault::Result,
    lane::{EXPRESS_JOBS, Lane},
    ports::NewUpload,
};

/// Decides it, in the transaction that writes the job. Uploads of one collection that are
/// accepted at the same moment don't see each other, so a few more than
/// [`EXPRESS_JOBS`] may go express.
pub(crate) async fn decide(transaction: &impl GenericClient, upload: &NewUpload) -> Result<Lane> {
    if let Some(lane) = Lane::of_job(upload.priority, upload.blob.size) {
        return Ok(lane);
    }
    // The index document_jobs_express holds these rows alone, and few of them are read.
    let statement = transaction
        .prepare_cached(
            "SELECT count(*) AS express FROM (
                 SELECT FROM document_jobs
                  WHERE collection = $1 AND lane = 'express'
                    AND stage IN ('accepted', 'text_extraction', 'chunking', 'embedding')
                  LIMIT $2) AS under_way",
        )
        .await
        .map_err(fault)?;
    let most = i64::from(EXPRESS_JOBS);
    let row = transaction.query_one(&statement, &[&upload.collection, &most]).await.map_err(fault)?;
    Ok(if row.get::<_, i64>("express") < most { Lane::Express } else { Lane::Bulk })
}
