//! XML of any kind: its text, with the names of its elements where they say
//! what a text is.
//!
//! An element that has only text is a line `name: text`, one that has none is
//! its attributes, a title is a heading, and text with elements in it (a paragraph with
//! emphasis) is a paragraph. What holds other elements begins a paragraph:
//! records stay together. Feeds carry HTML as text: that becomes Markdown.

use super::{
    html, odf, plain,
    pull::{Node, Pull, Tag},
    writer::{Writer, escaped, one_line},
};
use crate::{charset::decode, contained::Context, error::ExtractError, format::Format};
use encoding_rs::Encoding;
use ragstream_core::text::{DocumentText, Markup};

/// An XML declaration is in so many first bytes.
const DECLARATION_WITHIN: usize = 200;

/// Elements whose text is a title of what they are in.
const TITLES: &[&str] = &["title", "head", "heading", "headline"];

/// Children are kept until it is clear whether they are records or marks within
/// a text: so many at most, and so many bytes.
const MAX_PENDING: usize = 200;
const MAX_PENDING_BYTES: usize = 64 << 10;

/// Longest heading, in bytes: what is longer is text.
const MAX_HEADING_BYTES: usize = 300;

/// Elements whose names say nothing of their text.
const UNNAMED: &[&str] = &["div", "li", "p", "para", "simpara", "span", "text"];

/// Attributes that say which of many elements this is: `<param name='x'>`.
const LABELS: &[&str] = &["name", "key"];

/// So many tags show whether a text is HTML.
const TAGS_LOOKED_AT: usize = 20;

/// Reads a document; the flat kind of OpenDocument is one.
pub fn extract(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let decoded = decode(bytes, declared(bytes));
    let mut pull = Pull::new(decoded.text.as_bytes(), Format::Xml);
    let mut writer = Writer::new(context.limits);
    let mut reading = Reading::default();
    loop {
        match pull.next()? {
            Node::Open(tag) => {
                if reading.open.is_empty() && reading.root.is_none() {
                    if is_flat_document(&tag) {
                        return odf::flat(decoded.text.as_bytes(), context);
                    }
                    reading.root = Some(tag.name().to_owned());
                }
                reading.open(tag, &mut writer)?;
            }
            Node::Text(text) => reading.text(&text, &mut writer)?,
            Node::Close => reading.close(&mut writer)?,
            Node::End => break,
        }
    }
    let Some(root) = reading.root else {
        return Err(ExtractError::corrupt(Format::Xml, "it has no element"));
    };
    let mut metadata = plain::metadata(&decoded);
    metadata.insert("root".to_owned(), root.into());
    let (text, _) = writer.finish();
    Ok(DocumentText {
        text,
        markup: Markup::Markdown,
        title: reading.title,
        metadata,
        extractor: "xml/1".to_owned(),
        ..DocumentText::default()
    })
}

fn is_flat_document(root: &Tag) -> bool {
    root.name() == "document" && root.attr("mimetype").is_some_and(|kind| kind.contains("opendocument"))
}

/// The encoding that a declaration names.
fn declared(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARATION_WITHIN)]);
    let declaration = head.strip_prefix("<?xml")?.split("?>").next()?;
    let (_, label) = declaration.split_once("encoding")?;
    let label = label.trim_start().strip_prefix('=')?.trim_start();
    let label = label.strip_prefix(['"', '\''])?.split(['"', '\'']).next()?;
    // One that can be read as ASCII is not UTF-16, whatever it says.
    Encoding::for_label(label.as_bytes()).filter(|encoding| encoding.is_ascii_compatible())
}

/// A piece of an element's content.
enum Piece {
    Text(String),
    /// A child without children: name, what its attributes say, text.
    Leaf(String, String, String),
}

struct Element {
    /// With what an attribute calls it, if one does.
    name: String,
    is_labelled: bool,
    attributes: String,
    pieces: Vec<Piece>,
    bytes: usize,
    /// Its pieces are written as they come: it holds elements that hold others.
    is_structure: bool,
}

impl Element {
    fn has_text(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Text(_)))
    }
}

