//! Personas over HTTP, on PostgreSQL, with a query node of the test's own.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::routes::{Spec, personas::routes};
use axum::{
    Json, Router,
    body::{Body, Bytes},
    http::header,
    response::{IntoResponse, Response},
    routing::post,
};
use eventsource_stream::Eventsource;
use futures::{Stream, StreamExt, stream};
use ragstream_core::{
    document::Blob,
    id::{BatchId, DocumentId, JobId},
    ports::{Intake, NewPersona, NewUpload, Outgoing, Placement},
};
use ragstream_postgres::{Ledger, LedgerConfig};
use ragstream_testkit::{execute, fresh_database, unique};
use reqwest::Method;
use serde_json::{Value, json};
use std::{convert::Infallible, sync::Mutex, time::Duration};
use tokio::{net::TcpListener, sync::mpsc, time::timeout};
use tokio_util::sync::CancellationToken;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);

type Behaviour = Arc<dyn Fn(&Value) -> Response + Send + Sync>;

/// A gateway's routes of personas on a database of its own, and the query node behind them.
struct Fixture {
    database: String,
    ledger: Arc<Ledger>,
    url: String,
    client: reqwest::Client,
    /// What the query node was asked.
    asked: Arc<Mutex<Vec<Value>>>,
    stop: CancellationToken,
}

impl Drop for Fixture {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Fixture {
    /// With a query node that answers the n-th question by `answer n`.
    async fn new() -> Self {
        let count = Mutex::new(0);
        Self::answering(move |_| {
            let mut count = count.lock().unwrap();
            *count += 1;
            Json(answer(&format!("answer {count} [1]"))).into_response()
        })
        .await
    }

    async fn answering(behaviour: impl Fn(&Value) -> Response + Send + Sync + 'static) -> Self {
        let database = fresh_database("").await;
        let ledger = Arc::new(Ledger::new(&LedgerConfig::new(database.clone())).unwrap());
        ledger.apply_schema().await.unwrap();
        let stop = CancellationToken::new();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (record, behaviour): (_, Behaviour) = (asked.clone(), Arc::new(behaviour));
        let ask = async move |Json(question): Json<Value>| {
            let answer = behaviour(&question);
            record.lock().unwrap().push(question);
            answer
        };
        let node = serve(Router::new().route("/internal/ask", post(ask)), &stop).await;
        let chats =
            Chats { personas: ledger.clone(), sessions: ledger.clone(), query: QueryNodes::new(&[node]) };
        let (router, _) = routes::<Chats>().with_state(chats).split_for_parts();
        let url = serve(router, &stop).await;
        Self { database, ledger, url, client: reqwest::Client::new(), asked, stop }
    }

    async fn request(&self, method: Method, path: &str, body: Option<Value>) -> (u16, Value) {
        let request = self.client.request(method, format!("{}{path}", self.url));
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap_or_default())
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.request(Method::GET, path, None).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    async fn post(&self, path: &str, body: Value) -> (u16, Value) {
        self.request(Method::POST, path, Some(body)).await
    }

    /// A persona over documents that are complete; its path.
    async fn persona(&self, mode: &str) -> String {
        let collection = unique("c");
        self.upload(&collection).await;
        execute(&self.database, "UPDATE document_jobs SET stage = 'complete'").await;
        let persona = json!({
            "name": "Harbour master", "collection": collection, "system_prompt": "Ahoy.", "mode": mode,
            "model": "small", "temperature": 0.5, "top_k": 3, "max_tokens": 100,
        });
        let (status, persona) = self.post("/api/v2/personas", persona).await;
        assert_eq!(status, 201, "{persona}");
        format!("/api/v2/personas/{}", persona["persona_id"].as_str().unwrap())
    }

