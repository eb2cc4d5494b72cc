//! YAML, event by event. Aliases are not expanded but for short texts: there
//! is no billion of laughs. What is no YAML after all (a template of one, most
//! often) is plain text.

use super::{json::as_text, plain, tree::Tree, writer::Writer};
use crate::{charset::decode, error::ExtractError, limits::Limits};
use ragstream_core::text::{DocumentText, Markup};
use saphyr_parser::{Event, Parser};
use std::{
    collections::HashMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// Longest text that an alias stands for, in bytes.
const ALIAS_BYTES: usize = 200;

/// Texts that aliases may stand for.
const MAX_ANCHORS: usize = 10_000;

/// Deepest nesting; the parser has a limit for one of its two ways to nest.
const MAX_DEPTH: usize = 500;

/// All documents of a file.
pub fn extract(bytes: &[u8], limits: &Limits) -> Result<DocumentText, ExtractError> {
    let decoded = decode(bytes, None);
    let mut writer = Writer::new(limits);
    let read = catch_unwind(AssertUnwindSafe(|| write(&decoded.text, &mut writer)));
    match read.unwrap_or_else(|_| Ok(Err("the reader gave up on it".to_owned())))? {
        Err(place) => return Ok(as_text(bytes, &place)),
        // A text without any structure is a text.
        Ok(0) => return Ok(plain::extract(bytes)),
        Ok(_) => {}
    }
    let (text, _) = writer.finish();
    Ok(DocumentText {
        text,
        markup: Markup::Markdown,
        metadata: plain::metadata(&decoded),
        extractor: "yaml/1".to_owned(),
        ..DocumentText::default()
    })
}

/// What is open: an object waits for a name or for a value.
#[derive(Clone, Copy, PartialEq)]
enum Open {
    Name,
    Value,
    List,
}

/// Gives the number of objects and lists; the inner error is the place where it is no YAML.
fn write(text: &str, writer: &mut Writer) -> Result<Result<u64, String>, ExtractError> {
    let mut tree = Tree::new(writer);
    let mut anchors: HashMap<usize, String> = HashMap::new();
    let mut open: Vec<Open> = Vec::new();
    let mut structures = 0;
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let event = match event {
            Ok((event, _)) => event,
            Err(error) => {
                let marker = error.marker();
                return Ok(Err(format!("line {}, column {}", marker.line(), marker.col() + 1)));
            }
        };
        match event {
            Event::Scalar(value, _, anchor, _) => {
                if anchor > 0 && value.len() <= ALIAS_BYTES && anchors.len() < MAX_ANCHORS {
                    anchors.insert(anchor, value.clone().into_owned());
                }
                scalar(&mut tree, &mut open, &value)?;
            }
            Event::Alias(anchor) => {
                let value = anchors.get(&anchor).cloned().unwrap_or_default();
                scalar(&mut tree, &mut open, &value)?;
            }
            Event::MappingStart(..) | Event::SequenceStart(..) => {
                structures += 1;
                if open.len() >= MAX_DEPTH {
                    return Ok(Err("it is nested too deep".to_owned()));
                }
                let is_map = matches!(event, Event::MappingStart(..));
                if is_map {
                    tree.map()?
                } else {
                    tree.list()?
                }
                open.push(if is_map { Open::Name } else { Open::List });
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                tree.end()?;
                // What ended was the name of a value, or a value.
                match open.last_mut() {
                    Some(last @ Open::Name) => *last = Open::Value,
                    Some(last @ Open::Value) => *last = Open::Name,
                    _ => {}
                }
            }
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
    }
    Ok(Ok(structures))
}

fn scalar(tree: &mut Tree<'_>, open: &mut [Open], value: &str) -> Result<(), ExtractError> {
    match open.last_mut() {
        Some(last @ Open::Name) => {
            tree.name(value);
            *last = Open::Value;
            Ok(())
        }
        Some(last @ Open::Value) => {
            *last = Open::Name;
            tree.value(value)
        }
        Some(Open::List) | None => tree.value(value),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn values_have_their_paths() {
        let yaml = "# tides\nname: &n tides\nserver:\n  host: a\n  ports: [80, 443]\nusers:\n- name: Ada\n- name: *n\n---\nkind: two\n? [a, b]\n: c\n";
        let text = extract(yaml.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(
            text.text,
            "name: tides\n\nserver.host: a\nserver.ports: 80, 443\n\nusers[0].name: Ada\n\nusers[1].name: tides\n\nkind: two\nkind: a, b\nkind: c"
        );
    }

    #[test]
    fn laughs_are_few() {
        let mut yaml = "a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n".to_owned();
        for i in 1..20 {
            let inner = vec![format!("*a{}", i - 1); 9].join(", ");
            yaml.push_str(&format!("a{i}: &a{i} [{inner}]\n"));
        }
        let text = extract(yaml.as_bytes(), &Limits::default()).unwrap();
        assert!(text.text.len() < 1000, "{}", text.text.len());
    }

    #[test]
    fn templates_and_prose_are_text() {
        for yaml in ["a: {{ .Values.b }}\n{{- if c }}\nd: e\n", "just a sentence", &"[".repeat(10_000)] {
            let text = extract(yaml.as_bytes(), &Limits::default()).unwrap();
            assert_eq!((text.text.as_str(), text.markup), (yaml, Markup::Plain));
        }
    }
}
