//! `ragstream bench extract`: how fast and how well the files of a folder are read.
//!
//! Each file goes through the child process that ingestion would give it, under
//! the same limits. What can't be read is a result, not an error.

mod files;
mod reader;
mod report;
mod texts;

use crate::roles;
use anyhow::Result;
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use indicatif::ProgressBar;
use ragstream_ingestion::IngestionConfig;
use ragstream_runtime::config;
use reader::{Reader, Reading};
use report::{Report, Run};
use std::{num::NonZeroUsize, path::PathBuf, time::Instant};
use texts::Texts;

#[derive(Args)]
pub(crate) struct ExtractArgs {
    /// Every file of this folder and of those below it is read.
    #[arg(value_name = "DIR")]
    dir: PathBuf,
    /// Files that are read at once; the number of cores by default.
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Read in this process instead of one of its own for each file: the readers alone, without limits
    /// on memory and time. Only for files that you trust.
    #[arg(long)]
    in_process: bool,
    /// Write each text to this folder as `<path with / as _>.txt`, and what came of it (`ok` or
    /// `failed:<class>`) to the same name with `.status`.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print everything that was measured, each file by itself, as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: ExtractArgs) -> Result<()> {
    let sources = files::below(&args.dir)?;
    let texts = args.out.as_deref().map(|out| Texts::create(out, &args.dir, &sources)).transpose()?;
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZeroUsize::get);
    let config: IngestionConfig = config::load("ingestion")?;
    let reader = Reader::new(roles::extractor(&config)?, args.in_process);

    let bar = ProgressBar::new(sources.len() as u64);
    let begun = Instant::now();
    let mut readings: Vec<Reading> = stream::iter(sources)
        .map(|source| {
            let (reader, texts, bar) = (&reader, &texts, &bar);
            async move {
                let (reading, text) = reader.read(source).await;
                if let Some(texts) = texts {
                    texts.write(&reading, text.as_deref()).await?;
                }
                bar.inc(1);
                anyhow::Ok(reading)
            }
        })
        .buffer_unordered(jobs)
        .try_collect()
        .await?;
    let wall = begun.elapsed();
    bar.finish_and_clear();
    readings.sort_by(|a, b| a.path.cmp(&b.path));

    let run = Run { jobs, in_process: args.in_process, wall, peak_memory: reader.peak_memory() };
    let report = Report::new(&run, readings);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    Ok(())
}
