//! Giving messages up: the dead letter is stored, the failure is recorded, and
//! only then is the message settled.
//!
//! In this order: a process that dies in between gives the message up once more,
//! and a second letter of it does no harm. The other way round the next reader
//! would find the failure on record, nothing left to do, and the letter would
//! never be written.

use crate::{
    config::Config,
    dead_letter::{DeadLetter, DeadLetters},
    handler::Handler,
    health::{Component, HealthHandle},
    metrics,
    shared::{Shared, Work},
};
use chrono::{DateTime, Utc};
use futures::FutureExt;
use ragstream_core::fault::{Fault, FaultKind, Result};
use std::{collections::VecDeque, future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Dead letters in the making at a time: enough to fill a producer's batch.
const PARALLEL: usize = 32;

/// What is given up now, and what waits for its turn. Bounded by the windows:
/// what is here is uncommitted.
pub(crate) struct Burials {
    waiting: VecDeque<(Work, Fault, DateTime<Utc>)>,
    running: JoinSet<()>,
    undertaker: Arc<Undertaker>,
}

impl Burials {
    pub(crate) fn new(undertaker: Undertaker) -> Self {
        Self { waiting: VecDeque::new(), running: JoinSet::new(), undertaker: Arc::new(undertaker) }
    }

    /// Gives a message up. It stays begun until it is settled or taken from us.
    pub(crate) fn add(&mut self, work: Work, fault: Fault, failed_at: DateTime<Utc>) {
        self.waiting.push_back((work, fault, failed_at));
        self.fill();
    }

    fn fill(&mut self) {
        while self.running.len() < PARALLEL {
            let Some((work, fault, failed_at)) = self.waiting.pop_front() else { break };
            let undertaker = self.undertaker.clone();
            self.running.spawn(async move { undertaker.bury(work, fault, failed_at).await });
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Waits until one of them ended; for ever where there is none. Cancel safe.
    pub(crate) async fn progress(&mut self) {
        match self.running.join_next().await {
            None => std::future::pending().await,
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(_) => self.fill(),
        }
        if self.is_empty() {
            // Those that were waited for may have gone with their partition.
            self.undertaker.health.clear(Component::GiveUp);
            self.undertaker.health.clear(Component::DeadLetters);
        }
    }

    /// Nothing is waited for any longer than one more try.
    pub(crate) fn stop_waiting(&self) {
        self.undertaker.stopping.cancel();
    }
}

/// Buries one message at a time.
pub(crate) struct Undertaker {
    pub config: Arc<Config>,
    pub shared: Arc<Shared>,
    pub health: HealthHandle,
    pub handler: Arc<dyn Handler>,
    pub dead_letters: Arc<dyn DeadLetters>,
    pub stopping: CancellationToken,
}

impl Undertaker {
    async fn bury(&self, work: Work, fault: Fault, failed_at: DateTime<Utc>) {
        let letter = DeadLetter {
            message: work.message.clone(),
            attempts: work.message.attempt,
            first_failure: work.first_failure.unwrap_or(failed_at),
            last_failure: failed_at,
            consumer: self.config.name.clone(),
            fault,
        };
        if self.store(&work, &letter).await && self.record(&work, &letter.fault).await {
            tracing::warn!(
                consumer = %self.config.name, at = %work.at, offset = work.message.offset,
                attempts = letter.attempts, kind = letter.fault.kind.as_str(), class = letter.fault.class,
                fault = %letter.fault, "message given up, dead letter stored"
            );
            let labels = [self.config.name.as_str(), letter.fault.kind.as_str(), letter.fault.class];
            metrics::DEAD_LETTERS.with_label_values(&labels).inc();
            if !self.shared.settle(&work) {
                metrics::STALE.with_label_values(&[&self.config.name]).inc();
            }
        } else {
            // Taken from us, or the worker stops: whoever reads it next gives it up.
            self.shared.suspend(&work);
        }
    }

    /// `false`: the wait was cut short.
    async fn record(&self, work: &Work, fault: &Fault) -> bool {
        let mut pauses = self.config.outage_backoff.pauses();
        let mut failures = 0;
        loop {
            match caught(self.handler.give_up(&work.message, fault)).await {
                Ok(()) => {
                    self.health.answered(Component::GiveUp);
                    return true;
                }
                Err(error) if error.is_unavailable() => self.health.wait(Component::GiveUp, &error),
                Err(error) => {
                    self.health.answered(Component::GiveUp);
                    failures += 1;
                    if error.kind == FaultKind::Invalid || failures >= self.config.max_attempts {
                        tracing::error!(
                            consumer = %self.config.name, at = %work.at, offset = work.message.offset,
                            class = error.class, %error,
                            "a failure could not be recorded, its dead letter is stored"
                        );
                        return true;
                    }
                }
            }
            if !self.pause(pauses.next(), work).await {
                return false;
            }
        }
    }

    /// `false`: the wait was cut short.
    async fn store(&self, work: &Work, letter: &DeadLetter) -> bool {
        let mut pauses = self.config.outage_backoff.pauses();
        loop {
            match caught(self.dead_letters.send(letter)).await {
                Ok(()) => {
                    self.health.answered(Component::DeadLetters);
                    return true;
                }
                Err(error) => self.health.wait(Component::DeadLetters, &error),
            }
            if !self.pause(pauses.next(), work).await {
                return false;
            }
        }
    }

    async fn pause(&self, pause: Option<Duration>, work: &Work) -> bool {
        tokio::select! {
            () = self.stopping.cancelled() => return false,
            () = tokio::time::sleep(pause.unwrap_or(self.config.outage_backoff.max)) => {}
        }
        self.shared.is_current(work)
    }
}

/// A panic as a fault. Its message is left out: it may quote the data.
async fn caught(call: impl Future<Output = Result<()>>) -> Result<()> {
    AssertUnwindSafe(call)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(Fault::failed("handler_panicked", "giving the message up panicked")))
}
