//! The client against a server that answers as told: well, late, with an error, or in pieces.
#![allow(clippy::unwrap_used)]

use axum::{
    Json, Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::post,
};
use futures::{StreamExt, TryStreamExt, stream};
use ragstream_core::{
    fault::{Fault, FaultKind, Result},
    ports::{LanguageModel, Prompt, Speaker},
};
use ragstream_llm::{ChatConfig, ChatModel};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

/// What the server does with one request.
enum Reply {
    Says(&'static [&'static str]),
    /// Bytes as they are, with the pauses between them.
    Raw(Vec<(&'static str, Duration)>),
    Breaks(&'static str),
    Status(u16, Option<&'static str>),
    Never,
}

#[derive(Clone, Default)]
struct Server {
    replies: Arc<Mutex<VecDeque<Reply>>>,
    asked: Arc<Mutex<Vec<(HeaderMap, Value)>>>,
}

fn event(text: &str) -> String {
    format!(
        "data: {}\n\n",
        json!({"id": "x", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
    )
}

async fn answer(State(server): State<Server>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    server.asked.lock().unwrap().push((headers, body));
    let reply = server.replies.lock().unwrap().pop_front().expect("a reply for each request");
    match reply {
        Reply::Says(words) => {
            // As OpenAI begins and ends.
            let role = r#"data: {"choices":[{"delta":{"role":"assistant","content":""}}]}"#;
            let usage = r#"data: {"choices":[],"usage":{"total_tokens":3}}"#;
            let words: String = words.iter().map(|word| event(word)).collect();
            format!("{role}\n\n: a comment\n\n{words}{usage}\n\ndata: [DONE]\n\ndata: after the end\n\n")
                .into_response()
        }
        Reply::Raw(pieces) => Body::from_stream(stream::iter(pieces).then(|(text, pause)| async move {
            tokio::time::sleep(pause).await;
            Ok::<_, std::io::Error>(Bytes::from(text))
        }))
        .into_response(),
        Reply::Breaks(word) => {
            let pieces = [(Ok(Bytes::from(event(word))), 0), (Err(std::io::Error::other("cut")), 50)];
            // The first one is on its way before the connection is cut.
            Body::from_stream(stream::iter(pieces).then(|(piece, pause)| async move {
                tokio::time::sleep(Duration::from_millis(pause)).await;
                piece
            }))
            .into_response()
        }
        Reply::Status(status, retry_after) => {
            let mut headers = HeaderMap::new();
            if let Some(seconds) = retry_after {
                headers.insert("retry-after", seconds.parse().unwrap());
            }
            (
                StatusCode::from_u16(status).unwrap(),
                headers,
                r#"{"error":{"message":"the prompt was: secret"}}"#,
            )
                .into_response()
        }
        Reply::Never => futures::future::pending().await,
    }
}

impl Server {
    async fn start(replies: impl IntoIterator<Item = Reply>) -> (Self, ChatConfig) {
        let server = Self::default();
        server.replies.lock().unwrap().extend(replies);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}/v1/", listener.local_addr().unwrap());
        let router = Router::new().route("/v1/chat/completions", post(answer)).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut config = ChatConfig::new(&base, "small").unwrap();
        config.pause = Duration::from_millis(1);
        config.first_word = Duration::from_millis(500);
        config.next_word = Duration::from_millis(500);
        (server, config)
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

fn prompt() -> Prompt {
    Prompt {
        messages: vec![(Speaker::System, "be brief".into()), (Speaker::User, "what?".into())],
        model: None,
        temperature: 0.5,
        max_tokens: 99,
    }
}

async fn write(config: ChatConfig) -> Result<String> {
    let model = ChatModel::new(config).unwrap();
    model.write(&prompt()).await?.try_collect().await
}

fn is(fault: &Fault, kind: FaultKind, class: &str) -> bool {
    let text = format!("{fault} {fault:?}");
    assert!(!text.contains("secret") && !text.contains("what?"), "{text}");
    (fault.kind, fault.class) == (kind, class)
}

#[tokio::test]
async fn words_come_as_they_are_written() {
    let (server, mut config) = Server::start([Reply::Says(&["Hel", "lo ", "wörld"])]).await;
    config.api_key = Some("k-1".into());
    assert_eq!(write(config).await.unwrap(), "Hello wörld");
    let asked = server.asked.lock().unwrap();
    assert_eq!(asked[0].0["authorization"], "Bearer k-1");
    assert_eq!(
        asked[0].1,
        json!({"model": "small", "stream": true, "temperature": 0.5, "max_tokens": 99, "messages": [
            {"role": "system", "content": "be brief"}, {"role": "user", "content": "what?"}]})
    );
}

#[tokio::test]
async fn events_cut_anywhere_are_put_together() {
    let now = Duration::ZERO;
    let pieces = vec![
        ("data: {\"choices\":[{\"delta\":{\"cont", now),
        ("ent\":\"one \"}}]}\r", now),
        ("\n\r\ndata: {\"choices\":[{\"delta\":{\"content\":\"two\"}}]}\n\n", now),
    ];
    let (_, config) = Server::start([Reply::Raw(pieces)]).await;
    assert_eq!(write(config).await.unwrap(), "one two", "a stream may end without its mark");
}

#[tokio::test]
async fn what_fails_before_the_first_word_is_tried_again() {
    let replies = [Reply::Status(503, None), Reply::Status(429, Some("0")), Reply::Says(&["yes"])];
    let (server, config) = Server::start(replies).await;
    assert_eq!(write(config).await.unwrap(), "yes");
    assert_eq!(server.asked(), 3);
}

#[tokio::test]
async fn an_outage_ends_in_a_fault_that_asks_to_wait() {
    let (server, config) =
        Server::start([Reply::Status(500, None), Reply::Never, Reply::Status(502, None)]).await;
    let fault = write(config).await.unwrap_err();
    assert!(is(&fault, FaultKind::Unavailable, "llm_unavailable"), "{fault:?}");
    assert_eq!(server.asked(), 3);

    let (server, config) = Server::start([Reply::Status(429, Some("3600"))]).await;
    let fault = write(config).await.unwrap_err();
    assert!(is(&fault, FaultKind::Unavailable, "llm_unavailable"), "{fault:?}");
    assert_eq!(server.asked(), 1, "nobody waits for an hour");

    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut config = ChatConfig::new(&format!("http://{nobody}/v1"), "m").unwrap();
    config.pause = Duration::from_millis(1);
    assert!(is(&write(config).await.unwrap_err(), FaultKind::Unavailable, "llm_unavailable"));
}

#[tokio::test]
async fn what_can_never_work_is_tried_once_and_said() {
    for (status, class) in
        [(401, "llm_denied"), (403, "llm_denied"), (404, "llm_refused"), (400, "llm_refused")]
    {
        let (server, config) = Server::start([Reply::Status(status, None)]).await;
        let fault = write(config).await.unwrap_err();
        assert!(is(&fault, FaultKind::Invalid, class), "{fault:?}");
        assert_eq!(server.asked(), 1);
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_no_answer() {
    let (server, config) = Server::start([Reply::Breaks("half")]).await;
    let fault = write(config).await.unwrap_err();
    assert!(is(&fault, FaultKind::Unavailable, "llm_unavailable"), "{fault:?}");
    assert_eq!(server.asked(), 1, "words that were read would come twice");

    let silent = vec![
        ("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", Duration::ZERO),
        ("", Duration::from_secs(60)),
    ];
    let (_, config) = Server::start([Reply::Raw(silent)]).await;
    assert!(is(&write(config).await.unwrap_err(), FaultKind::Unavailable, "llm_unavailable"));
}

#[tokio::test]
async fn nonsense_is_no_answer() {
    for nonsense in
        ["data: {\"error\":{\"message\":\"secret\"}}\n\n", "data: secret\n\n", "<html>secret</html>"]
    {
        let raw = || Reply::Raw(vec![(nonsense, Duration::ZERO)]);
        let (_, config) = Server::start([raw(), raw(), raw()]).await;
        let fault = write(config).await.unwrap_err();
        assert!(is(&fault, fault.kind, fault.class), "{fault:?}");
        assert!(["llm_unavailable", "llm_nonsense", "llm_silent"].contains(&fault.class), "{fault:?}");
    }
}
