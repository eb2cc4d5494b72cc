//! Removes what is only of use for a while: events, and records of deliveries.

use chrono::{TimeDelta, Utc};
use ragstream_core::{
    fault::{Fault, Result},
    ports::{LifecycleLog, Webhooks},
};
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often to look.
const EVERY: Duration = Duration::from_secs(3600);
/// How long events are kept: for whoever follows progress and was away.
const EVENTS_DAYS: i64 = 7;
/// How long deliveries are kept: a dead letter that is sent back within this time reaches
/// only those that lack it.
const DELIVERIES_DAYS: i64 = 30;
/// Rows of one statement: milliseconds, so that nobody waits for it.
const PORTION: u32 = 1_000;

/// Sweeps once an hour until the token is cancelled.
pub(crate) async fn run(
    events: Arc<dyn LifecycleLog>,
    webhooks: Arc<dyn Webhooks>,
    token: CancellationToken,
) -> Result<(), Fault> {
    loop {
        let swept = tokio::select! {
            swept = sweep(&*events, &*webhooks) => swept,
            () = token.cancelled() => return Ok(()),
        };
        if let Err(fault) = swept {
            tracing::warn!(class = fault.class, error = %fault, "old events could not be removed; next time");
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = token.cancelled() => return Ok(()),
        }
    }
}

async fn sweep(events: &dyn LifecycleLog, webhooks: &dyn Webhooks) -> Result<()> {
    let now = Utc::now();
    while events.forget_events(now - TimeDelta::days(EVENTS_DAYS), PORTION).await? == PORTION {}
    while webhooks.forget_deliveries(now - TimeDelta::days(DELIVERIES_DAYS), PORTION).await? == PORTION {}
    Ok(())
}
