//! Asks what `query-requests` says, and keeps what was answered.
//!
//! The attempt is on record before the question is asked. An answer is kept once: a record that comes again finds
//! its job over and is done. What the asker got wrong ends the job at once; a query node that fails is tried again,
//! then the record is a dead letter and the job failed, until somebody sends the letter back.

use crate::{metrics, query_nodes::QueryNodes};
use async_trait::async_trait;
use axum::{
    body::{Body, Bytes},
    http::StatusCode,
};
use chrono::TimeDelta;
use futures::StreamExt;
use ragstream_api::problem::Problem;
use ragstream_core::{
    fault::{Fault, Result},
    id::QueryJobId,
    ports::{Probe, QueryJobs, ToAsk},
    topics::header::TRACEPARENT,
    trace::TraceContext,
};
use ragstream_proto::decode;
use ragstream_runtime::http::RequestContext;
use ragstream_worker::{Handler, Message, Verdict};
use serde::de::IgnoredAny;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const PATH: &str = "/api/v2/query";
/// Longest answer that is kept, in bytes: a thousand passages of the longest kind.
pub(super) const MAX_ANSWER: usize = 4 << 20;
/// Attempts on record before a question is given up: those that ended with the process that made them.
const MAX_ATTEMPTS: u32 = 10;
/// A node that was silent for this long was given up by whoever asks: it has five minutes for an answer.
const SILENT: Duration = Duration::from_secs(300);

pub(super) struct Asker {
    ledger: Arc<dyn QueryJobs>,
    nodes: QueryNodes,
    keep: TimeDelta,
}

/// What came of asking.
enum Outcome {
    Answer(Vec<u8>),
    /// It will never be answered: what the asker is told.
    Refused(Problem),
}

#[async_trait]
impl Handler for Asker {
    async fn handle(&self, batch: &[Message]) -> Vec<Verdict> {
        let mut verdicts = Vec::with_capacity(batch.len());
        for message in batch {
            verdicts.push(self.work(message).await.into());
        }
        verdicts
    }

    async fn give_up(&self, message: &Message, fault: &Fault) -> Result<()> {
        let Ok(event) = decode::query_requested(message.value.as_deref()) else { return Ok(()) };
        let problem = Problem::new(StatusCode::INTERNAL_SERVER_ERROR, fault.class, fault.message.clone());
        self.fail(event.job_id, &problem, &message.place()).await
    }
}

impl Asker {
    pub(super) fn new(ledger: Arc<dyn QueryJobs>, nodes: QueryNodes, keep: TimeDelta) -> Self {
        Self { ledger, nodes, keep }
    }

    async fn work(&self, message: &Message) -> Result<()> {
        let job_id = decode::query_requested(message.value.as_deref())?.job_id;
        let place = message.place();
        let sent_back = message.is_sent_back().then_some(place.as_str());
        // Over, cancelled, expired or removed: nobody waits for it.
        let Some(to_ask) = self.ledger.begin_query(job_id, sent_back).await? else { return Ok(()) };
        if to_ask.attempts > MAX_ATTEMPTS {
            let why = format!("the question was asked {MAX_ATTEMPTS} times and never came to an end");
            return Err(Fault::invalid("attempts_exhausted", why));
        }
        match self.ask(message, to_ask).await {
            Ok(Outcome::Answer(answer)) => {
                if self.ledger.complete_query(job_id, &answer, self.keep).await? {
                    metrics::count_query_job("complete");
                }
                Ok(())
            }
            Ok(Outcome::Refused(problem)) => self.fail(job_id, &problem, &place).await,
            Err(fault) => {
                if fault.is_unavailable() {
                    self.ledger.release_query(job_id).await?;
                }
                Err(fault)
            }
        }
    }

    async fn fail(&self, job_id: QueryJobId, problem: &Problem, place: &str) -> Result<()> {
        let json = serde_json::to_value(problem).unwrap_or_default();
        if self.ledger.fail_query(job_id, &json, place, self.keep).await? {
            metrics::count_query_job("failed");
            tracing::warn!(query_job_id = %job_id, class = problem.kind, "query job failed");
        }
        Ok(())
    }

    async fn ask(&self, message: &Message, to_ask: ToAsk) -> Result<Outcome> {
        let context = RequestContext {
            correlation_id: to_ask.correlation_id,
            trace: message
                .header(TRACEPARENT)
                .and_then(TraceContext::parse)
                .map_or_else(TraceContext::root, |parent| parent.child()),
        };
        let began = Instant::now();
        let (status, body) = match self.nodes.ask(PATH, to_ask.request.into(), &context).await {
            Ok(answer) => (answer.status(), whole(answer.into_body()).await?),
            Err(problem) => (
                StatusCode::from_u16(problem.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
                serde_json::to_vec(&problem).ok().map(Bytes::from),
            ),
        };
        let Some(body) = body else {
            let detail =
                format!("the answer is longer than {MAX_ANSWER} bytes: ask for fewer passages (`top_k`)");
            return Ok(Outcome::Refused(Problem::unprocessable("answer_too_large", detail)));
        };
        let problem = || serde_json::from_slice::<Problem>(&body).ok();
        let why = || problem().map_or_else(|| format!("it answered {status}"), |problem| problem.detail);
        match status {
            StatusCode::OK => match serde_json::from_slice::<IgnoredAny>(&body) {
                Ok(_) => Ok(Outcome::Answer(body.into())),
                Err(_) => Err(Fault::failed("query_failed", "the answer of a query node is no JSON")),
            },
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                // Nodes that are ready and yet silent about this one question are not away.
                if began.elapsed() >= SILENT && self.nodes.probe().await.is_ok() {
                    return Err(Fault::failed("query_timeout", why()));
                }
                Err(Fault::unavailable("query_unavailable", why()))
            }
            refused if refused.is_client_error() => Ok(Outcome::Refused(problem().unwrap_or_else(|| {
                Problem::new(
                    refused,
                    "query_refused",
                    "a query node refused the question and did not say why",
                )
            }))),
            _ => Err(Fault::failed("query_failed", format!("a query node failed: {}", why()))),
        }
    }
}

/// The whole body; `None` where it is longer than an answer may be.
async fn whole(body: Body) -> Result<Option<Bytes>> {
    let mut pieces = body.into_data_stream();
    let mut bytes = Vec::new();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|error| {
            Fault::unavailable("query_unavailable", "the answer of a query node broke off").caused_by(error)
        })?;
        if bytes.len() + piece.len() > MAX_ANSWER {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes.into()))
}
