//! Against real servers that refuse, hang, die and lag.
#![allow(clippy::unwrap_used)]

use super::*;
use axum::{Router, extract::State};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use ragstream_core::trace::TraceContext;
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

/// How long a test lets a node take.
const PATIENCE: Duration = Duration::from_secs(1);

type Answer = Arc<dyn Fn(Value) -> BoxFuture<'static, Response> + Send + Sync>;

/// A server that answers by a closure and remembers what it was asked.
struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<Value>>>,
    server: JoinHandle<()>,
}

impl Fake {
    async fn start(answer: impl Fn(Value) -> BoxFuture<'static, Response> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let state: (Answer, _) = (Arc::new(answer), asked.clone());
        let handle = async |State((answer, asked)): State<(Answer, Arc<Mutex<Vec<Value>>>)>, body: Bytes| {
            let body: Value = serde_json::from_slice(&body).unwrap_or_default();
            asked.lock().unwrap().push(body.clone());
            answer(body).await
        };
        let router = Router::new().fallback(handle).with_state(state);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, asked, server }
    }

    /// Answers at once: this status and name, and whether the token is applied.
    async fn plain(name: &'static str, status: u16, applied: Option<bool>) -> Self {
        Self::start(move |_| async move { plain(name, status, applied) }.boxed()).await
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn plain(name: &str, status: u16, applied: Option<bool>) -> Response {
    let mut response = name.to_owned().into_response();
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    if let Some(applied) = applied {
        response.headers_mut().insert(TOKEN_APPLIED, applied.to_string().parse().unwrap());
    }
    response
}

/// These nodes, ready or not.
fn nodes<'a>(of: impl IntoIterator<Item = (&'a str, bool)>) -> QueryNodes {
    let (urls, ready): (Vec<_>, Vec<_>) = of.into_iter().map(|(url, ready)| (url.to_owned(), ready)).unzip();
    let nodes = QueryNodes::new(&urls);
    for (node, ready) in nodes.nodes.iter().zip(ready) {
        node.ready.store(ready, Ordering::Relaxed);
    }
    nodes
}

async fn ask(nodes: &QueryNodes, path: &'static str, body: Value) -> Result<(u16, String), Problem> {
    let context = RequestContext { correlation_id: "c".into(), trace: TraceContext::root() };
    let answer = nodes.ask_within(path, body.to_string().into(), &context, [PATIENCE; 2]).await?;
    let status = answer.status().as_u16();
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
    Ok((status, String::from_utf8(body.into()).unwrap()))
}

async fn search(nodes: &QueryNodes, body: Value) -> (u16, String) {
    ask(nodes, SEARCH, body).await.unwrap()
}

fn said(status: u16, name: &str) -> (u16, String) {
    (status, name.to_owned())
}

#[tokio::test]
async fn nodes_that_are_ready_take_turns_and_others_come_last() {
    let [a, b, c] = [
        Fake::plain("a", 200, None).await,
        Fake::plain("b", 200, None).await,
        Fake::plain("c", 200, None).await,
    ];
    let all = nodes([(a.url.as_str(), true), (&b.url, false), (&c.url, true)]);
    let mut names = Vec::new();
    for _ in 0..6 {
        names.push(search(&all, json!({})).await.1);
    }
    assert!(names.iter().any(|n| n == "a") && names.iter().any(|n| n == "c"), "{names:?}");
    assert!(!names.contains(&"b".to_owned()), "{names:?}");
    // Better one that says it is not ready than none.
    let left = nodes([("http://127.0.0.1:9", true), (&b.url, false)]);
    assert_eq!(search(&left, json!({})).await, said(200, "b"));
}

