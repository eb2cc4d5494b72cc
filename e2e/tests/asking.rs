//! A language model behind the real node: its answer comes while it is made, what no passage backs is left out,
//! an update is never answered from before, and without the model the documents answer.
#![allow(clippy::unwrap_used)]

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::post,
};
use futures::StreamExt;
use ragstream_e2e::{
    api::{Api, text},
    process::Standalone,
};
use serde_json::{Value, json};
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc},
};

const QUESTION: &str = "How often is the clockwork of the lamp wound?";
const BACKED: &str = "The clockwork of the lamp is wound every 6 hours [1].";
/// The same as it is shown: citations come after the sentence.
const SHOWN: &str = "The clockwork of the lamp is wound every 6 hours. [1]";
/// In two pieces: that a sentence is over shows when the next one begins.
const INVENTED: [&str; 2] = [" It", " was built by aliens in the year 1200 [1]."];

/// A server that speaks OpenAI's chat completions.
#[derive(Default)]
struct Model {
    prompts: Mutex<Vec<Value>>,
    is_away: AtomicBool,
    /// The reader has the first sentence: only then comes the second.
    was_read: Notify,
}

impl Model {
    async fn start() -> (Arc<Self>, String) {
        let model = Arc::new(Self::default());
        let router = Router::new().route("/v1/chat/completions", post(complete)).with_state(model.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (model, url)
    }
}

async fn complete(State(model): State<Arc<Model>>, Json(prompt): Json<Value>) -> Response {
    if model.is_away.load(Ordering::Relaxed) {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    model.prompts.lock().unwrap().push(prompt);
    let (send, receive) = mpsc::channel::<String>(1);
    tokio::spawn(async move {
        let piece = |text: &str| format!("data: {}\n\n", json!({"choices": [{"delta": {"content": text}}]}));
        let _ = send.send(piece(&format!("{BACKED}{}", INVENTED[0]))).await;
        model.was_read.notified().await;
        let _ = send.send(piece(INVENTED[1])).await;
        let _ = send.send("data: [DONE]\n\n".to_owned()).await;
    });
    let pieces = futures::stream::unfold(receive, async |mut receive| {
        Some((Ok::<_, std::io::Error>(receive.recv().await?), receive))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(pieces)).into_response()
}

/// Uploads a version of the document, and waits until it is searchable.
async fn upload(api: &Api, hours: &str) {
    let document = format!("# The lamp\n\nThe clockwork of the lamp is wound every {hours} hours.\n");
    let answer = api.upload("lamp.md", document, &[("external_id", "lamp")]).await;
    assert_eq!(answer.status, 202, "{}", answer.body);
    assert_eq!(api.finished(&text(&answer.body, "job_id")).await["stage"], "complete");
}

/// The events of a streamed answer; the model goes on once its first words are here.
async fn streamed(api: &Api, model: &Model) -> Vec<(String, Value)> {
    let request = json!({"question": QUESTION, "stream": true});
    let answer = api.client.post(format!("{}/api/v2/query", api.base)).json(&request).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut events = eventsource_stream::EventStream::new(answer.bytes_stream());
    let mut told = Vec::new();
    while let Some(event) = events.next().await {
        let event = event.unwrap();
        if event.event == "token" {
            model.was_read.notify_one();
        }
        told.push((event.event, serde_json::from_str(&event.data).unwrap()));
    }
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_written_answer_is_streamed_checked_and_never_from_before_an_update() {
    let dir = tempfile::tempdir().unwrap();
    let (model, url) = Model::start().await;
    let env = [("LLM_BASE_URL", url), ("LLM_MODEL", "scripted".to_owned())];
    let node = Standalone::start_with(dir.path(), &env).await;
    let api = &node.api;
    upload(api, "6").await;

    let told = streamed(api, &model).await;
    let names: Vec<&str> = told.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["passages", "token", "done"], "{told:?}");
    let done = &told[2].1;
    assert_eq!((&done["answer"], &done["method"]), (&json!(SHOWN), &json!("generative")));
    assert_eq!((&done["model"], &done["cached"]), (&json!("scripted"), &json!(false)));
    assert!(done["notes"][0].as_str().unwrap().contains('1'), "{done}");
    assert_eq!(done["citations"][0]["filename"], "lamp.md");

    // Nothing has changed: the model is not asked again.
    let again = api.post("/api/v2/query", &json!({"question": QUESTION})).await;
    assert_eq!((&again.body["answer"], &again.body["cached"]), (&json!(SHOWN), &json!(true)));
    assert_eq!(model.prompts.lock().unwrap().len(), 1);

    // The document says something else: so the answer of before is none, and no passage backs it.
    upload(api, "9").await;
    let told = streamed_without_words(api, &model).await;
    assert_eq!(told["cached"], false);
    assert!(!told["answer"].as_str().unwrap().contains("every 6"), "{told}");
    let prompt = model.prompts.lock().unwrap().last().unwrap().to_string();
    assert!(prompt.contains("9 hours") && !prompt.contains("6 hours"), "{prompt}");

    // Without the model, the documents answer, and the answer says why.
    model.is_away.store(true, Ordering::Relaxed);
    let question = json!({"question": "The clockwork of the lamp: how often is it wound?"});
    let quoted = api.post("/api/v2/query", &question).await;
    assert_eq!(
        (quoted.status.as_u16(), &quoted.body["method"]),
        (200, &json!("extractive")),
        "{}",
        quoted.body
    );
    assert!(quoted.body["answer"].as_str().unwrap().contains("9 hours"), "{}", quoted.body);
    assert!(quoted.body["notes"][0].as_str().unwrap().contains("quoted"), "{}", quoted.body);
}

/// The answer where the model says nothing that may be shown.
async fn streamed_without_words(api: &Api, model: &Model) -> Value {
    model.was_read.notify_one();
    let answer = api.post("/api/v2/query", &json!({"question": QUESTION})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}
