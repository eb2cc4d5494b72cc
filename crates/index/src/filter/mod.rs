//! Which documents a search is for.
//!
//! The language is a JSON object, as in
//! `{"year": {"gte": 2020}, "or": [{"tags": "red"}, {"not": {"filename": {"prefix": "draft"}}}]}`:
//!
//! - A key names metadata, or one of the document's own facts: `document_id`,
//!   `external_id`, `filename`, `content_type`, `collection`. `metadata.<key>` is
//!   always the metadata of that name, whatever it is called.
//! - A value is what must be equal; an array is any of its values; `null` is a key
//!   that is null or missing; an object has operators, all of which must hold:
//!   `eq`, `ne`, `in`, `nin`, `gt`, `gte`, `lt`, `lte`, `exists`, `prefix`.
//! - Where the document has an array, any of its elements may be the one. `ne`, `nin`
//!   and `not` are the opposites of the whole: a missing key passes them.
//! - `and`, `or` (arrays of such objects) and `not` (one) join them. All conditions of
//!   one object must hold.
//!
//! Numbers compare by value (`1` is `1.0`); texts that are both dates (`YYYY-MM-DD`,
//! which is its midnight in UTC, or RFC 3339) as moments; other texts by code
//! point. What is of another type is neither equal nor in order.

mod compare;
mod node;
mod parse;
mod set;
#[cfg(test)]
mod tests;

pub use parse::{FilterError, MAX_DEPTH as MAX_FILTER_DEPTH, MAX_NODES as MAX_FILTER_CONDITIONS};

use node::{Field, Node};
use ragstream_core::{document::DocumentRef, id::DocumentId};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Conditions that a document must all meet; an empty one is met by every document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    /// Any of these collections; any at all where there are none.
    pub collections: Vec<String>,
    condition: Option<Node>,
}

impl Filter {
    /// One collection.
    pub fn collection(name: impl Into<String>) -> Self {
        Self { collections: vec![name.into()], condition: None }
    }

    /// These documents alone; none at all where there are none.
    pub fn documents(ids: impl IntoIterator<Item = DocumentId>) -> Self {
        Self { collections: Vec::new(), condition: Some(Node::documents(ids)) }
    }

    /// The same within any of these collections.
    pub fn within(self, collections: Vec<String>) -> Self {
        Self { collections, ..self }
    }

    /// Any of `collections`, where there are any, and all of `filter`: see the
    /// [language](self).
    ///
    /// `Err` names the place in the filter and says what to write there.
    pub fn parse(collections: Vec<String>, filter: &Map<String, Value>) -> Result<Self, FilterError> {
        Ok(Self { collections, condition: parse::parse(filter)? })
    }

    /// Whether every document passes.
    pub fn is_empty(&self) -> bool {
        self.collections.is_empty() && self.condition.is_none()
    }

    /// Whether `document` passes.
    pub fn matches(&self, document: &DocumentRef) -> bool {
        self.fits_collections(document) && self.condition.as_ref().is_none_or(|node| node.matches(document))
    }

    /// The first condition that `document` fails, by its path: `collection`, or one in
    /// the filter, such as `filter.or[1].year.gte`. `None` where it passes. Of an `or` of
    /// which nothing holds, and of a `not`, the path of the whole.
    pub fn failure(&self, document: &DocumentRef) -> Option<&str> {
        if !self.fits_collections(document) {
            return Some("collection");
        }
        self.condition.as_ref().and_then(|node| node.failure(document))
    }

    fn fits_collections(&self, document: &DocumentRef) -> bool {
        self.collections.is_empty() || self.collections.contains(&document.collection)
    }

    /// Whether nothing but the collection counts.
    pub(crate) fn names_collections_only(&self) -> bool {
        self.condition.is_none()
    }

    /// The only documents that can pass, where the filter names them.
    pub(crate) fn named_documents(&self) -> Option<BTreeSet<DocumentId>> {
        let named = |set: &set::Set| set.texts().filter_map(|id| id.parse().ok()).collect::<BTreeSet<_>>();
        let sets = self.must().filter_map(|node| match node {
            Node::Test { field: Field::DocumentId, test, .. } => test.any_of().map(named),
            _ => None,
        });
        sets.reduce(|a, b| a.intersection(&b).copied().collect())
    }

    /// The only collections that can pass, where the filter names them.
    pub(crate) fn named_collections(&self) -> Option<BTreeSet<&str>> {
        let outer = (!self.collections.is_empty())
            .then(|| self.collections.iter().map(String::as_str).collect::<BTreeSet<_>>());
        let inner = self.must().filter_map(|node| match node {
            Node::Test { field: Field::Collection, test, .. } => {
                test.any_of().map(|set| set.texts().collect())
            }
            _ => None,
        });
        outer.into_iter().chain(inner).reduce(|a, b| a.intersection(&b).copied().collect())
    }

    /// Conditions that must hold, whatever else does.
    fn must(&self) -> impl Iterator<Item = &Node> {
        let nodes = match &self.condition {
            Some(Node::All(nodes)) => nodes.as_slice(),
            Some(node) => std::slice::from_ref(node),
            None => &[],
        };
        nodes.iter()
    }
}
