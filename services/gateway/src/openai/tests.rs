//! Against a query node that says what it is told to, and remembers what it was asked. Personas and real answers
//! are in `e2e/clients`.
#![allow(clippy::unwrap_used)]

use super::*;
use axum::{
    Json, Router,
    response::{IntoResponse, sse::Sse},
    routing::post,
};
use futures::{StreamExt, stream};
use ragstream_api::openai::OpenAiProblem;
use ragstream_postgres::{Ledger, LedgerConfig};
use serde_json::{Value, json};
use std::{
    convert::Infallible,
    sync::{Arc, Mutex},
};
use tokio::net::TcpListener;

type Behaviour = Arc<dyn Fn() -> Response + Send + Sync>;

/// A door, and what came through it to the query node.
async fn door(behaviour: impl Fn() -> Response + Send + Sync + 'static) -> (Door, Arc<Mutex<Vec<Value>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (record, behaviour): (_, Behaviour) = (asked.clone(), Arc::new(behaviour));
    let answer = async move |Json(question): Json<Value>| {
        record.lock().unwrap().push(question);
        behaviour()
    };
    let router = Router::new().route(ASK, post(answer.clone())).route(EMBED, post(answer));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let query = QueryNodes::new(&[format!("http://{}", listener.local_addr().unwrap())]);
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    // Nothing here asks for personas.
    let ledger = Arc::new(Ledger::new(&LedgerConfig::new("postgres://127.0.0.1:1/none")).unwrap());
    let chats = Chats { personas: ledger.clone(), sessions: ledger, query: query.clone() };
    (Door { chats, query }, asked)
}

fn answer() -> Value {
    json!({
        "answer": "Lit in 1901 [1].", "answered": true, "method": "extractive", "mode": "basic", "cached": false,
        "passages": [], "timings": {"wait": 0.0, "embed": 0.0, "vector": 0.0, "keyword": 0.0, "fusion": 0.0,
        "answer": 0.0, "total": 0.0}, "freshness": {"applied": {}, "lag": 0}, "citations": [{"number": 1,
        "document_id": Uuid::nil(), "external_id": null, "filename": "a.md", "page": null,
        "span": {"start": 0, "end": 4}, "quote": "Lit.", "chunk_id": Uuid::nil()}]
    })
}

fn request(changes: Value) -> ChatCompletionRequest {
    let mut request = json!({"model": "ragstream", "messages": [{"role": "user", "content": "When?"}]});
    request.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    serde_json::from_value(request).unwrap()
}

fn context() -> RequestContext {
    RequestContext::of_work("test")
}

async fn refused(changes: Value) -> Problem {
    let (door, asked) = door(|| Json(answer()).into_response()).await;
    let problem = door.complete(request(changes), &context()).await.err().unwrap();
    assert!(asked.lock().unwrap().is_empty(), "nobody is asked what can't be answered");
    problem
}

#[tokio::test]
async fn a_conversation_is_a_question_with_its_history_and_instructions() {
    let (door, asked) = door(|| Json(answer()).into_response()).await;
    let changes = json!({
        "model": "ragstream-super-deep", "temperature": 0.5, "max_tokens": 9, "max_completion_tokens": 7,
        "user": "whoever", "tools": [], "tool_choice": "auto", "response_format": {"type": "text"},
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Where"}, {"type": "text", "text": "is it?"}]},
            {"role": "assistant", "content": "On the coast."},
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "And when?"}
        ],
        "ragstream": {"collection": "lights", "top_k": 3, "filter": {"year": 1901}}
    });
    let Answer::Whole(completion) = door.complete(request(changes), &context()).await.unwrap() else {
        panic!()
    };
    assert_eq!(completion.choices[0].message.content, "Lit in 1901 [1].");
    assert_eq!((completion.citations[0].number, completion.model.as_str()), (1, "ragstream-super-deep"));

    let asked = asked.lock().unwrap()[0].clone();
    let query = &asked["query"];
    assert_eq!(
        [&query["question"], &query["mode"], &query["collection"], &query["top_k"], &query["filter"]["year"]],
        [&json!("And when?"), &json!("super_deep"), &json!("lights"), &json!(3), &json!(1901)]
    );
    assert_eq!(
        asked["history"],
        json!([{"role": "user", "content": "Where\nis it?"}, {"role": "assistant", "content": "On the coast."}])
    );
    assert_eq!(asked["system_prompt"], "Be brief.\n\nBe kind.");
    assert_eq!((&asked["temperature"], &asked["max_tokens"]), (&json!(0.5), &json!(7)));
}

