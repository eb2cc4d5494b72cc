//! Office Open XML (DOCX, PPTX, XLSX and their templates and macro-enabled
//! kinds): the package of parts, and which reader is for its main part.
//!
//! The readers of documents and slides are our own, on `quick-xml`: the crates
//! there are write bold and italics inside of words, keep whole parts in memory, and know
//! neither comments nor documents inside of documents.

mod docx;
mod drawing;
mod numbering;
mod pptx;
mod properties;
mod sheet_parts;
mod styles;

pub use numbering::numbered;
pub use properties::Properties;
pub use sheet_parts::SheetParts;

use super::{
    embedded::Embedded,
    pull::{Node, Pull},
    sheets,
    zipped::{Member, Zipped},
};
use crate::{contained::Context, error::ExtractError, format::Format};
use ragstream_core::text::DocumentText;
use std::collections::HashMap;

/// Relationships of one part; more are in no document.
const MAX_RELATIONSHIPS: usize = 100_000;

/// A reference from one part to another, or to an address.
#[derive(Clone, Debug, PartialEq)]
pub struct Relationship {
    /// What the part calls it.
    pub id: String,
    /// The last word of its type: `slide`, `hyperlink`.
    pub kind: String,
    /// Name of the part, or the address.
    pub target: String,
    /// It is an address.
    pub external: bool,
}

/// Those of one part.
#[derive(Clone, Debug, Default)]
pub struct Relationships {
    all: Vec<Relationship>,
    by_id: HashMap<String, usize>,
}

impl Relationships {
    /// The part or address behind an id.
    pub fn target(&self, id: &str) -> Option<&Relationship> {
        self.by_id.get(id).map(|&at| &self.all[at])
    }

    /// Parts of a kind, in order.
    pub fn parts<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a str> {
        let of_kind = self.all.iter().filter(move |r| r.kind == kind && !r.external);
        of_kind.map(|relationship| relationship.target.as_str())
    }

    /// The part of a kind of which there is one.
    pub fn part(&self, kind: &str) -> Option<&str> {
        self.all.iter().find(|r| r.kind == kind && !r.external).map(|r| r.target.as_str())
    }
}

/// An open package. A clone reads one part while another is being read.
#[derive(Clone)]
pub struct Package<'a> {
    zip: Zipped<'a>,
    format: Format,
}

impl<'a> Package<'a> {
    /// The package in a container.
    pub fn new(zip: Zipped<'a>, format: Format) -> Self {
        Self { zip, format }
    }

    /// A part as XML; `None` where there is none.
    pub fn xml(&mut self, part: &str) -> Result<Option<Pull<Member<'_>>>, ExtractError> {
        let format = self.format;
        Ok(self.zip.member(part)?.map(|member| Pull::new(member, format)))
    }

    /// The bytes of a part of at most so many.
    pub fn bytes(&mut self, part: &str, most: u64) -> Result<Option<Vec<u8>>, ExtractError> {
        self.zip.bytes(part, most)
    }

    /// Names of all parts.
    pub fn parts(&self) -> Vec<String> {
        self.zip.names().collect()
    }

    /// `TooLarge` where a part unpacks to more than so many bytes, or to
    /// more than it may: for readers that have no such limits.
    pub fn measure(&mut self, part: &str, most: u64) -> Result<(), ExtractError> {
        self.zip.member(part)?.map_or(Ok(()), |member| member.measure(most))
    }

    /// What a part refers to; the package itself is the part of no name.
    pub fn relationships(&mut self, part: &str) -> Result<Relationships, ExtractError> {
        let (folder, name) = part.rsplit_once('/').unwrap_or(("", part));
        let format = self.format;
        let slash = if folder.is_empty() { "" } else { "/" };
        let Some(mut pull) = self.xml(&format!("{folder}{slash}_rels/{name}.rels"))? else {
            return Ok(Relationships::default());
        };
        let mut relationships = Relationships::default();
        loop {
            let tag = match pull.next()? {
                Node::Open(tag) if tag.name() == "Relationship" => tag,
                Node::End => return Ok(relationships),
                _ => continue,
            };
            let (Some(id), Some(kind), Some(target)) = (tag.attr("Id"), tag.attr("Type"), tag.attr("Target"))
            else {
                continue;
            };
            let external = tag.attr("TargetMode").is_some_and(|mode| mode.eq_ignore_ascii_case("external"));
            let target = if external { target } else { resolved(folder, &target) };
            let kind = kind.rsplit('/').next().unwrap_or_default().to_owned();
            relationships.by_id.insert(id.clone(), relationships.all.len());
            relationships.all.push(Relationship { id, kind, target, external });
            if relationships.all.len() > MAX_RELATIONSHIPS {
                return Err(ExtractError::corrupt(format, "one of its parts refers to too many others"));
            }
        }
    }
}

