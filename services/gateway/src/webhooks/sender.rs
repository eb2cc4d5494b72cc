//! One try: an event, signed, to one address.

use super::signature::Secret;
use crate::{
    metrics,
    outbound::{Outbound, USER_AGENT, Unanswered},
};
use bytes::Bytes;
use chrono::Utc;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, StatusCode, header};
use ragstream_api::webhooks::EventBody;
use ragstream_core::ports::NewWebhook;
use std::time::{Duration, Instant};

/// How long a webhook may take to answer: long for a receiver that only has to store the event.
const TIMEOUT: Duration = Duration::from_secs(10);
/// What is read of an answer's body, and for how long: so much that the connection can
/// be used again, never for what it says.
const ANSWER_BYTES: usize = 16 * 1024;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// What became of a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// 2xx.
    Delivered,
    /// 410: it does not want any more.
    Gone,
    /// Another status.
    Refused,
    /// No answer in time.
    TimedOut,
    /// No connection, or one that broke.
    Unreachable,
    /// Its address is not public any more.
    Blocked,
}

impl Outcome {
    /// The name in metrics and of faults.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Self::Delivered => "webhook_delivered",
            Self::Gone => "webhook_gone",
            Self::Refused => "webhook_refused",
            Self::TimedOut => "webhook_timeout",
            Self::Unreachable => "webhook_unreachable",
            Self::Blocked => "webhook_blocked",
        }
    }
}

/// A try, and what became of it.
pub(crate) struct Tried {
    pub(crate) outcome: Outcome,
    /// What was answered, where something was.
    pub(crate) status: Option<u16>,
    /// Why it was not taken; `None`: it was.
    pub(crate) error: Option<String>,
}

/// Sends events. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Sender(Outbound);

impl Sender {
    pub(crate) fn new(outbound: Outbound) -> Self {
        Self(outbound)
    }

    /// Sends one event, once. `id` names the message: the same for every try.
    pub(crate) async fn send(&self, webhook: &NewWebhook, id: &str, event: &EventBody) -> Tried {
        let began = Instant::now();
        let tried = match request(webhook, id, event) {
            Ok(request) => self.exchange(request).await,
            Err(why) => Tried { outcome: Outcome::Unreachable, status: None, error: Some(why) },
        };
        metrics::WEBHOOK_SECONDS.observe(began.elapsed().as_secs_f64());
        metrics::count_delivery(tried.outcome.class());
        tried
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Tried {
        let failed = |outcome, why| Tried { outcome, status: None, error: Some(why) };
        match tokio::time::timeout(TIMEOUT, self.0.send(request)).await {
            Err(_) => failed(Outcome::TimedOut, format!("no answer within {} s", TIMEOUT.as_secs())),
            Ok(Err(Unanswered::Refused(refused))) => failed(Outcome::Blocked, format!("its host {refused}")),
            Ok(Err(Unanswered::Unreachable(why))) => failed(Outcome::Unreachable, why),
            Ok(Ok(answer)) => {
                let status = answer.status();
                // The answer is the status; what comes after it changes nothing.
                let body = Limited::new(answer.into_body(), ANSWER_BYTES).collect();
                let _ = tokio::time::timeout(ANSWER_TIMEOUT, body).await;
                answered(status)
            }
        }
    }
}

fn answered(status: StatusCode) -> Tried {
    let (outcome, error) = match status {
        _ if status.is_success() => (Outcome::Delivered, None),
        StatusCode::GONE => (Outcome::Gone, Some("answered 410: it wants no more events".to_owned())),
        _ if status.is_redirection() => (
            Outcome::Refused,
            Some(format!("answered {}: redirects are not followed, give the new address", status.as_u16())),
        ),
        _ => (Outcome::Refused, Some(format!("answered {}", status.as_u16()))),
    };
    Tried { outcome, status: Some(status.as_u16()), error }
}

fn request(webhook: &NewWebhook, id: &str, event: &EventBody) -> Result<Request<Full<Bytes>>, String> {
    let body = serde_json::to_vec(event).map_err(|e| e.to_string())?;
    let timestamp = Utc::now().timestamp();
    let signature = Secret::parse(&webhook.secret)?.sign(id, timestamp, &body);
    Request::post(&webhook.url)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::USER_AGENT, USER_AGENT)
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .body(Full::new(body.into()))
        .map_err(|e| e.to_string())
}
