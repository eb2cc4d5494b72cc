//! Which documents a search is for.

use ragstream_core::{
    document::{DocumentRef, Metadata},
    id::DocumentId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Conditions that a document must all meet; an empty one is met by every document.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Any of these collections.
    pub collections: Vec<String>,
    /// Any of these documents.
    pub document_ids: Vec<DocumentId>,
    /// Any of these external ids.
    pub external_ids: Vec<String>,
    /// For each key: this value, or any of the values of an array. Where the
    /// document has an array, any of its elements. Numbers are equal by
    /// value (`1` and `1.0`); `null` asks for a key that is null or missing.
    pub metadata: Metadata,
}

impl Filter {
    /// One collection.
    pub fn collection(name: impl Into<String>) -> Self {
        Self { collections: vec![name.into()], ..Self::default() }
    }

    /// Whether every document passes.
    pub fn is_empty(&self) -> bool {
        self.collections.is_empty() && self.names_collections_only()
    }

    /// Whether nothing but the collection counts.
    pub(crate) fn names_collections_only(&self) -> bool {
        self.document_ids.is_empty() && self.external_ids.is_empty() && self.metadata.is_empty()
    }

    /// Whether `document` passes.
    pub fn matches(&self, document: &DocumentRef) -> bool {
        let any = |list: &[String], value: &str| list.is_empty() || list.iter().any(|x| x == value);
        any(&self.collections, &document.collection)
            && (self.document_ids.is_empty() || self.document_ids.contains(&document.document_id))
            && (self.external_ids.is_empty()
                || document.external_id.as_deref().is_some_and(|id| any(&self.external_ids, id)))
            && self.metadata.iter().all(|(key, wanted)| has(document.metadata.get(key), wanted))
    }
}

fn has(found: Option<&Value>, wanted: &Value) -> bool {
    match wanted {
        Value::Array(any) => any.iter().any(|one| has(found, one)),
        Value::Null => found.is_none_or(Value::is_null),
        one => match found {
            Some(Value::Array(elements)) => elements.iter().any(|element| same(element, one)),
            Some(value) => same(value, one),
            None => false,
        },
    }
}

fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use ragstream_core::id::{JobId, Version};
    use serde_json::json;

    fn document() -> DocumentRef {
        DocumentRef {
            document_id: DocumentId(uuid::Uuid::from_u128(1)),
            version: Version(1),
            job_id: JobId::generate(),
            collection: "a".into(),
            external_id: Some("x".into()),
            filename: "f.txt".into(),
            content_type: "text/plain".into(),
            metadata: json!({"year": 2020, "tags": ["red", "blue"], "none": null})
                .as_object()
                .unwrap()
                .clone(),
        }
    }

    #[test]
    fn conditions_are_all_of_any_of() {
        let meta =
            |value: Value| Filter { metadata: value.as_object().unwrap().clone(), ..Filter::default() };
        let passes = [
            Filter::default(),
            Filter::collection("a"),
            Filter { collections: vec!["b".into(), "a".into()], ..Filter::default() },
            Filter { external_ids: vec!["y".into(), "x".into()], ..Filter::default() },
            Filter { document_ids: vec![document().document_id], ..Filter::default() },
            meta(json!({"year": 2020.0})),
            meta(json!({"year": [1999, 2020]})),
            meta(json!({"tags": "red"})),
            meta(json!({"tags": ["green", "blue"], "year": 2020})),
            meta(json!({"none": null, "missing": null})),
        ];
        for filter in passes {
            assert!(filter.matches(&document()), "{filter:?}");
        }
        let fails = [
            Filter::collection("b"),
            Filter { external_ids: vec!["y".into()], ..Filter::collection("a") },
            Filter { document_ids: vec![DocumentId::generate()], ..Filter::default() },
            meta(json!({"year": "2020"})),
            meta(json!({"year": []})),
            meta(json!({"tags": "green"})),
            meta(json!({"year": null})),
            meta(json!({"missing": 1})),
        ];
        for filter in fails {
            assert!(!filter.matches(&document()), "{filter:?}");
        }
        let anonymous = DocumentRef { external_id: None, ..document() };
        assert!(!Filter { external_ids: vec!["x".into()], ..Filter::default() }.matches(&anonymous));
    }
}
