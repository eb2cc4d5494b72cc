//! Events of documents on their way from the rows to `document-lifecycle`.

mod janitor;

pub(crate) use janitor::{Records, run as run_janitor};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use ragstream_core::{
    fault::Result,
    ports::{LifecycleLog, Outbox, Publisher},
};
use ragstream_proto::encode;
use std::sync::Arc;

/// The events as an outbox, so that the relay's loop serves both.
pub(crate) struct Events(pub(crate) Arc<dyn LifecycleLog>);

#[async_trait]
impl Outbox for Events {
    async fn relay(&self, publisher: &dyn Publisher, max: u32) -> Result<u32> {
        self.0.relay_events(publisher, &encode::lifecycle, max).await
    }

    async fn backlog(&self) -> Result<(u64, Option<DateTime<Utc>>)> {
        self.0.unpublished().await
    }
}