    async fn upload(&self, collection: &str) {
        let sha256 = unique("sha");
        let upload = NewUpload {
            document_id: DocumentId::generate(),
            job_id: JobId::generate(),
            batch_id: BatchId::generate(),
            collection: collection.into(),
            external_id: None,
            filename: "a.txt".into(),
            content_type: "text/plain".into(),
            metadata: Default::default(),
            priority: 5,
            blob: Blob { key: format!("uploads/{sha256}"), size: 3, sha256 },
            correlation_id: "c".into(),
        };
        let record = |_: &_, _| Outgoing {
            topic: "t".into(),
            key: "k".into(),
            value: None,
            headers: Vec::new(),
            placement: Placement::ByKey,
        };
        self.ledger.accept(upload, &record).await.unwrap();
    }

    async fn chat(&self, persona: &str, body: Value) -> Value {
        let (status, answer) = self.post(&format!("{persona}/chat"), body).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// A message whose answer comes as events: names and data.
    async fn stream(&self, persona: &str, body: Value) -> impl Stream<Item = (String, Value)> + use<> {
        let response =
            self.client.post(format!("{}{persona}/chat", self.url)).json(&body).send().await.unwrap();
        let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
        assert!(kind.starts_with("text/event-stream"), "{kind}");
        let events = response.bytes_stream().eventsource();
        events.map(|event| {
            let event = event.unwrap();
            (event.event, serde_json::from_str(&event.data).unwrap())
        })
    }

    fn asked(&self) -> Vec<Value> {
        self.asked.lock().unwrap().clone()
    }

    /// Role and text of what is on record of a conversation.
    async fn said(&self, persona: &str, session_id: &Value) -> Vec<(String, Value)> {
        let path = format!("{persona}/sessions/{}", session_id.as_str().unwrap());
        let session = self.get(&path).await;
        let messages = session["messages"].as_array().unwrap();
        assert_eq!(session["message_count"], messages.len());
        messages.iter().map(|m| (m["role"].as_str().unwrap().to_owned(), m["text"].clone())).collect()
    }

    async fn conversations(&self, persona: &str) -> Vec<Value> {
        self.get(&format!("{persona}/sessions")).await["sessions"].as_array().unwrap().clone()
    }
}

async fn serve(router: Router, stop: &CancellationToken) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(ragstream_runtime::http::serve(listener, router, stop.clone()));
    url
}

/// What a query node answers, with a field that this release knows nothing of.
fn answer(text: &str) -> Value {
    let citation = json!({"number": 1, "filename": "a.txt", "quote": "quoted"});
    json!({"answer": text, "answered": true, "citations": [citation], "passages": [], "newer": 1.25})
}

fn event(name: &str, data: &Value) -> Bytes {
    format!("event: {name}\ndata: {data}\n\n").into()
}

fn events(pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let body = Body::from_stream(pieces.map(Ok::<_, Infallible>));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

fn user(text: &str) -> (String, Value) {
    ("user".to_owned(), text.into())
}

fn assistant(text: &str) -> (String, Value) {
    ("assistant".to_owned(), text.into())
}

#[tokio::test]
async fn personas_are_created_listed_changed_and_deleted() {
    let server = Fixture::new().await;
    let request = json!({"name": " Pilot ", "temperature": 0.7, "mode": "creative"});
    let response = server.client.post(format!("{}/api/v2/personas", server.url)).json(&request).send().await;
    let response = response.unwrap();
    assert_eq!(response.status(), 201);
    let path = response.headers()[header::LOCATION].to_str().unwrap().to_owned();
    let made: Value = response.json().await.unwrap();
    let expected = json!({"name": "Pilot", "description": "", "collection": "default", "system_prompt": "",
                          "mode": "creative", "temperature": 0.7});
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&made[field], value, "{field}");
    }
    assert!(made.get("model").is_none() && made.get("top_k").is_none(), "{made}");
    assert_eq!(server.get(&path).await, made);

    let ids: Vec<Value> = server.personas(2).await;
    let pages = [server.get("/api/v2/personas?limit=2").await, server.get("/api/v2/personas?limit=3").await];
    assert_eq!(
        [&pages[0]["personas"][0]["persona_id"], &pages[0]["personas"][1]["persona_id"]],
        [&ids[1], &ids[0]]
    );
    let rest = server.get(pages[0]["next"].as_str().unwrap()).await;
    assert_eq!((&rest["personas"], rest.get("next")), (&json!([made]), None));
    assert_eq!(pages[1]["personas"][2], made);