#[tokio::test]
async fn the_next_one_is_asked_where_one_can_not_answer() {
    let good = Fake::plain("good", 200, None).await;
    let [bad_gateway, catching_up] =
        [Fake::plain("no", 502, None).await, Fake::plain("later", 503, None).await];
    let hanging = Fake::start(|_| std::future::pending().boxed()).await;
    let cut = cut_server(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf").await;
    let dying = cut_server(b"").await;
    for bad in ["http://127.0.0.1:9", &bad_gateway.url, &catching_up.url, &hanging.url, &cut, &dying] {
        let both = nodes([(bad, true), (good.url.as_str(), false)]);
        assert_eq!(search(&both, json!({})).await, said(200, "good"), "{bad}");
        assert!(!both.nodes[0].is_ready(), "what a request shows is noted");
    }
    // A question that takes too long is not asked again: it may be costly.
    let both = nodes([(hanging.url.as_str(), true), (&good.url, false)]);
    let problem = ask(&both, "/api/v2/query", json!({})).await.unwrap_err();
    assert_eq!(problem.status, 503);
}

#[tokio::test]
async fn what_a_node_says_of_the_request_is_passed_back() {
    let good = Fake::plain("good", 200, None).await;
    for status in [400, 422, 500] {
        let strict = Fake::plain("said", status, None).await;
        let both = nodes([(strict.url.as_str(), true), (&good.url, false)]);
        assert_eq!(search(&both, json!({})).await, said(status, "said"));
    }
    // Where none can answer, the first that said so does.
    let late = [Fake::plain("first", 503, None).await, Fake::plain("second", 503, None).await];
    let both = nodes([(late[0].url.as_str(), true), (&late[1].url, false)]);
    assert_eq!(search(&both, json!({})).await, said(503, "first"));
    let none = ask(&nodes([]), SEARCH, json!({})).await.unwrap_err();
    assert_eq!((none.status, none.retry_after.is_some()), (503, true));
    let away = nodes([("http://127.0.0.1:9", true)]);
    assert_eq!(search(&away, json!({})).await.0, 503);
}

#[tokio::test]
async fn with_a_token_another_ready_node_may_know_more() {
    let stale = Fake::start(|body| {
        let wait = Duration::from_millis(body["wait_ms"].as_u64().unwrap());
        async move {
            tokio::time::sleep(wait).await;
            plain("stale", 200, Some(false))
        }
        .boxed()
    })
    .await;
    let fresh = Fake::plain("fresh", 200, Some(true)).await;
    let request = json!({"query": "x", "min_token": "t", "wait_ms": 50, "filter": {"a": [1, 2.5]}});
    for first in 0..2 {
        let both = nodes([(stale.url.as_str(), true), (&fresh.url, true)]);
        both.next.store(first, Ordering::Relaxed);
        assert_eq!(search(&both, request.clone()).await, said(200, "fresh"));
    }
    let asked = fresh.asked();
    assert_eq!(asked[0]["wait_ms"], 0, "the wait is over");
    assert!((1..=50).contains(&asked[1]["wait_ms"].as_u64().unwrap()), "asked first, it waits");
    for field in ["query", "min_token", "filter"] {
        assert_eq!(asked[0][field], request[field]);
    }

    // Nobody has it: the first one's answer. A node that is not ready is not asked.
    let other = Fake::plain("stale too", 200, Some(false)).await;
    let unready = Fake::plain("unready", 200, Some(true)).await;
    let all = nodes([(stale.url.as_str(), true), (&other.url, true), (&unready.url, false)]);
    assert_eq!(search(&all, request.clone()).await, said(200, "stale"));
    assert_eq!((other.asked().len(), unready.asked().len()), (1, 0));

    // The wait that is left goes on with the next one where the first dies while it waits.
    let dying = Fake::start(|_| {
        async {
            tokio::time::sleep(Duration::from_millis(400)).await;
            plain("no", 503, None)
        }
        .boxed()
    })
    .await;
    let fresh = Fake::plain("fresh", 200, Some(true)).await;
    let both = nodes([(dying.url.as_str(), true), (&fresh.url, true)]);
    let request = json!({"query": "x", "min_token": "t", "wait_ms": 900});
    assert_eq!(search(&both, request).await, said(200, "fresh"));
    let wait = fresh.asked()[0]["wait_ms"].as_u64().unwrap();
    assert!(wait <= 500, "{wait}");
    // Without a token nothing is changed, and by default a token waits for a while.
    search(&nodes([(fresh.url.as_str(), true)]), json!({"query": "x"})).await;
    search(&nodes([(fresh.url.as_str(), true)]), json!({"query": "x", "min_token": "t"})).await;
    assert_eq!(fresh.asked()[1], json!({"query": "x"}));
    let wait = fresh.asked()[2]["wait_ms"].as_u64().unwrap();
    assert!((4_000..=5_000).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_long_answer_is_passed_on_as_it_comes() {
    let (release, wait) = tokio::sync::watch::channel(false);
    let streaming = Fake::start(move |_| {
        let mut wait = wait.clone();
        async move {
            let rest = async move {
                wait.wait_for(|go| *go).await.unwrap();
                Ok::<_, Infallible>(Bytes::from_static(b" last"))
            };
            let first = stream::once(async { Ok::<_, Infallible>(Bytes::from_static(b"first")) });
            Body::from_stream(first.chain(stream::once(rest))).into_response()
        }
        .boxed()
    })
    .await;
    let one = nodes([(streaming.url.as_str(), true)]);
    let context = RequestContext { correlation_id: "c".into(), trace: TraceContext::root() };
    let answer = one.ask("/api/v2/query", Bytes::from_static(b"{}"), &context).await.unwrap();
    let mut pieces = answer.into_body().into_data_stream();
    assert_eq!(pieces.next().await.unwrap().unwrap(), "first", "before the last is sent");
    release.send(true).unwrap();
    assert_eq!(pieces.next().await.unwrap().unwrap(), " last");
}

/// A server that reads a request, sends these bytes and is gone.
async fn cut_server(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let _ = socket.read(&mut request).await;
            let _ = socket.write_all(bytes).await;
        }
    });
    url
}