/// The name of the part that a reference from a folder leads to.
pub fn resolved(folder: &str, target: &str) -> String {
    let target = target.replace('\\', "/");
    let mut path: Vec<&str> = match target.starts_with('/') {
        true => Vec::new(),
        false => folder.split('/').collect(),
    };
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(path.pop()),
            step => path.push(step),
        }
    }
    path.retain(|step| !step.is_empty());
    let path = path.join("/");
    percent_encoding::percent_decode_str(&path).decode_utf8().map_or(path.clone(), |path| path.into_owned())
}

/// Parts by which a package without relationships is known.
const MAIN_PARTS: &[(&str, Format)] = &[
    ("word/document.xml", Format::Docx),
    ("ppt/presentation.xml", Format::Pptx),
    ("xl/workbook.xml", Format::Xlsx),
    ("xl/workbook.bin", Format::Xlsx),
];

/// The main part of a package and what it is; `None` where this is no package.
fn main_part(package: &mut Package<'_>) -> Result<Option<(String, Format)>, ExtractError> {
    let relationships = package.relationships("")?;
    for part in relationships.parts("officeDocument") {
        let kind = MAIN_PARTS.iter().find(|(known, _)| known.split('/').next() == part.split('/').next());
        if let Some((_, format)) = kind.filter(|_| package.zip.has(part)) {
            return Ok(Some((part.to_owned(), *format)));
        }
        // Somewhere else than everybody has it: the root of it tells.
        let Some(mut pull) = package.xml(part)? else { continue };
        while let Ok(node) = pull.next() {
            let Node::Open(tag) = node else { continue };
            return Ok(match tag.name() {
                "document" => Some((part.to_owned(), Format::Docx)),
                "presentation" => Some((part.to_owned(), Format::Pptx)),
                "workbook" => Some((part.to_owned(), Format::Xlsx)),
                _ => None,
            });
        }
    }
    let known = MAIN_PARTS.iter().find(|(part, _)| package.zip.has(part));
    Ok(known.map(|(part, format)| ((*part).to_owned(), *format)))
}

/// Whether a container is a package, of whatever program.
pub fn is_package(zip: &Zipped<'_>) -> bool {
    let is_main = |(part, _): &(&str, Format)| zip.has(part);
    ["[Content_Types].xml", "_rels/.rels"].iter().any(|part| zip.has(part)) || MAIN_PARTS.iter().any(is_main)
}

/// Whether a package that [`extract`] found nothing in has parts of a document.
pub fn is_rest_of_one(zip: &Zipped<'_>) -> bool {
    const FOLDERS: [&str; 3] = ["word/", "ppt/", "xl/"];
    zip.has("[Content_Types].xml") && zip.names().any(|name| FOLDERS.iter().any(|f| name.starts_with(f)))
}

/// Reads a package; `None` where the container is none.
pub fn extract(
    bytes: &[u8],
    zip: Zipped<'_>,
    context: &Context<'_>,
) -> Result<Option<DocumentText>, ExtractError> {
    let mut package = Package::new(zip.clone(), Format::Docx);
    let Some((main, format)) = main_part(&mut package)? else { return Ok(None) };
    let mut package = Package::new(zip, format);
    let properties = properties::read(&mut package)?;
    let mut embedded = Embedded::default();
    let mut text = match format {
        Format::Pptx => pptx::extract(&mut package, &main, context, &mut embedded)?,
        Format::Xlsx => sheets::packaged(bytes, &mut package, &main, context, &mut embedded)?,
        _ => docx::extract(&mut package, &main, context, &mut embedded)?,
    };
    properties.describe(&mut text);
    embedded.describe(&mut text);
    Ok(Some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_lead_to_parts() {
        for (folder, target, part) in [
            ("word", "styles.xml", "word/styles.xml"),
            ("ppt/slides", "../media/a%20b.png", "ppt/media/a b.png"),
            ("xl", "/xl/worksheets/sheet1.xml", "xl/worksheets/sheet1.xml"),
            ("", "word\\document.xml", "word/document.xml"),
            ("word", "../../../../etc/passwd", "etc/passwd"),
        ] {
            assert_eq!(resolved(folder, target), part);
        }
    }
}
