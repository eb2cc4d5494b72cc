//! One watcher: what was before, then what comes.

use super::{
    hub::{Hub, Subscription},
    told::{Told, Topic},
};
use ragstream_api::problem::Problem;
use ragstream_core::{
    fault::Result,
    ports::{Batches, ProgressLog, Watched},
};
use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};
use tokio::{sync::broadcast::error::RecvError, time::timeout};
use tokio_util::sync::CancellationToken;

/// How long a watcher waits for the feed to begin: some reads of a busy database.
const BEGINS: Duration = Duration::from_secs(10);
/// Events of one read.
const PORTION: u32 = 1_000;
/// Most events that a watcher who was away is told; whoever missed more reads the lists anew.
const MAX_MISSED: usize = 50_000;

/// Somebody who watches a job, a batch or everything.
///
/// How things are comes from the feed alone, so that no message is older than the one before it; the
/// events from before come from the table.
pub(crate) struct Watcher {
    watched: Watched,
    hub: Arc<Hub>,
    log: Arc<dyn ProgressLog>,
    subscription: Subscription,
    /// What is to be told next.
    waiting: VecDeque<Told>,
    /// The feed was asked how things are; that comes first.
    asked: bool,
    /// The last message about how things are said that nothing more will come.
    is_at_its_end: bool,
    is_over: bool,
    /// Events up to this id were told.
    cursor: i64,
    /// Events above the cursor that were told, or wait for it.
    told: HashSet<i64>,
    stopping: CancellationToken,
}

/// What became of the wish to watch.
pub(crate) enum Opened {
    /// It is watched.
    Watching(Box<Watcher>),
    /// All was told already, and nothing more will come.
    Over,
}

impl Watcher {
    /// Watches, from `last` on where the watcher was there before: the id of the last message that it saw.
    ///
    /// Of a job all events are told, of the rest those that were missed.
    pub(crate) async fn open(
        hub: &Arc<Hub>,
        log: Arc<dyn ProgressLog>,
        batches: Arc<dyn Batches>,
        watched: Watched,
        last: Option<i64>,
        stopping: CancellationToken,
    ) -> Result<Opened, Problem> {
        let subscription = hub.subscribe(watched).ok_or_else(|| {
            Problem::unavailable("too_many_watchers", "this gateway has as many watchers as it takes")
        })?;
        // From now on nothing is missed: the feed follows, and tells the subscription.
        let mut marks = hub.mark.subscribe();
        let mark = timeout(BEGINS, marks.wait_for(Option::is_some)).await;
        let Ok(Ok(mark)) = mark.map(|mark| mark.map(|mark| mark.unwrap_or_default())) else {
            return Err(Problem::unavailable("postgres_unavailable", "live progress waits for PostgreSQL"));
        };
        // Before the events: what is at its end here has its last event among them.
        let state = state_of(watched, &*log, &*batches).await?;
        let cursor = match (last, watched) {
            (Some(last), _) => last,
            (None, Watched::Job(_)) => 0,
            (None, _) => mark,
        };
        let mut watcher = Self {
            watched,
            hub: hub.clone(),
            log,
            subscription,
            waiting: VecDeque::new(),
            asked: false,
            is_at_its_end: false,
            is_over: false,
            cursor,
            told: HashSet::new(),
            stopping,
        };
        watcher.read_events(mark).await?;
        match state.filter(|state| state.is_last) {
            Some(_) if last.is_some() && watcher.waiting.is_empty() => return Ok(Opened::Over),
            Some(state) => {
                watcher.waiting.push_front(state);
                watcher.is_over = true;
            }
            None => watcher.ask(),
        }
        Ok(Opened::Watching(Box::new(watcher)))
    }

    /// Asks the feed how things are.
    fn ask(&mut self) {
        if self.watched != Watched::All {
            self.asked = true;
            self.hub.want(self.watched);
        }
    }

    /// Reads the events after the cursor.
    async fn read_events(&mut self, mark: i64) -> Result<()> {
        let mut after = self.cursor;
        let mut missed = Vec::new();
        while missed.len() < MAX_MISSED {
            let page = self.log.events_of(self.watched, after, PORTION).await?;
            let Some(last) = page.last() else { break };
            after = last.event_id;
            missed.extend(page);
        }
        for event in missed {
            if self.told.insert(event.event_id) {
                let cursor = event.event_id.min(mark).max(self.cursor);
                self.waiting.push_back(Told::event(event, cursor));
            }
        }
        Ok(())
    }

    /// The next message; `None`: nothing more will come, or the gateway stops.
    pub(crate) async fn next(&mut self) -> Option<Told> {
        loop {
            if !self.asked
                && let Some(told) = self.waiting.pop_front()
            {
                return Some(self.tell(told));
            }
            if self.is_over {
                return None;
            }
            let received = tokio::select! {
                received = self.subscription.receiver.recv() => received,
                () = self.stopping.cancelled() => return None,
            };
            match received {
                Ok(told) => match told.event_id {
                    None => {
                        self.asked = false;
                        return Some(self.tell(told));
                    }
                    Some(id) if id <= self.cursor || !self.told.insert(id) => {}
                    Some(_) => self.waiting.push_back(told),
                },
                // It fell behind: the table has what it missed.
                Err(RecvError::Lagged(_)) => {
                    self.read_events(self.cursor).await.ok()?;
                    self.ask();
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    /// Takes note of a message that is told now.
    fn tell(&mut self, mut told: Told) -> Told {
        match told.topic {
            Topic::Event(_) => {
                if matches!(self.watched, Watched::Job(_)) {
                    // The events of one job come in the order of their ids.
                    told.cursor = told.event_id;
                }
                if let Some(cursor) = told.cursor {
                    self.cursor = self.cursor.max(cursor);
                }
                let cursor = self.cursor;
                self.told.retain(|id| *id > cursor);
                let is_end = told.is_last && self.is_at_its_end && self.waiting.is_empty();
                self.is_over |= is_end && matches!(self.watched, Watched::Job(_));
            }
            Topic::Job if matches!(self.watched, Watched::Job(_)) => self.is_at_its_end = told.is_last,
            Topic::Batch if matches!(self.watched, Watched::Batch(_)) => self.is_over |= told.is_last,
            Topic::Job | Topic::Batch => {}
        }
        told
    }
}

/// How what is watched is now; `None` of everything.
async fn state_of(
    watched: Watched,
    log: &dyn ProgressLog,
    batches: &dyn Batches,
) -> Result<Option<Told>, Problem> {
    let no_such =
        |what: &str, id: &dyn std::fmt::Display| Problem::not_found(format!("there is no {what} {id}"));
    match watched {
        Watched::Job(job_id) => {
            let job = log.jobs_by_id(&[job_id]).await?.pop();
            job.map(|job| Some(Told::job(job))).ok_or_else(|| no_such("job", &job_id))
        }
        Watched::Batch(batch_id) => {
            let batch = batches.batches(&[batch_id]).await?.pop();
            batch.map(|batch| Some(Told::batch(batch))).ok_or_else(|| no_such("batch", &batch_id))
        }
        Watched::All => Ok(None),
    }
}
