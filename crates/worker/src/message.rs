//! What a source yields, and where it lies.

use bytes::Bytes;
use ragstream_core::topics::header;
use std::{fmt, sync::Arc};

/// A partition of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic.
    pub topic: Arc<str>,
    /// The partition.
    pub partition: i32,
}

impl TopicPartition {
    /// Names a partition.
    pub fn new(topic: impl Into<Arc<str>>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// A place in a partition: the offset of the next message to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Which partition.
    pub at: TopicPartition,
    /// The offset that is read first after a restart from here.
    pub next: i64,
}

/// A record as consumed.
#[derive(Clone)]
pub struct Message {
    /// The topic it was read from.
    pub topic: Arc<str>,
    /// Its partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// When it was produced, milliseconds since the epoch; 0 where unknown.
    pub timestamp_ms: i64,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value; `None` is a tombstone.
    pub value: Option<Bytes>,
    /// Its headers, in order; a name may come twice, and a value may be absent.
    pub headers: Vec<(String, Option<Bytes>)>,
    /// Which try this is, 1 for the first. Waiting for a dependency is no try.
    /// Counted in memory: a restart begins at 1 again.
    pub attempt: u32,
}

impl Message {
    /// The first header of this name, where it is UTF-8.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(n, _)| n == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// The key, where it is UTF-8.
    pub fn key_str(&self) -> Option<&str> {
        std::str::from_utf8(self.key.as_deref()?).ok()
    }

    /// Whether it is a dead letter that somebody sent back to the topic that it
    /// came from: an explicit retry. Any tool that copies key, value and headers will do.
    pub fn is_sent_back(&self) -> bool {
        self.header(header::ORIGINAL_TOPIC) == Some(&*self.topic)
    }

    /// Where it lies, as text: `topic/partition/offset`.
    pub fn place(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }

    /// The partition it was read from.
    pub fn topic_partition(&self) -> TopicPartition {
        TopicPartition { topic: self.topic.clone(), partition: self.partition }
    }

    /// Bytes it holds in memory, near enough to bound a queue by.
    pub(crate) fn weight(&self) -> usize {
        let headers: usize =
            self.headers.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len)).sum();
        self.key.as_ref().map_or(0, Bytes::len) + self.value.as_ref().map_or(0, Bytes::len) + headers
    }
}

impl fmt::Debug for Message {
    /// Where it lies and how big it is: never its value, which may be somebody's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("topic", &self.topic)
            .field("partition", &self.partition)
            .field("offset", &self.offset)
            .field("attempt", &self.attempt)
            .field("value_bytes", &self.value.as_ref().map(Bytes::len))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> Message {
        Message {
            topic: "t".into(),
            partition: 1,
            offset: 2,
            timestamp_ms: 0,
            key: Some(Bytes::from_static(b"k")),
            value: Some(Bytes::from_static(b"secret")),
            headers: vec![
                ("h".into(), Some(Bytes::from_static(b"v"))),
                ("bad".into(), Some(Bytes::from_static(b"\xff"))),
                ("absent".into(), None),
            ],
            attempt: 1,
        }
    }

    #[test]
    fn reads_text_where_it_is_text() {
        let message = message();
        assert_eq!(message.key_str(), Some("k"));
        assert_eq!(message.header("h"), Some("v"));
        assert_eq!(message.header("bad"), None);
        assert_eq!(message.header("absent"), None);
        assert_eq!(message.header("none"), None);
    }

    #[test]
    fn knows_when_it_was_sent_back() {
        let mut message = message();
        assert!(!message.is_sent_back());
        message.headers.push((header::ORIGINAL_TOPIC.into(), Some(Bytes::from_static(b"other"))));
        assert!(!message.is_sent_back());
        message.topic = "other".into();
        assert!(message.is_sent_back());
        assert_eq!(message.place(), "other/1/2");
    }

    #[test]
    fn never_prints_its_value() {
        assert!(!format!("{:?}", message()).contains("secret"));
    }
}