    // What is left out is as in a new one.
    let (status, changed) =
        server.request(Method::PUT, &path, Some(json!({"name": "Captain", "max_tokens": 9}))).await;
    assert_eq!((status, &changed["mode"], changed.get("temperature")), (200, &json!("basic"), None));
    assert_eq!((&changed["name"], &changed["max_tokens"]), (&json!("Captain"), &json!(9)));
    assert_eq!(server.get(&path).await, changed);

    assert_eq!(server.request(Method::DELETE, &path, None).await.0, 204);
    for method in [Method::GET, Method::DELETE, Method::PUT] {
        let (status, _) = server.request(method, &path, Some(json!({"name": "x"}))).await;
        assert_eq!(status, 404);
    }
    assert_eq!(server.post(&format!("{path}/chat"), json!({"message": "x"})).await.0, 404);
    assert_eq!(server.request(Method::GET, &format!("{path}/sessions"), None).await.0, 404);
    assert_eq!(server.post(&format!("{path}/sessions"), json!({})).await.0, 404);
}

impl Fixture {
    /// So many more personas; their ids.
    async fn personas(&self, count: usize) -> Vec<Value> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let (_, persona) = self.post("/api/v2/personas", json!({"name": "another"})).await;
            ids.push(persona["persona_id"].clone());
        }
        ids
    }
}

#[tokio::test]
async fn what_can_not_be_a_persona_or_a_message_is_refused_by_its_field() {
    let server = Fixture::new().await;
    let refused = [
        ("name", json!({"name": " "})),
        ("name", json!({"name": "ü".repeat(201)})),
        ("description", json!({"name": "x", "description": "ü".repeat(2_001)})),
        ("collection", json!({"name": "x", "collection": "not a name"})),
        ("system_prompt", json!({"name": "x", "system_prompt": "x".repeat(16 * 1024 + 1)})),
        ("model", json!({"name": "x", "model": ""})),
        ("temperature", json!({"name": "x", "temperature": 2.1})),
        ("temperature", json!({"name": "x", "temperature": -0.1})),
        ("top_k", json!({"name": "x", "top_k": 0})),
        ("top_k", json!({"name": "x", "top_k": 1_001})),
        ("max_tokens", json!({"name": "x", "max_tokens": 32_769})),
    ];
    for (field, body) in refused {
        let (status, problem) = server.post("/api/v2/personas", body).await;
        assert_eq!((status, &problem["type"]), (422, &json!("/problems/invalid_field")), "{field}");
        assert!(problem["detail"].as_str().unwrap().starts_with(&format!("`{field}`")), "{problem}");
    }
    for body in [json!({"name": "x", "mode": "of nobody"}), json!({"name": "x", "temprature": 1}), json!({})]
    {
        assert_eq!(server.post("/api/v2/personas", body).await.0, 400);
    }
    let largest = json!({
        "name": "ü".repeat(200), "description": "ü".repeat(2_000), "system_prompt": "x".repeat(16 * 1024),
        "temperature": 2, "top_k": 1_000, "max_tokens": 32_768,
    });
    assert_eq!(server.post("/api/v2/personas", largest).await.0, 201);

    let persona = server.persona("basic").await;
    let chat = format!("{persona}/chat");
    for message in ["", " \n", "a\0b", &"x".repeat(16 * 1024 + 1)] {
        let (status, problem) = server.post(&chat, json!({"message": message})).await;
        assert_eq!((status, problem["detail"].as_str().unwrap().starts_with("`message`")), (422, true));
    }
    let unknown = uuid::Uuid::now_v7();
    assert_eq!(server.post(&chat, json!({"message": "x", "session_id": unknown})).await.0, 404);
    // Another persona's conversation is not this one's.
    let other = server.persona("basic").await;
    let foreign = server.chat(&other, json!({"message": "x"})).await["session_id"].clone();
    assert_eq!(server.post(&chat, json!({"message": "x", "session_id": foreign})).await.0, 404);
    assert_eq!(server.asked().len(), 1, "what is refused asks nobody");
}

