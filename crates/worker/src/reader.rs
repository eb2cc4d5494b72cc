//! The poll thread of a lane: it owns the source, polls always, and is the only one that
//! commits.

use crate::{
    config::Config,
    health::{Component, HealthHandle},
    message::TopicPartition,
    metrics,
    shared::{Phase, Shared},
    source::{CommitMode, Event, LogEnd, Source},
};
use ragstream_core::{fault::Result, lane::Lane};
use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a poll waits while nothing is expected of this thread.
const POLL_IDLE: Duration = Duration::from_millis(100);
/// How long a poll waits while something is paused or the worker is ending: how
/// late a pause ends.
const POLL_BUSY: Duration = Duration::from_millis(5);

pub(crate) struct Reader {
    lane: Lane,
    source: Box<dyn Source>,
    shared: Arc<Shared>,
    config: Arc<Config>,
    health: HealthHandle,
    paused: HashSet<TopicPartition>,
    /// The queue is over its bound and not yet down to half of it.
    full: bool,
    committed_at: Instant,
    /// The last poll said "unavailable".
    waiting: bool,
}

impl Reader {
    pub(crate) fn new(
        lane: Lane,
        source: Box<dyn Source>,
        shared: Arc<Shared>,
        config: Arc<Config>,
        health: HealthHandle,
    ) -> Self {
        Self {
            lane,
            source,
            shared,
            config,
            health,
            paused: HashSet::new(),
            full: false,
            committed_at: Instant::now(),
            waiting: false,
        }
    }

    /// Polls until the dispatcher has finished, then commits and leaves.
    pub(crate) fn run(mut self) -> Result<()> {
        let result = self.poll_until_finished();
        if result.is_ok() {
            self.commit_all();
        }
        self.source.close();
        result
    }

    fn poll_until_finished(&mut self) -> Result<()> {
        loop {
            let phase = self.shared.lock().phase();
            if phase == Phase::Finished {
                return Ok(());
            }
            let idle = self.paused.is_empty() && phase == Phase::Running;
            match self.source.poll(if idle { POLL_IDLE } else { POLL_BUSY }) {
                Ok(Some(event)) => self.on(event)?,
                Ok(None) => {}
                Err(fault) if fault.is_unavailable() => {
                    self.waiting = true;
                    self.health.wait(Component::Source(self.lane), &fault);
                    // A source that answers at once must not spin.
                    std::thread::sleep(POLL_BUSY);
                }
                Err(fault) => return Err(fault),
            }
            self.pause_and_resume();
            if self.committed_at.elapsed() >= self.config.commit_interval {
                self.commit_moved();
            }
        }
    }

    fn on(&mut self, event: Event) -> Result<()> {
        // A message is no sign: it may have been fetched before.
        let alive = matches!(event, Event::Assigned(_) | Event::Ends(_));
        if self.waiting && alive {
            self.waiting = false;
            self.health.answered(Component::Source(self.lane));
        }
        match event {
            Event::Message(message) => self.shared.admit(self.lane, message),
            Event::Assigned(partitions) => {
                tracing::info!(consumer = %self.config.name, partitions = %list(&partitions), "assigned");
                let mut state = self.shared.lock();
                for at in partitions {
                    self.paused.remove(&at);
                    state.lane_mut(self.lane).tracker.assign(at);
                }
            }
            Event::Revoked { partitions, lost } => self.revoke(&partitions, lost)?,
            Event::CommitFailed(partitions) => {
                self.shared.lock().lane_mut(self.lane).tracker.not_committed(&partitions);
            }
            Event::Ends(ends) => self.report_lag(&ends),
        }
        Ok(())
    }

