//! The state of the system, in numbers.

use ragstream_core::{
    fault::Result,
    ports::{ProgressLog, Totals},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::Mutex;

/// A count this young is as good as a new one.
const FRESH: Duration = Duration::from_secs(1);
/// Counting every row takes one part in so many of the time at most, however many ask.
const SHARE: u32 = 20;

/// The totals, counted now and then.
pub(crate) struct Totalled {
    log: Arc<dyn ProgressLog>,
    last: Mutex<Option<Last>>,
}

struct Last {
    totals: Totals,
    good_until: Instant,
}

impl Totalled {
    pub(crate) fn new(log: Arc<dyn ProgressLog>) -> Self {
        Self { log, last: Mutex::new(None) }
    }

    /// As they were a moment ago. Those who ask at the same time wait for one count.
    pub(crate) async fn totals(&self) -> Result<Totals> {
        let mut last = self.last.lock().await;
        if let Some(last) = last.as_ref().filter(|last| Instant::now() < last.good_until) {
            return Ok(last.totals.clone());
        }
        let begun = Instant::now();
        let totals = self.log.totals().await?;
        let good_until = Instant::now() + FRESH.max(begun.elapsed() * SHARE);
        *last = Some(Last { totals: totals.clone(), good_until });
        Ok(totals)
    }
}
