//! Live progress over one WebSocket.

use super::events::HEARTBEAT;
use crate::{
    Gateway,
    progress::{Opened, Told, Topic, Watcher},
};
use axum::{
    extract::{
        State,
        ws::{Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use chrono::Utc;
use futures::{SinkExt, StreamExt, stream, stream::SplitSink};
use ragstream_api::problem::Problem;
use ragstream_core::{
    id::{BatchId, JobId},
    ports::Watched,
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::HashMap, time::Duration};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, interval, timeout},
};

/// Longest message of a client.
const MAX_MESSAGE: usize = 64 * 1024;
/// What one socket may watch at a time; more is what the stream of everything is for.
const MAX_WATCHED: usize = 1_000;
/// Messages on their way to a socket: a slow one holds up its watchers, which then read what they missed.
const ON_THEIR_WAY: usize = 64;
/// A client that answers no ping for this long is gone.
const GONE: Duration = Duration::from_secs(45);
/// How long a client may take for one message.
const WRITTEN: Duration = Duration::from_secs(20);

/// What clients say.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Said {
    Subscribe(Wanted),
    Unsubscribe(Wanted),
    Ping(Value),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wanted {
    #[serde(default)]
    jobs: Vec<JobId>,
    #[serde(default)]
    batches: Vec<BatchId>,
    #[serde(default)]
    all: bool,
    last_event_id: Option<i64>,
}

impl Wanted {
    fn watched(&self) -> Vec<Watched> {
        let jobs = self.jobs.iter().copied().map(Watched::Job);
        let batches = self.batches.iter().copied().map(Watched::Batch);
        jobs.chain(batches).chain(self.all.then_some(Watched::All)).collect()
    }
}

/// Live progress over a WebSocket: the messages of the event streams, of as many jobs and batches as you like.
///
/// Send `{"subscribe": {"jobs": [..], "batches": [..], "all": true, "last_event_id": n}}`, `{"unsubscribe": {..}}` or
/// `{"ping": anything}`. You are sent `{"type": "progress"|"batch", "data"}`, `{"type": "event", "id", "data"}`,
/// `{"type": "ended", "job"|"batch"}`, `{"type": "pong", "data"}`, `{"type": "error", "data": problem}`, and every
/// 15 seconds `{"type": "heartbeat", "at"}` and a ping.
#[utoipa::path(
    get, path = "/api/v2/ws", tag = "live progress",
    responses((status = 101, description = "WebSocket"), (status = 400, body = Problem))
)]
pub(crate) async fn socket(
    State(gateway): State<Gateway>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|e| Problem::bad_request("no_websocket", e.body_text()))?;
    Ok(upgrade.max_message_size(MAX_MESSAGE).on_upgrade(move |socket| serve(gateway, socket)))
}

async fn serve(gateway: Gateway, socket: WebSocket) {
    let (mut writer, mut reader) = socket.split();
    let (sender, mut outgoing) = mpsc::channel::<Message>(ON_THEIR_WAY);
    let mut watching = Watching { gateway: gateway.clone(), sender, watchers: HashMap::new() };
    let mut heartbeat = interval(HEARTBEAT);
    let mut heard = Instant::now();
    loop {
        let sent = tokio::select! {
            message = reader.next() => {
                heard = Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => match watching.hear(&text).await {
                        Some(answer) => send(&mut writer, [answer]).await,
                        None => true,
                    },
                    Some(Ok(Message::Binary(_))) => send(&mut writer, [error(not_understood("it is binary"))]).await,
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => true,
                    Some(Ok(Message::Close(_)) | Err(_)) | None => false,
                }
            }
            Some(message) = outgoing.recv() => send(&mut writer, [message]).await,
            _ = heartbeat.tick() => {
                let beat = text(&json!({ "type": "heartbeat", "at": Utc::now() }));
                heard.elapsed() < GONE && send(&mut writer, [beat, Message::Ping(Default::default())]).await
            }
            () = gateway.progress.stopping() => {
                let _ = send(&mut writer, [Message::Close(None)]).await;
                false
            }
        };
        if !sent {
            return;
        }
    }
}

