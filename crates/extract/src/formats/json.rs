//! JSON, and JSON a line. Values are written as they are read: no tree of them
//! is kept. What is no JSON after all is plain text, as any other text is.

use super::{plain, tree::Tree, writer::Writer};
use crate::{charset::decode, error::ExtractError, limits::Limits};
use ragstream_core::text::{DocumentText, Markup};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use std::{cell::RefCell, fmt};

/// A document of one value, or of many one after another.
pub fn extract(bytes: &[u8], limits: &Limits) -> Result<DocumentText, ExtractError> {
    let decoded = decode(bytes, None);
    let mut writer = Writer::new(limits);
    match write(&decoded.text, &mut writer)? {
        Ok(records) => Ok(described(writer, plain::metadata(&decoded), records, 0, "json/1")),
        Err(place) => Ok(as_text(bytes, &place)),
    }
}

/// A document of lines that are values. Lines that are not are kept as text.
pub fn lines(bytes: &[u8], limits: &Limits) -> Result<DocumentText, ExtractError> {
    let decoded = decode(bytes, None);
    let mut writer = Writer::new(limits);
    let (mut records, mut unreadable) = (0u64, 0u64);
    for line in decoded.text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // A line is read in full before any of it is written.
        match serde_json::from_str::<serde::de::IgnoredAny>(line) {
            Ok(_) => {
                if write(line, &mut writer)?.is_ok() {
                    records += 1;
                }
            }
            Err(_) => {
                unreadable += 1;
                writer.paragraph(line)?;
            }
        }
    }
    if records == 0 && unreadable > 0 {
        // Objects over many lines, one after another, are called so, too.
        return extract(bytes, limits);
    }
    Ok(described(writer, plain::metadata(&decoded), records, unreadable, "jsonl/1"))
}

fn described(
    writer: Writer,
    mut metadata: ragstream_core::document::Metadata,
    records: u64,
    unreadable: u64,
    extractor: &str,
) -> DocumentText {
    metadata.insert("records".to_owned(), records.into());
    if unreadable > 0 {
        metadata.insert("unreadable_records".to_owned(), unreadable.into());
    }
    let (text, _) = writer.finish();
    DocumentText {
        text,
        markup: Markup::Markdown,
        metadata,
        extractor: extractor.to_owned(),
        ..DocumentText::default()
    }
}

/// The text as it is, with the place at which it could be read no further.
pub fn as_text(bytes: &[u8], place: &str) -> DocumentText {
    let mut text = plain::extract(bytes);
    text.metadata.insert("not_parsed".to_owned(), place.into());
    text
}

/// Writes all values of a text and counts the records; the inner error is the
/// place where it is no JSON.
pub fn write(text: &str, writer: &mut Writer) -> Result<Result<u64, String>, ExtractError> {
    let mut tree = Tree::new(writer);
    let failed = RefCell::new(None);
    let mut values = Deserializer::from_str(text);
    while values.end().is_err() {
        let read = Node { tree: &mut tree, failed: &failed }.deserialize(&mut values);
        if let Some(error) = failed.take() {
            return Err(error);
        }
        if let Err(error) = read {
            return Ok(Err(format!("line {}, column {}", error.line(), error.column())));
        }
    }
    Ok(Ok(tree.records()))
}

/// The next value, written as it is read.
struct Node<'t, 'w> {
    tree: &'t mut Tree<'w>,
    /// Why writing failed.
    failed: &'t RefCell<Option<ExtractError>>,
}

impl Node<'_, '_> {
    fn done<E: Error>(&self, written: Result<(), ExtractError>) -> Result<(), E> {
        written.map_err(|error| {
            self.failed.replace(Some(error));
            E::custom("the text is too long")
        })
    }

    fn value<E: Error>(self, value: &str) -> Result<(), E> {
        let written = self.tree.value(value);
        self.done(written)
    }
}

impl<'de> DeserializeSeed<'de> for Node<'_, '_> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Node<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.value("null")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.value(if value { "true" } else { "false" })
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.value(&value.to_string())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.value(&value.to_string())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.value(&value.to_string())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.value(value)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let written = self.tree.list();
        self.done(written)?;
        while values.next_element_seed(Node { tree: &mut *self.tree, failed: self.failed })?.is_some() {}
        let written = self.tree.end();
        self.done(written)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut values: A) -> Result<(), A::Error> {
        let written = self.tree.map();
        self.done(written)?;
        while let Some(name) = values.next_key::<std::borrow::Cow<'de, str>>()? {
            self.tree.name(&name);
            values.next_value_seed(Node { tree: &mut *self.tree, failed: self.failed })?;
        }
        let written = self.tree.end();
        self.done(written)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_records_and_broken_ones_are_kept() {
        let text = lines(b"{\"a\": 1}\n\n{\"a\": 2, \"b\": \"x\"}\n{\"a\": 3", &Limits::default()).unwrap();
        assert_eq!(text.text, "a: 1\n\na: 2\nb: x\n\n{\"a\": 3");
        assert_eq!((&text.metadata["records"], &text.metadata["unreadable_records"]), (&2.into(), &1.into()));
        let text = lines(b"{\n \"a\": 1\n}\n{\n \"a\": 2\n}", &Limits::default()).unwrap();
        assert_eq!(text.text, "a: 1\n\na: 2");
    }

    #[test]
    fn what_is_no_json_is_text() {
        for json in ["{\"a\": 1", "// comment\n{\"a\": 1}", "{a: 1}", &"[".repeat(1000)] {
            let text = extract(json.as_bytes(), &Limits::default()).unwrap();
            assert_eq!((text.text.as_str(), text.markup), (json, Markup::Plain));
            assert!(text.metadata.contains_key("not_parsed"));
        }
    }

    #[test]
    fn the_limit_on_text_holds() {
        let limits = Limits { text_bytes: 20, ..Limits::default() };
        let error = extract(b"{\"a\": \"0123456789\", \"b\": \"0123456789\"}", &limits).unwrap_err();
        assert_eq!(error.class(), "document_too_large");
    }

    #[test]
    fn json_of_any_encoding_is_read() {
        let utf_16: Vec<u8> = "\u{feff}{\"a\": \"é\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(extract(&utf_16, &Limits::default()).unwrap().text, "a: é");
    }
}