#[derive(Default)]
struct Reading {
    root: Option<String>,
    title: Option<String>,
    open: Vec<Element>,
    /// Headings above: as deep as the elements that have one.
    headings: Vec<usize>,
    /// The next line begins a paragraph.
    fresh: bool,
}

impl Reading {
    fn open(&mut self, tag: Tag, writer: &mut Writer) -> Result<(), ExtractError> {
        // What is in a leaf makes its parent more than a leaf, and that one a structure's parent.
        if let [.., holder, last] = self.open.as_slice()
            && !holder.has_text()
            && !last.has_text()
            && !holder.is_structure
        {
            self.settle(self.open.len() - 2, writer)?;
        }
        let label = LABELS.iter().find_map(|label| tag.attr(label)).map(|label| one_line(&label));
        let label = label.filter(|label| !label.is_empty());
        self.open.push(Element {
            name: label.as_ref().map_or(tag.name().to_owned(), |label| format!("{} {label}", tag.name())),
            is_labelled: label.is_some(),
            attributes: attributes(&tag),
            pieces: Vec::new(),
            bytes: 0,
            is_structure: false,
        });
        Ok(())
    }

    fn text(&mut self, text: &str, writer: &mut Writer) -> Result<(), ExtractError> {
        let Some(element) = self.open.last_mut() else { return Ok(()) };
        if text.trim().is_empty() {
            // Between pieces of a text a blank is one.
            if let Some(Piece::Text(last)) = element.pieces.last_mut() {
                last.push(' ');
            }
            return Ok(());
        }
        element.bytes += text.len();
        match element.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text),
            _ => element.pieces.push(Piece::Text(text.to_owned())),
        }
        let at = self.open.len() - 1;
        self.bound(at, writer)
    }

    fn close(&mut self, writer: &mut Writer) -> Result<(), ExtractError> {
        let Some(element) = self.open.pop() else { return Ok(()) };
        let depth = self.open.len();
        let has_leaves = element.pieces.iter().any(|piece| matches!(piece, Piece::Leaf(..)));
        let in_text = self.open.last().is_some_and(|parent| !parent.is_structure && parent.has_text());
        if element.is_structure {
            self.pieces(element, depth, writer)?;
            self.headings.retain(|heading| *heading < depth);
            self.fresh = true;
            return Ok(());
        }
        if has_leaves && !element.has_text() && !in_text {
            self.begin(&element, depth, writer)?;
            self.pieces(element, depth, writer)?;
            self.headings.retain(|heading| *heading < depth);
            self.fresh = true;
            return Ok(());
        }
        // Text, with or without marks in it.
        let text = running(&element.pieces);
        match self.open.last_mut() {
            Some(parent) => {
                parent.bytes += text.len() + element.attributes.len();
                parent.pieces.push(Piece::Leaf(element.name, element.attributes, text));
                self.bound(depth - 1, writer)
            }
            None => self.line(&element.name, &element.attributes, &text, depth, writer),
        }
    }

    /// An element with very much in it is written as it comes.
    fn bound(&mut self, at: usize, writer: &mut Writer) -> Result<(), ExtractError> {
        let element = &self.open[at];
        let too_much = element.pieces.len() > MAX_PENDING || element.bytes > MAX_PENDING_BYTES;
        match too_much || element.is_structure {
            true => self.settle(at, writer),
            false => Ok(()),
        }
    }

    /// An element is a structure: it and those around it are written as far as they have come.
    fn settle(&mut self, at: usize, writer: &mut Writer) -> Result<(), ExtractError> {
        for depth in 0..=at {
            if !self.open[depth].is_structure {
                self.open[depth].is_structure = true;
                let name = std::mem::take(&mut self.open[depth].name);
                let attributes = std::mem::take(&mut self.open[depth].attributes);
                let is_labelled = self.open[depth].is_labelled;
                let element = Element {
                    name,
                    is_labelled,
                    attributes,
                    pieces: Vec::new(),
                    bytes: 0,
                    is_structure: true,
                };
                self.begin(&element, depth, writer)?;
                self.open[depth].name = element.name;
            }
            let pieces = std::mem::take(&mut self.open[depth].pieces);
            self.open[depth].bytes = 0;
            let name = self.open[depth].name.clone();
            let element = Element {
                name,
                is_labelled: false,
                attributes: String::new(),
                pieces,
                bytes: 0,
                is_structure: true,
            };
            self.pieces(element, depth, writer)?;
        }
        Ok(())
    }

    /// What holds other elements begins a paragraph, with what its attributes say.
    fn begin(&mut self, element: &Element, depth: usize, writer: &mut Writer) -> Result<(), ExtractError> {
        self.fresh = true;
        match (element.attributes.is_empty(), element.is_labelled) {
            _ if depth == 0 => Ok(()),
            (true, false) => Ok(()),
            _ => self.say(&element.name, &element.attributes, writer),
        }
    }

    fn pieces(&mut self, element: Element, depth: usize, writer: &mut Writer) -> Result<(), ExtractError> {
        for piece in element.pieces {
            match piece {
                Piece::Text(text) => {
                    self.fresh = true;
                    self.say("", &one_line(&text), writer)?;
                }
                Piece::Leaf(name, attributes, text) => self.line(&name, &attributes, &text, depth, writer)?,
            }
        }
        Ok(())
    }

    /// An element without children.
    fn line(
        &mut self,
        name: &str,
        attributes: &str,
        text: &str,
        depth: usize,
        writer: &mut Writer,
    ) -> Result<(), ExtractError> {
        if text.trim().is_empty() {
            // A name with a blank is one with a label.
            return match attributes.is_empty() && !name.contains(' ') {
                true => Ok(()),
                false => self.say(name, attributes, writer),
            };
        }
        if TITLES.contains(&name) && text.len() <= MAX_HEADING_BYTES && !is_html(text) {
            let text = one_line(text);
            self.title.get_or_insert_with(|| text.clone());
            if !self.headings.contains(&depth) {
                self.headings.push(depth);
                self.fresh = true;
                let level = self.headings.iter().filter(|heading| **heading <= depth).count();
                return writer.heading(level.min(6) as u8, &text);
            }
        }
        if is_html(text) {
            let (markdown, _) = html::markdown(text)?;
            self.fresh = true;
            if !markdown.trim().is_empty() {
                writer.paragraph(&format!("{name}:"))?;
                writer.markdown(&markdown)?;
            }
            return Ok(());
        }
        let is_named = !UNNAMED.contains(&name);
        self.fresh |= !is_named;
        self.say(if is_named { name } else { "" }, &one_line(text), writer)
    }

    fn say(&mut self, name: &str, text: &str, writer: &mut Writer) -> Result<(), ExtractError> {
        let line = match (name, text) {
            ("", text) => text.to_owned(),
            (name, "") => name.to_owned(),
            (name, text) => format!("{name}: {text}"),
        };
        match std::mem::take(&mut self.fresh) || writer.is_empty() {
            true => writer.paragraph(&line),
            false => writer.continue_markdown(&escaped(&line)),
        }
    }
}