#[tokio::test]
async fn what_can_not_be_done_is_refused_before_anybody_is_asked() {
    for (changes, status, names) in [
        (json!({"model": "gpt-4"}), 404, "gpt-4"),
        (json!({"n": 2}), 400, "`n`"),
        (json!({"response_format": {"type": "json_object"}}), 400, "`response_format`"),
        (json!({"tool_choice": "required"}), 400, "`tool_choice`"),
        (json!({"tool_choice": {"type": "function", "function": {"name": "f"}}}), 400, "`tool_choice`"),
        (json!({"messages": []}), 422, "`messages`"),
        (json!({"messages": [{"role": "user", "content": " "}]}), 422, "`messages`"),
        (json!({"messages": [{"role": "narrator", "content": "a"}]}), 422, "narrator"),
        (json!({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}), 422, "image_url"),
    ] {
        let problem = refused(changes.clone()).await;
        assert_eq!(problem.status, status, "{changes}");
        assert!(problem.detail.contains(names), "{changes}: {}", problem.detail);
    }
    let told = serde_json::to_value(OpenAiProblem::from(refused(json!({"n": 2})).await)).unwrap();
    assert_eq!((&told["status"], &told["error"]["param"]), (&json!(400), &json!("n")));
    assert_eq!(told["error"]["type"], "invalid_request_error");
}

async fn streamed(events: &'static [(&'static str, &'static str)]) -> Vec<Value> {
    let (door, _) = door(move || {
        let told = events.iter().map(|(name, data)| Event::default().event(name).data(data));
        Sse::new(stream::iter(told.map(Ok::<_, Infallible>).collect::<Vec<_>>())).into_response()
    })
    .await;
    let asked = door.complete(request(json!({"stream": true})), &context()).await.unwrap();
    let Answer::Events(events) = asked else { panic!("not a stream") };
    let body = Sse::new(events.map(Ok::<_, Infallible>)).into_response().into_body();
    let text = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let text = String::from_utf8(text.into()).unwrap();
    let mut lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(lines.pop(), Some("[DONE]"));
    lines.into_iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_stream_is_words_and_an_end_with_citations() {
    static DONE_DATA: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| answer().to_string());
    let events = vec![
        ("passages", "[]"),
        ("token", r#"{"text": "Lit in "}"#),
        ("token", r#"{"text": "1901 [1]."}"#),
        ("done", DONE_DATA.as_str()),
    ];
    let told = streamed(events.leak()).await;
    let words: String = told.iter().filter_map(|c| c["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(words, "Lit in 1901 [1].");
    assert_eq!(told[0]["choices"][0]["delta"]["role"], "assistant");
    assert!(told.iter().all(|chunk| chunk["id"] == told[0]["id"]));
    let last = told.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "stop");
    assert_eq!(last["citations"][0]["quote"], "Lit.");
}

#[tokio::test]
async fn a_stream_that_ends_badly_says_so() {
    let refusal = r#"{"type": "/problems/overloaded", "title": "", "status": 503, "detail": "try again"}"#;
    for (events, says) in [
        (vec![("token", r#"{"text": "Lit"}"#), ("error", refusal)], "try again"),
        (vec![("token", r#"{"text": "Lit"}"#)], "broke off"),
    ] {
        let told = streamed(events.leak()).await;
        let error = &told.last().unwrap()["error"];
        assert!(error["message"].as_str().unwrap().contains(says), "{error}");
        assert_eq!(error["type"], "server_error");
    }
}

#[tokio::test]
async fn a_refusal_of_the_query_node_is_passed_on() {
    let (door, _) = door(|| Problem::invalid_field("temperature", "is 9: give 0 to 2").into_response()).await;
    for stream in [false, true] {
        let asked = request(json!({"temperature": 9.0, "stream": stream}));
        let problem = door.complete(asked, &context()).await.err().unwrap();
        assert_eq!((problem.status, problem.detail.as_str()), (422, "`temperature` is 9: give 0 to 2"));
    }
}

#[tokio::test]
async fn vectors_are_numbers_or_their_bytes() {
    let (door, asked) =
        door(|| Json(json!({"model": "mini", "vectors": [[0.5, -1.0]], "tokens": 3})).into_response()).await;
    let embed = async |changes: Value| {
        let mut request = json!({"model": "mini", "input": "a lamp"});
        request.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let answer = door.embed(serde_json::from_value(request).unwrap(), &context()).await;
        answer.map(|answer| serde_json::to_value(answer).unwrap()).map_err(|problem| problem.detail)
    };
    let plain = embed(json!({})).await.unwrap();
    assert_eq!(
        (&plain["data"][0]["embedding"], &plain["usage"]["total_tokens"]),
        (&json!([0.5, -1.0]), &json!(3))
    );
    // 0.5 and -1.0 as IEEE 754 single precision, little-endian.
    let packed = embed(json!({"encoding_format": "base64", "dimensions": 2})).await.unwrap();
    assert_eq!(packed["data"][0]["embedding"], BASE64.encode([0, 0, 0, 0x3f, 0, 0, 0x80, 0xbf]));
    assert_eq!(asked.lock().unwrap()[0], json!({"texts": ["a lamp"]}));

    for (changes, says) in [
        (json!({"model": "other"}), "no model \"other\""),
        (json!({"dimensions": 3}), "`dimensions`"),
        (json!({"encoding_format": "hex"}), "`encoding_format`"),
        (json!({"input": [1, 2]}), "tokens"),
        (json!({"input": []}), "0 texts"),
        (json!({"input": ["a", " "]}), "without words"),
    ] {
        let problem = embed(changes.clone()).await.unwrap_err();
        assert!(problem.contains(says), "{changes}: {problem}");
    }
}
