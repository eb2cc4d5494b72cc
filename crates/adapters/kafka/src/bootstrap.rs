//! A way back for a client that knows no broker any more.
//!
//! librdkafka (2.10 to 2.13 at least) forgets every broker that an answer about the cluster does
//! not name, those of `bootstrap.servers` too; and a broker that the controller has fenced, as
//! after a pause of the machine, names none. It means to begin anew from `bootstrap.servers`
//! then, but another answer at that moment cancels that for good (its issue 5301): from then on
//! the client asks nobody. So whoever goes without a broker tells the client of them again.

use crate::config::KafkaConfig;
use rdkafka::{ClientContext, bindings, client::Client};
use std::{
    ffi::CString,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often a client is told. Each time lengthens a list inside librdkafka by a line.
const EVERY: Duration = Duration::from_secs(15);

/// Where a client begins.
pub(crate) struct Bootstrap {
    brokers: CString,
    told: Mutex<Instant>,
}

impl Bootstrap {
    /// For a client that is just created, and so has been told.
    pub(crate) fn of(config: &KafkaConfig) -> Self {
        // A list with a zero byte in it creates no client.
        let brokers = CString::new(config.brokers.as_str()).unwrap_or_default();
        Self { brokers, told: Mutex::new(Instant::now()) }
    }

    /// Tells the client where it began, unless that was just done. For one that still knows, or
    /// whose brokers are away, nothing changes.
    pub(crate) fn again<C: ClientContext>(&self, client: &Client<C>) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() < EVERY {
            return;
        }
        *told = Instant::now();
        self.tell(client);
    }

    fn tell<C: ClientContext>(&self, client: &Client<C>) {
        // SAFETY: the client is alive, and the list, which ends with a zero byte, is copied.
        let known = unsafe { bindings::rd_kafka_brokers_add(client.native_ptr(), self.brokers.as_ptr()) };
        tracing::debug!(known, "no broker answers: the client is told of them again");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{cluster, context::QuietContext};
    use rdkafka::{consumer::BaseConsumer, consumer::Consumer as _};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_without_a_broker_finds_one_when_it_is_told() {
        let kafka = KafkaConfig::new(ragstream_testkit::kafka().await.bootstrap());
        // Nobody listens on port 1.
        let consumer: BaseConsumer<QuietContext> =
            KafkaConfig::new("127.0.0.1:1").group("none").create_with_context(QuietContext).unwrap();
        assert!(cluster::probe(consumer.client()).is_err());
        let bootstrap = Bootstrap::of(&kafka);
        bootstrap.again(consumer.client());
        assert!(cluster::probe(consumer.client()).is_err(), "it was just told, as far as this knows");
        bootstrap.tell(consumer.client());
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(fault) = cluster::probe(consumer.client()) {
            assert!(Instant::now() < deadline, "{fault}");
        }
    }
}
