//! The files in a container as data: what is shown of each, and where in the text it is.

use super::label;
use crate::error::ExtractError;
use ragstream_core::document::Metadata;
use serde::{Deserialize, Serialize};

/// Files that are described each; of more the number alone is told.
const DESCRIBED: usize = 1000;

/// Longest path, in bytes: that of a file in a container in a container is told by its end.
const PATH_BYTES: usize = 2048;

/// Key of the list in the metadata.
const CONTENTS: &str = "contents";

/// Key of how many files there are, those inside of containers inside too.
const TOTAL: &str = "contents_total";

/// A file in a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// Its path in the upload; those of the containers that it is in come before it.
    pub path: String,
    /// Its media type, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Its size, as the container says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// First byte of its section in the text, and the one after its last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<[u64; 2]>,
    /// Its own title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// How many pages it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pages: Option<u64>,
    /// Why it was not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Why a file was not read.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// As of an upload that fails.
    pub class: String,
    /// In words.
    pub message: String,
}

impl Entry {
    /// It was not read.
    pub fn fail(&mut self, error: &ExtractError, reason: &str) {
        self.failure = Some(Failure { class: error.class().to_owned(), message: reason.to_owned() });
    }
}

/// The files in a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entries {
    described: Vec<Entry>,
    total: u64,
}

impl Entries {
    /// One more.
    pub fn add(&mut self, mut entry: Entry) {
        self.total += 1;
        if self.described.len() < DESCRIBED {
            let from = entry.path.ceil_char_boundary(entry.path.len().saturating_sub(PATH_BYTES));
            entry.path.drain(..from);
            entry.title = entry.title.map(|title| label(&title));
            self.described.push(entry);
        }
    }

    /// Those in one that was added as `name`. `place` says where a byte of its text is.
    pub fn add_within(&mut self, name: &str, inner: &Self, place: impl Fn(u64) -> u64) {
        for entry in &inner.placed(place).described {
            self.add(Entry { path: format!("{name}/{}", entry.path), ..entry.clone() });
        }
        self.total += inner.total - inner.described.len() as u64;
    }

    /// The same elsewhere.
    pub fn placed(&self, place: impl Fn(u64) -> u64) -> Self {
        let mut placed = self.clone();
        for span in placed.described.iter_mut().filter_map(|entry| entry.span.as_mut()) {
            *span = span.map(&place);
        }
        placed
    }

    /// The same where nobody can tell.
    pub fn unplaced(&self) -> Self {
        let mut unplaced = self.clone();
        unplaced.described.iter_mut().for_each(|entry| entry.span = None);
        unplaced
    }

    /// Tells them, unless there are none.
    pub fn describe(&self, metadata: &mut Metadata) {
        if let (1.., Ok(described)) = (self.total, serde_json::to_value(&self.described)) {
            metadata.insert(CONTENTS.to_owned(), described);
            metadata.insert(TOTAL.to_owned(), self.total.into());
        }
    }

    /// Takes back what was told.
    pub fn take(metadata: &mut Metadata) -> Self {
        let described = metadata.remove(CONTENTS).and_then(|value| serde_json::from_value(value).ok());
        let described: Vec<Entry> = described.unwrap_or_default();
        let total = metadata.remove(TOTAL).and_then(|value| value.as_u64()).unwrap_or_default();
        Self { total: total.max(described.len() as u64), described }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_and_its_total_is_not() {
        let mut inner = Entries::default();
        for number in 0..DESCRIBED + 500 {
            let span = Some([number as u64, number as u64 + 1]);
            inner.add(Entry { path: format!("{number}.txt"), span, ..Entry::default() });
        }
        let mut outer = Entries::default();
        outer.add(Entry { path: "a.zip".to_owned(), ..Entry::default() });
        outer.add_within("a.zip", &inner, |byte| byte + 100);
        let mut metadata = Metadata::new();
        outer.describe(&mut metadata);
        assert_eq!(
            (metadata["contents"].as_array().map(Vec::len), &metadata[TOTAL]),
            (Some(1000), &1501.into())
        );
        assert_eq!(metadata["contents"][1], serde_json::json!({"path": "a.zip/0.txt", "span": [100, 101]}));
        assert_eq!(Entries::take(&mut metadata), outer);
        assert!(metadata.is_empty());
    }
}
