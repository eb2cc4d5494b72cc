//! What uploads have to do with the batches they are sent to.

use ragstream_api::problem::Problem;
use ragstream_core::{
    id::BatchId,
    ports::{Batches, Jobless, Why},
};

/// Whether there is such a batch.
pub(crate) async fn check_announced(batches: &dyn Batches, batch_id: BatchId) -> Result<(), Problem> {
    if batches.is_announced(batch_id).await? {
        return Ok(());
    }
    Err(Problem::unprocessable(
        "unknown_batch",
        format!("there is no batch {batch_id}: `POST /api/v2/batches` makes one"),
    ))
}

/// A file that was not taken.
pub(crate) fn rejected(filename: &str, problem: &Problem) -> Jobless {
    let problem = serde_json::to_value(problem).unwrap_or_default();
    Jobless { filename: filename.to_owned(), why: Why::Rejected(problem) }
}

/// Puts on record which files of a batch got no job, where that was announced. Those who sent them are told in
/// any case: a record that can't be made takes nothing from them.
pub(crate) async fn record_jobless(batches: &dyn Batches, batch_id: BatchId, files: &[Jobless]) {
    if files.is_empty() {
        return;
    }
    if let Err(fault) = batches.add_jobless(batch_id, files).await {
        tracing::warn!(%batch_id, class = fault.class, error = %fault, "files are missing in the record of their batch");
    }
}
