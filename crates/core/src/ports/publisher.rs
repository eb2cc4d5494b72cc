use crate::{fault::Result, ports::Probe};
use async_trait::async_trait;
use bytes::Bytes;
use std::{collections::BTreeMap, ops::Range};

/// Which partition a record goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// By the record's own key.
    ByKey,
    /// By another key, so that records of one document share a partition.
    By(String),
    /// This one: where a record that is sent back came from.
    At(i32),
}

/// A record to append.
#[derive(Clone, Debug, PartialEq)]
pub struct Outgoing {
    /// The topic.
    pub topic: String,
    /// The record's key.
    pub key: String,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<(String, String)>,
    /// Its partition.
    pub placement: Placement,
}

/// Where a record lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Partition.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

/// Appends records to the log.
#[async_trait]
pub trait Publisher: Probe {
    /// Appends all of them and returns once the broker has acknowledged each,
    /// in the order given. On an error some may be in the log: append all
    /// again, every consumer is idempotent.
    ///
    /// `Unavailable`: the broker can't be reached or does not acknowledge in time.
    /// `Invalid` of class `record_too_large`: no broker will ever take it.
    async fn append(&self, records: Vec<Outgoing>) -> Result<Vec<Appended>>;
}

/// Where the log's partitions begin and end.
#[async_trait]
pub trait LogEnds: Send + Sync {
    /// For each partition of a topic: the offset of its first record, and the
    /// offset that the next record will get.
    async fn ends(&self, topic: &str) -> Result<BTreeMap<i32, Range<i64>>>;
}
