//! Who watches what.

use super::told::Told;
use ragstream_core::{
    id::{BatchId, JobId},
    ports::Watched,
};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, broadcast, watch};

/// Messages that a watcher may be behind before it has to read again what it missed: some seconds of
/// a busy pipeline, in which each message is about half a kilobyte and shared by all watchers.
const BEHIND: usize = 512;

/// Most watchers of a gateway: each holds a connection and a few kilobytes.
const MAX_WATCHERS: usize = 20_000;

/// Watchers by what they watch.
pub(crate) struct Hub {
    channels: Mutex<Channels>,
    /// Somebody came.
    pub(super) came: Notify,
    /// The low-water mark of events, while the feed follows them: all up to it were told.
    pub(super) mark: watch::Sender<Option<i64>>,
}

#[derive(Default)]
struct Channels {
    by_what: HashMap<Watched, broadcast::Sender<Told>>,
    /// Of what somebody wants to know how it is now, whether it changed or not.
    wanted: HashSet<Watched>,
    watchers: usize,
}

/// What is watched at all.
#[derive(Default)]
pub(super) struct Interest {
    pub(super) jobs: Vec<JobId>,
    pub(super) batches: Vec<BatchId>,
    pub(super) all: bool,
}

impl Interest {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty() && self.batches.is_empty() && !self.all
    }
}

impl Hub {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { channels: Mutex::default(), came: Notify::new(), mark: watch::Sender::new(None) })
    }

    /// A panic elsewhere under the lock leaves the map as usable as it was.
    fn channels(&self) -> MutexGuard<'_, Channels> {
        self.channels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches; `None` where there are as many watchers as may be.
    pub(super) fn subscribe(self: &Arc<Self>, watched: Watched) -> Option<Subscription> {
        let mut channels = self.channels();
        if channels.watchers >= MAX_WATCHERS {
            return None;
        }
        channels.watchers += 1;
        let sender = channels.by_what.entry(watched).or_insert_with(|| broadcast::Sender::new(BEHIND));
        let receiver = sender.subscribe();
        drop(channels);
        self.came.notify_one();
        Some(Subscription { hub: self.clone(), watched, receiver })
    }

    /// Wants to know how this is now.
    pub(super) fn want(&self, watched: Watched) {
        self.channels().wanted.insert(watched);
        self.came.notify_one();
    }

    /// What was wanted since the last time.
    pub(super) fn take_wanted(&self) -> HashSet<Watched> {
        std::mem::take(&mut self.channels().wanted)
    }

    /// How many watch.
    pub(crate) fn watchers(&self) -> usize {
        self.channels().watchers
    }

    pub(super) fn interest(&self) -> Interest {
        let mut interest = Interest::default();
        for watched in self.channels().by_what.keys() {
            match watched {
                Watched::Job(job) => interest.jobs.push(*job),
                Watched::Batch(batch) => interest.batches.push(*batch),
                Watched::All => interest.all = true,
            }
        }
        interest
    }

    /// Tells those who watch this.
    pub(super) fn tell(&self, watched: Watched, told: &Told) {
        if let Some(sender) = self.channels().by_what.get(&watched) {
            // Nobody listens where the last one is just leaving.
            let _ = sender.send(told.clone());
        }
    }
}

/// A watcher's place in the hub.
pub(super) struct Subscription {
    hub: Arc<Hub>,
    watched: Watched,
    pub(super) receiver: broadcast::Receiver<Told>,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut channels = self.hub.channels();
        channels.watchers -= 1;
        // The last one: its receiver still counts.
        if channels.by_what.get(&self.watched).is_some_and(|sender| sender.receiver_count() <= 1) {
            channels.by_what.remove(&self.watched);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_go_with_their_last_watcher() {
        let hub = Hub::new();
        let job = JobId::generate();
        let first = hub.subscribe(Watched::Job(job));
        let second = hub.subscribe(Watched::Job(job));
        let all = hub.subscribe(Watched::All);
        assert_eq!((hub.watchers(), hub.interest().jobs), (3, vec![job]));
        drop(first);
        assert_eq!(hub.interest().jobs, [job]);
        drop(second);
        assert!(hub.interest().jobs.is_empty() && hub.interest().all);
        drop(all);
        assert!(hub.interest().is_empty());
        assert_eq!(hub.watchers(), 0);
    }
}
