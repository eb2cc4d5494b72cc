//! `ragstream upload`: files and folders in, and a bar until they are searchable.

use super::{Api, Server};
use anyhow::{Context, Result, bail};
use clap::Args;
use futures::{StreamExt, stream};
use indicatif::{ProgressBar, ProgressStyle};
use ragstream_api::documents::{JobResponse, UploadedFile};
use reqwest::multipart::{Form, Part};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Requests at once.
const CONCURRENT: usize = 4;
/// How often the jobs are asked for.
const POLL: Duration = Duration::from_millis(200);

#[derive(Args)]
pub(crate) struct UploadArgs {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    fields: Fields,
    /// Return once the server has taken the files, without waiting until they are searchable.
    #[arg(long)]
    no_wait: bool,
    /// Files, or folders with all the files below them.
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// What goes with every file.
#[derive(Args, Default)]
pub(crate) struct Fields {
    /// Where the files go.
    #[arg(long)]
    collection: Option<String>,
    /// A JSON object that passages carry and filters match.
    #[arg(long, value_name = "JSON")]
    metadata: Option<String>,
    /// Use each file's path as given as its external id: uploading it again is an update.
    #[arg(long)]
    path_as_id: bool,
}

pub(crate) async fn run(args: UploadArgs) -> Result<()> {
    let api = Api::new(&args.server.url)?;
    let files = collect_files(&args.paths)?;
    let outcome = if args.no_wait {
        send_all(&api, &files, &args.fields).await
    } else {
        upload_all(&api, &files, &args.fields).await?
    };
    outcome.print();
    if outcome.failed.is_empty() {
        Ok(())
    } else {
        bail!("{} of {} files failed", outcome.failed.len(), files.len())
    }
}

/// What became of the files.
#[derive(Default)]
pub(crate) struct Outcome {
    taken: Vec<UploadedFile>,
    /// Name and reason.
    failed: Vec<(String, String)>,
    searchable: usize,
}

impl Outcome {
    /// The token of the last file that was taken.
    pub(crate) fn last_token(&self) -> Option<&str> {
        self.taken.last().map(|file| file.consistency_token.as_str())
    }

    /// A line about the whole, and one for each failure.
    pub(crate) fn print(&self) {
        let duplicates = self.taken.iter().filter(|file| file.duplicate).count();
        print!("{} taken", self.taken.len());
        if duplicates > 0 {
            print!(" ({duplicates} known already)");
        }
        println!(", {} searchable, {} failed", self.searchable, self.failed.len());
        for (name, reason) in &self.failed {
            println!("  {name}: {reason}");
        }
    }
}

/// The files themselves, and those in folders, in order.
pub(crate) fn collect_files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut waiting: Vec<PathBuf> = paths.iter().rev().cloned().collect();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let mut inside = std::fs::read_dir(&path)
                .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>())
                .with_context(|| format!("can't read {}", path.display()))?;
            inside.sort();
            waiting.extend(inside.into_iter().rev());
        } else if path.is_file() {
            files.push(path);
        } else {
            bail!("there is no file or folder {}", path.display());
        }
    }
    if files.is_empty() {
        bail!("there are no files in what was given");
    }
    Ok(files)
}

/// Uploads, and waits with a progress bar until every file is searchable or failed.
pub(crate) async fn upload_all(api: &Api, files: &[PathBuf], fields: &Fields) -> Result<Outcome> {
    let mut outcome = send_all(api, files, fields).await;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("  {bar:30} {pos}/{len} chunks  {msg}")?.progress_chars("━╸─"),
    );
    let mut open: Vec<uuid::Uuid> = outcome.taken.iter().map(|file| file.job_id).collect();
    let mut done_chunks = 0;
    while !open.is_empty() {
        let jobs: Vec<JobResponse> = stream::iter(open.clone())
            .map(|job| api.status(job))
            .buffered(CONCURRENT)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .collect::<Result<_>>()?;
        let (mut under_way, mut total) = (0, 0);
        open.clear();
        for job in jobs {
            match job.stage.as_str() {
                "complete" => {
                    outcome.searchable += 1;
                    done_chunks += u64::from(job.chunks.total);
                }
                "failed" | "cancelled" => {
                    let reason = job.failure.map_or(job.stage, |failure| failure.message);
                    outcome.failed.push((job.current_file, reason));
                }
                _ => {
                    under_way += u64::from(job.chunks.done);
                    total += u64::from(job.chunks.total);
                    open.push(job.job_id);
                }
            }
        }
        bar.set_length(done_chunks + total);
        bar.set_position(done_chunks + under_way);
        bar.set_message(format!("{} of {} documents searchable", outcome.searchable, outcome.taken.len()));
        if !open.is_empty() {
            tokio::time::sleep(POLL).await;
        }
    }
    bar.finish();
    println!();
    Ok(outcome)
}

async fn send_all(api: &Api, files: &[PathBuf], fields: &Fields) -> Outcome {
    let sent: Vec<_> = stream::iter(files.to_vec())
        .map(|file| async move {
            let sent = send(api, &file, fields).await;
            (file, sent)
        })
        .buffered(CONCURRENT)
        .collect()
        .await;
    let mut outcome = Outcome::default();
    for (file, result) in sent {
        match result {
            Ok(taken) => outcome.taken.extend(taken),
            Err(error) => outcome.failed.push((file.display().to_string(), format!("{error:#}"))),
        }
    }
    outcome
}

async fn send(api: &Api, path: &Path, fields: &Fields) -> Result<Vec<UploadedFile>> {
    let mut part = Part::file(path).await.with_context(|| format!("can't read {}", path.display()))?;
    if let Some(name) = path.file_name() {
        part = part.file_name(name.to_string_lossy().into_owned());
    }
    let mut form = Form::new();
    if let Some(collection) = &fields.collection {
        form = form.text("collection", collection.clone());
    }
    if let Some(metadata) = &fields.metadata {
        form = form.text("metadata", metadata.clone());
    }
    if fields.path_as_id {
        form = form.text("external_id", path.display().to_string());
    }
    Ok(api.upload(form.part("file", part)).await?.files)
}
