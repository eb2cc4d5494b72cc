//! JSON, and JSON a line. Values are written as they are read: no tree of them
//! is kept. What is no JSON after all is plain text, as any other text is.

use super::{
    characters::{Characters, Lines},
    plain,
    tree::Tree,
    writer::Writer,
};
use crate::{
    charset::decode,
    error::ExtractError,
    extract::{Source, read},
    limits::Limits,
    outlet::Outlet,
};
use ragstream_core::text::{DocumentText, Markup, TextFacts};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Deserializer;
use std::{cell::RefCell, fmt, io::SeekFrom};

/// A document of one value, or of many one after another.
pub fn extract(bytes: &[u8], limits: &Limits) -> Result<DocumentText, ExtractError> {
    let decoded = decode(bytes, None);
    let mut writer = Writer::new(limits);
    match write(&decoded.text, &mut writer)? {
        Ok(records) => Ok(described(writer, plain::metadata(&decoded), records)),
        Err(place) => Ok(as_text(bytes, &place)),
    }
}

/// Text that is no value in any of its lines so far is held to this length: it may be
/// values of many lines each.
const UNSURE_BYTES: usize = 1 << 20;

/// So much is written before it flows on.
const WRITTEN_BYTES: usize = 64 << 10;

/// A document of lines that are values. Lines that are not are kept as text.
pub fn flow_lines(
    source: &mut dyn Source,
    limits: &Limits,
    outlet: &mut Outlet<'_>,
) -> Result<TextFacts, ExtractError> {
    const EXTRACTOR: &str = "jsonl/1";
    outlet.head(Markup::Markdown, EXTRACTOR, None);
    let size = source.seek(SeekFrom::End(0)).map_err(ExtractError::io)?;
    let mut lines = Lines::new(Characters::open(source)?);
    let mut writer = Writer::of_most(outlet.most());
    let (mut records, mut unreadable) = (0u64, 0u64);
    while let Some(line) = lines.next()? {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
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
        let is_unsure = records == 0 && size <= limits.input_bytes;
        if is_unsure && writer.held() >= UNSURE_BYTES {
            break;
        }
        if !is_unsure && writer.held() >= WRITTEN_BYTES {
            outlet.text(&writer.take())?;
        }
    }
    let mut metadata = lines.metadata();
    if records == 0 && unreadable > 0 && size <= limits.input_bytes {
        // Objects over many lines, one after another, are called so, too.
        source.rewind().map_err(ExtractError::io)?;
        let text = extract(&read(source, limits.input_bytes)?, limits)?;
        return outlet.whole(text);
    }
    outlet.text(&writer.take())?;
    metadata.insert("records".to_owned(), records.into());
    if unreadable > 0 {
        metadata.insert("unreadable_records".to_owned(), unreadable.into());
    }
    Ok(TextFacts { metadata, extractor: EXTRACTOR.to_owned(), ..Default::default() })
}

fn described(writer: Writer, mut metadata: ragstream_core::document::Metadata, records: u64) -> DocumentText {
    metadata.insert("records".to_owned(), records.into());
    let (text, _) = writer.finish();
    DocumentText {
        text,
        markup: Markup::Markdown,
        metadata,
        extractor: "json/1".to_owned(),
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
    use crate::outlet::collect;
    use std::io::Cursor;

    fn lines(json: &[u8], limits: &Limits) -> Result<DocumentText, ExtractError> {
        collect(limits.text_bytes, |outlet| flow_lines(&mut Cursor::new(json), limits, outlet))
    }

    #[test]
    fn lines_are_records_and_broken_ones_are_kept() {
        let text = lines(b"{\"a\": 1}\n\n{\"a\": 2, \"b\": \"x\"}\n{\"a\": 3", &Limits::default()).unwrap();
        assert_eq!(text.text, "a: 1\n\na: 2\nb: x\n\n{\"a\": 3");
        assert_eq!((&text.metadata["records"], &text.metadata["unreadable_records"]), (&2.into(), &1.into()));
        let text = lines(b"{\n \"a\": 1\n}\n{\n \"a\": 2\n}", &Limits::default()).unwrap();
        assert_eq!(text.text, "a: 1\n\na: 2");
        // However many of them there are; where they can't be held they are lines.
        let many = "{\n \"a\": 1\n}\n".repeat(100_000);
        assert_eq!(lines(many.as_bytes(), &Limits::default()).unwrap().metadata["records"], 100_000);
        let limits = Limits { input_bytes: 1000, ..Limits::default() };
        assert_eq!(lines(many.as_bytes(), &limits).unwrap().metadata["unreadable_records"], 300_000);
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
