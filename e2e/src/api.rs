//! The HTTP API, as any client sees it.

use crate::{PATIENCE, POLL, eventually};
use reqwest::{
    Client, StatusCode,
    multipart::{Form, Part},
};
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// An API under test.
#[derive(Clone)]
pub struct Api {
    /// For requests that have no function here.
    pub client: Client,
    /// Its address.
    pub base: String,
}

/// An answer: status, content type, JSON body (`Null` where it is none).
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The content type.
    pub content_type: String,
    /// Seconds in `Retry-After`.
    pub retry_after: Option<u64>,
    /// The body.
    pub body: Value,
}

impl Answer {
    /// That a 503 is a problem which says when to try again.
    ///
    /// # Panics
    /// Where it is not.
    pub fn assert_try_again(&self) {
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        assert!(self.retry_after.is_some(), "no Retry-After: {self:?}");
        assert!(self.body["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self:?}");
    }
}

impl Api {
    /// The API at an address.
    pub fn new(base: String) -> Self {
        let client = Client::builder().no_proxy().build().expect("a client without options can be built");
        Self { client, base }
    }

    /// Whether `/readyz` says so.
    pub async fn is_ready(&self) -> bool {
        let answer = self.client.get(format!("{}/readyz", self.base)).send().await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    /// Sends a request and reads the whole answer.
    ///
    /// # Panics
    /// Where there is none.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        self.try_send(request).await.expect("an answer")
    }

    /// The same, for a server that may be gone.
    pub async fn try_send(&self, request: reqwest::RequestBuilder) -> reqwest::Result<Answer> {
        let response = request.send().await?;
        let status = response.status();
        let content_type = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("");
        let content_type = content_type.to_owned();
        let retry_after = response.headers().get("retry-after").and_then(|v| v.to_str().ok()?.parse().ok());
        let bytes = response.bytes().await?;
        Ok(Answer {
            status,
            content_type,
            retry_after,
            body: serde_json::from_slice(&bytes).unwrap_or(Value::Null),
        })
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.client.get(format!("{}{path}", self.base))).await
    }

    /// `GET path` as text.
    ///
    /// # Panics
    /// Where there is no answer.
    pub async fn text(&self, path: &str) -> String {
        let response = self.client.get(format!("{}{path}", self.base)).send().await.expect("an answer");
        response.text().await.expect("a whole answer")
    }

    /// `POST path` with a JSON body.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.client.post(format!("{}{path}", self.base)).json(body)).await
    }

    /// Uploads one file with further fields.
    pub async fn upload(&self, name: &str, bytes: impl Into<Vec<u8>>, fields: &[(&str, &str)]) -> Answer {
        self.upload_many([(name, bytes.into())], fields).await
    }

    /// Uploads files in one request.
    pub async fn upload_many<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a str, Vec<u8>)>,
        fields: &[(&str, &str)],
    ) -> Answer {
        self.send(self.upload_request(files, fields)).await
    }

    /// The request of an upload.
    pub fn upload_request<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a str, Vec<u8>)>,
        fields: &[(&str, &str)],
    ) -> reqwest::RequestBuilder {
        let mut form = Form::new();
        for (name, value) in fields {
            form = form.text((*name).to_owned(), (*value).to_owned());
        }
        for (name, bytes) in files {
            form = form.part("file", Part::bytes(bytes).file_name(name.to_owned()));
        }
        self.client.post(format!("{}/api/v2/documents/upload", self.base)).multipart(form)
    }

    /// Uploads one file as a good client does: tries again where there is no answer, or
    /// a 503, which has to say what to do. Its document and job, or the answer that refuses it.
    ///
    /// # Panics
    /// Where that takes longer than [`crate::PATIENCE`], or a 503 is not as it should be.
    pub async fn upload_patiently(&self, name: &str, bytes: &[u8], fields: &[(&str, &str)]) -> Answer {
        eventually(&format!("an answer to the upload of {name}"), || async {
            let request = self.upload_request([(name, bytes.to_vec())], fields);
            let answer = self.try_send(request).await.ok()?;
            if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                answer.assert_try_again();
                return None;
            }
            Some(answer)
        })
        .await
    }

    /// Waits until a job is final; its status.
    ///
    /// # Panics
    /// Where that takes longer than [`crate::PATIENCE`]; it says how far the job has come.
    pub async fn finished(&self, job_id: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let job = self.get(&format!("/api/v2/documents/status/{job_id}")).await.body;
            if matches!(job["stage"].as_str(), Some("complete" | "failed" | "cancelled")) {
                return job;
            }
            assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain for the end of {job:#}");
            sleep(POLL).await;
        }
    }

    /// The sum of a metric over its labels that contain `label`.
    pub async fn metric(&self, name: &str, label: &str) -> f64 {
        let metrics = self.text("/metrics").await;
        metrics
            .lines()
            .filter(|line| line.starts_with(name) && line.contains(label) && !line.starts_with('#'))
            .filter(|line| line[name.len()..].starts_with(['{', ' ']))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

/// A string in a JSON body.
///
/// # Panics
/// Where there is none.
pub fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_else(|| panic!("no text {field:?} in {body:#}")).to_owned()
}
