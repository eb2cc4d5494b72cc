//! The query nodes behind this gateway.
//!
//! - [`ready`]: which of them are ready is looked at all the time, and shown by requests.
//! - [`ask`]: searches and questions go to one of them, or the next; [`answer`] reads what it says.
//! - [`admin`]: operators' work goes to each of them.

mod admin;
pub(crate) mod answer;
mod ask;
mod ready;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How long a query node may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// How long it may send nothing: an answer that is not streamed comes whole, once it is made.
const READ_TIMEOUT: Duration = Duration::from_secs(300);

/// The query nodes that this gateway knows.
#[derive(Clone)]
pub(crate) struct QueryNodes {
    client: reqwest::Client,
    nodes: Arc<Vec<Node>>,
    next: Arc<AtomicUsize>,
}

/// One of them.
struct Node {
    url: String,
    /// Its place in the configuration, for metrics.
    label: String,
    ready: AtomicBool,
}

impl Node {
    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

impl QueryNodes {
    pub(crate) fn new(urls: &[String]) -> Self {
        let client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .no_proxy()
            .build()
            .unwrap_or_default();
        let nodes = urls.iter().enumerate().map(|(i, url)| Node {
            url: url.trim_end_matches('/').to_owned(),
            label: i.to_string(),
            ready: AtomicBool::new(false),
        });
        Self { client, nodes: Arc::new(nodes.collect()), next: Arc::new(AtomicUsize::new(0)) }
    }

    /// Their addresses.
    pub(crate) fn urls(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|node| node.url.as_str())
    }
}
