//! XML, event by event, in flat memory.
//!
//! What holds: nothing outside of the bytes is ever read, and no entity is
//! expanded but the five of XML and the names that HTML has for one character:
//! there is no billion of laughs, and what a DTD declares is not looked at. A document
//! that ends in the middle, or whose tags don't match, is `Corrupt`.

use super::zipped::refused;
use crate::{error::ExtractError, format::Format};
use quick_xml::{
    Error, Reader, XmlVersion,
    encoding::DecodingReader,
    escape::{resolve_html5_entity, resolve_predefined_entity},
    events::{BytesRef, BytesStart, Event},
};
use std::{borrow::Cow, io::BufRead};

/// No document nests its elements deeper, and a reader that calls itself for
/// each level has room on its stack for so many.
const MAX_DEPTH: usize = 500;

/// The beginning of an element.
#[derive(Debug, PartialEq)]
pub struct Tag(BytesStart<'static>);

impl Tag {
    /// Its name without prefix.
    pub fn name(&self) -> &str {
        self.0.local_name().into_inner()
    }

    /// An attribute, without prefix or else with any.
    pub fn attr(&self, name: &str) -> Option<String> {
        let plain = self.find(|prefixed, key| !prefixed && key == name);
        plain.or_else(|| self.find(|_, key| key == name))
    }

    /// An attribute with a prefix, where there may be one without: `r:id` beside `id`.
    pub fn prefixed_attr(&self, name: &str) -> Option<String> {
        self.find(|prefixed, key| prefixed && key == name)
    }

    /// A number in an attribute.
    pub fn number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.attr(name)?.trim().parse().ok()
    }

    /// Names and values of all, those of namespaces left out.
    pub fn attrs(&self) -> Vec<(String, String)> {
        let mut all = self.0.attributes();
        let all = all.with_checks(false).filter_map(Result::ok);
        all.filter(|attribute| !attribute.key.as_ref().starts_with("xmlns"))
            .map(|attribute| (attribute.key.as_ref().to_owned(), value(&attribute)))
            .collect()
    }

    fn find(&self, is_wanted: impl Fn(bool, &str) -> bool) -> Option<String> {
        let mut all = self.0.attributes();
        let mut all = all.with_checks(false).filter_map(Result::ok);
        let found = all.find(|attribute| {
            let (name, prefix) = attribute.key.decompose();
            is_wanted(prefix.is_some(), name.into_inner())
        });
        found.map(|attribute| value(&attribute))
    }
}

fn value(attribute: &quick_xml::events::attributes::Attribute<'_>) -> String {
    let value = attribute.normalized_value_with(XmlVersion::Implicit1_0, 1, entity);
    value.unwrap_or(Cow::Borrowed(&*attribute.value)).into_owned()
}

fn entity(name: &str) -> Option<&'static str> {
    resolve_predefined_entity(name).or_else(|| resolve_html5_entity(name))
}

/// What a reference stands for; itself where nobody knows, nothing where it names no character.
fn referred<'a>(name: &'a BytesRef<'_>) -> Option<Cow<'a, str>> {
    match name.resolve_char_ref() {
        Ok(Some(character)) => Some(character.to_string().into()),
        Ok(None) => Some(entity(name).map_or_else(|| format!("&{};", &**name).into(), Cow::Borrowed)),
        Err(_) => None,
    }
}

/// What comes next.
#[derive(Debug, PartialEq)]
pub enum Node {
    /// An element begins.
    Open(Tag),
    /// The element that began last and has not ended, ends.
    Close,
    /// Text; that of one element may come in pieces.
    Text(String),
    /// The document has ended.
    End,
}

/// Reads a document from its beginning to its end.
pub struct Pull<R> {
    reader: Reader<DecodingReader<R>>,
    buffer: Vec<u8>,
    depth: usize,
    format: Format,
}

impl<R: BufRead> Pull<R> {
    /// In UTF-8 or UTF-16.
    pub fn new(bytes: R, format: Format) -> Self {
        let mut reader = Reader::from_reader(DecodingReader::new(bytes));
        reader.config_mut().expand_empty_elements = true;
        reader.config_mut().allow_dangling_amp = true;
        Self { reader, buffer: Vec::new(), depth: 0, format }
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.depth
    }

