use crate::{
    fault::Result,
    id::RedriveId,
    ports::{Appended, Placement},
};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    ops::Range,
    str::FromStr,
};

/// Where a record lies in the log. As text: `topic/partition/offset`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset.
    pub offset: i64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let mut parts = s.rsplitn(3, '/');
        let (offset, partition, topic) = (parts.next(), parts.next(), parts.next());
        let place = topic.filter(|topic| !topic.is_empty()).and_then(|topic| {
            Some(Self {
                topic: topic.to_owned(),
                partition: partition?.parse().ok()?,
                offset: offset?.parse().ok()?,
            })
        });
        place.ok_or_else(|| format!("{s:?} is no place of a record: topic/partition/offset is one"))
    }
}

/// A header byte for byte: its value may be absent, and may be no text.
pub type RawHeader = (String, Option<Bytes>);

/// A record as it lies in the log, byte for byte.
#[derive(Clone, PartialEq)]
pub struct StoredRecord {
    /// Where it lies.
    pub place: Place,
    /// When it was stored; `None` where the log does not know.
    pub stored_at: Option<DateTime<Utc>>,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers, in order; a name may come twice.
    pub headers: Vec<RawHeader>,
}

impl StoredRecord {
    /// The first header of this name, where it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// Bytes it holds in memory, near enough to bound a list by.
    pub fn weight(&self) -> usize {
        let bytes = |value: &Option<Bytes>| value.as_ref().map_or(0, Bytes::len);
        let headers: usize = self.headers.iter().map(|(name, value)| name.len() + bytes(value)).sum();
        bytes(&self.key) + bytes(&self.value) + headers
    }
}

impl fmt::Debug for StoredRecord {
    /// Where it lies and how big it is: never its value, which may be somebody's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredRecord")
            .field("place", &self.place)
            .field("stored_at", &self.stored_at)
            .field("value_bytes", &self.value.as_ref().map(Bytes::len))
            .finish_non_exhaustive()
    }
}

/// Records that were read in one go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stretch {
    /// In the order of their offsets.
    pub records: Vec<StoredRecord>,
    /// Everything of the range before this offset was read: its end, unless
    /// there was more than was to be held.
    pub end: i64,
}

/// Opens what reads dead letters.
pub trait DeadLetterLog: Send + Sync {
    /// A reader for one request. Needs no broker to be there.
    fn open(&self) -> Result<Box<dyn DeadLetterReader>>;
}

/// Reads ranges of dead-letter topics, as often as it is asked, and shares
/// nothing with the consumers of these topics.
///
/// `Unavailable`: the log did not answer in time.
#[async_trait]
pub trait DeadLetterReader: Send {
    /// The records of `range` that are (still) there, from its start on, until they
    /// hold `max_bytes`; at least one, where there is one.
    async fn read(
        &mut self,
        topic: &str,
        partition: i32,
        range: Range<i64>,
        max_bytes: usize,
    ) -> Result<Stretch>;

    /// The offset of the first record that was stored at this time or later;
    /// where there is none, that of the next one to come.
    async fn offset_at(&mut self, topic: &str, partition: i32, time: DateTime<Utc>) -> Result<i64>;
}

/// A record to append as it is.
#[derive(Clone)]
pub struct RawRecord {
    /// The topic.
    pub topic: String,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers.
    pub headers: Vec<RawHeader>,
    /// Its partition.
    pub placement: Placement,
}

/// Appends records byte for byte.
#[async_trait]
pub trait RawPublisher: Send + Sync {
    /// Appends these records in the order given and waits until each has an
    /// outcome: one that is refused fails no other. `Err` where nothing was appended.
    ///
    /// The kinds of a record's error are those of [`Publisher`](crate::ports::Publisher).
    async fn append_raw(&self, records: &[RawRecord]) -> Result<Vec<Result<Appended>>>;
}

/// That a letter was sent back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Redriven {
    /// How often.
    pub times: u32,
    /// When it last was.
    pub at: DateTime<Utc>,
}

/// One request to send letters back, and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Redrive {
    /// Its id.
    pub id: RedriveId,
    /// When it was asked for.
    pub at: DateTime<Utc>,
    /// The id under which its log lines are found.
    pub correlation_id: String,
    /// Which letters were asked for, as they were named in the request.
    pub filter: serde_json::Value,
    /// Whether the guards were overruled.
    pub force: bool,
    /// Letters that the filter named.
    pub matched: u32,
    /// Letters that were sent back.
    pub redriven: u32,
    /// Those that were not, by reason.
    pub skipped: BTreeMap<String, u32>,
}

/// A letter that was sent back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedrivenLetter {
    /// Where the record lay that the letter is of.
    pub original: Place,
    /// Where the letter lies.
    pub letter: Place,
    /// Its offset now that it was sent back, in the partition it came from.
    pub sent_offset: i64,
}

/// The record of what was sent back.
///
/// `Unavailable`: the database can't be reached, and nothing was changed.
#[async_trait]
pub trait RedriveLedger: Send + Sync {
    /// Those of these records whose letters were sent back. A record is known by
    /// its original place: several query nodes may have written a letter each.
    async fn redriven(&self, originals: &[Place]) -> Result<HashMap<Place, Redriven>>;

    /// Letters were sent back: adds them, and sets the redrive's counts to what
    /// they are by now. Telling the same twice changes nothing.
    async fn record_redrive(&self, redrive: &Redrive, letters: &[RedrivenLetter]) -> Result<()>;

    /// Redrives, newest first, those before `before`.
    async fn redrives(&self, before: Option<RedriveId>, limit: u32) -> Result<Vec<Redrive>>;

    /// A redrive and its letters, in the order of their places.
    async fn redrive(&self, id: RedriveId) -> Result<Option<(Redrive, Vec<RedrivenLetter>)>>;
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_place_is_text_and_back() {
        let place = Place { topic: "chunk-processing.dlq".into(), partition: 0, offset: 17 };
        assert_eq!(place.to_string(), "chunk-processing.dlq/0/17");
        assert_eq!(place.to_string().parse(), Ok(place));
        for wrong in ["", "t", "t/1", "/1/2", "t/x/1", "t/1/x"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_stored_record_never_prints_its_value() {
        let record = StoredRecord {
            place: "t/0/1".parse().unwrap(),
            stored_at: None,
            key: None,
            value: Some(Bytes::from_static(b"secret")),
            headers: vec![("h".into(), Some(Bytes::from_static(b"v"))), ("none".into(), None)],
        };
        assert!(!format!("{record:?}").contains("secret"));
        assert_eq!((record.header("h"), record.header("none")), (Some("v"), None));
        assert_eq!(record.weight(), 6 + 2 + 4);
    }
}
