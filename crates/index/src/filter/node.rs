//! Conditions, parsed, and how a document meets them.

use super::{
    compare::{Exact, moment},
    set::Set,
};
use chrono::{DateTime, Utc};
use ragstream_core::{document::DocumentRef, id::DocumentId};
use serde_json::Value;
use std::{borrow::Cow, cmp::Ordering};

/// A condition. Paths are those of the JSON that it was read from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Node {
    All(Vec<Node>),
    Any { path: String, nodes: Vec<Node> },
    Not { path: String, node: Box<Node> },
    Test { path: String, field: Field, test: Box<Test> },
}

/// What is looked at.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Field {
    DocumentId,
    ExternalId,
    Filename,
    ContentType,
    Collection,
    Metadata(String),
}

/// What it must be.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    Any(Set),
    None(Set),
    Order(Operator, Operand),
    Exists(bool),
    Prefix(String),
}

/// Which side of the operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Operator {
    Gt,
    Gte,
    Lt,
    Lte,
}

impl Operator {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Gt => order.is_gt(),
            Self::Gte => order.is_ge(),
            Self::Lt => order.is_lt(),
            Self::Lte => order.is_le(),
        }
    }
}

/// What is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Number(Exact),
    Text(String, Option<DateTime<Utc>>),
}

impl Operand {
    /// Where `value` lies beside it; `None` where these are not of one type.
    fn beside(&self, value: &Value) -> Option<Ordering> {
        match (value, self) {
            (Value::Number(number), Self::Number(operand)) => Exact::of(number).order(*operand),
            (Value::String(text), Self::Text(..)) => self.beside_text(text),
            _ => None,
        }
    }

    fn beside_text(&self, text: &str) -> Option<Ordering> {
        let Self::Text(operand, at) = self else { return None };
        let moments = at.and_then(|at| Some((moment(text)?, at)));
        Some(moments.map_or_else(|| text.cmp(operand), |(a, b)| a.cmp(&b)))
    }
}

/// What a document has of a field.
enum Found<'d> {
    Text(Option<Cow<'d, str>>),
    Value(Option<&'d Value>),
}

impl Field {
    fn of<'d>(&self, document: &'d DocumentRef) -> Found<'d> {
        let text = |text: &'d str| Found::Text(Some(Cow::Borrowed(text)));
        match self {
            Self::DocumentId => Found::Text(Some(Cow::Owned(document.document_id.to_string()))),
            Self::ExternalId => Found::Text(document.external_id.as_deref().map(Cow::Borrowed)),
            Self::Filename => text(&document.filename),
            Self::ContentType => text(&document.content_type),
            Self::Collection => text(&document.collection),
            Self::Metadata(key) => Found::Value(document.metadata.get(key)),
        }
    }
}

impl Test {
    /// The values of which one must be there.
    pub(super) fn any_of(&self) -> Option<&Set> {
        match self {
            Self::Any(set) => Some(set),
            _ => None,
        }
    }

    fn holds(&self, found: &Found) -> bool {
        match self {
            Self::Any(set) => has(set, found),
            Self::None(set) => !has(set, found),
            Self::Order(operator, operand) => {
                let holds = |order: Option<Ordering>| order.is_some_and(|order| operator.holds(order));
                match found {
                    Found::Text(text) => text.as_deref().is_some_and(|text| holds(operand.beside_text(text))),
                    Found::Value(value) => any(*value, |value| holds(operand.beside(value))),
                }
            }
            Self::Exists(wanted) => {
                let exists = match found {
                    Found::Text(text) => text.is_some(),
                    Found::Value(value) => value.is_some_and(|value| !value.is_null()),
                };
                exists == *wanted
            }
            Self::Prefix(prefix) => match found {
                Found::Text(text) => text.as_deref().is_some_and(|text| text.starts_with(prefix)),
                Found::Value(value) => {
                    any(*value, |value| value.as_str().is_some_and(|text| text.starts_with(prefix)))
                }
            },
        }
    }
}

fn has(set: &Set, found: &Found) -> bool {
    match found {
        Found::Text(Some(text)) => set.has_text(text),
        Found::Text(None) => set.has(None),
        Found::Value(value) => set.has(*value),
    }
}

/// Whether `value`, or any of its elements, is so.
fn any(value: Option<&Value>, is_so: impl Fn(&Value) -> bool) -> bool {
    match value {
        Some(Value::Array(elements)) => elements.iter().any(is_so),
        Some(value) => is_so(value),
        None => false,
    }
}

impl Node {
    /// Any of these documents.
    pub(super) fn documents(ids: impl IntoIterator<Item = DocumentId>) -> Self {
        let mut set = Set::default();
        for id in ids {
            set.insert(&Value::String(id.to_string()));
        }
        Self::Test {
            path: "filter.document_id".into(),
            field: Field::DocumentId,
            test: Box::new(Test::Any(set)),
        }
    }

    pub(super) fn matches(&self, document: &DocumentRef) -> bool {
        match self {
            Self::All(nodes) => nodes.iter().all(|node| node.matches(document)),
            Self::Any { nodes, .. } => nodes.iter().any(|node| node.matches(document)),
            Self::Not { node, .. } => !node.matches(document),
            Self::Test { field, test, .. } => test.holds(&field.of(document)),
        }
    }

    /// The path of the first condition that `document` fails.
    pub(super) fn failure(&self, document: &DocumentRef) -> Option<&str> {
        match self {
            Self::All(nodes) => nodes.iter().find_map(|node| node.failure(document)),
            Self::Any { path, .. } | Self::Not { path, .. } | Self::Test { path, .. } => {
                (!self.matches(document)).then_some(path)
            }
        }
    }
}