#[tokio::test]
async fn a_follow_up_goes_along_with_what_was_said() {
    let server = Fixture::new().await;
    let persona = server.persona("deep").await;
    let collection = server.get(&persona).await["collection"].clone();
    let first = server.chat(&persona, json!({"message": "When is high tide?"})).await;
    assert_eq!((&first["answer"], &first["newer"]), (&json!("answer 1 [1]"), &json!(1.25)));
    assert_eq!(first["citations"][0]["quote"], "quoted");
    let session = first["session_id"].clone();
    let second = server.chat(&persona, json!({"message": "And low?", "session_id": session})).await;
    assert_eq!(second["session_id"], session);
    // Another conversation knows nothing of it.
    let other = server.chat(&persona, json!({"message": "Hello?"})).await["session_id"].clone();
    assert_ne!(other, session);

    let asked = server.asked();
    let query = &asked[0]["query"];
    assert_eq!((&query["question"], &query["collection"]), (&json!("When is high tide?"), &collection));
    assert_eq!(
        (&query["mode"], &query["top_k"], &query["stream"]),
        (&json!("deep"), &json!(3), &json!(false))
    );
    let settings = json!({"system_prompt": "Ahoy.", "model": "small", "temperature": 0.5, "max_tokens": 100});
    for (field, value) in settings.as_object().unwrap() {
        assert_eq!(&asked[0][field], value);
    }
    assert_eq!((&asked[0]["history"], &asked[2]["history"]), (&json!([]), &json!([])));
    let before = json!([
        {"role": "user", "content": "When is high tide?"},
        {"role": "assistant", "content": "answer 1 [1]"},
    ]);
    assert_eq!((&asked[1]["history"], &asked[1]["query"]["question"]), (&before, &json!("And low?")));
    let said = server.said(&persona, &session).await;
    let pairs =
        [user("When is high tide?"), assistant("answer 1 [1]"), user("And low?"), assistant("answer 2 [1]")];
    assert_eq!(said, pairs);

    // A client's own history is used instead of what is on record.
    let own = json!([{"role": "user", "content": "mine"}, {"role": "assistant", "content": "yours"}]);
    server.chat(&persona, json!({"message": "So?", "session_id": session, "history": own})).await;
    assert_eq!(server.asked()[3]["history"], own);

    // Listed with titles, newest first; read in pages; renamed; deleted.
    let titles = server.conversations(&persona).await;
    let titles: Vec<_> = titles.iter().map(|one| one["title"].as_str().unwrap()).collect();
    assert_eq!(titles, ["Hello?", "When is high tide?"]);
    let page = server.get(&format!("{persona}/sessions?limit=1")).await;
    let next = server.get(page["next"].as_str().unwrap()).await;
    assert_eq!((&page["sessions"][0]["session_id"], &next["sessions"][0]["session_id"]), (&other, &session));
    let path = format!("{persona}/sessions/{}", session.as_str().unwrap());
    let page = server.get(&format!("{path}?limit=4")).await;
    assert_eq!(
        (&page["messages"][0]["number"], &page["messages"][3]["text"]),
        (&json!(3), &json!("answer 4 [1]"))
    );
    assert_eq!(page["messages"][3]["citations"][0]["quote"], "quoted");
    let earlier = server.get(page["next"].as_str().unwrap()).await;
    assert_eq!((earlier["messages"].as_array().unwrap().len(), earlier.get("next")), (2, None));
    let (status, renamed) = server.request(Method::PATCH, &path, Some(json!({"title": "Tides"}))).await;
    assert_eq!((status, &renamed["title"], &renamed["message_count"]), (200, &json!("Tides"), &json!(6)));
    assert_eq!(server.request(Method::PATCH, &path, Some(json!({"title": ""}))).await.0, 422);
    assert_eq!(server.request(Method::DELETE, &path, None).await.0, 204);
    assert_eq!(server.request(Method::GET, &path, None).await.0, 404);
    assert_eq!(
        server.post(&format!("{persona}/chat"), json!({"message": "x", "session_id": session})).await.0,
        404
    );

    // One that was begun without a message has its own title.
    let (status, begun) = server.post(&format!("{persona}/sessions"), json!({"title": "Mine"})).await;
    assert_eq!((status, &begun["message_count"]), (201, &json!(0)));
    server.chat(&persona, json!({"message": "x", "session_id": begun["session_id"]})).await;
    assert_eq!(server.conversations(&persona).await[0]["title"], "Mine");
}

