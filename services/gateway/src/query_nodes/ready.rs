//! Which query nodes are ready.

use super::{Node, QueryNodes};
use crate::metrics;
use async_trait::async_trait;
use futures::future::join_all;
use ragstream_core::{fault::Fault, ports::Probe};
use std::{sync::atomic::Ordering, time::Duration};
use tokio_util::sync::CancellationToken;

/// How often each is asked: how late one that is back gets work again.
const EVERY: Duration = Duration::from_secs(1);
/// How long one may take to say that it is ready: it asks its own components first.
const PATIENCE: Duration = Duration::from_secs(3);

impl QueryNodes {
    /// Asks each of them again and again, until the token is cancelled.
    pub(crate) async fn watch(self, token: CancellationToken) -> Result<(), Fault> {
        let looks = async {
            loop {
                join_all(self.nodes.iter().map(|node| self.look_at(node))).await;
                tokio::time::sleep(EVERY).await;
            }
        };
        tokio::select! {
            () = looks => {}
            () = token.cancelled() => {}
        }
        Ok(())
    }

    async fn look_at(&self, node: &Node) {
        let answer = self.client.get(format!("{}/readyz", node.url)).timeout(PATIENCE).send().await;
        match answer {
            Ok(answer) if answer.status().is_success() => self.is(node, true, "it says so"),
            Ok(_) => self.is(node, false, "it says so"),
            Err(_) => self.is(node, false, "it can't be reached"),
        }
    }

    /// What a look, or a request, has shown.
    pub(super) fn is(&self, node: &Node, ready: bool, because: &str) {
        if node.ready.swap(ready, Ordering::Relaxed) == ready {
            return;
        }
        let count = self.nodes.iter().filter(|node| node.is_ready()).count();
        metrics::QUERY_NODES_READY.set(count as i64);
        if ready {
            tracing::info!(url = node.url, "query node in use");
        } else {
            tracing::warn!(url = node.url, because, "query node out of use");
        }
    }
}

#[async_trait]
impl Probe for QueryNodes {
    fn component(&self) -> &'static str {
        "query"
    }

    /// Whether any of the nodes is ready.
    async fn probe(&self) -> Result<(), Fault> {
        match self.nodes.iter().any(Node::is_ready) {
            true => Ok(()),
            false => Err(Fault::unavailable("query_unavailable", "no query node is ready")),
        }
    }
}