    /// What comes next; [`Node::End`] again and again at the end.
    pub fn next(&mut self) -> Result<Node, ExtractError> {
        loop {
            self.buffer.clear();
            let event = match self.reader.read_event_into(&mut self.buffer) {
                Ok(event) => event,
                Err(Error::Io(error)) => return Err(refused(self.format, &error)),
                Err(_) => return Err(self.broken("its XML is not well-formed")),
            };
            return Ok(match event {
                Event::Start(tag) | Event::Empty(tag) => {
                    let tag = Tag(tag.into_owned());
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return Err(self.broken("its XML is nested too deep"));
                    }
                    Node::Open(tag)
                }
                Event::End(_) => {
                    self.depth = self.depth.saturating_sub(1);
                    Node::Close
                }
                Event::Text(text) => Node::Text(text.xml10_content().into_owned()),
                Event::CData(text) => Node::Text(text.xml10_content().into_owned()),
                Event::GeneralRef(name) => match referred(&name) {
                    Some(text) => Node::Text(text.into_owned()),
                    None => continue,
                },
                Event::Eof if self.depth > 0 => return Err(self.broken("its XML ends in the middle")),
                Event::Eof => Node::End,
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => continue,
            });
        }
    }

    /// Passes over the rest of the element that began last.
    pub fn skip(&mut self) -> Result<(), ExtractError> {
        self.rest(None)
    }

    /// All text up to the end of the element that began last.
    pub fn text(&mut self) -> Result<String, ExtractError> {
        let mut text = String::new();
        self.text_into(&mut text)?;
        Ok(text)
    }

    /// Appends the same: what a document mostly is, and so without the copies of [`Pull::next`].
    pub fn text_into(&mut self, text: &mut String) -> Result<(), ExtractError> {
        self.rest(Some(text))
    }

    /// Reads to the end of the element that began last, as [`Pull::next`] does, and keeps
    /// nothing but its text, if that is wanted.
    fn rest(&mut self, mut text: Option<&mut String>) -> Result<(), ExtractError> {
        let outside = self.depth.saturating_sub(1);
        while self.depth > outside {
            self.buffer.clear();
            match (self.reader.read_event_into(&mut self.buffer), &mut text) {
                (Ok(Event::Text(piece)), Some(text)) => text.push_str(&piece.xml10_content()),
                (Ok(Event::CData(piece)), Some(text)) => text.push_str(&piece.xml10_content()),
                (Ok(Event::GeneralRef(name)), Some(text)) => {
                    text.push_str(&referred(&name).unwrap_or_default());
                }
                (Ok(Event::Start(_)), _) if self.depth < MAX_DEPTH => self.depth += 1,
                (Ok(Event::Start(_)), _) => return Err(self.broken("its XML is nested too deep")),
                (Ok(Event::End(_)), _) => self.depth -= 1,
                (Ok(Event::Eof), _) => return Err(self.broken("its XML ends in the middle")),
                (Ok(_), _) => {}
                (Err(Error::Io(error)), _) => return Err(refused(self.format, &error)),
                (Err(_), _) => return Err(self.broken("its XML is not well-formed")),
            }
        }
        Ok(())
    }

    /// The next element inside of the one that began last; `None` once that has
    /// ended. The element must be read to its end, or passed over, before the next.
    pub fn child(&mut self, inside: usize) -> Result<Option<Tag>, ExtractError> {
        loop {
            match self.next()? {
                Node::Open(tag) => return Ok(Some(tag)),
                Node::Close if self.depth < inside => return Ok(None),
                Node::End => return Ok(None),
                Node::Close | Node::Text(_) => {}
            }
        }
    }

    fn broken(&self, reason: &str) -> ExtractError {
        let place = self.reader.buffer_position();
        ExtractError::corrupt(self.format, format!("{reason}, near byte {place}"))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all(xml: &[u8]) -> Result<String, ExtractError> {
        let mut pull = Pull::new(xml, Format::Text);
        let mut seen = String::new();
        loop {
            match pull.next()? {
                Node::Open(tag) => seen.push_str(&format!("<{}>", tag.name())),
                Node::Close => seen.push_str("</>"),
                Node::Text(text) => seen.push_str(&text),
                Node::End => return Ok(seen),
            }
        }
    }

    #[test]
    fn elements_text_and_references_come_through() {
        let xml = b"<?xml version='1.0'?><!-- x --><w:a b='1'><c/>x &amp; y&#33;&nbsp;&eacute;<![CDATA[<z>]]> & \xc3\xa9</w:a>";
        assert_eq!(all(xml).unwrap(), "<a><c></>x & y!\u{a0}é<z> & é</>");
        let utf_16: Vec<u8> = "\u{feff}<a>é</a>".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(all(&utf_16).unwrap(), "<a>é</>");
    }

    #[test]
    fn entities_are_not_expanded() {
        let laughs = b"<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'><!ENTITY c SYSTEM 'file:///etc/passwd'>]><x y='&b;'>&b;&c;</x>";
        assert_eq!(all(laughs).unwrap(), "<x>&b;&c;</>");
    }

    #[test]
    fn broken_documents_are_told() {
        for xml in ["<a><b></a>", "<a>", "<a", "</a>", "<a><b/></c>", "<a>\u{0}</b>"] {
            assert_eq!(all(xml.as_bytes()).unwrap_err().class(), "corrupt_document", "{xml}");
        }
        assert_eq!(all(&"<a>".repeat(100_000).into_bytes()).unwrap_err().class(), "corrupt_document");
        assert_eq!(all(b"<a>\xff\xfe\xfd</a>").unwrap_err().class(), "corrupt_document");
    }

    #[test]
    fn attributes_are_found_with_and_without_prefix() {
        let mut pull =
            Pull::new(&b"<a id='1' r:id='2' w:val='0' xmlns:w='x' t='a&lt;b&nbsp;'/>"[..], Format::Text);
        let Node::Open(tag) = pull.next().unwrap() else { panic!() };
        assert_eq!(tag.attr("id").unwrap(), "1");
        assert_eq!(tag.prefixed_attr("id").unwrap(), "2");
        assert_eq!(tag.number::<u8>("val"), Some(0));
        assert_eq!(tag.attr("t").unwrap(), "a<b\u{a0}");
        assert_eq!(tag.attrs().len(), 4);
    }

    #[test]
    fn children_are_walked() {
        let mut pull = Pull::new(&b"<a>x<b>1<i>2</i></b><c><d/></c>y</a>"[..], Format::Text);
        pull.next().unwrap();
        let inside = pull.depth();
        let mut seen = Vec::new();
        while let Some(tag) = pull.child(inside).unwrap() {
            seen.push(tag.name().to_owned());
            match tag.name() {
                "b" => seen.push(pull.text().unwrap()),
                _ => pull.skip().unwrap(),
            }
        }
        assert_eq!(seen, ["b", "12", "c"]);
    }
}
