//! Streams of Server-Sent Events, as a browser reads them.

use crate::{PATIENCE, api::Api};
use eventsource_stream::{Event, Eventsource};
use futures::{Stream, StreamExt};
use reqwest::StatusCode;
use serde_json::Value;
use std::pin::Pin;
use tokio::time::timeout;

/// One message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Its kind: `progress`, `batch`, `document.complete` and the like.
    pub event: String,
    /// What to send to go on after it; that of the last message which had one.
    pub id: String,
    /// Its body.
    pub data: Value,
}

/// An open stream.
pub struct Events {
    stream: Pin<Box<dyn Stream<Item = Event> + Send>>,
}

impl Events {
    /// Opens a stream, after `last` where that is given. `None`: there is nothing more to come (204).
    ///
    /// # Panics
    /// Where the answer is no stream.
    pub async fn open(api: &Api, path: &str, last: Option<&str>) -> Option<Self> {
        let mut request = api.client.get(format!("{}{path}", api.base));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let answer = request.send().await.expect("an answer");
        if answer.status() == StatusCode::NO_CONTENT {
            return None;
        }
        assert_eq!(answer.status(), 200, "{path}: {:?}", answer.text().await);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let stream = answer.bytes_stream().eventsource().filter_map(|event| async { event.ok() });
        Some(Self { stream: stream.boxed() })
    }

    /// The next message; `None` at the stream's end.
    ///
    /// # Panics
    /// Where none comes within [`PATIENCE`].
    pub async fn next(&mut self) -> Option<Message> {
        let event =
            timeout(PATIENCE, self.stream.next()).await.expect("a message, or the end of the stream")?;
        let data = serde_json::from_str(&event.data).expect("messages are JSON");
        Some(Message { event: event.event, id: event.id, data })
    }

    /// All that is left.
    pub async fn rest(mut self) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(message) = self.next().await {
            messages.push(message);
        }
        messages
    }

    /// Messages up to the first that is meant.
    ///
    /// # Panics
    /// Where the stream ends before.
    pub async fn until(&mut self, meant: impl Fn(&Message) -> bool) -> Vec<Message> {
        let mut messages = Vec::new();
        loop {
            let message = self.next().await.expect("the stream goes on");
            let is_last = meant(&message);
            messages.push(message);
            if is_last {
                return messages;
            }
        }
    }
}
