//! How far the view is behind the log.

use super::{View, pause};
use crate::metrics;
use async_trait::async_trait;
use ragstream_core::{
    fault::Result,
    ports::{LogEnds, Probe},
    topics,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How often the end of the log is asked for: the lag in answers is as old as this at most.
const LOOK: Duration = Duration::from_secs(2);

/// A line of `/readyz`: whether the view has once caught up with the log since the start.
pub(crate) struct CaughtUp(Arc<View>);

impl CaughtUp {
    pub(crate) fn new(view: Arc<View>) -> Self {
        Self(view)
    }
}

#[async_trait]
impl Probe for CaughtUp {
    fn component(&self) -> &'static str {
        "index"
    }

    async fn probe(&self) -> Result<()> {
        self.0.require_caught_up()
    }
}

/// Compares the view with the end of the log, now and then.
pub(crate) async fn watch_catch_up(
    view: Arc<View>,
    ends: Arc<dyn LogEnds>,
    token: CancellationToken,
) -> Result<()> {
    let mut applied = view.applied.subscribe();
    while !token.is_cancelled() {
        // While the broker is down there is no telling: the last lag stands.
        if let Ok(ends) = ends.ends(topics::EMBEDDINGS).await {
            let positions = view.contents().positions;
            let behind = |(partition, range): (&i32, &std::ops::Range<i64>)| {
                let position = positions.get(partition).copied().unwrap_or(range.start);
                (range.end - position.max(range.start)).max(0)
            };
            let lag: i64 = ends.iter().map(behind).sum();
            view.lag.store(lag, Ordering::Relaxed);
            metrics::VIEW_LAG.set(lag);
            if lag == 0 && !view.caught_up.swap(true, Ordering::AcqRel) {
                let stats = view.index.stats();
                tracing::info!(
                    chunks = stats.visible,
                    checksum = format!("{:016x}", stats.checksum),
                    "the index has caught up with the log"
                );
            }
        }
        if view.caught_up.load(Ordering::Acquire) {
            pause(LOOK, &token).await;
        } else {
            // Look again as soon as something was applied: readiness waits for this.
            let _ = tokio::time::timeout(Duration::from_millis(200), applied.changed()).await;
        }
    }
    Ok(())
}