#[tokio::test]
async fn it_waits_until_its_documents_are_complete() {
    let server = Fixture::new().await;
    let collection = unique("c");
    let (_, persona) = server.post("/api/v2/personas", json!({"name": "x", "collection": collection})).await;
    let chat = format!("/api/v2/personas/{}/chat", persona["persona_id"].as_str().unwrap());
    let ask = async || {
        let request = server.client.post(format!("{}{chat}", server.url)).json(&json!({"message": "x"}));
        let response = request.send().await.unwrap();
        let retry = response.headers().contains_key(header::RETRY_AFTER);
        (response.status().as_u16(), retry, response.json::<Value>().await.unwrap())
    };
    let (status, retry, problem) = ask().await;
    assert_eq!((status, retry, &problem["type"]), (409, false, &json!("/problems/persona_not_ready")));
    assert_eq!(problem["progress"], json!({"done": 0, "total": 0, "percentage": 0}));
    assert!(problem["detail"].as_str().unwrap().contains("upload"), "{problem}");

    for _ in 0..3 {
        server.upload(&collection).await;
    }
    let (status, retry, problem) = ask().await;
    assert_eq!((status, retry, &problem["progress"]["done"]), (409, true, &json!(0)));
    execute(
        &server.database,
        "UPDATE document_jobs SET stage = 'complete' WHERE job_id = (SELECT min(job_id::text)::uuid FROM document_jobs)",
    )
    .await;
    let (status, _, problem) = ask().await;
    assert_eq!((status, &problem["progress"]), (409, &json!({"done": 1, "total": 3, "percentage": 33})));
    assert_eq!(problem["title"], "Conflict");
    assert_eq!(server.asked().len(), 0);
    execute(&server.database, "UPDATE document_jobs SET stage = 'failed' WHERE stage <> 'complete'").await;
    assert_eq!(ask().await.0, 200);
    // Something new is on its way.
    server.upload(&collection).await;
    assert_eq!(ask().await.2["progress"], json!({"done": 3, "total": 4, "percentage": 75}));
}

#[tokio::test]
async fn a_streamed_answer_is_passed_on_as_it_comes_and_kept_at_its_end() {
    let (say, says) = mpsc::channel::<Bytes>(1);
    let says = Mutex::new(Some(says));
    let server = Fixture::answering(move |_| {
        let says = says.lock().unwrap().take().unwrap();
        events(stream::unfold(says, async |mut says| Some((says.recv().await?, says))))
    })
    .await;
    let persona = server.persona("basic").await;
    let told = server.stream(&persona, json!({"message": "When?", "stream": true})).await;
    let mut told = Box::pin(told);
    let mut tell = async |name: &str, data: Value| {
        // In two pieces, as networks cut them.
        let whole = event(name, &data);
        let at = whole.len() / 2;
        for piece in [whole.slice(..at), whole.slice(at..)] {
            say.send(piece).await.unwrap();
        }
        timeout(DEADLINE, told.next()).await.unwrap().unwrap()
    };
    let passed = |name: &str, data: Value| (name.to_owned(), data);
    // Each arrives before the next one is said.
    for (name, data) in [
        ("passages", json!([{"text": "a\nb"}])),
        ("token", json!({"text": "At "})),
        ("step", json!({"x": 1})),
    ] {
        assert_eq!(tell(name, data.clone()).await, passed(name, data));
        assert_eq!(server.conversations(&persona).await, [] as [Value; 0], "nothing before the end");
    }
    let (name, mut done) = tell("done", answer("At noon\0 [1]")).await;
    assert_eq!(name, "done");
    let session = done.as_object_mut().unwrap().remove("session_id").unwrap();
    assert_eq!(done, answer("At noon\0 [1]"), "otherwise as it was");
    // On record before it is told.
    assert_eq!(server.said(&persona, &session).await, [user("When?"), assistant("At noon\u{fffd} [1]")]);
    assert_eq!(timeout(DEADLINE, told.next()).await.unwrap(), None);
    assert_eq!(server.asked()[0]["query"]["stream"], true);
}

