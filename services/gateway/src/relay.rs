//! The outbox relay: appends at once what an upload has just committed, and
//! sweeps up what a crash or an outage left.

use crate::metrics;
use backon::{BackoffBuilder, ExponentialBuilder};
use chrono::Utc;
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
/// Longest pause between tries while the log or the database is down.
const MAX_BACKOFF: Duration = Duration::from_secs(5);

/// Relays until the token is cancelled.
pub(crate) async fn run(
    outbox: Arc<dyn Outbox>,
    publisher: Arc<dyn Publisher>,
    accepted: Arc<Notify>,
    token: CancellationToken,
) -> Result<(), Fault> {
    while !token.is_cancelled() {
        relay_all(&*outbox, &*publisher, &token).await;
        tokio::select! {
            () = accepted.notified() => {}
            () = tokio::time::sleep(SWEEP) => {}
            () = token.cancelled() => {}
        }
    }
    Ok(())
}

/// Appends until the outbox is empty; through an outage, waits.
async fn relay_all(outbox: &dyn Outbox, publisher: &dyn Publisher, token: &CancellationToken) {
    let backoff =
        || ExponentialBuilder::new().with_max_delay(MAX_BACKOFF).with_jitter().without_max_times().build();
    let mut delays = backoff();
    let mut failing = false;
    while !token.is_cancelled() {
        match outbox.relay(publisher, BATCH).await {
            Ok(count) => {
                if failing {
                    tracing::info!("the outbox moves again");
                    failing = false;
                }
                delays = backoff();
                metrics::RELAYED.inc_by(count.into());
                if count < BATCH {
                    observe(outbox).await;
                    return;
                }
            }
            Err(fault) => {
                if !failing {
                    tracing::warn!(class = fault.class, error = %fault, "the outbox waits");
                    failing = true;
                }
                observe(outbox).await;
                let delay = delays.next().unwrap_or(MAX_BACKOFF);
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = token.cancelled() => {}
                }
            }
        }
    }
}

async fn observe(outbox: &dyn Outbox) {
    // While the database is down the gauges keep their last values.
    if let Ok((waiting, oldest)) = outbox.backlog().await {
        metrics::OUTBOX_WAITING.set(waiting as i64);
        let age = oldest.map_or(0.0, |at| (Utc::now() - at).as_seconds_f64().max(0.0));
        metrics::OUTBOX_AGE.set(age);
    }
}
