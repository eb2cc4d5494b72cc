//! XMP: what programs and people say, as RDF in XML, anywhere in the file.

use crate::formats::facts::Facts;
use quick_xml::{Reader, XmlVersion, events::Event};

const BEGIN: &[u8] = b"<x:xmpmeta";
const END: &[u8] = b"</x:xmpmeta>";

/// Longest packet that is read, in bytes.
const PACKET_BYTES: usize = 4 << 20;

/// Deepest element that is read.
const DEPTH: usize = 64;

/// Properties, without their namespaces' prefixes, and what they are called here.
const KEPT: &[(&str, &str)] = &[
    ("title", "Title"),
    ("Headline", "Headline"),
    ("description", "Description"),
    ("creator", "Author"),
    ("Author", "Author"),
    ("subject", "Keywords"),
    ("rights", "Copyright"),
    ("UserComment", "Comment"),
    ("DateTimeOriginal", "Date"),
    ("DateCreated", "Date"),
    ("CreateDate", "Date"),
    ("Location", "Location"),
    ("City", "City"),
    ("State", "State"),
    ("Country", "Country"),
    ("Credit", "Credit"),
    ("CreatorTool", "Software"),
];

/// A picture without XMP, or with a damaged one, says nothing.
pub fn read(bytes: &[u8], facts: &mut Facts) {
    let find = |wanted: &[u8], from: usize| {
        bytes.get(from..)?.windows(wanted.len()).position(|window| window == wanted).map(|at| from + at)
    };
    let Some(begin) = find(BEGIN, 0) else { return };
    let Some(end) = find(END, begin).map(|at| at + END.len()) else { return };
    if end - begin <= PACKET_BYTES {
        packet(&String::from_utf8_lossy(&bytes[begin..end]), facts);
    }
}

fn packet(xml: &str, facts: &mut Facts) {
    let mut found: Vec<(&'static str, Vec<String>)> = Vec::new();
    let mut reader = Reader::from_str(xml);
    let (mut path, mut text): (Vec<String>, String) = (Vec::new(), String::new());
    loop {
        match reader.read_event() {
            Ok(Event::Start(element)) => {
                attributes(&element, &mut found);
                path.push(local(element.name().as_ref()));
                text.clear();
            }
            Ok(Event::Empty(element)) => attributes(&element, &mut found),
            Ok(Event::End(_)) => {
                note(&path, &text, &mut found);
                path.pop();
                text.clear();
            }
            Ok(Event::Text(part)) => text.push_str(&part.xml_content(XmlVersion::Implicit1_0)),
            Ok(Event::GeneralRef(reference)) => {
                let name = reference.xml_content(XmlVersion::Implicit1_0);
                match quick_xml::escape::resolve_predefined_entity(&name) {
                    Some(character) => text.push_str(character),
                    None => text.extend(reference.resolve_char_ref().ok().flatten()),
                }
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
        if path.len() > DEPTH {
            break;
        }
    }
    for (label, values) in found {
        facts.add(label, &values.join(", "));
    }
}

fn local(name: &str) -> String {
    name.rsplit(':').next().unwrap_or_default().to_owned()
}

fn kept(property: &str) -> Option<&'static str> {
    KEPT.iter().find(|(name, _)| *name == property).map(|(_, label)| *label)
}

/// The property that a text belongs to: the innermost element that is no part of a list.
fn property(path: &[String]) -> Option<&'static str> {
    kept(path.iter().rev().find(|name| !["li", "Alt", "Bag", "Seq"].contains(&name.as_str()))?)
}

fn note(path: &[String], text: &str, found: &mut Vec<(&'static str, Vec<String>)>) {
    let text = text.trim();
    let Some(label) = property(path).filter(|_| !text.is_empty()) else { return };
    match found.iter_mut().find(|(known, _)| *known == label) {
        Some((_, values)) if !values.iter().any(|value| value == text) => values.push(text.to_owned()),
        Some(_) => {}
        None => found.push((label, vec![text.to_owned()])),
    }
}

fn attributes(element: &quick_xml::events::BytesStart<'_>, found: &mut Vec<(&'static str, Vec<String>)>) {
    for attribute in element.attributes().flatten() {
        let name = local(attribute.key.as_ref());
        if let Ok(value) = attribute.normalized_value(XmlVersion::Implicit1_0) {
            note(&[name], &value, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_are_elements_lists_and_attributes() {
        let picture = br#"junk<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF><rdf:Description photoshop:City="Oslo"
            xmp:CreatorTool="x"><dc:title><rdf:Alt><rdf:li xml:lang="x-default">The fjord</rdf:li></rdf:Alt></dc:title>
            <dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>ice</rdf:li><rdf:li>sea</rdf:li></rdf:Bag></dc:subject>
            <pdf:Author>Ada</pdf:Author><x:unknown>no</x:unknown></rdf:Description></rdf:RDF></x:xmpmeta>junk"#;
        let mut facts = Facts::default();
        read(picture, &mut facts);
        assert_eq!(
            facts.text(),
            "City: Oslo\nSoftware: x\nTitle: The fjord\nKeywords: sea, ice\nAuthor: Ada\n"
        );
    }

    #[test]
    fn damaged_packets_say_what_they_can() {
        let mut facts = Facts::default();
        read(b"<x:xmpmeta><dc:title>a &amp; &#98;</dc:title><dc:x></x:xmpmeta>", &mut facts);
        read(b"<x:xmpmeta><dc:title>", &mut facts);
        assert_eq!(facts.text(), "Title: a & b\n");
    }
}
