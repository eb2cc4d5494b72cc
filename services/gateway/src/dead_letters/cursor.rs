//! Where a list goes on: opaque to clients.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ragstream_api::problem::Problem;
use std::collections::BTreeMap;

/// For each partition, the offset before which the rest lies. New letters that came
/// meanwhile lie behind it: they shift no page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor(pub(crate) BTreeMap<(String, i32), i64>);

impl Cursor {
    pub(crate) fn encode(&self) -> String {
        let entries: Vec<_> = self.0.iter().map(|((topic, n), before)| (topic, n, before)).collect();
        BASE64_URL_SAFE_NO_PAD.encode(serde_json::json!(entries).to_string())
    }

    pub(crate) fn decode(text: &str) -> Result<Self, Problem> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        let entries = bytes.and_then(|bytes| serde_json::from_slice::<Vec<(String, i32, i64)>>(&bytes).ok());
        let entries = entries.ok_or_else(|| {
            Problem::unprocessable("bad_cursor", "`before` is not a cursor: take `next` of an earlier answer")
        })?;
        Ok(Self(entries.into_iter().map(|(topic, n, before)| ((topic, n), before)).collect()))
    }

    pub(crate) fn of(&self, topic: &str, partition: i32) -> Option<i64> {
        self.0.get(&(topic.to_owned(), partition)).copied()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn it_comes_back_as_it_went_and_fits_a_url() {
        let cursor = Cursor(BTreeMap::from([(("a.dlq".into(), 0), 17), (("b.dlq".into(), 3), i64::MAX)]));
        let text = cursor.encode();
        assert_eq!(Cursor::decode(&text).unwrap(), cursor);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{text}");
        assert_eq!((cursor.of("b.dlq", 3), cursor.of("b.dlq", 0)), (Some(i64::MAX), None));
    }

    #[test]
    fn what_is_none_is_refused() {
        for wrong in ["", "?", "17", &BASE64_URL_SAFE_NO_PAD.encode("{}"), "%%"] {
            let problem = Cursor::decode(wrong).unwrap_err();
            assert_eq!((problem.status, problem.kind.as_str()), (422, "/problems/bad_cursor"), "{wrong}");
        }
    }
}
