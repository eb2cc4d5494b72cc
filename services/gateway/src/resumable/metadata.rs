//! What a client says of an upload (`Upload-Metadata`).

use crate::upload::{Details, Form, clean_filename};
use base64::{Engine, engine::general_purpose::STANDARD};
use ragstream_api::problem::Problem;

/// The header, and what it means.
pub(crate) struct Said {
    /// Word for word.
    pub(crate) text: String,
    pub(crate) filename: String,
    pub(crate) details: Details,
}

impl Said {
    /// Reads pairs of a key and a value in base64, with commas between them. Keys that say
    /// nothing to this server are let pass: clients send some of their own.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let bad = |key: &str, why: &str| {
            let detail = format!("Upload-Metadata: `{key}` {why}: send `key base64,key base64`");
            Problem::bad_request("bad_metadata", detail)
        };
        let mut form = Form::default();
        let (mut filename, mut path) = (None, None);
        for pair in text.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once(' ').unwrap_or((pair, ""));
            let value = STANDARD.decode(value.trim()).map_err(|_| bad(key, "is not base64"))?;
            let value = String::from_utf8(value).map_err(|_| bad(key, "is not UTF-8"))?;
            match key {
                "filename" => filename = Some(value),
                "name" => filename = filename.or(Some(value)),
                // What Uppy sends of a file that was not in a folder.
                "relativePath" if value != "null" => path = Some(value),
                "collection" | "metadata" | "priority" | "external_id" | "batch_id" | "notify" => {
                    form.set(key, value)?
                }
                _ => {}
            }
        }
        let filename = clean_filename(path.or(filename).as_deref());
        Ok(Self { text: text.to_owned(), filename, details: form.check(1)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(&str, &str)]) -> Result<Said, Problem> {
        let pairs: Vec<_> =
            pairs.iter().map(|(key, value)| format!("{key} {}", STANDARD.encode(value))).collect();
        Said::parse(&pairs.join(","))
    }

    #[test]
    fn what_clients_say() {
        let said = said(&[
            ("name", "b.txt"),
            ("filename", "größe.txt"),
            ("relativePath", "null"),
            ("type", "text/plain"),
            ("collection", "docs"),
            ("metadata", r#"{"lang":"de"}"#),
            ("external_id", "x-1"),
        ])
        .map_err(|problem| problem.detail)
        .expect("is read");
        assert_eq!(said.filename, "größe.txt");
        assert_eq!((said.details.collection.as_str(), said.details.priority), ("docs", 5));
        assert_eq!(said.details.external_ids, [Some("x-1".to_owned())]);
        assert_eq!(said.details.metadata["lang"], "de");
        // Nothing said, and a key without a value, which the protocol allows.
        for text in ["", "is_confidential", "filename"] {
            assert_eq!(
                Said::parse(text).map(|said| said.filename).ok().as_deref(),
                Some("unnamed"),
                "{text}"
            );
        }
    }

    #[test]
    fn bad_words_are_refused() {
        assert_eq!(Said::parse("filename !!").err().map(|problem| problem.status), Some(400));
        assert_eq!(said(&[("collection", "a b")]).err().map(|problem| problem.status), Some(422));
        assert_eq!(said(&[("priority", "12")]).err().map(|problem| problem.status), Some(422));
    }
}
