//! Webhooks: who wants to be told, and a consumer of `document-lifecycle` that tells them.
//!
//! [`handler`] decides what goes where, [`endpoints`] keeps slow receivers apart from the
//! others, [`sender`] sends, [`signature`] signs.

mod endpoints;
mod handler;
mod sender;
mod signature;
#[cfg(test)]
mod tests;

pub(crate) use sender::Sender;
pub(crate) use signature::Secret;

use crate::{GatewayConfig, outbound::Outbound};
use handler::Deliverer;
use ragstream_core::ports::Webhooks;
use ragstream_worker::{Backoff, Config, DeadLetters, Source, Worker};
use std::{sync::Arc, time::Duration};

/// Consumer group of the gateways, and its name in metrics and dead letters.
pub const CONSUMER: &str = "ragstream-webhooks";

/// Events that share a look into the database.
const BATCH: usize = 8;
/// Batches at a time. Most wait for somebody's answer; one silent receiver holds up two
/// of them at most (see [`endpoints`]).
const CONCURRENCY: usize = 64;
/// Uncommitted events of a partition, the most that one silent receiver may hold in their
/// delays before all wait: at some hundred bytes each far from being a burden.
const MAX_UNCOMMITTED: usize = 8_192;
/// Longer than a try takes: what is under way when a partition goes to another gateway
/// is put on record, and not sent again by that one.
const REVOKE_DEADLINE: Duration = Duration::from_secs(15);

/// What routes need of webhooks.
#[derive(Clone)]
pub(crate) struct Hooks {
    pub(crate) ledger: Arc<dyn Webhooks>,
    pub(crate) outbound: Outbound,
    pub(crate) sender: Sender,
}

impl Hooks {
    pub(crate) fn new(ledger: Arc<dyn Webhooks>, allow_private: bool) -> Self {
        let outbound = Outbound::new(allow_private);
        Self { ledger, sender: Sender::new(outbound.clone()), outbound }
    }

    /// The consumer that tells them.
    pub(crate) fn worker(
        &self,
        config: &GatewayConfig,
        events: Box<dyn Source>,
        dead_letters: Arc<dyn DeadLetters>,
    ) -> Worker {
        let settings = Config {
            batch_max: BATCH,
            concurrency: CONCURRENCY,
            max_attempts: config.webhook_attempts,
            retry_backoff: Backoff {
                min: Duration::from_millis(config.webhook_retry_min_ms),
                max: Duration::from_millis(config.webhook_retry_max_ms),
            },
            // Receivers that fail are no fault of ours, however many events they lack.
            error_budget: u32::MAX,
            max_uncommitted: MAX_UNCOMMITTED,
            revoke_deadline: REVOKE_DEADLINE,
            ..Config::named(CONSUMER)
        };
        let handler = Arc::new(Deliverer::new(self.ledger.clone(), self.sender.clone()));
        Worker::new(settings, events, handler, dead_letters)
    }
}
