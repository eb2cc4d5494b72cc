//! What each verdict leads to.

use crate::{
    dispatch::{Batch, Dispatcher, Panicked},
    health::Component,
    metrics,
    outage::Outage,
    shared::Work,
    verdict::Verdict,
};
use chrono::Utc;
use ragstream_core::fault::Fault;
use tokio::time::Instant;

/// Counts messages that ran out of attempts with none done in between.
#[derive(Default)]
pub(crate) struct Exhausted {
    in_a_row: u32,
    last: Option<Fault>,
}

impl Exhausted {
    fn count(&mut self, fault: &Fault) {
        self.in_a_row += 1;
        self.last = Some(fault.clone());
    }

    fn reset(&mut self) {
        *self = Self::default();
    }

    pub(crate) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// The last failure, where the budget is used up.
    pub(crate) fn over(&self, budget: u32) -> Option<Fault> {
        self.last.clone().filter(|_| self.in_a_row >= budget)
    }
}

impl Dispatcher {
    /// Acts on what came back.
    pub(crate) fn settle(&mut self, batch: Batch) {
        let Batch { works, probe, answer, .. } = batch;
        metrics::IN_FLIGHT.with_label_values(&[&self.config.name]).sub(works.len() as i64);
        let verdicts = match answer {
            Ok(verdicts) if verdicts.len() == works.len() => verdicts,
            Ok(verdicts) => {
                let message =
                    format!("the handler answered {} verdicts for {} messages", verdicts.len(), works.len());
                tracing::error!(consumer = %self.config.name, "{message}");
                vec![Verdict::Failed(Fault::failed("verdict_count", message)); works.len()]
            }
            Err(Panicked) if works.len() > 1 => {
                tracing::error!(
                    consumer = %self.config.name, messages = works.len(),
                    "the handler panicked, trying the messages of its batch one by one"
                );
                self.answered(probe);
                for work in works {
                    self.put_back(Work { alone: true, ..work });
                }
                return;
            }
            Err(Panicked) => {
                let work = &works[0];
                tracing::error!(
                    consumer = %self.config.name, at = %work.at, offset = work.message.offset,
                    "the handler panicked"
                );
                vec![Verdict::Failed(Fault::failed("handler_panicked", "the handler panicked"))]
            }
        };
        let unavailable = verdicts.iter().find_map(|verdict| match verdict {
            Verdict::Unavailable(fault) => Some(fault.clone()),
            _ => None,
        });
        for (work, verdict) in works.into_iter().zip(verdicts) {
            self.settle_one(work, verdict);
        }
        match unavailable {
            Some(fault) => self.unavailable(probe, &fault),
            None => self.answered(probe),
        }
    }

    fn settle_one(&mut self, work: Work, verdict: Verdict) {
        metrics::MESSAGES.with_label_values(&[self.config.name.as_str(), verdict.as_str()]).inc();
        match verdict {
            Verdict::Done => {
                if self.shared.settle(&work) {
                    self.exhausted.reset();
                    self.tell_budget();
                } else {
                    metrics::STALE.with_label_values(&[&self.config.name]).inc();
                    tracing::debug!(
                        consumer = %self.config.name, at = %work.at, offset = work.message.offset,
                        "result of a revoked assignment dropped"
                    );
                }
            }
            Verdict::Unavailable(_) => self.put_back(work),
            Verdict::Invalid(fault) => self.burials.add(work, fault, Utc::now()),
            Verdict::Failed(fault) if work.message.attempt < self.config.max_attempts => {
                self.try_again(work, &fault);
            }
            Verdict::Failed(fault) => {
                self.exhausted.count(&fault);
                self.tell_budget();
                self.burials.add(work, fault, Utc::now());
            }
        }
    }

    fn tell_budget(&self) {
        let used = f64::from(self.exhausted.in_a_row()) / f64::from(self.config.error_budget);
        metrics::ERROR_BUDGET_USED.with_label_values(&[&self.config.name]).set(used);
    }

    fn put_back(&self, work: Work) {
        self.shared.suspend(&work);
        self.shared.readmit(work);
    }

    fn try_again(&mut self, mut work: Work, fault: &Fault) {
        metrics::RETRIES.with_label_values(&[&self.config.name]).inc();
        let failures = work.message.attempt;
        let due = Instant::now() + self.config.retry_backoff.after(failures);
        tracing::info!(
            consumer = %self.config.name, at = %work.at, offset = work.message.offset,
            attempt = failures, class = fault.class, %fault, "message failed, it will be tried again"
        );
        work.message.attempt += 1;
        work.first_failure.get_or_insert_with(Utc::now);
        if self.config.ordered {
            self.hold = self.hold.max(Some(due));
            self.put_back(work);
        } else {
            self.shared.suspend(&work);
            self.delays.push(due, work);
            metrics::DELAYED.with_label_values(&[&self.config.name]).set(self.delays.len() as i64);
        }
    }

    fn unavailable(&mut self, probe: bool, fault: &Fault) {
        self.health.wait(Component::Handler, fault);
        match &mut self.outage {
            None => self.outage = Some(Outage::begin(self.config.outage_backoff)),
            Some(outage) if probe => outage.still(),
            // It was under way when the outage began: it says nothing new.
            Some(_) => {}
        }
    }

    fn answered(&mut self, probe: bool) {
        if probe && self.outage.take().is_some() {
            self.health.answered(Component::Handler);
        }
    }
}
