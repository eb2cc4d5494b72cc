//! TOML. What is no TOML after all is plain text.

use super::{json::as_text, plain, tree::Tree, writer::Writer};
use crate::{charset::decode, error::ExtractError, limits::Limits};
use ragstream_core::text::{DocumentText, Markup};
use toml::{Table, Value};

/// A document.
pub fn extract(bytes: &[u8], limits: &Limits) -> Result<DocumentText, ExtractError> {
    let decoded = decode(bytes, None);
    let table: Table = match decoded.text.parse() {
        Ok(table) => table,
        Err(error) => {
            let error: toml::de::Error = error;
            let start = error.span().map_or(0, |span| span.start);
            let line = decoded.text.bytes().take(start).filter(|&byte| byte == b'\n').count() + 1;
            return Ok(as_text(bytes, &format!("line {line}")));
        }
    };
    let mut writer = Writer::new(limits);
    write_table(&table, &mut Tree::new(&mut writer))?;
    let (text, _) = writer.finish();
    Ok(DocumentText {
        text,
        markup: Markup::Markdown,
        metadata: plain::metadata(&decoded),
        extractor: "toml/1".to_owned(),
        ..DocumentText::default()
    })
}

fn write_table(table: &Table, tree: &mut Tree<'_>) -> Result<(), ExtractError> {
    tree.map()?;
    for (name, value) in table {
        tree.name(name);
        write_value(value, tree)?;
    }
    tree.end()
}

/// The parser allows no deep nesting, so that this does not go deep either.
fn write_value(value: &Value, tree: &mut Tree<'_>) -> Result<(), ExtractError> {
    match value {
        Value::Table(table) => write_table(table, tree),
        Value::Array(values) => {
            tree.list()?;
            values.iter().try_for_each(|value| write_value(value, tree))?;
            tree.end()
        }
        Value::String(text) => tree.value(text),
        Value::Integer(number) => tree.value(&number.to_string()),
        Value::Float(number) => tree.value(&number.to_string()),
        Value::Boolean(truth) => tree.value(if *truth { "true" } else { "false" }),
        Value::Datetime(time) => tree.value(&time.to_string()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_have_their_paths() {
        let toml = "name = 'tides'\n[server]\nport = 80\nsince = 2024-05-01T06:00:00Z\n[[users]]\nname = 'Ada'\n[[users]]\nname = 'Bob'\n";
        let text = extract(toml.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(
            text.text,
            "name: tides\n\nserver.port: 80\nserver.since: 2024-05-01T06:00:00Z\n\nusers[0].name: Ada\n\nusers[1].name: Bob"
        );
    }

    #[test]
    fn what_is_no_toml_is_text() {
        for toml in ["a = 1\nb = \n", "prose", &format!("a = {}", "[".repeat(10_000))] {
            let text = extract(toml.as_bytes(), &Limits::default()).unwrap();
            assert_eq!((text.text.as_str(), text.markup), (toml, Markup::Plain));
            assert!(text.metadata.contains_key("not_parsed"));
        }
    }
}