/// Whether the messages were written.
async fn send(
    writer: &mut SplitSink<WebSocket, Message>,
    messages: impl IntoIterator<Item = Message>,
) -> bool {
    let mut messages = stream::iter(messages.into_iter().map(Ok));
    matches!(timeout(WRITTEN, writer.send_all(&mut messages)).await, Ok(Ok(())))
}

/// What one socket watches.
struct Watching {
    gateway: Gateway,
    sender: mpsc::Sender<Message>,
    watchers: HashMap<Watched, JoinHandle<()>>,
}

impl Watching {
    /// Does what the client says; the answer, where there is one.
    async fn hear(&mut self, said: &str) -> Option<Message> {
        let said: Said = match serde_json::from_str(said) {
            Ok(said) => said,
            Err(e) => return Some(error(not_understood(e))),
        };
        match said {
            Said::Ping(data) => return Some(text(&json!({ "type": "pong", "data": data }))),
            Said::Unsubscribe(wanted) => {
                for watched in wanted.watched() {
                    if let Some(watcher) = self.watchers.remove(&watched) {
                        watcher.abort();
                    }
                }
            }
            Said::Subscribe(wanted) => {
                self.watchers.retain(|_, watcher| !watcher.is_finished());
                for watched in wanted.watched() {
                    if self.watchers.len() >= MAX_WATCHED {
                        let detail = format!(
                            "one socket watches {MAX_WATCHED} jobs and batches at most: `all` has them all"
                        );
                        return Some(error(Problem::unprocessable("too_many_watched", detail)));
                    }
                    let watcher = tokio::spawn(watch(
                        self.gateway.clone(),
                        watched,
                        wanted.last_event_id,
                        self.sender.clone(),
                    ));
                    if let Some(before) = self.watchers.insert(watched, watcher) {
                        before.abort();
                    }
                }
            }
        }
        None
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.watchers.values().for_each(JoinHandle::abort);
    }
}

/// Passes on what one watcher is told.
async fn watch(gateway: Gateway, watched: Watched, last: Option<i64>, sender: mpsc::Sender<Message>) {
    let opened = gateway.progress.watch(watched, last).await;
    let mut watcher: Option<Box<Watcher>> = match opened {
        Ok(Opened::Watching(watcher)) => Some(watcher),
        Ok(Opened::Over) => None,
        Err(problem) => {
            // A closed channel: the socket is gone.
            let _ = sender.send(error(problem)).await;
            return;
        }
    };
    if let Some(watcher) = &mut watcher {
        while let Some(told) = watcher.next().await {
            if sender.send(message(&told)).await.is_err() {
                return;
            }
        }
    }
    let ended = match watched {
        Watched::Job(job) => json!({ "type": "ended", "job": job }),
        Watched::Batch(batch) => json!({ "type": "ended", "batch": batch }),
        Watched::All => json!({ "type": "ended" }),
    };
    let _ = sender.send(text(&ended)).await;
}

fn message(told: &Told) -> Message {
    let data = &told.data;
    let text = match (&told.topic, told.cursor) {
        (Topic::Event(_), Some(cursor)) => format!(r#"{{"type":"event","id":"{cursor}","data":{data}}}"#),
        _ => format!(r#"{{"type":"{}","data":{data}}}"#, told.name()),
    };
    Message::Text(text.into())
}

fn text(value: &Value) -> Message {
    Message::Text(value.to_string().into())
}

fn error(problem: Problem) -> Message {
    text(&json!({ "type": "error", "data": problem }))
}

fn not_understood(why: impl std::fmt::Display) -> Problem {
    Problem::bad_request(
        "not_understood",
        format!(
            r#"{why}; send {{"subscribe": {{"jobs": [..], "batches": [..], "all": true}}}}, `unsubscribe` or `ping`"#
        ),
    )
}
