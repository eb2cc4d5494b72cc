//! Waits for what was sent, with bars.

use super::{Outcome, Sent, bars::style};
use crate::client::{Api, events::Told};
use anyhow::Result;
use indicatif::{MultiProgress, ProgressBar};
use ragstream_api::{batches::BatchFile, documents::JobResponse};
use std::collections::HashMap;
use uuid::Uuid;

/// Bars of files at once; the rest are in the total.
const FILES: usize = 12;
/// Bars are in tenths of a percent.
const WHOLE: u64 = 1_000;

/// Follows what was sent to its end.
pub(super) async fn follow(api: &Api, sent: Sent, outcome: &mut Outcome) -> Result<()> {
    match sent {
        Sent::Nothing => Ok(()),
        Sent::Job(job_id) => {
            let mut shown = Shown::new();
            api.follow(&format!("/api/v2/jobs/{job_id}/events"), |told| shown.tell(told)).await?;
            shown.clear();
            ended(api.status(job_id).await?, outcome);
            Ok(())
        }
        Sent::Batch(batch_id) => {
            let mut shown = Shown::new();
            // Files that could not be read here were announced and never come: the server can't tell.
            if outcome.failed.is_empty() {
                api.follow(&format!("/api/v2/batches/{batch_id}/events"), |told| shown.tell(told)).await?;
            } else {
                for file in &outcome.taken {
                    api.follow(&format!("/api/v2/jobs/{}/events", file.job_id), |told| shown.tell(told))
                        .await?;
                }
            }
            shown.clear();
            outcome.searchable += outcome.taken.iter().filter(|file| file.duplicate).count();
            let mut next = Some(format!("/api/v2/batches/{batch_id}/files?limit=1000"));
            while let Some(path) = next {
                let page = api.batch_files(&path).await?;
                page.files
                    .into_iter()
                    .filter_map(|file: BatchFile| file.job)
                    .for_each(|job| ended(job, outcome));
                next = page.next;
            }
            Ok(())
        }
    }
}

fn ended(job: JobResponse, outcome: &mut Outcome) {
    match job.stage.as_str() {
        "complete" => outcome.searchable += 1,
        _ => {
            let reason = job.failure.map_or(job.stage, |failure| failure.message);
            outcome.failed.push((job.current_file, reason));
        }
    }
}

/// Bars of files under way, and of the whole where there are many.
struct Shown {
    all: MultiProgress,
    total: Option<ProgressBar>,
    files: HashMap<Uuid, ProgressBar>,
}

impl Shown {
    fn new() -> Self {
        Self { all: MultiProgress::new(), total: None, files: HashMap::new() }
    }

    fn tell(&mut self, told: Told) {
        match told {
            Told::Job(job) => self.job(*job),
            Told::Batch(batch) => {
                let total = self.total.get_or_insert_with(|| {
                    self.all.add(
                        ProgressBar::new(WHOLE).with_style(style("  {bar:30} {percent:>3} %  {wide_msg}")),
                    )
                });
                total.set_position((batch.percentage * 10.0) as u64);
                let eta = batch.eta_seconds.map(|eta| format!(", about {eta} s to go")).unwrap_or_default();
                total.set_message(format!("{} of {} files{eta}", batch.files.done, batch.files.total));
            }
            Told::Event(event) => {
                if matches!(event.stage.as_deref(), Some("complete" | "failed" | "cancelled"))
                    && let Some(bar) = self.files.remove(&event.job_id)
                {
                    bar.finish_and_clear();
                }
            }
        }
    }

    fn job(&mut self, job: JobResponse) {
        if job.completed_at.is_some() || (!self.files.contains_key(&job.job_id) && self.files.len() >= FILES)
        {
            return;
        }
        let bar = self.files.entry(job.job_id).or_insert_with(|| {
            let bar = ProgressBar::new(WHOLE).with_style(style("  {bar:30} {percent:>3} %  {wide_msg}"));
            match &self.total {
                Some(total) => self.all.insert_before(total, bar),
                None => self.all.add(bar),
            }
        });
        bar.set_position((job.percentage * 10.0) as u64);
        let eta = job.eta_seconds.map(|eta| format!(", about {eta} s to go")).unwrap_or_default();
        bar.set_message(format!("{}: {}{eta}", job.current_file, job.stage));
    }

    fn clear(self) {
        // A terminal that can't be written to shows nothing anyway.
        let _ = self.all.clear();
    }
}
