//! Live progress: the server's streams of events, gone on with where the connection broke.

use super::{Api, pauses};
use anyhow::{Context, Result, bail};
use eventsource_stream::Eventsource;
use futures::{Stream, StreamExt};
use ragstream_api::{batches::BatchResponse, documents::JobResponse, problem::Problem, webhooks::EventBody};
use reqwest::StatusCode;
use std::pin::pin;

/// A message.
pub(crate) enum Told {
    /// How far a job is.
    Job(Box<JobResponse>),
    /// How far a batch is.
    Batch(Box<BatchResponse>),
    /// Something happened to a document.
    Event(Box<EventBody>),
}

impl Api {
    /// Follows a stream to its end.
    pub(crate) async fn follow(&self, path: &str, mut tell: impl FnMut(Told)) -> Result<()> {
        let mut last: Option<String> = None;
        let mut pauses = pauses();
        loop {
            match self.listen(path, &mut last, &mut tell).await {
                Ok(Ended::Over) => return Ok(()),
                Ok(Ended::BrokeOff) => pauses = super::pauses(),
                Err(error) => match pauses.next() {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                },
            }
        }
    }

    async fn listen(
        &self,
        path: &str,
        last: &mut Option<String>,
        tell: &mut impl FnMut(Told),
    ) -> Result<Ended> {
        let mut request = self.client.get(format!("{}{path}", self.base));
        if let Some(last) = last {
            request = request.header("last-event-id", last.as_str());
        }
        let answer = request.send().await.with_context(|| format!("no answer from {}", self.base))?;
        match answer.status() {
            StatusCode::NO_CONTENT => return Ok(Ended::Over),
            status if status.is_success() => {}
            status => match answer.json::<Problem>().await {
                Ok(problem) => bail!("{} ({status})", problem.detail),
                Err(_) => bail!("{} answered {status}", self.base),
            },
        }
        let mut events = pin!(told(answer.bytes_stream().eventsource(), last));
        let mut is_last = false;
        while let Some(event) = events.next().await {
            let Ok(told) = event else { return Ok(Ended::BrokeOff) };
            is_last = match &told {
                Told::Job(job) => is_last && job.completed_at.is_some(),
                Told::Batch(batch) => batch.status != "processing",
                Told::Event(event) => {
                    matches!(event.stage.as_deref(), Some("complete" | "failed" | "cancelled") | None)
                }
            };
            tell(told);
        }
        // A server that stops ends its streams, too; asked again, it says whether there is more.
        Ok(if is_last { Ended::Over } else { Ended::BrokeOff })
    }
}

enum Ended {
    Over,
    BrokeOff,
}

/// Messages that this version knows.
fn told<E>(
    events: impl Stream<Item = Result<eventsource_stream::Event, E>>,
    last: &mut Option<String>,
) -> impl Stream<Item = Result<Told, E>> {
    events.filter_map(move |event| {
        let told = event.map(|event| {
            if !event.id.is_empty() {
                *last = Some(event.id);
            }
            match event.event.as_str() {
                "progress" => serde_json::from_str(&event.data).ok().map(Told::Job),
                "batch" => serde_json::from_str(&event.data).ok().map(Told::Batch),
                kind if kind.starts_with("document.") => {
                    serde_json::from_str(&event.data).ok().map(Told::Event)
                }
                _ => None,
            }
        });
        std::future::ready(told.transpose())
    })
}
