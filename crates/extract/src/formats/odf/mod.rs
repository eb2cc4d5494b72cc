//! OpenDocument (ODT, ODS, ODP, templates of these, and the flat kind that is
//! one XML file), by a reader of our own on `quick-xml`: texts, sheets and
//! slides are the same elements in all of them, and cells and paragraphs hold
//! what a person sees, which readers of values give up.

mod content;
mod styles;

use super::{
    ooxml::Properties,
    pull::{Node, Pull},
    writer::Writer,
    zipped::{Member, Zipped},
};
use crate::{contained::Context, error::ExtractError, format::Format};
use content::Content;
use ragstream_core::text::{DocumentText, Markup};
use std::io::BufRead;
use styles::Styles;

/// What a document is, by what its body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Sheets,
    Slides,
    /// A chart or a drawing.
    Other,
}

/// Names of facts, and those they get.
const FACTS: &[(&str, &str)] = &[
    ("title", "title"),
    ("initial-creator", "author"),
    ("creator", "author"),
    ("creation-date", "created"),
    ("date", "modified"),
    ("subject", "subject"),
    ("description", "description"),
    ("keyword", "keywords"),
    ("language", "language"),
];

/// Numbers that a document keeps of itself, likewise.
const STATISTICS: &[(&str, &str)] = &[("page-count", "pages"), ("word-count", "words")];

/// Whether a container is one.
pub fn is_package(zip: &Zipped<'_>) -> bool {
    zip.has("content.xml") && (zip.has("META-INF/manifest.xml") || zip.has("mimetype"))
}

/// A document in a container.
pub fn extract(
    mut zip: Zipped<'_>,
    format: Format,
    context: &Context<'_>,
) -> Result<DocumentText, ExtractError> {
    if is_encrypted(&mut zip, format)? {
        return Err(ExtractError::Encrypted);
    }
    let mut properties = Properties::default();
    let mut writer = Writer::new(context.limits);
    let mut content = Content::new(Some((zip.clone(), format)));
    for part in ["meta.xml", "styles.xml", "content.xml"] {
        match xml(&mut zip, part, format)? {
            Some(mut pull) => walk(&mut pull, &mut content, &mut properties, &mut writer)?,
            None if part == "content.xml" => return Err(ExtractError::corrupt(format, "it has no content")),
            None => {}
        }
    }
    finish(content, properties, writer)
}

/// A document that is one XML file.
pub fn flat(bytes: &[u8], context: &Context<'_>) -> Result<DocumentText, ExtractError> {
    let mut properties = Properties::default();
    let mut writer = Writer::new(context.limits);
    let mut content = Content::new(None);
    let mut pull = Pull::new(bytes, Format::Xml);
    walk(&mut pull, &mut content, &mut properties, &mut writer)?;
    finish(content, properties, writer)
}

fn xml<'z>(
    zip: &'z mut Zipped<'_>,
    part: &str,
    format: Format,
) -> Result<Option<Pull<Member<'z>>>, ExtractError> {
    Ok(zip.member(part)?.map(|member| Pull::new(member, format)))
}

/// The manifest says how each part is encrypted.
fn is_encrypted(zip: &mut Zipped<'_>, format: Format) -> Result<bool, ExtractError> {
    let Some(mut pull) = xml(zip, "META-INF/manifest.xml", format)? else { return Ok(false) };
    loop {
        match pull.next()? {
            Node::Open(tag) if matches!(tag.name(), "encryption-data" | "encrypted-key") => return Ok(true),
            Node::End => return Ok(false),
            _ => {}
        }
    }
}

/// One part, or the whole of a flat document.
fn walk(
    pull: &mut Pull<impl BufRead>,
    content: &mut Content<'_>,
    properties: &mut Properties,
    writer: &mut Writer,
) -> Result<(), ExtractError> {
    loop {
        match pull.next()? {
            Node::Open(tag) => match tag.name() {
                "meta" => facts(pull, properties)?,
                "styles" | "automatic-styles" => content.styles.read(pull)?,
                "master-styles" => content.margins(pull)?,
                "body" => content.body(pull, writer)?,
                "settings" | "scripts" | "font-face-decls" => pull.skip()?,
                _ => {}
            },
            Node::End => return Ok(()),
            Node::Close | Node::Text(_) => {}
        }
    }
}

fn facts(pull: &mut Pull<impl BufRead>, properties: &mut Properties) -> Result<(), ExtractError> {
    let inside = pull.depth();
    let mut found = Vec::new();
    while let Some(tag) = pull.child(inside)? {
        for (number, name) in STATISTICS {
            found.push((*name, tag.attr(number).unwrap_or_default()));
        }
        let name = tag.name().to_owned();
        let text = pull.text()?;
        found.extend(FACTS.iter().filter(|(known, _)| *known == name).map(|(_, name)| (*name, text.clone())));
    }
    for (name, value) in found {
        properties.add(name, &value);
    }
    Ok(())
}

fn finish(
    mut content: Content<'_>,
    properties: Properties,
    mut writer: Writer,
) -> Result<DocumentText, ExtractError> {
    content.end(&mut writer)?;
    let (text, pages) = writer.finish();
    let (extractor, count) = match content.kind {
        Kind::Text => ("odt/1", None),
        Kind::Sheets => ("ods/1", Some(("sheets", content.sheets.len()))),
        Kind::Slides => ("odp/1", Some(("slides", content.slides as usize))),
        Kind::Other => ("odf/1", None),
    };
    let mut text = DocumentText {
        text,
        pages: if content.has_pages() { pages } else { Vec::new() },
        markup: Markup::Markdown,
        title: content.title.take(),
        extractor: extractor.to_owned(),
        ..DocumentText::default()
    };
    properties.describe(&mut text);
    if let Some((name, count)) = count {
        text.metadata.insert(name.to_owned(), count.into());
    }
    if !content.sheets.is_empty() {
        text.metadata.insert("sheet_names".to_owned(), content.sheets.into());
    }
    Ok(text)
}
