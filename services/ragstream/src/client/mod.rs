//! The clients: the same HTTP API that everybody uses.

pub(crate) mod ask;
pub(crate) mod dlq;
pub(crate) mod events;
pub(crate) mod rebuild;
pub(crate) mod status;
pub(crate) mod upload;
pub(crate) mod verify;

use anyhow::{Context, Result, bail};
use backon::{BackoffBuilder, ExponentialBuilder};
use clap::Args;
use ragstream_api::{
    admin::{RebuildResponse, VerifyRequest, VerifyResponse},
    batches::{BatchCreated, BatchFilesResponse, BatchRequest},
    documents::{JobResponse, JobsResponse, UploadResponse},
    problem::Problem,
    search::{QueryResponse, SearchResponse},
};
use reqwest::{Client, Response};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// How long the server may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a question waits for the upload that it names.
const WAIT_MS: u64 = 30_000;

/// Pauses between tries of what broke off; together about four minutes, in which a server restarts.
const TRIES: usize = 12;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

fn pauses() -> impl Iterator<Item = Duration> {
    let builder = ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE);
    builder.with_max_times(TRIES).with_jitter().build()
}

/// Which server.
#[derive(Args)]
pub(crate) struct Server {
    /// Address of the API.
    #[arg(long, env = "RAGSTREAM_URL", value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub(crate) url: String,
}

/// The API of one server.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    base: String,
}

impl Api {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let client = Client::builder().connect_timeout(CONNECT_TIMEOUT).no_proxy().build()?;
        Ok(Self { client, base: url.trim_end_matches('/').to_owned() })
    }

    pub(crate) async fn upload(&self, form: reqwest::multipart::Form) -> Result<UploadResponse> {
        let request = self.client.post(format!("{}/api/v2/documents/upload", self.base)).multipart(form);
        self.answer(request.send().await).await
    }

    /// Announces files that belong together.
    pub(crate) async fn announce(&self, request: &BatchRequest) -> Result<BatchCreated> {
        let request = self.client.post(format!("{}/api/v2/batches", self.base)).json(request);
        self.answer(request.send().await).await
    }

    /// A page of a batch's files, by its link.
    pub(crate) async fn batch_files(&self, path: &str) -> Result<BatchFilesResponse> {
        let request = self.client.get(format!("{}{path}", self.base));
        self.answer(request.send().await).await
    }

    pub(crate) async fn status(&self, job_id: uuid::Uuid) -> Result<JobResponse> {
        let request = self.client.get(format!("{}/api/v2/documents/status/{job_id}", self.base));
        self.answer(request.send().await).await
    }

    /// The newest jobs that are not over.
    pub(crate) async fn active(&self) -> Result<Vec<JobResponse>> {
        let request = self.client.get(format!("{}/api/v2/jobs?active=true&limit=1000", self.base));
        self.answer::<JobsResponse>(request.send().await).await.map(|answer| answer.jobs)
    }

    /// Asks; with the token of an upload, once that is searchable.
    pub(crate) async fn query(&self, question: &str, min_token: Option<&str>) -> Result<QueryResponse> {
        let mut body = serde_json::json!({ "question": question });
        if let Some(token) = min_token {
            body["min_token"] = token.into();
            body["wait_ms"] = WAIT_MS.into();
        }
        self.query_with(&body).await
    }

    pub(crate) async fn query_with(&self, body: &serde_json::Value) -> Result<QueryResponse> {
        let request = self.client.post(format!("{}/api/v2/query", self.base)).json(body);
        self.answer(request.send().await).await
    }

    /// Compares what all sides hold; takes as long as it takes.
    pub(crate) async fn verify(&self, request: &VerifyRequest) -> Result<VerifyResponse> {
        let request = self.client.post(format!("{}/api/v2/admin/verify", self.base)).json(request);
        self.answer(request.send().await).await
    }

    /// Begins to build the indexes anew, or joins in where that is under way.
    pub(crate) async fn begin_rebuild(&self) -> Result<RebuildResponse> {
        let request = self.client.post(format!("{}/api/v2/admin/rebuild", self.base));
        self.answer(request.send().await).await
    }

    /// How far that is.
    pub(crate) async fn rebuild(&self) -> Result<RebuildResponse> {
        let request = self.client.get(format!("{}/api/v2/admin/rebuild", self.base));
        self.answer(request.send().await).await
    }

    pub(crate) async fn search_with(&self, body: &serde_json::Value) -> Result<SearchResponse> {
        let request = self.client.post(format!("{}/api/v2/search", self.base)).json(body);
        self.answer(request.send().await).await
    }

    /// The body of an answer; a problem becomes an error in its own words.
    async fn answer<T: DeserializeOwned>(&self, sent: reqwest::Result<Response>) -> Result<T> {
        let response =
            sent.with_context(|| format!("no answer from {}: is Ragstream running there?", self.base))?;
        let status = response.status();
        let body = response.bytes().await.context("the answer broke off")?;
        if status.is_success() {
            return serde_json::from_slice(&body).context("the answer is not what this version expects");
        }
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => bail!("{} ({status})", problem.detail),
            Err(_) => bail!("{} answered {status}", self.base),
        }
    }
}
