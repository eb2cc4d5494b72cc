//! One index that follows the log, and what is yet to be reported of it.

use super::blocking;
use ragstream_core::{
    fault::{Fault, Result},
    id::{ChunkId, DocumentId, Version},
    ports::IndexLedger,
};
use ragstream_index::{Applied, Contents, Index, Positioned, Rejected, SnapshotInfo};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex as StdMutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{Mutex, MutexGuard, watch};

/// Told whenever an index has changed or another one serves.
pub(crate) type News = Arc<watch::Sender<u64>>;

/// What a generation is there for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is built beside the one that serves, which reports what it holds too.
    #[default]
    Beside,
    /// It serves and reports.
    Live,
    /// Another took its place: it applies nothing more.
    Retired,
}

/// What a consumer has read, in order.
#[derive(Default)]
pub(super) struct Records {
    /// What is to be applied.
    pub(super) events: Vec<Positioned>,
    /// Partition and offset of what can't be decoded: there is nothing to apply.
    pub(super) unreadable: Vec<(i32, i64)>,
}

impl Records {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty() && self.unreadable.is_empty()
    }

    /// Takes out what lies beyond these positions.
    pub(super) fn split_off(&mut self, reached: &BTreeMap<i32, i64>) -> Self {
        let beyond = |partition, offset| reached.get(&partition).is_none_or(|position| *position <= offset);
        Self {
            events: self.events.extract_if(.., |event| beyond(event.partition, event.offset)).collect(),
            unreadable: self
                .unreadable
                .extract_if(.., |(partition, offset)| beyond(*partition, *offset))
                .collect(),
        }
    }
}

/// What was applied but is not reported.
#[derive(Default)]
pub(crate) struct Report {
    standing: Standing,
    indexed: Vec<ChunkId>,
    complete: Vec<(DocumentId, Version)>,
    /// Told with the next success: a batch that comes again is not rejected again.
    rejected: Vec<Rejected>,
    /// All that it holds is to be reported once, for it was built without a word.
    contents: bool,
}

impl Report {
    fn is_empty(&self) -> bool {
        self.indexed.is_empty() && self.complete.is_empty() && !self.contents
    }
}

/// An index, fed from the log by a consumer of its own.
pub(crate) struct Generation {
    /// 0 for the first of this process, one more for each.
    pub(crate) number: u64,
    index: Arc<Index>,
    news: News,
    /// Behind the last record of each partition that can't be decoded.
    skipped: StdMutex<BTreeMap<i32, i64>>,
    /// It has once had all that was in the log.
    caught_up: AtomicBool,
    /// Why the index can't go on.
    broken: watch::Sender<Option<Fault>>,
    /// Whoever holds this lock applies, takes a snapshot, or changes the standing: no
    /// snapshot is ahead of the reports, for a restart from it would never make them.
    report: Mutex<Report>,
}

impl Generation {
    pub(crate) fn new(number: u64, index: Index, standing: Standing, news: News) -> Self {
        if standing == Standing::Live {
            index.report_sizes();
        }
        Self {
            number,
            index: Arc::new(index),
            news,
            skipped: StdMutex::default(),
            caught_up: AtomicBool::new(false),
            broken: watch::Sender::new(None),
            report: Mutex::new(Report { standing, ..Report::default() }),
        }
    }

    pub(super) fn news(&self) -> &News {
        &self.news
    }

    pub(crate) fn index(&self) -> &Arc<Index> {
        &self.index
    }

    /// What searches see, and how much of the log was read for it.
    pub(crate) fn contents(&self) -> Contents {
        let mut contents = self.index.contents();
        for (partition, next) in self.skipped.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let position = contents.positions.entry(*partition).or_insert(*next);
            *position = (*next).max(*position);
        }
        contents
    }

    pub(crate) fn is_caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// `true` if it was not before.
    pub(super) fn set_caught_up(&self) -> bool {
        !self.caught_up.swap(true, Ordering::AcqRel)
    }

    /// Ends once the index can't go on, with the reason.
    pub(super) async fn breaks(&self) -> Fault {
        let mut broken = self.broken.subscribe();
        let fault = match broken.wait_for(Option::is_some).await {
            Ok(fault) => fault.clone(),
            Err(_) => None,
        };
        fault.unwrap_or_else(|| Fault::failed("index", "the index is gone"))
    }

    /// Applies events, and reports them where it is this generation's to report; what
    /// its standing was meanwhile. A retired one does nothing.
    pub(super) async fn apply(
        &self,
        records: Records,
        ledger: &dyn IndexLedger,
    ) -> Result<(Standing, Applied)> {
        let mut report = self.report.lock().await;
        if records.is_empty() || report.standing == Standing::Retired {
            return Ok((report.standing, Applied::default()));
        }
        let Records { events, unreadable } = records;
        let index = self.index.clone();
        let mut applied = match blocking(move || index.apply(events)).await {
            Ok(applied) => applied,
            Err(fault) => {
                // Nothing is wrong with the records: the index is. The process ends over
                // it, and the next one restores or replays.
                self.broken.send_replace(Some(fault.clone()));
                return Err(
                    Fault::unavailable("index_broken", "the index takes no more events").caused_by(fault)
                );
            }
        };
        {
            let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
            for (partition, offset) in unreadable {
                let next = skipped.entry(partition).or_default();
                *next = offset.saturating_add(1).max(*next);
            }
        }
        self.news.send_modify(|n| *n += 1);
        if report.standing == Standing::Live {
            self.index.report_sizes();
            report.indexed.extend(&applied.indexed);
            report.complete.extend(&applied.complete);
            report.rejected.append(&mut applied.rejected);
            if !report.indexed.is_empty() || !report.complete.is_empty() {
                ledger.mark_indexed(&report.indexed, &report.complete).await?;
                report.indexed.clear();
                report.complete.clear();
            }
            applied.rejected = std::mem::take(&mut report.rejected);
        }
        Ok((report.standing, applied))
    }

    /// Writes a snapshot into a folder; `None` while there is something to report.
    pub(crate) async fn snapshot(&self, dir: &Path) -> Result<Option<SnapshotInfo>> {
        let report = self.report.lock().await;
        if !report.is_empty() || report.standing != Standing::Live {
            return Ok(None);
        }
        let (index, dir) = (self.index.clone(), dir.to_owned());
        blocking(move || index.snapshot(&dir)).await.map(Some)
    }

    /// Keeps it as it is, until the lock is dropped.
    pub(super) async fn hold(&self) -> MutexGuard<'_, Report> {
        self.report.lock().await
    }

    /// From now on `self` serves and reports, beginning with what `before` has not
    /// reported, and `before` does nothing more. Both are held, and stand at the same
    /// place of the log.
    pub(super) fn take_over(&self, own: &mut Report, before: &mut Report) {
        own.standing = Standing::Live;
        own.contents = true;
        own.indexed = std::mem::take(&mut before.indexed);
        own.complete = std::mem::take(&mut before.complete);
        before.standing = Standing::Retired;
        self.set_caught_up();
        self.index.report_sizes();
    }

    /// All that it holds has been reported.
    pub(crate) async fn contents_reported(&self) {
        self.report.lock().await.contents = false;
    }
}
