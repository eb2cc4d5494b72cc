//! Rebuilding the query nodes' indexes, one after the other: at any time all but one
//! have their memory and processor for searches alone.

use crate::query_nodes::QueryNodes;
use chrono::Utc;
use ragstream_api::admin::{NodeRebuild, RebuildResponse, RebuildState};
use ragstream_core::fault::Fault;
use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How often a node is asked how far it is.
const LOOK: Duration = Duration::from_millis(300);
/// A node that does not answer for this long is given up.
const LOST: Duration = Duration::from_secs(60);

/// The rebuilds that this gateway was asked for.
pub(crate) struct Rebuilds {
    nodes: QueryNodes,
    each: Mutex<Vec<NodeRebuild>>,
    wanted: Notify,
}

impl Rebuilds {
    pub(crate) fn new(nodes: QueryNodes) -> Self {
        let each = nodes.urls().map(|url| NodeRebuild { node: url.to_owned(), ..NodeRebuild::default() });
        let each = Mutex::new(each.collect());
        Self { nodes, each, wanted: Notify::new() }
    }

    /// How far they are.
    pub(crate) fn status(&self) -> RebuildResponse {
        RebuildResponse::of(self.lock().clone())
    }

    /// Begins with the first node, unless some are under way.
    pub(crate) fn begin(&self) -> RebuildResponse {
        let mut each = self.lock();
        if !each.iter().any(|node| node.state.is_running()) {
            for node in each.iter_mut() {
                let (name, state) = (std::mem::take(&mut node.node), RebuildState::Waiting);
                *node = NodeRebuild { node: name, state, ..NodeRebuild::default() };
            }
            self.wanted.notify_one();
        }
        RebuildResponse::of(each.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<NodeRebuild>> {
        self.each.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, place: usize, status: NodeRebuild) {
        if let Some(node) = self.lock().get_mut(place) {
            *node = NodeRebuild { node: std::mem::take(&mut node.node), ..status };
        }
    }

    /// Does what is asked for, until the token is cancelled.
    pub(crate) async fn run(&self, token: CancellationToken) -> Result<(), Fault> {
        let work = async {
            loop {
                self.wanted.notified().await;
                for (place, url) in self.nodes.urls().enumerate() {
                    if let Err(error) = self.rebuild(place, url).await {
                        tracing::error!(url, error, "the index of a query node could not be rebuilt");
                        let mut status = self.lock()[place].clone();
                        (status.state, status.error) = (RebuildState::Failed, Some(error));
                        status.finished_at = Some(Utc::now());
                        self.set(place, status);
                    }
                }
            }
        };
        tokio::select! {
            () = work => Ok(()),
            () = token.cancelled() => Ok(()),
        }
    }

    /// Has one node rebuilt. `Err`: it could not be followed to its end.
    async fn rebuild(&self, place: usize, url: &str) -> Result<(), String> {
        self.set(place, self.nodes.begin_rebuild(url).await?);
        let mut heard = Instant::now();
        loop {
            tokio::time::sleep(LOOK).await;
            match self.nodes.rebuild_status(url).await {
                Ok(status) if status.state == RebuildState::Idle => {
                    return Err("the node was restarted meanwhile".into());
                }
                Ok(status) => {
                    heard = Instant::now();
                    let running = status.state.is_running();
                    self.set(place, status);
                    if !running {
                        return Ok(());
                    }
                }
                Err(error) if heard.elapsed() > LOST => return Err(error),
                Err(_) => {}
            }
        }
    }
}