#[tokio::test]
async fn what_breaks_off_leaves_nothing() {
    let server = Fixture::answering(|question| match question["query"]["question"].as_str().unwrap() {
        "broken" => events(stream::iter([event("token", &json!({"text": "half"}))])),
        "cut" => events(stream::iter([event("done", &answer("x")).slice(..30)])),
        "failed" => {
            events(stream::iter([event("error", &json!({"status": 503})), event("done", &answer("late"))]))
        }
        "no answer" => events(stream::iter([event("done", &json!({"answers": 1}))])),
        "refused" => Problem::unprocessable("no_model", "there is none").into_response(),
        "nonsense" => "nonsense".into_response(),
        other => panic!("{other}"),
    })
    .await;
    let persona = server.persona("basic").await;
    let (_, begun) = server.post(&format!("{persona}/sessions"), json!({})).await;
    let session = begun["session_id"].clone();
    for session in [None, Some(&session)] {
        for (message, last) in [("broken", 503), ("cut", 503), ("failed", 503), ("no answer", 503)] {
            let body = json!({"message": message, "session_id": session, "stream": true});
            let told: Vec<_> = server.stream(&persona, body).await.collect().await;
            let (name, problem) = told.last().unwrap();
            assert_eq!((name.as_str(), &problem["status"]), ("error", &json!(last)), "{message}: {told:?}");
        }
        for (message, wanted) in [("refused", 422), ("nonsense", 503)] {
            let body = json!({"message": message, "session_id": session});
            assert_eq!(server.post(&format!("{persona}/chat"), body).await.0, wanted, "{message}");
        }
    }
    let left = server.conversations(&persona).await;
    assert_eq!((left.len(), &left[0]["session_id"], &left[0]["message_count"]), (1, &session, &json!(0)));
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_answer_along() {
    let (gone, mut is_gone) = mpsc::channel::<()>(1);
    let gone = Mutex::new(Some(gone));
    let server = Fixture::answering(move |_| {
        // Dropped with the stream.
        let gone = gone.lock().unwrap().take();
        let first = stream::iter([event("token", &json!({"text": "half"}))]);
        events(first.chain(stream::once(async move {
            std::future::pending::<()>().await;
            drop(gone);
            Bytes::new()
        })))
    })
    .await;
    let persona = server.persona("basic").await;
    let mut told = Box::pin(server.stream(&persona, json!({"message": "When?", "stream": true})).await);
    assert_eq!(timeout(DEADLINE, told.next()).await.unwrap().unwrap().0, "token");
    drop(told);
    // The query node is not left writing for nobody.
    assert_eq!(timeout(DEADLINE, is_gone.recv()).await.unwrap(), None);
    assert_eq!(server.conversations(&persona).await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_conversation_that_is_deleted_meanwhile_does_not_come_back() {
    let (ask, mut asks) = mpsc::channel::<()>(1);
    let (go, goes) = mpsc::channel::<()>(1);
    let goes = Arc::new(tokio::sync::Mutex::new(goes));
    let server = Arc::new(
        Fixture::answering(move |question| {
            if question["query"]["question"] == "first" {
                return Json(answer("whole")).into_response();
            }
            let (ask, goes) = (ask.clone(), goes.clone());
            let late = stream::once(async move {
                ask.send(()).await.unwrap();
                goes.lock().await.recv().await.unwrap();
                answer("late").to_string()
            });
            Body::from_stream(late.map(Ok::<_, Infallible>)).into_response()
        })
        .await,
    );
    let persona = server.persona("basic").await;
    let session = server.chat(&persona, json!({"message": "first"})).await["session_id"].clone();
    let path = format!("{persona}/sessions/{}", session.as_str().unwrap());
    let (asking, chat) = (server.clone(), format!("{persona}/chat"));
    let body = json!({"message": "second", "session_id": session});
    let late = tokio::spawn(async move { asking.post(&chat, body).await });
    timeout(DEADLINE, asks.recv()).await.unwrap().unwrap();
    assert_eq!(server.request(Method::DELETE, &path, None).await.0, 204);
    go.send(()).await.unwrap();
    assert_eq!(timeout(DEADLINE, late).await.unwrap().unwrap().0, 404);
    assert_eq!(server.conversations(&persona).await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_private_conversation_keeps_no_word() {
    let server = Fixture::new().await;
    let persona = server.persona("private").await;
    let session = server.chat(&persona, json!({"message": "My secret?"})).await["session_id"].clone();
    let history = json!([
        {"role": "user", "content": "My secret?"}, {"role": "assistant", "content": "answer 1 [1]"},
    ]);
    server.chat(&persona, json!({"message": "More?", "session_id": session, "history": history})).await;
    server.chat(&persona, json!({"message": "Again?", "session_id": session})).await;

    let asked = server.asked();
    assert_eq!(asked[0]["query"]["mode"], "private");
    assert_eq!((&asked[1]["history"], &asked[2]["history"]), (&history, &json!([])));
    let said = server.said(&persona, &session).await;
    assert_eq!(said.len(), 6, "that something was said is known");
    assert!(said.iter().all(|(_, text)| text.is_null()), "{said:?}");
    let page = server.get(&format!("{persona}/sessions/{}", session.as_str().unwrap())).await;
    assert_eq!((page.get("title"), &page["messages"][1]["citations"]), (None, &json!([])));
}

#[tokio::test]
async fn a_mode_of_another_release_is_shown_and_not_guessed() {
    let server = Fixture::new().await;
    let collection = unique("c");
    server.upload(&collection).await;
    execute(&server.database, "UPDATE document_jobs SET stage = 'complete'").await;
    let persona = NewPersona {
        name: "x".into(),
        description: String::new(),
        collection,
        system_prompt: String::new(),
        mode: "telepathic".into(),
        model: None,
        temperature: None,
        top_k: None,
        max_tokens: None,
    };
    let persona = server.ledger.create_persona(&persona).await.unwrap();
    let path = format!("/api/v2/personas/{}", persona.persona_id);
    assert_eq!(server.get(&path).await["mode"], "telepathic");
    assert_eq!(server.get("/api/v2/personas").await["personas"].as_array().unwrap().len(), 1);
    let (status, problem) = server.post(&format!("{path}/chat"), json!({"message": "x"})).await;
    assert_eq!((status, &problem["type"]), (422, &json!("/problems/unknown_mode")));
    assert_eq!(server.asked().len(), 0);
}

#[test]
fn the_specification_tells_what_the_dashboard_looks_for() {
    let all = OpenApiRouter::with_openapi(Spec::openapi()).merge(routes::<Chats>());
    let spec = serde_json::to_value(all.split_for_parts().1).unwrap();
    for (path, methods) in [
        ("/api/v2/personas", ["get", "post"].as_slice()),
        ("/api/v2/personas/{id}", &["get", "put", "delete"]),
        ("/api/v2/personas/{id}/chat", &["post"]),
        ("/api/v2/personas/{id}/sessions", &["get", "post"]),
        ("/api/v2/personas/{id}/sessions/{session_id}", &["get", "patch", "delete"]),
    ] {
        let found = spec["paths"][path].as_object().unwrap();
        assert!(methods.iter().all(|method| found.contains_key(*method)), "{path}: {:?}", found.keys());
    }
    let schemas = &spec["components"]["schemas"];
    assert!(schemas["ChatRequest"]["properties"]["stream"].is_object(), "it streams");
    assert!(schemas["Problem"]["properties"]["progress"].is_object());
    // Every reference leads somewhere.
    let text = spec.to_string();
    for (at, _) in text.match_indices("#/components/schemas/") {
        let name = text[at + "#/components/schemas/".len()..].split('"').next().unwrap();
        assert!(schemas.get(name).is_some(), "{name}");
    }
}
