//! What a decorated port does at a point.

use super::plan::{Action, Plan, Point};
use ragstream_core::fault::{Fault, Result};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// Stands before one port.
pub(super) struct Gate {
    plan: Arc<Plan>,
    /// The end of this port's outage.
    closed_until: Mutex<Option<Instant>>,
}

impl Gate {
    pub(super) fn new(plan: &Arc<Plan>) -> Self {
        Self { plan: plan.clone(), closed_until: Mutex::new(None) }
    }

    /// `Unavailable` while an outage of this port lasts.
    pub(super) fn check(&self) -> Result<()> {
        match *self.closed() {
            Some(until) if Instant::now() < until => {
                Err(Fault::unavailable("injected_fault", "an outage that was asked for"))
            }
            _ => Ok(()),
        }
    }

    /// Begins an outage.
    pub(super) fn close(&self, time: Duration) {
        *self.closed() = Some(Instant::now() + time);
    }

    /// The point is passed. Does not return where that is a crash.
    pub(super) fn strike(&self, point: Point) -> Option<Action> {
        let action = self.plan.pass(point)?;
        tracing::warn!(%point, ?action, "fault injected");
        if action == Action::Crash {
            std::process::abort();
        }
        Some(action)
    }

    /// Passes a point where waiting is no harm.
    pub(super) async fn pass(&self, point: Point) -> Result<()> {
        match self.strike(point) {
            None | Some(Action::Crash) => Ok(()),
            Some(Action::Hold(time) | Action::Delay(time)) => {
                tokio::time::sleep(time).await;
                Ok(())
            }
            Some(Action::Unavailable(time)) => {
                self.close(time);
                self.check()
            }
        }
    }

    /// The same on a thread of its own.
    pub(super) fn pass_blocking(&self, point: Point) -> Result<()> {
        match self.strike(point) {
            None | Some(Action::Crash) => Ok(()),
            Some(Action::Hold(time) | Action::Delay(time)) => {
                std::thread::sleep(time);
                Ok(())
            }
            Some(Action::Unavailable(time)) => {
                self.close(time);
                self.check()
            }
        }
    }

    fn closed(&self) -> MutexGuard<'_, Option<Instant>> {
        self.closed_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
