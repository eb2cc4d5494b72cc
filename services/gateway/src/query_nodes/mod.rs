//! The query nodes behind this gateway.
//!
//! - [`ask`]: searches and questions go to one of them.
//! - [`admin`]: operators' work goes to each of them.

mod admin;
mod ask;

use async_trait::async_trait;
use futures::future::join_all;
use ragstream_core::{fault::Fault, ports::Probe};
use std::{
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

/// How long a query node may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long it may send nothing in the middle of an answer.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// The query nodes that this gateway knows.
#[derive(Clone)]
pub(crate) struct QueryNodes {
    client: reqwest::Client,
    urls: Arc<Vec<String>>,
    next: Arc<AtomicUsize>,
}

impl QueryNodes {
    pub(crate) fn new(urls: &[String]) -> Self {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .no_proxy()
            .build()
            .unwrap_or_default();
        let urls = urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect();
        Self { client, urls: Arc::new(urls), next: Arc::new(AtomicUsize::new(0)) }
    }

    /// Their addresses.
    pub(crate) fn urls(&self) -> &[String] {
        &self.urls
    }
}

#[async_trait]
impl Probe for QueryNodes {
    fn component(&self) -> &'static str {
        "query"
    }

    /// Whether any of the nodes is ready.
    async fn probe(&self) -> Result<(), Fault> {
        let ready = self.urls.iter().map(|url| async move {
            let answer = self.client.get(format!("{url}/readyz")).send().await;
            answer.is_ok_and(|answer| answer.status().is_success())
        });
        match join_all(ready).await.contains(&true) {
            true => Ok(()),
            false => Err(Fault::unavailable("query_unavailable", "no query node is ready")),
        }
    }
}
