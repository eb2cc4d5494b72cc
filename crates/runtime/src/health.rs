//! Health: what a role needs, asked when somebody asks.

use futures::future::join_all;
use ragstream_core::ports::Probe;
use serde::Serialize;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a component may take to answer before it counts as down; below
/// the timeouts of the usual health checkers.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The components of a role.
#[derive(Clone, Default)]
pub struct Health {
    probes: Vec<(Arc<dyn Probe>, Need)>,
}

/// Whether a role is ready without a component.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

/// Whether a component works.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It answers.
    Up,
    /// It does not.
    Down,
}

/// One component's line in `/health`.
#[derive(Clone, Debug, Serialize)]
pub struct ComponentHealth {
    /// Its name.
    pub component: &'static str,
    /// Whether it works.
    pub status: Status,
    /// How long it took to say so.
    pub latency_ms: f64,
    /// Why it is down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The body of `/health` and `/readyz`.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Up where every component is that the role needs.
    pub status: Status,
    /// Each of them.
    pub components: Vec<ComponentHealth>,
}

impl Health {
    /// Adds a component that the role is not ready without.
    pub fn with(mut self, probe: Arc<dyn Probe>) -> Self {
        self.probes.push((probe, Need::Required));
        self
    }

    /// Adds a component that is reported, but that the role can do without for a while.
    pub fn with_optional(mut self, probe: Arc<dyn Probe>) -> Self {
        self.probes.push((probe, Need::Optional));
        self
    }

    /// Adds all components of another.
    pub fn and(mut self, other: Self) -> Self {
        self.probes.extend(other.probes);
        self
    }

    /// Asks all components at once.
    pub async fn report(&self) -> Report {
        let components = join_all(self.probes.iter().map(|(probe, need)| async move {
            let begun = Instant::now();
            let detail = match tokio::time::timeout(PROBE_TIMEOUT, probe.probe()).await {
                Ok(Ok(())) => None,
                Ok(Err(fault)) => Some(fault.to_string()),
                Err(_) => Some(format!("no answer within {PROBE_TIMEOUT:?}")),
            };
            let health = ComponentHealth {
                component: probe.component(),
                status: if detail.is_none() { Status::Up } else { Status::Down },
                latency_ms: begun.elapsed().as_secs_f64() * 1e3,
                detail,
            };
            (health, *need)
        }))
        .await;
        let up = components.iter().all(|(c, need)| c.status == Status::Up || *need == Need::Optional);
        let components = components.into_iter().map(|(health, _)| health).collect();
        Report { status: if up { Status::Up } else { Status::Down }, components }
    }
}
