//! The state of the system, for people.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Answer of `GET /api/v2/system/status`.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SystemStatus {
    /// Of this gateway.
    pub version: String,
    /// This gateway started at.
    pub started_at: DateTime<Utc>,
    /// Since then, in seconds.
    pub uptime_seconds: u64,
    /// What this gateway needs, as in `/health`.
    pub components: Vec<ComponentStatus>,
    /// Documents.
    pub documents: u64,
    /// Bytes of their files.
    pub storage_bytes: u64,
    /// Jobs by stage.
    pub jobs: BTreeMap<String, u64>,
    /// Chunks by status.
    pub chunks: BTreeMap<String, u64>,
    /// Records on their way from the database to the log.
    pub outbox: QueueStatus,
    /// Events on their way to `document-lifecycle`.
    pub events: QueueStatus,
    /// The query nodes that this gateway knows.
    pub query_nodes: Vec<QueryNodeStatus>,
    /// How fast it is, of late.
    pub rates: Rates,
    /// Watchers of live progress, at this gateway.
    pub watchers: usize,
}

/// A component.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ComponentStatus {
    /// Its name.
    pub name: String,
    /// Whether it answers.
    pub healthy: bool,
    /// How long it took to say so, in milliseconds.
    pub latency_ms: f64,
    /// Why it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What waits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueueStatus {
    /// How many.
    pub waiting: u64,
    /// For how long the oldest does, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oldest_seconds: Option<u64>,
}

impl QueueStatus {
    /// So many, the oldest since then, at `now`.
    pub fn new((waiting, oldest): (u64, Option<DateTime<Utc>>), now: DateTime<Utc>) -> Self {
        let age = |since: DateTime<Utc>| (now - since).num_seconds().max(0) as u64;
        Self { waiting, oldest_seconds: oldest.map(age) }
    }
}

/// A query node.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QueryNodeStatus {
    /// Its address.
    pub url: String,
    /// Whether it answers.
    pub ready: bool,
    /// Chunks that searches see.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chunks: Option<u64>,
    /// Records in the log that it has not applied yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied_lag: Option<i64>,
    /// Why it does not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// How fast it is.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct Rates {
    /// Documents that became searchable in the last minute.
    pub documents_per_minute: f32,
    /// Chunks embedded a second, in the last 20 seconds.
    pub chunks_per_second: f32,
}
