//! The first minute with Ragstream: samples in, a question, a cited answer.

use crate::client::{Api, ask, upload};
use anyhow::{Context, Result};
use std::path::Path;

/// Asked of the samples.
const QUESTION: &str = "What happens to a message that can't be processed?";

/// Uploads the files of `samples`, waits until they are searchable, asks, and says where to go on.
pub(crate) async fn show(url: &str, kafka: &str, samples: &Path) -> Result<()> {
    let api = Api::new(url)?;
    let files = upload::collect_files(&[samples.to_path_buf()])?;
    println!("Uploading {} sample documents from {}", files.len(), samples.display());
    let outcome = upload::upload_all(&api, &files, &upload::Fields::default()).await?;
    outcome.print(false);
    println!("\nAsking: {QUESTION}\n");
    let answer = api.query(QUESTION, outcome.last_token()).await.context("the question was not answered")?;
    ask::print(&answer);
    println!(
        "
  API         {url}   (try {url}/docs)
  Upload      curl -F file=@report.pdf {url}/api/v2/documents/upload
  Ask         curl -H 'content-type: application/json' -d '{{\"question\":\"...\"}}' {url}/api/v2/query
  Health      {url}/health
  Metrics     {url}/metrics
  Kafka       {kafka}

Serving until Ctrl-C."
    );
    Ok(())
}
