//! Paragraph styles: which are headings, which are lists.

use super::Package;
use crate::{
    error::ExtractError,
    formats::pull::{Node, Tag},
};
use std::collections::HashMap;

/// A style is based on another, and so on, at most so often.
const MAX_BASES: usize = 20;

/// What a style makes of a paragraph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    #[default]
    Text,
    /// The title of the document.
    Title,
    /// A heading of level 1 to 9.
    Heading(u8),
    /// A line of a table of contents, which says what the headings say.
    Contents,
}

/// A place in a list.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ListPlace {
    pub list: Option<String>,
    pub level: Option<usize>,
}

#[derive(Clone, Debug, Default)]
struct Style {
    name: String,
    base: Option<String>,
    outline: Option<u8>,
    place: ListPlace,
}

/// The styles of a document.
#[derive(Debug, Default)]
pub struct Styles(HashMap<String, Style>);

impl Styles {
    /// Reads the part; none where there is no part.
    pub fn read(package: &mut Package<'_>, part: Option<&str>) -> Result<Self, ExtractError> {
        let mut styles = HashMap::new();
        let Some(part) = part else { return Ok(Self(styles)) };
        let Some(mut pull) = package.xml(part)? else { return Ok(Self(styles)) };
        let mut open: Option<(String, Style)> = None;
        loop {
            match pull.next()? {
                Node::End => return Ok(Self(styles)),
                Node::Open(tag) => match (tag.name(), &mut open) {
                    ("style", _) => {
                        let is_paragraph = tag.attr("type").is_none_or(|kind| kind == "paragraph");
                        open = tag.attr("styleId").filter(|_| is_paragraph).map(|id| (id, Style::default()));
                        // Those of tables are most of the part, in many documents.
                        if open.is_none() {
                            pull.skip()?;
                        }
                    }
                    (
                        "rPr" | "tblPr" | "tcPr" | "trPr" | "tblStylePr" | "latentStyles" | "docDefaults",
                        _,
                    ) => pull.skip()?,
                    (_, Some((_, style))) => style.learn(&tag),
                    _ => {}
                },
                Node::Close if pull.depth() == 1 => styles.extend(open.take()),
                Node::Close | Node::Text(_) => {}
            }
        }
    }

    /// What the style of this id makes of a paragraph. A style that is known
    /// by its id alone is what its id says.
    pub fn role(&self, id: &str) -> Role {
        if !self.0.contains_key(id) {
            return role_of_name(id);
        }
        for style in self.chain(id) {
            match role_of_name(&style.name) {
                Role::Text => {}
                role => return role,
            }
            match style.outline {
                Some(level @ 0..9) => return Role::Heading(level + 1),
                Some(_) => return Role::Text,
                None => {}
            }
        }
        Role::Text
    }

    /// The list that the style puts a paragraph into.
    pub fn place(&self, id: &str) -> ListPlace {
        let mut place = ListPlace::default();
        for style in self.chain(id) {
            place.list = place.list.or_else(|| style.place.list.clone());
            place.level = place.level.or(style.place.level);
        }
        place
    }

    fn chain<'a>(&'a self, id: &str) -> impl Iterator<Item = &'a Style> {
        let first = self.0.get(id);
        std::iter::successors(first, |style| self.0.get(style.base.as_ref()?)).take(MAX_BASES)
    }
}

impl Style {
    fn learn(&mut self, tag: &Tag) {
        match tag.name() {
            "name" if self.name.is_empty() => self.name = tag.attr("val").unwrap_or_default(),
            "basedOn" => self.base = tag.attr("val"),
            "outlineLvl" => self.outline = tag.number("val"),
            "numId" => self.place.list = tag.attr("val"),
            "ilvl" => self.place.level = tag.number("val"),
            _ => {}
        }
    }
}

/// Built-in styles have the same names in every language.
fn role_of_name(name: &str) -> Role {
    let name = name.to_ascii_lowercase().replace(' ', "");
    if name == "title" {
        return Role::Title;
    }
    if let Some(level) = name.strip_prefix("heading") {
        return match level.parse() {
            Ok(level @ 1..=9) => Role::Heading(level),
            _ => Role::Text,
        };
    }
    match name.strip_prefix("toc") {
        Some(level) if !level.is_empty() && level.bytes().all(|byte| byte.is_ascii_digit()) => Role::Contents,
        _ => Role::Text,
    }
}
