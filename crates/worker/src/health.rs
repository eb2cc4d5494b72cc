//! What a worker is doing, for `/readyz`.

use crate::metrics;
use async_trait::async_trait;
use ragstream_core::{
    fault::{Fault, Result},
    lane::Lane,
    ports::Probe,
};
use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A part of the worker that can wait for something outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// Reading from the log, by the source of this lane.
    Source(Lane),
    /// Committing its offsets.
    Commit(Lane),
    /// The handler's dependencies.
    Handler,
    /// Recording what is given up ([`crate::Handler::give_up`]).
    GiveUp,
    /// Sending dead letters.
    DeadLetters,
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Source(Lane::Express) => "source",
            Self::Source(Lane::Bulk) => "bulk source",
            Self::Commit(Lane::Express) => "commit",
            Self::Commit(Lane::Bulk) => "bulk commit",
            Self::Handler => "handler",
            Self::GiveUp => "give up",
            Self::DeadLetters => "dead letters",
        })
    }
}

/// What a worker is doing.
#[derive(Clone, Debug)]
pub enum Health {
    /// [`crate::Worker::run`] was not called yet.
    Starting,
    /// It works, or waits for messages.
    Running,
    /// It waits for a dependency and goes on when that is back.
    Waiting {
        /// Which part of it waits.
        component: Component,
        /// For what.
        fault: Fault,
        /// How long already.
        since: Duration,
    },
    /// It ended.
    Stopped {
        /// Why, where it was not asked to.
        error: Option<String>,
    },
}

#[derive(Debug)]
enum Life {
    Starting,
    Running,
    Stopped(Option<String>),
}

#[derive(Debug)]
struct State {
    life: Life,
    outages: BTreeMap<Component, (Fault, Instant)>,
}

/// Asks a worker how it is; cheap to clone, outlives the worker.
#[derive(Clone, Debug)]
pub struct HealthHandle {
    name: Arc<str>,
    state: Arc<Mutex<State>>,
}

impl HealthHandle {
    pub(crate) fn new(name: &str) -> Self {
        let state = State { life: Life::Starting, outages: BTreeMap::new() };
        Self { name: name.into(), state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The consumer's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is doing now.
    pub fn now(&self) -> Health {
        let state = self.lock();
        match &state.life {
            Life::Starting => Health::Starting,
            Life::Stopped(error) => Health::Stopped { error: error.clone() },
            Life::Running => match state.outages.first_key_value() {
                None => Health::Running,
                Some((component, (fault, since))) => {
                    Health::Waiting { component: *component, fault: fault.clone(), since: since.elapsed() }
                }
            },
        }
    }

    /// `Ok` where it can work; else why not, as a line of `/readyz`.
    pub fn check(&self) -> Result<()> {
        match self.now() {
            Health::Running => Ok(()),
            Health::Starting => {
                Err(Fault::unavailable("worker_starting", format!("{} is starting", self.name)))
            }
            Health::Waiting { fault, .. } => Err(fault),
            Health::Stopped { error } => {
                let why = error.unwrap_or_else(|| format!("{} has stopped", self.name));
                Err(Fault::failed("worker_stopped", why))
            }
        }
    }

    /// The same as a line of `/readyz` and `/health`, under a component's name.
    pub fn as_probe(&self, component: &'static str) -> Arc<dyn Probe> {
        Arc::new(Probed { component, handle: self.clone() })
    }

    pub(crate) fn running(&self) {
        self.lock().life = Life::Running;
    }

    pub(crate) fn stopped(&self, error: Option<String>) {
        self.lock().life = Life::Stopped(error);
        metrics::ended(&self.name);
    }

    /// A component waits. Logged when it begins, not while it lasts.
    pub(crate) fn wait(&self, component: Component, fault: &Fault) {
        let mut state = self.lock();
        let since = state.outages.get(&component).map(|(_, since)| *since);
        if since.is_none() {
            tracing::warn!(
                consumer = %self.name, %component, class = fault.class, %fault,
                "a dependency is unavailable, waiting for it"
            );
        }
        state.outages.insert(component, (fault.clone(), since.unwrap_or_else(Instant::now)));
        metrics::UNAVAILABLE.with_label_values(&[&self.name]).set(1);
    }

    /// A component's dependency answers. Logged where it was waited for.
    pub(crate) fn answered(&self, component: Component) {
        let mut state = self.lock();
        if let Some((fault, since)) = state.outages.remove(&component) {
            tracing::info!(
                consumer = %self.name, %component, class = fault.class,
                waited_ms = since.elapsed().as_millis() as u64,
                "the dependency is back, going on"
            );
            metrics::UNAVAILABLE.with_label_values(&[&self.name]).set(i64::from(!state.outages.is_empty()));
        }
    }

    /// A component has nothing to wait for any more; whether its dependency is
    /// back is not known.
    pub(crate) fn clear(&self, component: Component) {
        let mut state = self.lock();
        if state.outages.remove(&component).is_some() {
            tracing::info!(consumer = %self.name, %component, "nothing is left to wait for");
            metrics::UNAVAILABLE.with_label_values(&[&self.name]).set(i64::from(!state.outages.is_empty()));
        }
    }
}

/// A worker as a component of its role.
struct Probed {
    component: &'static str,
    handle: HealthHandle,
}

#[async_trait]
impl Probe for Probed {
    fn component(&self) -> &'static str {
        self.component
    }

    async fn probe(&self) -> Result<()> {
        self.handle.check()
    }
}
