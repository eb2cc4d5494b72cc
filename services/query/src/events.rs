//! An answer on its way to somebody who reads it as it is made.

use axum::response::sse::Event;
use ragstream_api::{
    problem::Problem,
    search::{Passage, QueryResponse, Step},
};
use serde::Serialize;
use tokio::sync::mpsc;

/// Events that wait for a slow reader; the answer is made no faster than it is read.
const QUEUE: usize = 32;

/// Where an answer goes while it is made; nowhere, for those who wait for the whole.
pub(crate) struct Sink {
    to: Option<mpsc::Sender<Event>>,
    has_spoken: bool,
}

impl Sink {
    /// For those who wait.
    pub(crate) fn none() -> Self {
        Self { to: None, has_spoken: false }
    }

    /// For a reader of the other end.
    pub(crate) fn stream() -> (Self, mpsc::Receiver<Event>) {
        let (to, from) = mpsc::channel(QUEUE);
        (Self { to: Some(to), has_spoken: false }, from)
    }

    /// Whether words of the answer were given away, so that there is no way back.
    pub(crate) fn has_spoken(&self) -> bool {
        self.has_spoken
    }

    /// What was found.
    pub(crate) async fn passages(&mut self, passages: &[Passage]) -> Result<(), Problem> {
        self.send("passages", &passages).await
    }

    /// A part that is done.
    pub(crate) async fn step(&mut self, step: &Step) -> Result<(), Problem> {
        self.send("step", step).await
    }

    /// The next words.
    pub(crate) async fn words(&mut self, text: &str) -> Result<(), Problem> {
        if text.is_empty() || self.to.is_none() {
            return Ok(());
        }
        self.has_spoken = true;
        self.send("token", &serde_json::json!({ "text": text })).await
    }

    /// The end, whatever it is.
    pub(crate) async fn end(mut self, outcome: Result<QueryResponse, Problem>) {
        // Nobody reads on where this fails.
        let _ = match outcome {
            Ok(response) => self.send("done", &response).await,
            Err(problem) => self.send("error", &problem).await,
        };
    }

    /// `Err`: nobody reads any more, and nothing more is worth doing.
    async fn send(&mut self, name: &'static str, what: &impl Serialize) -> Result<(), Problem> {
        let Some(to) = &self.to else { return Ok(()) };
        let event = Event::default().event(name).json_data(what).map_err(|error| {
            tracing::error!(%error, name, "an event can't be written");
            Problem::unavailable("answer", "the answer can't be written")
        })?;
        to.send(event).await.map_err(|_| Problem::unavailable("gone", "nobody reads the answer"))
    }
}