    fn revoke(&mut self, partitions: &[TopicPartition], lost: bool) -> Result<()> {
        tracing::info!(consumer = %self.config.name, partitions = %list(partitions), lost, "revoked");
        if !lost {
            let positions = self.shared.drain(self.lane, partitions, self.config.revoke_deadline);
            if !positions.is_empty()
                && let Err(fault) = self.source.commit(&positions, CommitMode::Now)
            {
                tracing::warn!(
                    consumer = %self.config.name, class = fault.class, %fault,
                    "commit before giving partitions up failed, their last messages will be handled twice"
                );
            }
        }
        self.shared.remove(self.lane, partitions);
        for at in partitions {
            self.paused.remove(at);
            let partition = at.partition.to_string();
            // It may never have been set; then there is nothing to remove.
            let labels = [self.config.name.as_str(), &*at.topic, partition.as_str()];
            let _ = metrics::LAG.remove_label_values(&labels);
        }
        self.source.release(partitions)
    }

    /// Pauses what is over a bound, resumes what is down to half of it: halves,
    /// because a source drops what it has fetched ahead when it is paused.
    fn pause_and_resume(&mut self) {
        let state = self.shared.lock();
        let its = state.lane(self.lane);
        let (len, bytes) = (its.ready_len(), its.ready_bytes());
        self.full = if self.full {
            len > self.config.queue_capacity / 2 || bytes > self.config.queue_bytes / 2
        } else {
            len >= self.config.queue_capacity || bytes >= self.config.queue_bytes
        };
        let all = self.full || state.phase() != Phase::Running;
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for at in its.tracker.partitions() {
            let paused = self.paused.contains(at);
            let max = self.config.max_uncommitted;
            let window_full = its.tracker.uncommitted(at) > if paused { max / 2 } else { max - 1 };
            match (paused, all || window_full) {
                (false, true) => pause.push(at.clone()),
                (true, false) => resume.push(at.clone()),
                _ => {}
            }
        }
        drop(state);
        metrics::QUEUED.with_label_values(&self.labels()).set(len as i64);
        if pause.is_empty() && resume.is_empty() {
            return;
        }
        if let Err(fault) = self.source.pause(&pause).and_then(|()| self.source.resume(&resume)) {
            tracing::warn!(consumer = %self.config.name, class = fault.class, %fault, "pausing failed");
            return;
        }
        self.paused.extend(pause);
        for at in &resume {
            self.paused.remove(at);
        }
        metrics::PAUSED.with_label_values(&self.labels()).set(self.paused.len() as i64);
    }

    fn labels(&self) -> [&str; 2] {
        [&self.config.name, self.lane.as_str()]
    }

    fn commit_moved(&mut self) {
        self.committed_at = Instant::now();
        let positions = self.shared.lock().lane(self.lane).tracker.uncommitted_positions();
        if positions.is_empty() {
            return;
        }
        match self.source.commit(&positions, CommitMode::Eventually) {
            Ok(()) => {
                self.health.answered(Component::Commit(self.lane));
                self.shared.lock().lane_mut(self.lane).tracker.committed(&positions);
            }
            Err(fault) => self.health.wait(Component::Commit(self.lane), &fault),
        }
    }

    /// The last word. All marks, also those that were handed over: nobody waited
    /// to see whether they arrived.
    fn commit_all(&mut self) {
        let positions = self.shared.lock().lane(self.lane).tracker.positions();
        if positions.is_empty() {
            return;
        }
        if let Err(fault) = self.source.commit(&positions, CommitMode::Now) {
            tracing::warn!(
                consumer = %self.config.name, class = fault.class, %fault,
                "last commit failed, the last messages will be handled twice"
            );
        }
    }

    fn report_lag(&self, ends: &[LogEnd]) {
        let state = self.shared.lock();
        for LogEnd { at, end, start } in ends {
            let settled = state.lane(self.lane).tracker.position(at).map(|position| position.next).or(*start);
            if let Some(settled) = settled {
                let partition = at.partition.to_string();
                let labels = [self.config.name.as_str(), &*at.topic, partition.as_str()];
                metrics::LAG.with_label_values(&labels).set((end - settled).max(0));
            }
        }
    }
}

fn list(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
