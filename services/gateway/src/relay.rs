//! Relays what waits in the database for its way to the log: records of the outbox, at
//! once when an upload has just committed them, and events of documents. Sweeps up what
//! a crash or an outage left.

use crate::metrics;
use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::Utc;
use prometheus::{Gauge, IntCounter, IntGauge};
use ragstream_api::outage;
use ragstream_core::{
    fault::Fault,
    ports::{Outbox, Publisher},
};
use std::{sync::Arc, time::Duration};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Records of one transaction: enough for a batch upload, few enough that the
/// rows are locked for milliseconds.
const BATCH: u32 = 500;
/// How often to look for what nobody told of: left by a crash, or by another gateway's.
const SWEEP: Duration = Duration::from_secs(1);
/// The same for events, of which nobody ever tells: most are of other processes.
const EVENTS_SWEEP: Duration = Duration::from_millis(250);
/// Longest pause between tries while the log or the database is down.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// What is relayed.
pub(crate) struct Queue {
    /// Its name in logs.
    name: &'static str,
    records: Arc<dyn Outbox>,
    sweep: Duration,
    /// Tells that there is something to relay.
    told: Arc<Notify>,
    relayed: &'static IntCounter,
    waiting: &'static IntGauge,
    age: &'static Gauge,
}

impl Queue {
    /// The outbox; `told` says when there is something in it.
    pub(crate) fn outbox(records: Arc<dyn Outbox>, told: Arc<Notify>) -> Self {
        Self {
            name: "outbox",
            records,
            sweep: SWEEP,
            told,
            relayed: &metrics::RELAYED,
            waiting: &metrics::OUTBOX_WAITING,
            age: &metrics::OUTBOX_AGE,
        }
    }

    /// Events of documents.
    pub(crate) fn events(records: Arc<dyn Outbox>) -> Self {
        Self {
            name: "document events",
            records,
            sweep: EVENTS_SWEEP,
            told: Arc::default(),
            relayed: &metrics::EVENTS_RELAYED,
            waiting: &metrics::EVENTS_WAITING,
            age: &metrics::EVENTS_AGE,
        }
    }

    /// Relays until the token is cancelled.
    pub(crate) async fn run(
        self,
        publisher: Arc<dyn Publisher>,
        token: CancellationToken,
    ) -> Result<(), Fault> {
        while !token.is_cancelled() {
            self.relay_all(&*publisher, &token).await;
            tokio::select! {
                () = self.told.notified() => {}
                () = tokio::time::sleep(self.sweep) => {}
                () = token.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Appends until nothing is left; through an outage, waits.
    async fn relay_all(&self, publisher: &dyn Publisher, token: &CancellationToken) {
        let backoff = || {
            ExponentialBuilder::new().with_max_delay(MAX_BACKOFF).with_jitter().without_max_times().build()
        };
        let mut delays = backoff();
        let mut failing = false;
        while !token.is_cancelled() {
            match self.records.relay(publisher, BATCH).await {
                Ok(count) => {
                    if failing {
                        tracing::info!(queue = self.name, "records move again");
                        failing = false;
                    }
                    delays = backoff();
                    self.relayed.inc_by(count.into());
                    if count < BATCH {
                        self.observe().await;
                        return;
                    }
                }
                Err(fault) => {
                    failing = true;
                    outage::log(self.name, &fault);
                    self.observe().await;
                    let delay = delays.next().unwrap_or(MAX_BACKOFF);
                    tokio::select! {
                        () = tokio::time::sleep(delay) => {}
                        () = token.cancelled() => {}
                    }
                }
            }
        }
    }

    async fn observe(&self) {
        // While the database is down the gauges keep their last values.
        if let Ok((waiting, oldest)) = self.records.backlog().await {
            self.waiting.set(waiting as i64);
            self.age.set(oldest.map_or(0.0, |at| (Utc::now() - at).as_seconds_f64().max(0.0)));
        }
    }
}
