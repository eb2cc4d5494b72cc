//! JSON to conditions.

use super::{
    compare::{Exact, moment},
    node::{Field, Node, Operand, Operator, Test},
    set::Set,
};
use ragstream_core::id::DocumentId;
use serde_json::{Map, Value};
use thiserror::Error;

/// How deep `and`, `or` and `not` may lie in each other: far beyond what anybody
/// writes, and far from the end of the stack.
pub const MAX_DEPTH: usize = 16;

/// Conditions of one filter, `and`, `or` and `not` counted too: each is evaluated for
/// each document. The values of an array are not counted, since any number of them is
/// looked up at once.
pub const MAX_NODES: usize = 1_000;

const OPERATORS: &str = "`eq`, `ne`, `in`, `nin`, `gt`, `gte`, `lt`, `lte`, `exists` or `prefix`";

/// A filter that can't be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{path}` {reason}")]
pub struct FilterError {
    /// The place, as in `filter.or[1].year.gte`.
    pub path: String,
    /// What is wrong there, and what to write instead.
    pub reason: String,
}

/// The conditions of `filter`, `None` where there are none.
pub(super) fn parse(filter: &Map<String, Value>) -> Result<Option<Node>, FilterError> {
    if filter.is_empty() {
        return Ok(None);
    }
    Parser { nodes: 0 }.all("filter", filter, 0).map(Some)
}

fn wrong<T>(path: &str, reason: impl Into<String>) -> Result<T, FilterError> {
    Err(FilterError { path: path.into(), reason: reason.into() })
}

struct Parser {
    nodes: usize,
}

impl Parser {
    fn count(&mut self, path: &str) -> Result<(), FilterError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            let reason =
                format!("is one condition too many: give at most {MAX_NODES}, or one array of values");
            return wrong(path, reason);
        }
        Ok(())
    }

    /// All conditions of an object.
    fn object(
        &mut self,
        path: &str,
        object: &Map<String, Value>,
        depth: usize,
    ) -> Result<Vec<Node>, FilterError> {
        if depth > MAX_DEPTH {
            return wrong(
                path,
                format!("lies too deep: nest `and`, `or` and `not` at most {MAX_DEPTH} times"),
            );
        }
        let mut nodes = Vec::new();
        for (key, value) in object {
            let path = format!("{path}.{key}");
            match key.as_str() {
                "and" => nodes.extend(self.array(&path, value, depth)?),
                "or" => nodes.push(Node::Any { nodes: self.array(&path, value, depth)?, path }),
                "not" => {
                    self.count(&path)?;
                    let Value::Object(object) = value else {
                        return wrong(
                            &path,
                            "must be an object of conditions, as in {\"not\": {\"year\": 2020}}",
                        );
                    };
                    let node = Box::new(self.all(&path, object, depth + 1)?);
                    nodes.push(Node::Not { path, node });
                }
                _ => self.key(path, key, value, &mut nodes)?,
            }
        }
        Ok(nodes)
    }

    /// An object as one condition; without any in it, it says nothing and is refused.
    fn all(&mut self, path: &str, object: &Map<String, Value>, depth: usize) -> Result<Node, FilterError> {
        let mut nodes = self.object(path, object, depth)?;
        match (nodes.len(), nodes.pop()) {
            (1, Some(only)) => Ok(only),
            (_, Some(last)) => {
                nodes.push(last);
                Ok(Node::All(nodes))
            }
            (_, None) => wrong(path, "has no condition: give one, or leave it out"),
        }
    }

    /// The objects of an `and` or an `or`.
    fn array(&mut self, path: &str, value: &Value, depth: usize) -> Result<Vec<Node>, FilterError> {
        self.count(path)?;
        let elements = match value {
            Value::Array(elements) if !elements.is_empty() => elements,
            _ => return wrong(path, "must be an array of objects of conditions, with at least one"),
        };
        let mut nodes = Vec::with_capacity(elements.len().min(MAX_NODES));
        for (index, element) in elements.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Value::Object(object) = element else {
                return wrong(&path, "must be an object of conditions");
            };
            nodes.push(self.all(&path, object, depth + 1)?);
        }
        Ok(nodes)
    }

    /// The conditions on one key.
    fn key(
        &mut self,
        path: String,
        key: &str,
        value: &Value,
        nodes: &mut Vec<Node>,
    ) -> Result<(), FilterError> {
        let field = field(key);
        match value {
            Value::Object(operators) => {
                if operators.is_empty() {
                    return wrong(&path, format!("has no operator: give {OPERATORS}"));
                }
                for (operator, operand) in operators {
                    let path = format!("{path}.{operator}");
                    self.count(&path)?;
                    let test = Box::new(test(&path, &field, operator, operand)?);
                    nodes.push(Node::Test { path, field: field.clone(), test });
                }
            }
            Value::Array(values) => {
                self.count(&path)?;
                let test = Box::new(Test::Any(set(&path, &field, values)?));
                nodes.push(Node::Test { path, field, test });
            }
            one => {
                self.count(&path)?;
                let test = Box::new(Test::Any(scalar(&path, &field, one)?));
                nodes.push(Node::Test { path, field, test });
            }
        }
        Ok(())
    }
}

