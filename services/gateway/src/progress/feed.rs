//! The one reader: follows events and the jobs that somebody watches, and tells the hub.

use super::{
    hub::{Hub, Interest},
    told::Told,
};
use ragstream_api::outage;
use ragstream_core::{
    fault::{Fault, Result},
    id::{BatchId, JobId},
    lifecycle::LifecycleEvent,
    ports::{Batches, JobStatus, ProgressLog, Watched},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_util::sync::CancellationToken;

/// How often events are looked for: a person sees no difference to at once.
const EVENTS_EVERY: Duration = Duration::from_millis(250);
/// How often progress is told at most.
const PROGRESS_EVERY: Duration = Duration::from_millis(500);
/// Counting chunks takes one part in so many of the time at most.
const SHARE: u32 = 20;
/// Events of one read.
const PORTION: u32 = 1_000;
/// How far back ids may be missing that will still turn up, when the feed begins.
const LOOK_BACK: i64 = 1_000;
/// A missing id that has not turned up after so long was rolled back: no statement lives longer.
const ROLLED_BACK: Duration = Duration::from_secs(60);
/// Missing ids that are waited for at most; a rollback leaves a few.
const MAX_MISSING: usize = 10_000;
/// Jobs under way that watchers of everything, or of a batch, are told of.
const MAX_UNDER_WAY: u32 = 200;
/// Pause after a read that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// Reads for all watchers of a gateway.
pub(crate) struct Feed {
    log: Arc<dyn ProgressLog>,
    batches: Arc<dyn Batches>,
    hub: Arc<Hub>,
    known: Known,
    /// Where it is; `None` while nobody watches. It outlives a read that failed.
    position: Option<Position>,
    /// When progress is told next.
    due: Instant,
}

/// What was told, so that only changes are.
#[derive(Default)]
struct Known {
    jobs: HashMap<JobId, Arc<str>>,
    /// Jobs of these that a worker has.
    moving: HashSet<JobId>,
    batches: HashMap<BatchId, Told>,
    /// Batches with a change that was not told yet.
    changed: HashSet<BatchId>,
    /// What somebody wants to know, whether it changed or not.
    wanted: Vec<JobId>,
    wanted_batches: Vec<BatchId>,
}

/// How far events were read.
struct Position {
    /// The highest id.
    high: i64,
    /// Ids below it that were not seen, and since when they are missing.
    missing: BTreeMap<i64, Instant>,
}

impl Position {
    /// Takes note of an id that was read, in the order of ids; whether it is new.
    fn note(&mut self, id: i64, now: Instant) -> bool {
        if id <= self.high {
            return self.missing.remove(&id).is_some();
        }
        let missed = (self.high + 1..id).rev().take(MAX_MISSING);
        self.missing.extend(missed.map(|missing| (missing, now)));
        self.high = id;
        true
    }

    /// Gives up what is missing for too long.
    fn forget(&mut self, now: Instant) {
        self.missing.retain(|_, since| now.duration_since(*since) < ROLLED_BACK);
        while self.missing.len() > MAX_MISSING {
            self.missing.pop_first();
        }
    }

    /// The low-water mark: nothing up to it is missing.
    fn mark(&self) -> i64 {
        self.missing.first_key_value().map_or(self.high, |(missing, _)| missing - 1)
    }
}

impl Feed {
    pub(crate) fn new(log: Arc<dyn ProgressLog>, batches: Arc<dyn Batches>, hub: Arc<Hub>) -> Self {
        Self { log, batches, hub, known: Known::default(), position: None, due: Instant::now() }
    }

    /// Follows until the token is cancelled; rests while nobody watches.
    pub(crate) async fn run(mut self, token: CancellationToken) -> Result<(), Fault> {
        while !token.is_cancelled() {
            let interest = self.hub.interest();
            let pause = if interest.is_empty() {
                self.position = None;
                self.known = Known::default();
                self.hub.mark.send_replace(None);
                None
            } else {
                match self.follow(&interest).await {
                    Ok(()) => Some(EVENTS_EVERY),
                    Err(fault) => {
                        outage::log("live progress", &fault);
                        Some(AGAIN)
                    }
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause.unwrap_or_default()), if pause.is_some() => {}
                () = self.hub.came.notified() => {}
                () = token.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Tells what is new.
    async fn follow(&mut self, interest: &Interest) -> Result<()> {
        let events = self.read().await?;
        let begun = Instant::now();
        let is_due = begun >= self.due;
        for wanted in self.hub.take_wanted() {
            match wanted {
                Watched::Job(job) => self.known.wanted.push(job),
                Watched::Batch(batch) => self.known.wanted_batches.push(batch),
                Watched::All => {}
            }
        }
        self.tell_jobs(interest, &events, is_due).await?;
        self.known.changed.extend(events.iter().filter_map(|event| event.batch_id));
        self.tell_events(events);
        self.tell_batches(interest, is_due).await?;
        if is_due {
            self.due = Instant::now() + PROGRESS_EVERY.max(begun.elapsed() * SHARE);
        }
        self.hub.mark.send_replace(self.position.as_ref().map(Position::mark));
        Ok(())
    }

    /// Events that are new. At a beginning there are none: watchers wait for it, and read what was
    /// before themselves.
    async fn read(&mut self) -> Result<Vec<LifecycleEvent>> {
        let is_beginning = self.position.is_none();
        if is_beginning {
            let last = self.log.last_event().await?;
            self.position = Some(Position { high: (last - LOOK_BACK).max(0), missing: BTreeMap::new() });
        }
        let Some(position) = &mut self.position else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        loop {
            let missing: Vec<i64> = position.missing.keys().copied().collect();
            let page = self.log.events(position.high, &missing, PORTION).await?;
            let is_full = page.len() == PORTION as usize;
            let now = Instant::now();
            events.extend(page.into_iter().filter(|event| position.note(event.event_id, now)));
            position.forget(now);
            if !is_full {
                break;
            }
        }
        if is_beginning {
            events.clear();
        }
        Ok(events)
    }

    /// Tells of jobs that changed, and where it is due of those that a worker has.
    async fn tell_jobs(
        &mut self,
        interest: &Interest,
        events: &[LifecycleEvent],
        is_due: bool,
    ) -> Result<()> {
        let watched: HashSet<JobId> = interest.jobs.iter().copied().collect();
        let batches: HashSet<BatchId> = interest.batches.iter().copied().collect();
        let of_interest = |event: &&LifecycleEvent| {
            interest.all
                || watched.contains(&event.job_id)
                || event.batch_id.is_some_and(|batch| batches.contains(&batch))
        };
        let mut ids: HashSet<JobId> = events.iter().filter(of_interest).map(|event| event.job_id).collect();
        for wanted in &self.known.wanted {
            self.known.jobs.remove(wanted);
            ids.insert(*wanted);
        }
        let mut jobs = Vec::new();
        if is_due {
            let known = &self.known;
            ids.extend(watched.iter().filter(|id| known.moving.contains(id) || !known.jobs.contains_key(id)));
            if interest.all || !batches.is_empty() {
                jobs = self.log.jobs_under_way(MAX_UNDER_WAY).await?;
                jobs.retain(|job| interest.all || batches.contains(&job.batch_id));
                ids.retain(|id| jobs.iter().all(|job| job.job_id != *id));
            }
        }
        let ids: Vec<JobId> = ids.into_iter().collect();
        for portion in ids.chunks(PORTION as usize) {
            jobs.extend(self.log.jobs_by_id(portion).await?);
        }
        self.known.wanted.clear();
        for job in jobs {
            self.tell_job(job);
        }
        if is_due {
            let Known { jobs, moving, .. } = &mut self.known;
            moving.retain(|id| jobs.contains_key(id));
            jobs.retain(|id, _| watched.contains(id) || moving.contains(id));
        }
        Ok(())
    }

    fn tell_job(&mut self, job: JobStatus) {
        use ragstream_core::job::JobStage::{Chunking, Embedding, Indexing, TextExtraction};
        let (job_id, batch_id) = (job.job_id, job.batch_id);
        match job.stage {
            TextExtraction | Chunking | Embedding | Indexing => self.known.moving.insert(job_id),
            _ => self.known.moving.remove(&job_id),
        };
        let told = Told::job(job);
        if self.known.jobs.get(&job_id).is_some_and(|known| *known == told.data) {
            return;
        }
        self.known.jobs.insert(job_id, told.data.clone());
        for watched in [Watched::Job(job_id), Watched::Batch(batch_id), Watched::All] {
            self.hub.tell(watched, &told);
        }
    }

    fn tell_events(&self, events: Vec<LifecycleEvent>) {
        let mark = self.position.as_ref().map_or(0, Position::mark);
        // Who has seen one event has not seen the next ones yet.
        let next = events.iter().skip(1).map(|event| event.event_id - 1).chain([mark]);
        let cursors: Vec<i64> = next.map(|before| before.min(mark)).collect();
        for (event, cursor) in events.into_iter().zip(cursors) {
            let (job_id, batch_id) = (event.job_id, event.batch_id);
            let told = Told::event(event, cursor);
            self.hub.tell(Watched::Job(job_id), &told);
            if let Some(batch_id) = batch_id {
                self.hub.tell(Watched::Batch(batch_id), &told);
            }
            self.hub.tell(Watched::All, &told);
        }
    }

    /// Tells of batches that somebody wants to know; where it is due, of those too that are watched and
    /// not over, or have a change.
    async fn tell_batches(&mut self, interest: &Interest, is_due: bool) -> Result<()> {
        let mut ids: HashSet<BatchId> = self.known.wanted_batches.iter().copied().collect();
        for wanted in &ids {
            self.known.batches.remove(wanted);
        }
        if is_due {
            let changed = std::mem::take(&mut self.known.changed);
            let known = &self.known.batches;
            let watched = interest.batches.iter().copied();
            ids.extend(
                watched.filter(|id| changed.contains(id) || known.get(id).is_none_or(|told| !told.is_last)),
            );
            if interest.all {
                ids.extend(changed);
            }
        }
        if ids.is_empty() {
            return Ok(());
        }
        let ids: Vec<BatchId> = ids.into_iter().collect();
        let watched: HashSet<BatchId> = interest.batches.iter().copied().collect();
        for batch in self.batches.batches(&ids).await? {
            let (batch_id, is_one_file) = (batch.batch_id, batch.files_total <= 1);
            let told = Told::batch(batch);
            if self.known.batches.get(&batch_id).is_some_and(|known| known.data == told.data) {
                continue;
            }
            self.hub.tell(Watched::Batch(batch_id), &told);
            // Its job says the same.
            if !is_one_file {
                self.hub.tell(Watched::All, &told);
            }
            self.known.batches.insert(batch_id, told);
        }
        self.known.wanted_batches.clear();
        self.known.batches.retain(|id, told| watched.contains(id) || !told.is_last);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stops_at_what_is_missing() {
        let now = Instant::now();
        let mut position = Position { high: 10, missing: BTreeMap::new() };
        assert!(position.note(11, now) && position.note(14, now));
        assert_eq!((position.mark(), position.high), (11, 14));
        assert!(!position.note(11, now) && !position.note(14, now), "read again");
        assert!(position.note(13, now), "it turned up late");
        assert_eq!(position.mark(), 11);
        assert!(position.note(12, now));
        assert_eq!(position.mark(), 14);
        // One that never turns up was rolled back.
        assert!(position.note(16, now));
        assert_eq!(position.mark(), 14);
        position.forget(now + ROLLED_BACK);
        assert_eq!(position.mark(), 16);
        assert!(!position.note(15, now), "nobody waits for it any more");
    }
}
