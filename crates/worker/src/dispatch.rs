//! The async side: makes batches, hands them to the handler, acts on its verdicts.

use crate::{
    burial::Burials,
    config::Config,
    delay::Delays,
    handler::Handler,
    health::{Component, HealthHandle},
    metrics,
    outage::Outage,
    settle::Exhausted,
    shared::{Phase, Shared, Work},
    turns::{Free, Next, Turns},
    verdict::Verdict,
};
use futures::FutureExt;
use ragstream_core::{fault::Fault, lane::Lane};
use std::{panic::AssertUnwindSafe, sync::Arc};
use tokio::{
    task::JoinSet,
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

/// The handler panicked.
pub(crate) struct Panicked;

/// A batch that came back.
pub(crate) struct Batch {
    pub lane: Lane,
    pub works: Vec<Work>,
    /// It was sent to see whether the dependency is back.
    pub probe: bool,
    pub answer: Result<Vec<Verdict>, Panicked>,
}

/// Why dispatching ended.
pub(crate) enum End {
    /// It was asked to.
    Asked,
    /// The poll thread is gone.
    SourceGone,
    /// The error budget is used up.
    Budget(u32, Fault),
}

pub(crate) struct Dispatcher {
    pub(crate) config: Arc<Config>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) health: HealthHandle,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) burials: Burials,
    pub(crate) batches: JoinSet<Batch>,
    pub(crate) delays: Delays,
    pub(crate) outage: Option<Outage>,
    /// Ordered workers: nothing is dispatched before.
    pub(crate) hold: Option<Instant>,
    pub(crate) exhausted: Exhausted,
    turns: Turns,
    /// Batches of the bulk lane in the handler.
    bulk_batches: usize,
}

impl Dispatcher {
    pub(crate) fn new(
        config: Arc<Config>,
        shared: Arc<Shared>,
        health: HealthHandle,
        handler: Arc<dyn Handler>,
        burials: Burials,
    ) -> Self {
        let turns = Turns::new(config.batch_max, config.batch_linger);
        Self {
            config,
            shared,
            health,
            handler,
            burials,
            batches: JoinSet::new(),
            delays: Delays::default(),
            outage: None,
            hold: None,
            exhausted: Exhausted::default(),
            turns,
            bulk_batches: 0,
        }
    }

    /// Runs until asked to stop, until the source is gone or until the budget is
    /// used up, and then until what is in flight has ended or its deadline passed.
    pub(crate) async fn run(mut self, shutdown: CancellationToken, source_gone: CancellationToken) -> End {
        let mut ending: Option<(End, Instant)> = None;
        loop {
            let now = Instant::now();
            let idle = self.batches.is_empty() && self.burials.is_empty();
            // What has not ended by the deadline is read again by whoever comes next.
            if let Some((end, _)) = ending.take_if(|(_, deadline)| idle || now >= *deadline) {
                return end;
            }
            let timer = match &ending {
                None => [self.launch(now), self.delays.next_due()].into_iter().flatten().min(),
                Some((_, deadline)) => Some(*deadline),
            };
            tokio::select! {
                biased;
                () = source_gone.cancelled() => return End::SourceGone,
                () = shutdown.cancelled(), if ending.is_none() => {
                    ending = Some((End::Asked, self.drain()));
                }
                Some(batch) = self.batches.join_next() => match batch {
                    Ok(batch) => {
                        self.bulk_batches -= usize::from(batch.lane == Lane::Bulk);
                        self.settle(batch);
                    }
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    Err(_) => {}
                },
                () = self.burials.progress() => {}
                () = sleep_until(timer.unwrap_or(now)), if timer.is_some() => self.readmit_due(),
                () = self.shared.wake.notified(), if ending.is_none() => {}
            }
            if ending.is_none()
                && let Some(last) = self.exhausted.over(self.config.error_budget)
            {
                ending = Some((End::Budget(self.exhausted.in_a_row(), last), self.drain()));
            }
        }
    }

    /// Begins nothing more. Returns when to stop waiting for what was begun.
    fn drain(&mut self) -> Instant {
        self.shared.enter(Phase::Draining);
        self.burials.stop_waiting();
        Instant::now() + self.config.shutdown_deadline
    }

    fn readmit_due(&mut self) {
        let now = Instant::now();
        while let Some(work) = self.delays.pop_due(now) {
            self.shared.readmit(work);
        }
        metrics::DELAYED.with_label_values(&[&self.config.name]).set(self.delays.len() as i64);
    }

    /// Hands out as many batches as may be. Returns when to look again, where time decides.
    fn launch(&mut self, now: Instant) -> Option<Instant> {
        loop {
            let closed_until = self.outage.as_ref().map(Outage::until).max(self.hold);
            if let Some(until) = closed_until.filter(|until| *until > now) {
                return Some(until);
            }
            self.hold = None;
            let waiting = self.shared.waiting();
            match self.turns.next(waiting, self.free(), now) {
                Next::Take(lane) => {
                    self.turns.starts_over(lane);
                    let works = self.shared.take(lane, self.config.batch_max);
                    if !works.is_empty() {
                        self.turns.taken(lane, waiting[Lane::Bulk as usize] > 0);
                        self.hand_over(lane, works);
                    }
                }
                Next::Wait(until) => return Some(until),
                Next::Nothing => {
                    let idle = waiting == [0, 0] && self.batches.is_empty() && self.delays.len() == 0;
                    if idle && self.outage.take().is_some() {
                        // What waited went with its partitions: nothing is left to probe with.
                        self.health.clear(Component::Handler);
                    }
                    return None;
                }
            }
        }
    }

    fn free(&self) -> Free {
        let slots = if self.outage.is_some() { 1 } else { self.config.slots() };
        Free {
            any: slots.saturating_sub(self.batches.len()),
            bulk: self.config.bulk_concurrency.saturating_sub(self.bulk_batches),
        }
    }

    fn hand_over(&mut self, lane: Lane, works: Vec<Work>) {
        self.bulk_batches += usize::from(lane == Lane::Bulk);
        let name = self.config.name.as_str();
        metrics::BATCH_MESSAGES.with_label_values(&[name]).observe(works.len() as f64);
        metrics::IN_FLIGHT.with_label_values(&[name]).add(works.len() as i64);
        let seconds = metrics::BATCH_SECONDS.with_label_values(&[name]);
        let handler = self.handler.clone();
        let probe = self.outage.is_some();
        self.batches.spawn(async move {
            let messages: Vec<_> = works.iter().map(|work| work.message.clone()).collect();
            let began = Instant::now();
            let answer =
                AssertUnwindSafe(handler.handle(&messages)).catch_unwind().await.map_err(|_| Panicked);
            seconds.observe(began.elapsed().as_secs_f64());
            Batch { lane, works, probe, answer }
        });
    }
}
