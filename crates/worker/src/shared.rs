//! Where the poll threads and the dispatcher meet: for each lane the tracker and the
//! queue of messages that wait for the handler, under one lock that is held for moments.

use crate::{
    message::{Message, Position, TopicPartition},
    tracker::{Epoch, Tracker},
};
use chrono::{DateTime, Utc};
use ragstream_core::lane::Lane;
use std::{
    collections::BTreeMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;

/// A message on its way through the worker.
#[derive(Clone, Debug)]
pub(crate) struct Work {
    pub message: Message,
    /// The lane whose source it came from.
    pub lane: Lane,
    pub at: TopicPartition,
    /// The assignment it was read under.
    pub epoch: Epoch,
    /// Its place in the order of reading.
    pub seq: u64,
    /// Tried by itself: a batch that it was part of panicked.
    pub alone: bool,
    pub first_failure: Option<DateTime<Utc>>,
}

/// How far the worker's life is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Running,
    /// Nothing new is begun; the poll thread goes on, all paused.
    Draining,
    /// The poll thread commits and ends.
    Finished,
}

/// One lane's partitions, and its messages that wait.
#[derive(Debug, Default)]
pub(crate) struct LaneState {
    pub tracker: Tracker,
    /// By order of reading, so that what is put back stands where it stood.
    ready: BTreeMap<u64, Work>,
    ready_bytes: usize,
    seq: u64,
}

impl LaneState {
    fn insert(&mut self, work: Work) {
        self.ready_bytes += work.message.weight();
        self.ready.insert(work.seq, work);
    }

    fn pop(&mut self) -> Option<Work> {
        let (_, work) = self.ready.pop_first()?;
        self.ready_bytes -= work.message.weight();
        Some(work)
    }

    pub(crate) fn ready_len(&self) -> usize {
        self.ready.len()
    }

    pub(crate) fn ready_bytes(&self) -> usize {
        self.ready_bytes
    }
}

#[derive(Debug)]
pub(crate) struct State {
    express: LaneState,
    bulk: LaneState,
    phase: Phase,
}

impl State {
    pub(crate) fn lane(&self, lane: Lane) -> &LaneState {
        match lane {
            Lane::Express => &self.express,
            Lane::Bulk => &self.bulk,
        }
    }

    pub(crate) fn lane_mut(&mut self, lane: Lane) -> &mut LaneState {
        match lane {
            Lane::Express => &mut self.express,
            Lane::Bulk => &mut self.bulk,
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }
}

/// The meeting point.
#[derive(Debug)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Signalled when work on a message ends.
    ended: Condvar,
    /// Signalled when the dispatcher may have something to do.
    pub wake: Notify,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                express: LaneState::default(),
                bulk: LaneState::default(),
                phase: Phase::Running,
            }),
            ended: Condvar::new(),
            wake: Notify::new(),
        }
    }

    /// A panic elsewhere under the lock leaves the state as usable as it was:
    /// each change is complete before anything that may panic.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The side of a lane's poll thread.

    /// A message was read. Messages of partitions that are not ours are dropped.
    pub(crate) fn admit(&self, lane: Lane, mut message: Message) {
        message.attempt = 1;
        let at = message.topic_partition();
        let mut state = self.lock();
        let its = state.lane_mut(lane);
        if let Some(epoch) = its.tracker.read(&at, message.offset) {
            its.seq += 1;
            let seq = its.seq;
            its.insert(Work { message, lane, at, epoch, seq, alone: false, first_failure: None });
            drop(state);
            self.wake.notify_one();
        }
    }

    /// Starts nothing more of these partitions, waits up to `deadline` for what
    /// was started, and returns their last marks.
    pub(crate) fn drain(
        &self,
        lane: Lane,
        partitions: &[TopicPartition],
        deadline: Duration,
    ) -> Vec<Position> {
        let mut state = self.lock();
        for at in partitions {
            state.lane_mut(lane).tracker.close(at);
        }
        let busy = |state: &mut State| partitions.iter().any(|at| state.lane(lane).tracker.is_busy(at));
        let (state, _) =
            self.ended.wait_timeout_while(state, deadline, busy).unwrap_or_else(PoisonError::into_inner);
        partitions.iter().filter_map(|at| state.lane(lane).tracker.position(at)).collect()
    }

    /// Forgets these partitions and what is queued of them.
    pub(crate) fn remove(&self, lane: Lane, partitions: &[TopicPartition]) {
        let mut state = self.lock();
        let its = state.lane_mut(lane);
        for at in partitions {
            its.tracker.remove(at);
        }
        let mut dropped = 0;
        its.ready.retain(|_, work| {
            let kept = !partitions.contains(&work.at);
            if !kept {
                dropped += work.message.weight();
            }
            kept
        });
        its.ready_bytes -= dropped;
    }

    // The dispatcher's side.

    /// How many messages of each lane wait: express, bulk.
    pub(crate) fn waiting(&self) -> [usize; 2] {
        let state = self.lock();
        Lane::ALL.map(|lane| state.lane(lane).ready_len())
    }

    /// The next batch of a lane: its oldest messages, up to `max`, begun. One that must
    /// be alone is a batch of its own. Empty where nothing waits.
    pub(crate) fn take(&self, lane: Lane, max: usize) -> Vec<Work> {
        let mut state = self.lock();
        let its = state.lane_mut(lane);
        let mut batch: Vec<Work> = Vec::new();
        while batch.len() < max {
            let Some(alone) = its.ready.first_key_value().map(|(_, work)| work.alone) else { break };
            if alone && !batch.is_empty() {
                break;
            }
            let Some(work) = its.pop() else { break };
            if its.tracker.begin(&work.at, work.epoch) {
                batch.push(work);
                if alone {
                    break;
                }
            }
        }
        batch
    }

    /// Work on a message ended and the message is settled. `false`: too late.
    pub(crate) fn settle(&self, work: &Work) -> bool {
        let mut state = self.lock();
        let tracker = &mut state.lane_mut(work.lane).tracker;
        let settled = tracker.settle(&work.at, work.epoch, work.message.offset);
        tracker.end(&work.at, work.epoch);
        drop(state);
        self.ended.notify_all();
        settled
    }

    /// Work on a message ended without an end of the message: it will be readmitted.
    pub(crate) fn suspend(&self, work: &Work) {
        self.lock().lane_mut(work.lane).tracker.end(&work.at, work.epoch);
        self.ended.notify_all();
    }

    /// Puts a suspended message back where it stood, unless it is not ours any more.
    pub(crate) fn readmit(&self, work: Work) {
        let mut state = self.lock();
        let its = state.lane_mut(work.lane);
        if its.tracker.is_current(&work.at, work.epoch) {
            its.insert(work);
        }
    }

    /// Whether a message is still ours.
    pub(crate) fn is_current(&self, work: &Work) -> bool {
        self.lock().lane(work.lane).tracker.is_current(&work.at, work.epoch)
    }

    /// Goes on to a later phase of life.
    pub(crate) fn enter(&self, phase: Phase) {
        let mut state = self.lock();
        state.phase = state.phase.max(phase);
    }
}
