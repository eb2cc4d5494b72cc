use crate::{
    fault::Result,
    id::{BatchId, DocumentId, JobId, NoticeId},
};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

/// What somebody is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum About {
    /// One file.
    Job(JobId),
    /// Files that belong together.
    Batch(BatchId),
}

/// Somebody who is to be told how it ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its id: the same for every try.
    pub notice_id: NoticeId,
    /// What it tells of.
    pub about: About,
    /// Whom: an address of electronic mail.
    pub address: String,
    /// How often the address was tried in vain.
    pub attempts: u32,
}

/// A file that did not become searchable by a failure, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedFile {
    /// Its name.
    pub filename: String,
    /// In words.
    pub reason: String,
}

/// What there is to tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HowItEnded {
    /// What people call the batch.
    pub name: Option<String>,
    /// The document, where it is about one file.
    pub document_id: Option<DocumentId>,
    /// Files in all.
    pub files: u32,
    /// Searchable, those that were here already included.
    pub searchable: u32,
    /// Failed, or not taken.
    pub failed: u32,
    /// The first of those, in the order of their names.
    pub failures: Vec<FailedFile>,
}

impl HowItEnded {
    /// Files that their users ended, replaced or deleted.
    pub fn cancelled(&self) -> u32 {
        self.files.saturating_sub(self.searchable + self.failed)
    }
}

/// What became of a notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whom.
    pub address: String,
    /// When it was sent, or given up.
    pub settled_at: Option<DateTime<Utc>>,
    /// Why it was given up.
    pub error: Option<String>,
}

/// Who is to be told how jobs and batches ended, on record until they were.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Puts on record that an address is to be told of it; twice is once, while it has not been told.
    /// Asked for before what it is about is there: what never comes is never told of.
    async fn tell(&self, about: About, address: &str) -> Result<()>;

    /// The file of the first job turned out to be that of the second: who was to be told of the one is told of
    /// the other.
    async fn tell_instead(&self, of: JobId, other: JobId) -> Result<()>;

    /// Those whose job or batch has ended, the oldest first, at most `max`; nobody else is given them for `lease`.
    /// Those that are looked at in vain are looked at again after a tenth of their age, two seconds to a minute.
    async fn claim_notices(&self, max: u32, lease: TimeDelta) -> Result<Vec<Notice>>;

    /// How it ended, with the first `failures` of its failures; `None` where it is gone.
    async fn how_it_ended(&self, about: About, failures: u32) -> Result<Option<HowItEnded>>;

    /// It was sent, or with a reason given up.
    async fn settle_notice(&self, notice_id: NoticeId, error: Option<&str>) -> Result<()>;

    /// It is tried again then; `counted` uses up an attempt.
    async fn postpone_notice(&self, notice_id: NoticeId, until: DateTime<Utc>, counted: bool) -> Result<()>;

    /// Who is or was told of it, the oldest first, at most `max`.
    async fn told(&self, about: About, max: u32) -> Result<Vec<Told>>;

    /// Removes notices from before `time`, whatever became of them, at most `max`; returns how many.
    async fn forget_notices(&self, time: DateTime<Utc>, max: u32) -> Result<u32>;
}
