//! What a package says about itself: `docProps/core.xml` and `docProps/app.xml`.

use super::Package;
use crate::{
    error::ExtractError,
    formats::{pull::Node, writer::one_line},
};
use ragstream_core::{document::Metadata, text::DocumentText};

/// Elements of the core properties, and the names they get.
const CORE: &[(&str, &str)] = &[
    ("creator", "author"),
    ("created", "created"),
    ("modified", "modified"),
    ("lastModifiedBy", "modified_by"),
    ("subject", "subject"),
    ("keywords", "keywords"),
    ("description", "description"),
    ("category", "category"),
    ("language", "language"),
];

/// Elements of the extended properties, likewise. Slides and sheets are counted.
const EXTENDED: &[(&str, &str)] = &[("Pages", "pages"), ("Words", "words"), ("Company", "company")];

/// Longest property that is kept, in bytes.
pub const MAX_PROPERTY_BYTES: usize = 1000;

/// Titles that programs give and nobody chose.
const NO_TITLES: &[&str] =
    &["powerpoint presentation", "presentation", "document", "title", "untitled", "slide 1", "word document"];

/// Title and metadata.
#[derive(Debug, Default)]
pub struct Properties {
    pub title: Option<String>,
    pub metadata: Metadata,
}

impl Properties {
    /// Adds a property, unless it is blank or there already. `title` is the title.
    pub fn add(&mut self, name: &str, value: &str) {
        let mut value = one_line(value);
        value.truncate(value.floor_char_boundary(MAX_PROPERTY_BYTES));
        if value.is_empty() {
            return;
        }
        if name == "title" {
            let is_chosen = !NO_TITLES.contains(&value.to_lowercase().as_str());
            self.title = self.title.take().or(Some(value).filter(|_| is_chosen));
            return;
        }
        let count = ["pages", "words"].contains(&name).then(|| value.parse::<u64>().ok()).flatten();
        let value = count.map_or_else(|| value.into(), Into::into);
        self.metadata.entry(name).or_insert(value);
    }

    /// Adds them to what the reader found itself, which goes before.
    pub fn describe(self, text: &mut DocumentText) {
        text.title = text.title.take().or(self.title);
        for (name, value) in self.metadata {
            text.metadata.entry(name).or_insert(value);
        }
    }
}

/// Reads both parts; a package without any has no properties, and one where
/// they are damaged too: the text matters more.
pub fn read(package: &mut Package<'_>) -> Result<Properties, ExtractError> {
    let relationships = package.relationships("")?;
    let part = |kind, usual: &str| relationships.part(kind).unwrap_or(usual).to_owned();
    let core = part("core-properties", "docProps/core.xml");
    let extended = part("extended-properties", "docProps/app.xml");
    let mut properties = Properties::default();
    for (part, known) in [(core, CORE), (extended, EXTENDED)] {
        let Ok(Some(mut pull)) = package.xml(&part) else { continue };
        while let Ok(node) = pull.next() {
            let tag = match node {
                Node::Open(tag) if pull.depth() == 2 => tag,
                Node::End => break,
                _ => continue,
            };
            let Ok(value) = pull.text() else { break };
            match known.iter().find(|(name, _)| *name == tag.name()) {
                Some((_, name)) => properties.add(name, &value),
                None if tag.name() == "title" => properties.add("title", &value),
                None => {}
            }
        }
    }
    Ok(properties)
}