/// What the attributes of an element say, for one that has no text.
fn attributes(tag: &Tag) -> String {
    let kept = tag.attrs().into_iter().filter_map(|(name, value)| {
        // Those of XML itself and of schemas are for programs; labels are said with the name.
        let is_machinery =
            name.starts_with("xml:") || name.starts_with("xsi:") || LABELS.contains(&name.as_str());
        let name = name.rsplit(':').next().unwrap_or_default().to_owned();
        let value = one_line(&value);
        (!value.is_empty() && !is_machinery).then(|| format!("{name} {value}"))
    });
    kept.collect::<Vec<_>>().join(", ")
}

/// Text with what is marked in it.
fn running(pieces: &[Piece]) -> String {
    let mut text = String::new();
    for piece in pieces {
        match piece {
            // A line break, most likely.
            Piece::Leaf(_, _, piece) if piece.is_empty() => text.push(' '),
            Piece::Text(piece) | Piece::Leaf(_, _, piece) => text.push_str(piece),
        }
    }
    text
}

/// Whether a text is HTML: it has a tag that ends, or one that stands alone.
fn is_html(text: &str) -> bool {
    let mut rest = text;
    for _ in 0..TAGS_LOOKED_AT {
        let Some(at) = rest.find('<') else { return false };
        rest = &rest[at + 1..];
        let name: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
        let name = name.to_ascii_lowercase();
        if ["br", "hr", "img", "p"].contains(&name.as_str())
            || (!name.is_empty() && text.contains(&format!("</{name}>")))
        {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::limits::Limits;

    fn read(xml: &str) -> DocumentText {
        extract(xml.as_bytes(), &Context::new("", 0, &Limits::default())).unwrap()
    }

    #[test]
    fn records_are_paragraphs_with_their_titles() {
        let xml = r#"<?xml version="1.0"?><rss version="2.0"><channel><title>Harbour news</title><link>https://h.example</link>
            <item><title>Fees rise</title><guid isPermaLink="false">7</guid><enclosure url="a.mp3" length="9"/>
            <description>&lt;p&gt;From &lt;b&gt;May&lt;/b&gt; on.&lt;/p&gt;</description></item>
            <item><title>Fees fall</title><description>In June.</description></item></channel></rss>"#;
        let text = read(xml);
        assert_eq!(
            text.text,
            "# Harbour news\n\nlink: https://h.example\n\n## Fees rise\n\nguid: 7\nenclosure: url a.mp3, length 9\n\n\
             description:\n\nFrom **May** on.\n\n## Fees fall\n\ndescription: In June."
        );
        assert_eq!((text.title.as_deref(), &text.metadata["root"]), (Some("Harbour news"), &"rss".into()));
    }

    #[test]
    fn running_text_is_not_torn() {
        let xml = "<article><sec id='s1'><title>Tides</title><p>High <i>water</i> is at <b>noon</b>, see <x><y>deep</y></x>.</p>\
                   <p><b>Note</b> well</p></sec></article>";
        assert_eq!(read(xml).text, "sec: id s1\n\n# Tides\n\nHigh water is at noon, see deep.\n\nNote well");
    }

    #[test]
    fn attributes_stand_in_for_text() {
        let xml = "<books xmlns='urn:x' xmlns:xsi='y' xsi:schemaLocation='z'><book id='b1'><author>Ada</author><price cur='EUR'/></book><book id='b2'/></books>";
        assert_eq!(read(xml).text, "book: id b1\nauthor: Ada\nprice: cur EUR\n\nbook: id b2");
        let xml = "<conf><group name='net'><param name='host' type='s'>a</param><param name='port' value='80'/><param name='none'/></group></conf>";
        assert_eq!(read(xml).text, "group net\nparam host: a\nparam port: value 80\nparam none");
    }

    #[test]
    fn large_documents_are_written_as_they_come() {
        let rows: String = (0..5000).map(|i| format!("<row><n>{i}</n><v>value {i}</v></row>")).collect();
        let text = read(&format!("<rows>{rows}</rows>")).text;
        assert!(text.starts_with("n: 0\nv: value 0\n\nn: 1\n") && text.ends_with("n: 4999\nv: value 4999"));
        let flat: String = (0..5000).map(|i| format!("<v>{i}</v>")).collect();
        let text = read(&format!("<vs>{flat}</vs>")).text;
        assert!(text.starts_with("v: 0\nv: 1\n") && text.ends_with("v: 4999"));
    }

    #[test]
    fn a_declared_encoding_is_taken() {
        let xml = b"<?xml version='1.0' encoding='ISO-8859-2'?><a>\xb3\xf3d\xbc</a>";
        let text = extract(xml, &Context::new("", 0, &Limits::default())).unwrap();
        assert_eq!(text.text, "a: łódź");
    }

    #[test]
    fn broken_xml_is_told() {
        for xml in ["<a><b>x</b>", "", "<a></b>"] {
            let error = extract(xml.as_bytes(), &Context::new("", 0, &Limits::default())).unwrap_err();
            assert_eq!(error.class(), "corrupt_document", "{xml}");
        }
    }
}
