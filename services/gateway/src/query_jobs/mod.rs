//! Questions that run as jobs: for those who don't want to hold a connection while an answer is being made.
//!
//! A question is on record in one transaction with the record of `query-requests` that asks for its work; that
//! record has its id alone, so that what people ask lies in no topic. Each gateway consumes the topic
//! ([`handler`]), asks a query node as everybody does, and keeps the answer in the row for a while.

mod handler;
#[cfg(test)]
mod tests;

use crate::{GatewayConfig, query_nodes::QueryNodes};
use chrono::TimeDelta;
use handler::Asker;
use ragstream_api::{problem::Problem, search::QueryRequest};
use ragstream_core::{
    event::QueryRequested,
    fault::Result,
    id::QueryJobId,
    ports::{NewQueryJob, QueryJob, QueryJobs},
};
use ragstream_proto::encode::{self, Origin};
use ragstream_runtime::http::RequestContext;
use ragstream_worker::{Config, DeadLetters, Source, Worker};
use serde_json::{Map, Value};
use std::sync::Arc;
use tokio::sync::Notify;

/// Consumer group of the gateways, and its name in metrics and dead letters.
pub const CONSUMER: &str = "ragstream-query-jobs";

/// Takes questions that are to run as jobs.
#[derive(Clone)]
pub(crate) struct Questions {
    pub(crate) ledger: Arc<dyn QueryJobs>,
    /// How long an answer is kept, and how long a question may wait for one.
    keep: TimeDelta,
    /// Tells the relay that there is something to append.
    filled: Arc<Notify>,
}

impl Questions {
    pub(crate) fn new(config: &GatewayConfig, ledger: Arc<dyn QueryJobs>, filled: Arc<Notify>) -> Self {
        Self { ledger, keep: TimeDelta::hours(i64::from(config.query_job_hours)), filled }
    }

    /// The consumer that has them answered.
    pub(crate) fn worker(
        &self,
        config: &GatewayConfig,
        nodes: QueryNodes,
        requests: Box<dyn Source>,
        dead_letters: Arc<dyn DeadLetters>,
    ) -> Worker {
        let settings = Config {
            concurrency: config.query_job_concurrency,
            // Questions that fail are no fault of the gateway, which has other work to do.
            error_budget: u32::MAX,
            ..Config::named(CONSUMER)
        };
        let handler = Asker::new(self.ledger.clone(), nodes, self.keep);
        Worker::new(settings, requests, Arc::new(handler), dead_letters)
    }

    /// Puts a question on record.
    pub(crate) async fn submit(
        &self,
        request: Map<String, Value>,
        context: &RequestContext,
    ) -> Result<QueryJobId, Problem> {
        let request = checked(request)?;
        let job_id = QueryJobId::generate();
        let origin = Origin { correlation_id: context.correlation_id.clone(), trace: context.trace.child() };
        let job =
            NewQueryJob { job_id, request, correlation_id: context.correlation_id.clone(), keep: self.keep };
        let record = encode::query_requested(&QueryRequested { job_id }, &origin);
        self.ledger.submit_query(&job, record).await?;
        self.filled.notify_one();
        tracing::info!(query_job_id = %job_id, "query job accepted");
        Ok(job_id)
    }

    /// Ends one that is under way; how it is then.
    pub(crate) async fn cancel(&self, job_id: QueryJobId) -> Result<Option<QueryJob>> {
        self.ledger.cancel_query(job_id, self.keep).await
    }
}

/// The body of the question that a query node is asked. What else is wrong with it the node says.
fn checked(mut request: Map<String, Value>) -> Result<String, Problem> {
    if request.remove("stream").is_some_and(|stream| stream != Value::Bool(false) && !stream.is_null()) {
        return Err(Problem::invalid_field(
            "stream",
            "is not for jobs: an answer is fetched as a whole from `links.result`",
        ));
    }
    let text = Value::Object(request).to_string();
    serde_json::from_str::<QueryRequest>(&text).map_err(|e| {
        Problem::bad_request("invalid_json", format!("this is no question: {e}; /docs shows one"))
    })?;
    Ok(text)
}
