//! The view of the log: the index that serves, and what keeps it up to date.
//!
//! A [`Generation`] is an index with a consumer of its own ([`feed`]). One of them is
//! live: searches see it, and it reports to PostgreSQL. Another may be built beside it,
//! from the log's beginning, and then take its place in one step ([`switch`]).

mod apply;
mod catch_up;
pub(crate) mod feed;
mod generation;
pub(crate) mod switch;

pub(crate) use catch_up::{CaughtUp, Consuming, watch_catch_up};
pub(crate) use generation::{Generation, News, Standing};

use arc_swap::ArcSwap;
use feed::Feed;
use ragstream_core::{
    fault::{Fault, Result},
    id::{DocumentId, Version},
};
use ragstream_index::{Index, IndexError};
use ragstream_worker::HealthHandle;
use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The generation that serves.
struct Live {
    generation: Arc<Generation>,
    consumer: HealthHandle,
}

impl Live {
    fn of(feed: &Feed) -> Self {
        Self { generation: feed.generation.clone(), consumer: feed.health.clone() }
    }
}

/// What searches see.
pub(crate) struct View {
    live: ArcSwap<Live>,
    news: News,
    lag: AtomicI64,
}

impl View {
    /// What this consumer feeds is live; `news` are what it tells.
    pub(crate) fn new(feed: &Feed, news: News) -> Self {
        Self { live: ArcSwap::from_pointee(Live::of(feed)), news, lag: AtomicI64::new(0) }
    }

    /// The generation that serves now. One request sees one of them.
    pub(crate) fn live(&self) -> Arc<Generation> {
        self.live.load().generation.clone()
    }

    /// Its index.
    pub(crate) fn index(&self) -> Arc<Index> {
        self.live.load().generation.index().clone()
    }

    fn consumer(&self) -> HealthHandle {
        self.live.load().consumer.clone()
    }

    fn switch_to(&self, feed: &Feed) {
        self.live.store(Arc::new(Live::of(feed)));
        self.news.send_modify(|n| *n += 1);
    }

    /// Told whenever an index has changed or another one serves.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Records in the log that were not applied when last looked.
    pub(crate) fn lag(&self) -> i64 {
        self.lag.load(Ordering::Relaxed)
    }

    /// `Err`: the node has yet to read what was in the log when it started.
    pub(crate) fn require_caught_up(&self) -> Result<()> {
        if self.live().is_caught_up() {
            return Ok(());
        }
        Err(Fault::unavailable(
            "index_catching_up",
            format!("the index replays the log: {} records to go", self.lag()),
        ))
    }

    /// Waits until searches see `version` of a document or a later one, its
    /// deletion being the last, at most `patience`; whether they do.
    pub(crate) async fn wait_for(&self, document: DocumentId, version: Version, patience: Duration) -> bool {
        let mut news = self.news();
        let shown = || {
            let index = self.index();
            index.visible_version(document).is_some_and(|visible| visible >= version)
                || index.is_deleted(document)
        };
        let wait = async {
            while !shown() {
                if news.changed().await.is_err() {
                    return;
                }
            }
        };
        let _ = tokio::time::timeout(patience, wait).await;
        shown()
    }
}

/// Runs index work off the asynchronous threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, IndexError> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|e| Fault::failed("index_panicked", "the index panicked").caused_by(e))?
        .map_err(index_fault)
}

/// What an error of the index asks of the caller.
pub(crate) fn index_fault(error: IndexError) -> Fault {
    match error {
        IndexError::Damaged { .. } | IndexError::Unfit { .. } => {
            Fault::invalid("snapshot", "the snapshot can't be used").caused_by(error)
        }
        IndexError::Request(why) => Fault::invalid("bad_request", why),
        IndexError::Io { .. } => {
            Fault::unavailable("index_disk", "the index's disk needs attention").caused_by(error)
        }
        other => Fault::failed("index", "the index failed").caused_by(other),
    }
}

/// Waits, but not past the end.
pub(crate) async fn pause(time: Duration, token: &CancellationToken) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = token.cancelled() => {}
    }
}