fn field(key: &str) -> Field {
    match key {
        "document_id" => Field::DocumentId,
        "external_id" => Field::ExternalId,
        "filename" => Field::Filename,
        "content_type" => Field::ContentType,
        "collection" => Field::Collection,
        key => Field::Metadata(key.strip_prefix("metadata.").unwrap_or(key).to_owned()),
    }
}

fn test(path: &str, field: &Field, operator: &str, operand: &Value) -> Result<Test, FilterError> {
    let values = || match operand {
        Value::Array(values) => set(path, field, values),
        _ => wrong(path, "must be an array of values"),
    };
    let order = |operator| match operand {
        Value::Number(number) => Ok(Test::Order(operator, Operand::Number(Exact::of(number)))),
        Value::String(text) => Ok(Test::Order(operator, Operand::Text(text.clone(), moment(text)))),
        _ => wrong(path, "must be a number, a date or a text"),
    };
    match operator {
        "eq" => scalar(path, field, operand).map(Test::Any),
        "ne" => scalar(path, field, operand).map(Test::None),
        "in" => values().map(Test::Any),
        "nin" => values().map(Test::None),
        "gt" => order(Operator::Gt),
        "gte" => order(Operator::Gte),
        "lt" => order(Operator::Lt),
        "lte" => order(Operator::Lte),
        "exists" => match operand {
            Value::Bool(wanted) => Ok(Test::Exists(*wanted)),
            _ => wrong(path, "must be true or false"),
        },
        "prefix" => match operand {
            Value::String(prefix) => Ok(Test::Prefix(prefix.clone())),
            _ => wrong(path, "must be a text"),
        },
        _ => wrong(path, format!("is no operator: give {OPERATORS}")),
    }
}

fn scalar(path: &str, field: &Field, value: &Value) -> Result<Set, FilterError> {
    let mut set = Set::default();
    insert(&mut set, path, field, value)?;
    Ok(set)
}

fn set(path: &str, field: &Field, values: &[Value]) -> Result<Set, FilterError> {
    let mut set = Set::default();
    for (index, value) in values.iter().enumerate() {
        insert(&mut set, &format!("{path}[{index}]"), field, value)?;
    }
    Ok(set)
}

/// Documents' own facts are texts; an id is one in its usual spelling.
fn insert(set: &mut Set, path: &str, field: &Field, value: &Value) -> Result<(), FilterError> {
    match (field, value) {
        (Field::DocumentId, Value::String(id)) => {
            let Ok(id) = id.parse::<DocumentId>() else {
                return wrong(path, "must be the id of a document, a UUID");
            };
            set.insert(&Value::String(id.to_string()));
            return Ok(());
        }
        (Field::Metadata(_), _) | (Field::ExternalId, Value::Null) | (_, Value::String(_)) => {}
        (Field::DocumentId, _) => return wrong(path, "must be the id of a document, a UUID"),
        _ => return wrong(path, "must be a text"),
    }
    if !set.insert(value) {
        return wrong(path, format!("must be a text, a number, true, false or null; or use {OPERATORS}"));
    }
    Ok(())
}
