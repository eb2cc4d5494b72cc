//! Values of which any will do.

use super::compare::{Exact, moment};
use chrono::{DateTime, Utc};
use serde_json::Value;
use std::collections::HashSet;

/// A set of scalars, looked up in constant time however many there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Set {
    texts: HashSet<String>,
    moments: HashSet<DateTime<Utc>>,
    numbers: HashSet<Exact>,
    bools: HashSet<bool>,
    /// Null, or nothing at all.
    missing: bool,
}

impl Set {
    /// `false` if `value` is no scalar.
    pub(super) fn insert(&mut self, value: &Value) -> bool {
        match value {
            Value::Null => self.missing = true,
            Value::Bool(bool) => _ = self.bools.insert(*bool),
            Value::Number(number) => _ = self.numbers.insert(Exact::of(number)),
            Value::String(text) => {
                self.moments.extend(moment(text));
                self.texts.insert(text.clone());
            }
            Value::Array(_) | Value::Object(_) => return false,
        }
        true
    }

    /// Its texts.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.texts.iter().map(String::as_str)
    }

    /// Whether `text` is in it.
    pub(super) fn has_text(&self, text: &str) -> bool {
        self.texts.contains(text)
            || (!self.moments.is_empty() && moment(text).is_some_and(|at| self.moments.contains(&at)))
    }

    /// Whether `found`, or an element of it, is in it.
    pub(super) fn has(&self, found: Option<&Value>) -> bool {
        match found {
            None | Some(Value::Null) => self.missing,
            Some(Value::Array(elements)) => elements.iter().any(|element| self.has_scalar(element)),
            Some(value) => self.has_scalar(value),
        }
    }

    fn has_scalar(&self, value: &Value) -> bool {
        match value {
            Value::Bool(bool) => self.bools.contains(bool),
            Value::Number(number) => self.numbers.contains(&Exact::of(number)),
            Value::String(text) => self.has_text(text),
            // An array that holds a null is not missing.
            Value::Null | Value::Array(_) | Value::Object(_) => false,
        }
    }
}
