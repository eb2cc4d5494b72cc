//! Faults on purpose, between the roles and their parts: `RAGSTREAM_FAULTS`, for tests.
//!
//! A plan is a list of `point=action`, separated by commas, such as
//! `before_handle=crash@3,after_publish=unavailable:5s@1,embed=delay:30s`.
//!
//! | Point | Passed when |
//! | --- | --- |
//! | `before_handle` | a consumer hands out a message |
//! | `after_effect` | a write of a ledger has taken place and is about to return |
//! | `after_publish` | records are in the log and the publisher is about to say so |
//! | `before_commit` | offsets are about to be committed |
//! | `embed` | the model is about to run |
//!
//! | Action | |
//! | --- | --- |
//! | `crash` | the process aborts |
//! | `unavailable:TIME` | this and every call of the port fails as `Unavailable` for so long |
//! | `hold:TIME` | this passing takes so long: a partition may move away meanwhile |
//! | `delay:TIME` | every passing takes so long; only where no consumer has to poll |
//!
//! `@N` strikes at the N-th passing of the point in this process, `@1` where it is left out.
//! Times are whole numbers of `ms`, `s` or `m`. Without a plan no port is decorated.

mod gate;
mod plan;
mod ports;

use gate::Gate;
use plan::Plan;
use ports::{FaultyEmbedder, FaultyLedger, FaultyPublisher, FaultySource};
use ragstream_core::ports::{Embedder, EmbeddingLedger, IndexLedger, IngestionLedger, Publisher};
use ragstream_worker::Source;
use std::{collections::VecDeque, str::FromStr, sync::Arc};

/// What is to fail, and when. By default nothing.
#[derive(Clone, Default)]
pub(crate) struct Faults(Option<Arc<Plan>>);

impl FromStr for Faults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Ok(Self(Some(Arc::new(text.parse()?))))
    }
}

impl Faults {
    /// Says that there are any.
    pub(crate) fn warn(&self) {
        if let Some(plan) = &self.0 {
            tracing::warn!(plan = plan.text(), "FAULTS ARE INJECTED (RAGSTREAM_FAULTS): not for production");
        }
    }

    pub(crate) fn source(&self, source: Box<dyn Source>) -> Box<dyn Source> {
        match &self.0 {
            None => source,
            Some(plan) => Box::new(FaultySource {
                inner: source,
                gate: Gate::new(plan),
                kept: VecDeque::new(),
                kept_until: None,
            }),
        }
    }

    pub(crate) fn publisher(&self, publisher: Arc<dyn Publisher>) -> Arc<dyn Publisher> {
        match &self.0 {
            None => publisher,
            Some(plan) => Arc::new(FaultyPublisher { inner: publisher, gate: Gate::new(plan) }),
        }
    }

    pub(crate) fn embedder(&self, embedder: Arc<dyn Embedder>) -> Arc<dyn Embedder> {
        match &self.0 {
            None => embedder,
            Some(plan) => Arc::new(FaultyEmbedder { inner: embedder, gate: Gate::new(plan) }),
        }
    }

    pub(crate) fn ingestion(&self, ledger: Arc<dyn IngestionLedger>) -> Arc<dyn IngestionLedger> {
        match &self.0 {
            None => ledger,
            Some(plan) => Arc::new(FaultyLedger { inner: ledger, gate: Gate::new(plan) }),
        }
    }

    pub(crate) fn embedding(&self, ledger: Arc<dyn EmbeddingLedger>) -> Arc<dyn EmbeddingLedger> {
        match &self.0 {
            None => ledger,
            Some(plan) => Arc::new(FaultyLedger { inner: ledger, gate: Gate::new(plan) }),
        }
    }

    pub(crate) fn index(&self, ledger: Arc<dyn IndexLedger>) -> Arc<dyn IndexLedger> {
        match &self.0 {
            None => ledger,
            Some(plan) => Arc::new(FaultyLedger { inner: ledger, gate: Gate::new(plan) }),
        }
    }
}
