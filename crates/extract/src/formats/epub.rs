//! EPUB: the chapters in the order of the book, each as its own HTML.
//!
//! A reader of our own: there is one crate under a free licence, which reads
//! members without a limit, and what is left to do is the list of chapters.

use super::{
    html,
    ooxml::Properties,
    pull::{Node, Pull},
    writer::{Writer, one_line},
    zipped::{Member, Zipped},
};
use crate::{charset::decode, contained::Context, error::ExtractError, format::Format};
use ragstream_core::text::{DocumentText, Markup};
use std::collections::{HashMap, HashSet};

/// Largest chapter, in bytes.
const MAX_CHAPTER_BYTES: u64 = 32 << 20;

/// Chapters that are read.
const MAX_CHAPTERS: usize = 20_000;

/// Facts of a package, and the names that they get.
const FACTS: &[(&str, &str)] = &[
    ("title", "title"),
    ("creator", "author"),
    ("date", "created"),
    ("language", "language"),
    ("publisher", "publisher"),
    ("description", "description"),
    ("subject", "subject"),
    ("identifier", "identifier"),
];

/// Ways to make fonts unreadable that leave the text alone.
const FONT_OBFUSCATION: &[&str] = &["http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC"];

/// Elements that end at once in XHTML, and in HTML would hold all that follows.
const NEVER_EMPTY: &[&str] = &[
    "title", "script", "style", "textarea", "iframe", "noscript", "xmp", "noembed", "noframes", "a", "div",
    "p", "span",
];

/// Whether a container is a book.
pub fn is_package(zip: &Zipped<'_>) -> bool {
    zip.has("META-INF/container.xml")
}

/// Reads a book.
pub fn extract(mut zip: Zipped<'_>, context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let package = root(&mut zip)?;
    let folder = package.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let book = read_package(&mut zip, &package)?;
    let encrypted = encrypted(&mut zip)?;
    let names = names(&mut zip, &book, &folder)?;
    let mut writer = Writer::new(context.limits);
    let mut chapters = 0u64;
    for chapter in book.spine.iter().filter_map(|id| book.items.get(id)).take(MAX_CHAPTERS) {
        let part = join(&folder, &chapter.address);
        if encrypted.contains(&part) {
            return Err(ExtractError::Encrypted);
        }
        if chapter.is_navigation || !chapter.is_text() {
            continue;
        }
        let Some(bytes) = zip.bytes(&part, MAX_CHAPTER_BYTES)? else { continue };
        let (text, _) = html::markdown(&opened(&decode(&bytes, None).text))?;
        if text.trim().is_empty() {
            continue;
        }
        chapters += 1;
        let has_heading = text.lines().any(|line| line.starts_with('#'));
        if let Some(name) = names.get(&part).filter(|_| !has_heading) {
            writer.heading(2, name)?;
        }
        writer.markdown(&text)?;
    }
    let (text, _) = writer.finish();
    let mut text = DocumentText {
        text,
        markup: Markup::Markdown,
        extractor: "epub/1".to_owned(),
        ..DocumentText::default()
    };
    book.properties.describe(&mut text);
    text.metadata.insert("chapters".to_owned(), chapters.into());
    Ok(text)
}

struct Item {
    address: String,
    kind: String,
    is_navigation: bool,
}

impl Item {
    fn is_text(&self) -> bool {
        self.kind.contains("html") || self.kind.contains("xml") && !self.kind.contains("svg")
    }
}

#[derive(Default)]
struct Book {
    properties: Properties,
    items: HashMap<String, Item>,
    spine: Vec<String>,
    /// Address of the older kind of table of contents.
    contents: Option<String>,
}

fn xml<'z>(zip: &'z mut Zipped<'_>, part: &str) -> Result<Option<Pull<Member<'z>>>, ExtractError> {
    Ok(zip.member(part)?.map(|member| Pull::new(member, Format::Epub)))
}

fn join(folder: &str, address: &str) -> String {
    super::ooxml::resolved(folder, address.split('#').next().unwrap_or_default())
}

/// The part that describes the book.
fn root(zip: &mut Zipped<'_>) -> Result<String, ExtractError> {
    let missing = || ExtractError::corrupt(Format::Epub, "it has no list of chapters");
    if let Some(mut pull) = xml(zip, "META-INF/container.xml")? {
        loop {
            match pull.next()? {
                Node::Open(tag) if tag.name() == "rootfile" => {
                    return tag.attr("full-path").map(|path| join("", &path)).ok_or_else(missing);
                }
                Node::End => break,
                _ => {}
            }
        }
    }
    Err(missing())
}

