//! How an outage is logged: a line when it begins and one a minute, for all who wait.

use ragstream_core::{
    fault::{Fault, FaultKind},
    seldom::OUTAGES,
};
use std::time::Instant;

/// Logs why `who` can't go on, where that is something new: one line tells that a dependency is
/// down, however many parts of the process need it.
pub fn log(who: &'static str, fault: &Fault) {
    let key = if fault.kind == FaultKind::Unavailable { fault.class } else { who };
    if let Some(more) = OUTAGES.say(key, Instant::now()) {
        let class = fault.class;
        tracing::warn!(who, class, error = %fault, more, "a dependency is unavailable, waiting for it");
    }
}
