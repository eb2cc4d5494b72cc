//! One document's trip, from an upload to a cited answer, and what a user sees on the way.
#![allow(clippy::unwrap_used)]

use ragstream_e2e::{api::text, eventually, process::Standalone, topic};
use serde_json::json;

const NOTES: &str = "# Harbour notes\n\n## Tides\n\nThe spring tide at Brightwater lifts boats by four metres. \
    Skippers wait for slack water before they enter.\n\n## Lights\n\nThe lighthouse keeper winds the clockwork \
    of the lamp every six hours.\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_document_becomes_searchable_and_is_cited() {
    let dir = tempfile::tempdir().unwrap();
    let node = Standalone::start(dir.path()).await;
    let api = &node.api;

    let upload = api
        .upload("notes.md", NOTES, &[("collection", "harbour"), ("metadata", r#"{"lang":"en","year":1911}"#)])
        .await;
    assert_eq!(upload.status, 202, "{upload:?}");
    let (document, job, token) = (
        text(&upload.body, "document_id"),
        text(&upload.body, "job_id"),
        text(&upload.body, "consistency_token"),
    );
    assert_eq!(upload.body["files"].as_array().unwrap().len(), 1);

    // A question with the token waits for the upload; nothing was polled before it.
    let question = "How often is the clockwork of the lamp wound?";
    let answer = api
        .post("/api/v2/query", &json!({"question": question, "min_token": token, "wait_ms": 30_000}))
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.body["freshness"]["token_applied"], true);
    assert!(text(&answer.body, "answer").contains("every six hours"), "{:#}", answer.body);
    let citation = &answer.body["citations"][0];
    assert_eq!(citation["document_id"], document.as_str());
    let extracted = api.text(&format!("/api/v2/documents/{document}/text")).await;
    let span = |at: &str| citation["span"][at].as_u64().unwrap() as usize;
    assert_eq!(&extracted[span("start")..span("end")], text(citation, "quote"));

    let search = api
        .post(
            "/api/v2/search",
            &json!({"query": "spring tide", "collection": "harbour", "filter": {"year": 1911}}),
        )
        .await;
    let passage = &search.body["passages"][0];
    for field in ["document_id", "external_id", "chunk_id", "score", "text", "page", "span"] {
        assert!(passage.get(field).is_some(), "no {field} in {passage:#}");
    }
    assert_eq!(passage["document_id"], document.as_str());
    let span = |at: &str| passage["span"][at].as_u64().unwrap() as usize;
    assert_eq!(&extracted[span("start")..span("end")], text(passage, "text"));
    for (field, value) in [("collection", json!("other")), ("filter", json!({"year": 1912}))] {
        let mut body = json!({"query": "spring tide"});
        body[field] = value;
        let nothing = api.post("/api/v2/search", &body).await;
        assert_eq!(nothing.body["passages"], json!([]), "{body}");
    }

    let status = api.finished(&job).await;
    assert_eq!((status["stage"].as_str(), status["percentage"].as_f64()), (Some("complete"), Some(100.0)));
    assert_eq!(status["chunk_status"]["indexed"], status["chunks"]["total"]);
    let chunks = api.get(&format!("/api/v2/documents/{document}/chunks")).await.body;
    for chunk in chunks["chunks"].as_array().unwrap() {
        assert_eq!(chunk["status"], "indexed");
        assert_eq!(chunk["record"]["topic"], "chunk-embeddings");
    }
    let facts = api.get(&format!("/api/v2/documents/{document}")).await.body;
    assert_eq!(
        (text(&facts, "filename"), facts["metadata"]["year"].as_i64()),
        ("notes.md".into(), Some(1911))
    );
    let extracted = &facts["extracted"];
    assert_eq!(
        (text(extracted, "extractor"), extracted["properties"]["encoding"].as_str()),
        ("markdown/1".into(), Some("utf-8"))
    );
    assert_eq!(api.text(&format!("/api/v2/documents/{document}/content")).await, NOTES);
    let list = api.get("/api/v2/documents?collection=harbour").await.body;
    assert_eq!(list["documents"][0]["document_id"], document.as_str());

    // The same bytes again are a duplicate, in this collection.
    let again = api.upload("copy.md", NOTES, &[("collection", "harbour")]).await;
    assert_eq!((again.status.as_u16(), again.body["duplicate"].as_bool()), (200, Some(true)));
    assert_eq!((text(&again.body, "document_id"), text(&again.body, "job_id")), (document.clone(), job));

    // The log: keys, headers, the marker after the chunks.
    let records = topic::records(&node.kafka(), "chunk-embeddings");
    let keys: Vec<_> = records.iter().map(|record| record.key.clone()).collect();
    assert_eq!(keys.last().unwrap(), &format!("commit:{document}:1"));
    assert_eq!(keys.len() - 1, chunks["chunks"].as_array().unwrap().len());
    for record in &records {
        assert_eq!(record.headers["x-message-type"], "ragstream.v1.IndexRecord");
        assert!(
            record.headers.contains_key("traceparent") && record.headers.contains_key("x-correlation-id")
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_external_id_is_an_update_and_the_old_text_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let node = Standalone::start(dir.path()).await;
    let api = &node.api;
    let id = [("external_id", "menu")];
    let first =
        api.upload("menu.txt", "The soup of the day is tomato soup with basil leaves.", &id).await.body;
    api.finished(&text(&first, "job_id")).await;
    let second =
        api.upload("menu.txt", "The soup of the day is pumpkin soup with ginger root.", &id).await.body;
    assert_eq!(
        (text(&second, "document_id"), second["version"].as_i64()),
        (text(&first, "document_id"), Some(2))
    );
    let body = json!({"query": "soup of the day", "min_token": text(&second, "consistency_token"), "wait_ms": 30_000});
    let found = api.post("/api/v2/search", &body).await.body;
    let texts: Vec<_> = found["passages"].as_array().unwrap().iter().map(|p| text(p, "text")).collect();
    assert_eq!(texts.len(), 1, "{texts:?}");
    assert!(texts[0].contains("pumpkin"));
    // The retired chunk and its marker get tombstones: one chunk and one marker are left.
    api.finished(&text(&second, "job_id")).await;
    eventually("the tombstones", || async {
        let records = topic::records(&node.kafka(), "chunk-embeddings");
        (topic::live_keys(&records).len() == 2).then_some(())
    })
    .await;
}