fn read_package(zip: &mut Zipped<'_>, package: &str) -> Result<Book, ExtractError> {
    let mut book = Book::default();
    let Some(mut pull) = xml(zip, package)? else {
        return Err(ExtractError::corrupt(Format::Epub, "it has no list of chapters"));
    };
    let mut contents = None;
    loop {
        match pull.next()? {
            Node::Open(tag) => match tag.name() {
                "item" => {
                    let is_navigation = tag
                        .attr("properties")
                        .is_some_and(|all| all.split_whitespace().any(|one| one == "nav"));
                    let kind = tag.attr("media-type").unwrap_or_default();
                    if let Some((id, address)) = tag.attr("id").zip(tag.attr("href")) {
                        book.items.insert(id, Item { address, kind, is_navigation });
                    }
                }
                "spine" => contents = tag.attr("toc"),
                "itemref" => book.spine.extend(tag.attr("idref")),
                "meta" if tag.attr("property").is_some_and(|property| property == "dcterms:modified") => {
                    let text = pull.text()?;
                    book.properties.add("modified", &text);
                }
                name => {
                    if let Some((_, known)) = FACTS.iter().find(|(fact, _)| *fact == name) {
                        let text = pull.text()?;
                        book.properties.add(known, &text);
                    }
                }
            },
            Node::End => break,
            Node::Close | Node::Text(_) => {}
        }
    }
    book.contents = contents.and_then(|id| Some(book.items.get(&id)?.address.clone()));
    Ok(book)
}

/// Parts that can't be read without a licence.
fn encrypted(zip: &mut Zipped<'_>) -> Result<HashSet<String>, ExtractError> {
    let mut parts = HashSet::new();
    let Some(mut pull) = xml(zip, "META-INF/encryption.xml")? else { return Ok(parts) };
    let mut is_font = false;
    loop {
        match pull.next()? {
            Node::Open(tag) if tag.name() == "EncryptionMethod" => {
                is_font = tag.attr("Algorithm").is_some_and(|way| FONT_OBFUSCATION.contains(&way.as_str()));
            }
            Node::Open(tag) if tag.name() == "CipherReference" && !is_font => {
                parts.extend(tag.attr("URI").map(|address| join("", &address)));
            }
            Node::End => return Ok(parts),
            _ => {}
        }
    }
}

/// Names of chapters, by their parts: from the table of contents, new or old.
/// A damaged one gives none: chapters have headings of their own most often.
fn names(zip: &mut Zipped<'_>, book: &Book, folder: &str) -> Result<HashMap<String, String>, ExtractError> {
    let mut names = HashMap::new();
    let new = book.items.values().find(|item| item.is_navigation).map(|item| item.address.clone());
    for address in new.into_iter().chain(book.contents.clone()) {
        let part = join(folder, &address);
        let base = part.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
        let Some(mut pull) = xml(zip, &part)? else { continue };
        let mut label = String::new();
        loop {
            match pull.next() {
                Ok(Node::Open(tag)) => {
                    let found = match tag.name() {
                        "a" => tag.attr("href").and_then(|address| Some((address, pull.text().ok()?))),
                        "navLabel" => {
                            label = pull.text().unwrap_or_default();
                            None
                        }
                        "content" => tag.attr("src").map(|address| (address, std::mem::take(&mut label))),
                        _ => None,
                    };
                    if let Some((address, name)) = found {
                        let name = one_line(&name);
                        if !name.is_empty() {
                            names.entry(join(&base, &address)).or_insert(name);
                        }
                    }
                }
                Ok(Node::End) | Err(_) => break,
                Ok(_) => {}
            }
        }
    }
    Ok(names)
}

/// Elements that end at once, with an end of their own: `<title/>` would hide
/// a whole chapter from a reader of HTML.
fn opened(xhtml: &str) -> String {
    let mut html = String::with_capacity(xhtml.len());
    let mut rest = xhtml;
    while let Some(end) = rest.find("/>") {
        let (before, after) = rest.split_at(end);
        let name = before.rfind('<').map(|start| &before[start + 1..]).filter(|tag| !tag.contains('>'));
        let name =
            name.and_then(|tag| tag.split(|c: char| !c.is_ascii_alphanumeric()).next()).unwrap_or_default();
        html.push_str(before);
        match NEVER_EMPTY.iter().find(|known| name.eq_ignore_ascii_case(known)) {
            Some(_) => html.push_str(&format!("></{name}>")),
            None => html.push_str("/>"),
        }
        rest = &after[2..];
    }
    html.push_str(rest);
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_without_content_hide_nothing() {
        assert_eq!(
            opened("<html><head><title/><link href='a'/></head><body><a id=\"x\" /><p>text</p><br/></body>"),
            "<html><head><title></title><link href='a'/></head><body><a id=\"x\" ></a><p>text</p><br/></body>"
        );
    }
}
