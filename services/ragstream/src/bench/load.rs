//! Uploads: throughput of the pipeline, latency, freshness.

use super::{corpus::Corpus, stats::Spread};
use crate::client::Api;
use anyhow::{Context, Result, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use ragstream_api::documents::{UploadResponse, UploadedFile};
use reqwest::multipart::{Form, Part};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Clients that feed the pipeline.
const FEEDERS: usize = 16;
/// Files of one request while the index is filled.
const FILL_FILES: usize = 50;
/// Uploads of which the freshness is measured.
const FRESH: usize = 50;
/// How long to wait for one to be searchable, in milliseconds.
const FRESH_WAIT_MS: u64 = 30_000;
/// How often a job is asked for.
const POLL: Duration = Duration::from_millis(50);
/// Notes of each phase are different ones.
const UPLOADS: usize = 1_000_000;
const FRESHNESS: usize = 2_000_000;
const FILL: usize = 3_000_000;

/// Where to upload to.
pub(crate) struct Target {
    pub(crate) api: Api,
    pub(crate) collection: String,
}

impl Target {
    async fn upload(&self, files: impl IntoIterator<Item = (String, String)>) -> Result<UploadResponse> {
        let mut form = Form::new().text("collection", self.collection.clone());
        for (name, text) in files {
            form = form.part("file", Part::bytes(text.into_bytes()).file_name(name));
        }
        self.api.upload(form).await
    }

    async fn upload_one(&self, name: String, text: String) -> Result<UploadedFile> {
        let mut answer = self.upload([(name, text)]).await?;
        answer.files.pop().context("the answer names no file")
    }

    /// Waits until all jobs are over; how many chunks they had.
    pub(super) async fn complete(&self, jobs: &[Uuid]) -> Result<usize> {
        let mut chunks = 0;
        for job in jobs {
            let ended = loop {
                let status = self.api.status(*job).await?;
                if matches!(status.stage.as_str(), "complete" | "failed" | "cancelled") {
                    break status;
                }
                tokio::time::sleep(POLL).await;
            };
            ensure!(ended.stage == "complete", "job {job} ended as {}: {:?}", ended.stage, ended.failure);
            chunks += ended.chunks.total as usize;
        }
        Ok(chunks)
    }
}

/// What the pipeline did.
pub(crate) struct Pipeline {
    pub(crate) chunks: usize,
    pub(crate) took: Duration,
}

/// From the first upload sent to the last document searchable.
pub(crate) async fn pipeline(target: &Target, pages: &[String]) -> Result<Pipeline> {
    let begun = Instant::now();
    let jobs = send(target, pages).await?;
    let chunks = target.complete(&jobs).await?;
    Ok(Pipeline { chunks, took: begun.elapsed() })
}

/// Uploads pages, each by itself; their jobs.
pub(super) async fn send(target: &Target, pages: &[String]) -> Result<Vec<Uuid>> {
    stream::iter(pages.iter().cloned().enumerate())
        .map(|(i, page)| async move {
            Ok::<_, anyhow::Error>(target.upload_one(format!("page-{i}.txt"), page).await?.job_id)
        })
        .buffer_unordered(FEEDERS)
        .try_collect()
        .await
}

/// What the clients saw.
pub(crate) struct Uploads {
    pub(crate) latency: Spread,
    pub(crate) taken: usize,
    pub(crate) refused: usize,
    pub(crate) took: Duration,
}

/// Latency of `202` for many clients, while what they upload is being processed.
pub(crate) async fn uploads(
    target: &Target,
    corpus: &Corpus,
    count: usize,
    clients: usize,
) -> Result<Uploads> {
    let begun = Instant::now();
    let answers: Vec<(Duration, Result<UploadedFile>)> = stream::iter(0..count)
        .map(|i| async move {
            let sent = Instant::now();
            let answer = target.upload_one(format!("note-{i}.txt"), corpus.note(UPLOADS + i)).await;
            (sent.elapsed(), answer)
        })
        .buffer_unordered(clients)
        .collect()
        .await;
    let took = begun.elapsed();
    let latency: Vec<Duration> = answers.iter().map(|(time, _)| *time).collect();
    let jobs: Vec<Uuid> =
        answers.into_iter().filter_map(|(_, answer)| answer.ok()).map(|file| file.job_id).collect();
    target.complete(&jobs).await?;
    Ok(Uploads { latency: Spread::of(&latency), taken: jobs.len(), refused: count - jobs.len(), took })
}

/// From an upload sent to a search that shows it, one at a time.
pub(crate) async fn freshness(target: &Target, corpus: &Corpus) -> Result<Vec<Duration>> {
    let mut fresh = Vec::with_capacity(FRESH);
    for i in 0..FRESH {
        let sent = Instant::now();
        let file = target.upload_one(format!("fresh-{i}.txt"), corpus.note(FRESHNESS + i)).await?;
        let body = serde_json::json!({
            "query": format!("note {}", FRESHNESS + i), "top_k": 1, "mode": "keyword",
            "collection": target.collection, "min_token": file.consistency_token, "wait_ms": FRESH_WAIT_MS,
        });
        let answer = target.api.search_with(&body).await?;
        ensure!(answer.freshness.token_applied == Some(true), "upload {i} was not searchable in time");
        fresh.push(sent.elapsed());
    }
    Ok(fresh)
}

/// Uploads so many notes, and waits until they are searchable.
pub(crate) async fn fill(target: &Target, corpus: &Corpus, notes: usize) -> Result<()> {
    let batches: Vec<Vec<usize>> =
        (0..notes).collect::<Vec<_>>().chunks(FILL_FILES).map(<[usize]>::to_vec).collect();
    let jobs: Vec<Vec<Uuid>> = stream::iter(batches)
        .map(|batch| async move {
            let files = batch.into_iter().map(|i| (format!("fill-{i}.txt"), corpus.note(FILL + i)));
            let answer = target.upload(files).await?;
            ensure!(answer.rejected.is_empty(), "files were refused: {:?}", answer.rejected);
            Ok::<_, anyhow::Error>(answer.files.into_iter().map(|file| file.job_id).collect())
        })
        .buffer_unordered(2)
        .try_collect()
        .await?;
    target.complete(&jobs.concat()).await.map(drop)
}
