//! `ragstream upload`: files and folders in, with a bar for each file and one for all, until they are
//! searchable. Interrupted, the same command goes on where it was.
//!
//! Small files go as forms, large ones by the tus protocol ([`tus`]). All belong to one batch, whose
//! stream of events tells the rest.

mod bars;
mod follow;
mod remembered;
mod tus;

use super::{Api, Server};
use anyhow::{Context, Result, bail};
use bars::Bars;
use clap::Args;
use futures::{StreamExt, stream};
use ragstream_api::{batches::BatchRequest, documents::UploadedFile};
use remembered::Remembered;
use reqwest::multipart::{Form, Part};
use std::path::{Path, PathBuf};
use tokio_util::io::ReaderStream;
use uuid::Uuid;

/// Files on their way at once.
const CONCURRENT: usize = 4;
/// Larger files are sent in pieces, so that an interruption costs a piece and not the file.
const SMALL: u64 = 8 << 20;

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
    /// 0 (last) to 9 (first).
    #[arg(long)]
    priority: Option<u8>,
    /// Use each file's path as given as its external id: uploading it again is an update.
    #[arg(long)]
    path_as_id: bool,
}

impl Fields {
    /// Names and values of the fields of one file.
    fn of(&self, path: &Path, batch_id: Option<Uuid>) -> Vec<(&'static str, String)> {
        let given = [
            ("collection", self.collection.clone()),
            ("metadata", self.metadata.clone()),
            ("priority", self.priority.map(|priority| priority.to_string())),
            ("external_id", self.path_as_id.then(|| path.display().to_string())),
            ("batch_id", batch_id.map(|id| id.to_string())),
        ];
        given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }
}

pub(crate) async fn run(args: UploadArgs) -> Result<()> {
    let api = Api::new(&args.server.url)?;
    let files = collect_files(&args.paths)?;
    let mut outcome = Outcome::default();
    let sent = send_all(&api, &files, &args.fields, &mut outcome).await?;
    if !args.no_wait {
        follow::follow(&api, sent, &mut outcome).await?;
    }
    outcome.print(args.no_wait);
    if outcome.failed.is_empty() {
        Ok(())
    } else {
        bail!("{} of {} files failed", outcome.failed.len(), files.len())
    }
}

/// Uploads, and waits until every file is searchable or failed.
pub(crate) async fn upload_all(api: &Api, files: &[PathBuf], fields: &Fields) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let sent = send_all(api, files, fields, &mut outcome).await?;
    follow::follow(api, sent, &mut outcome).await?;
    Ok(outcome)
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
    pub(crate) fn print(&self, not_waited: bool) {
        let duplicates = self.taken.iter().filter(|file| file.duplicate).count();
        print!("{} taken", self.taken.len());
        if duplicates > 0 {
            print!(" ({duplicates} known already)");
        }
        if !not_waited {
            print!(", {} searchable", self.searchable);
        }
        println!(", {} failed", self.failed.len());
        for (name, reason) in &self.failed {
            println!("  {name}: {reason}");
        }
    }
}

/// What was sent, to be followed.
pub(super) enum Sent {
    /// Nothing that is under way.
    Nothing,
    /// One file.
    Job(Uuid),
    /// Many.
    Batch(Uuid),
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

async fn send_all(api: &Api, files: &[PathBuf], fields: &Fields, outcome: &mut Outcome) -> Result<Sent> {
    let batch_id = match files.len() {
        1 => None,
        n => {
            let request = BatchRequest { files_total: u32::try_from(n)?, ..BatchRequest::default() };
            Some(api.announce(&request).await?.batch_id)
        }
    };
    let sizes = files.iter().map(|file| file.metadata().map(|m| m.len())).collect::<Result<Vec<u64>, _>>();
    let bars = &Bars::new(files.len(), sizes.context("can't read what was given")?.iter().sum());
    let remembered = &Remembered::open();
    let sent: Vec<_> = stream::iter(files.to_vec())
        .map(|file| async move {
            let fields = fields.of(&file, batch_id);
            let sent = send(api, &file, &fields, remembered, bars).await;
            bars.sent();
            (file, sent)
        })
        .buffered(CONCURRENT)
        .collect()
        .await;
    bars.clear();
    for (file, result) in sent {
        match result {
            Ok(taken) => outcome.taken.push(taken),
            Err(error) => outcome.failed.push((file.display().to_string(), format!("{error:#}"))),
        }
    }
    Ok(match (batch_id, outcome.taken.first()) {
        (_, None) => Sent::Nothing,
        (Some(batch_id), Some(_)) => Sent::Batch(batch_id),
        (None, Some(only)) => Sent::Job(only.job_id),
    })
}

async fn send(
    api: &Api,
    path: &Path,
    fields: &[(&'static str, String)],
    remembered: &Remembered,
    bars: &Bars,
) -> Result<UploadedFile> {
    let cannot = || format!("can't read {}", path.display());
    let size = path.metadata().with_context(cannot)?.len();
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let bar = bars.file(&name, size);
    if size > SMALL {
        return tus::send(api, path, &name, fields, remembered, &bar).await;
    }
    let file = tokio::fs::File::open(path).await.with_context(cannot)?;
    let counted = bar.clone();
    let bytes = ReaderStream::new(file).inspect(move |piece| {
        counted.inc(piece.as_ref().map_or(0, |piece| piece.len() as u64));
    });
    let part = Part::stream_with_length(reqwest::Body::wrap_stream(bytes), size).file_name(name);
    let form = fields.iter().fold(Form::new(), |form, (name, value)| form.text(*name, value.clone()));
    let answer = api.upload(form.part("file", part)).await?;
    answer.files.into_iter().next().context("the answer names no file")
}
