//! How far the view is behind the log.

use super::{View, pause, switch::behind};
use crate::metrics;
use async_trait::async_trait;
use ragstream_core::{
    fault::Result,
    ports::{LogEnds, Probe},
    topics,
};
use ragstream_index::Contents;
use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How often the end of the log is asked for: the lag in answers is as old as this at most.
const LOOK: Duration = Duration::from_secs(2);

/// A line of `/readyz`: whether the view has once caught up with the log since the start.
pub(crate) struct CaughtUp(pub(crate) Arc<View>);

#[async_trait]
impl Probe for CaughtUp {
    fn component(&self) -> &'static str {
        "index"
    }

    async fn probe(&self) -> Result<()> {
        self.0.require_caught_up()
    }
}

/// A line of `/readyz`: the consumer that feeds what serves.
pub(crate) struct Consuming(pub(crate) Arc<View>);

#[async_trait]
impl Probe for Consuming {
    fn component(&self) -> &'static str {
        "index_consumer"
    }

    async fn probe(&self) -> Result<()> {
        self.0.consumer().check()
    }
}

/// Compares the view with the end of the log, now and then.
pub(crate) async fn watch_catch_up(
    view: Arc<View>,
    ends: Arc<dyn LogEnds>,
    token: CancellationToken,
) -> Result<()> {
    let mut news = view.news();
    while !token.is_cancelled() {
        let live = view.live();
        // While the broker is down there is no telling: the last lag stands.
        if let Ok(log) = ends.ends(topics::EMBEDDINGS).await {
            let end = Contents {
                positions: log.iter().map(|(partition, range)| (*partition, range.end)).collect(),
                ..Contents::default()
            };
            let lag = behind(&live.contents(), &end, &log);
            view.lag.store(lag, Ordering::Relaxed);
            metrics::VIEW_LAG.set(lag);
            if lag == 0 && live.set_caught_up() {
                let stats = live.index().stats();
                tracing::info!(
                    chunks = stats.visible,
                    checksum = format!("{:016x}", stats.checksum),
                    "the index has caught up with the log"
                );
            }
        }
        let caught_up = live.is_caught_up();
        // Nothing is held while it waits: another may take its place.
        drop(live);
        if caught_up {
            pause(LOOK, &token).await;
        } else {
            // Look again as soon as something was applied: readiness waits for this.
            let _ = tokio::time::timeout(Duration::from_millis(200), news.changed()).await;
        }
    }
    Ok(())
}
