//! What watchers are told.

use ragstream_api::{batches::BatchResponse, documents::JobResponse, webhooks::EventBody};
use ragstream_core::{
    lifecycle::LifecycleEvent,
    ports::{BatchStatus, JobStatus},
};
use serde::Serialize;
use std::sync::Arc;

/// What a message is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// How far a job is.
    Job,
    /// How far a batch is.
    Batch,
    /// Something happened, of this type.
    Event(Arc<str>),
}

/// A message to watchers. Written down once, however many there are.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) topic: Topic,
    /// JSON.
    pub(crate) data: Arc<str>,
    /// Of an event: who has seen this message has seen all events up to this id.
    pub(crate) cursor: Option<i64>,
    /// Of an event: its id.
    pub(crate) event_id: Option<i64>,
    /// Nothing more will happen by itself to what it is about.
    pub(crate) is_last: bool,
}

impl Told {
    pub(crate) fn job(job: JobStatus) -> Self {
        let is_last = job.stage.is_final();
        Self { topic: Topic::Job, data: json(&JobResponse::new(job)), cursor: None, event_id: None, is_last }
    }

    pub(crate) fn batch(batch: BatchStatus) -> Self {
        let is_last = batch.is_over();
        Self {
            topic: Topic::Batch,
            data: json(&BatchResponse::from(batch)),
            cursor: None,
            event_id: None,
            is_last,
        }
    }

    pub(crate) fn event(event: LifecycleEvent, cursor: i64) -> Self {
        let is_last = matches!(event.stage.as_deref(), Some("complete" | "failed" | "cancelled") | None);
        let (kind, event_id) = (event.kind.as_str().into(), event.event_id);
        Self {
            topic: Topic::Event(kind),
            data: json(&EventBody::from(event)),
            cursor: Some(cursor),
            event_id: Some(event_id),
            is_last,
        }
    }

    /// The name of the message's kind in a stream of Server-Sent Events.
    pub(crate) fn name(&self) -> &str {
        match &self.topic {
            Topic::Job => "progress",
            Topic::Batch => "batch",
            Topic::Event(kind) => kind,
        }
    }
}

fn json(value: &impl Serialize) -> Arc<str> {
    serde_json::to_string(value).expect("these types have text keys alone").into()
}
