//! Styles: which paragraphs are titles, which lists have numbers.

use crate::{
    error::ExtractError,
    formats::pull::{Node, Pull},
};
use std::{collections::HashMap, io::BufRead};

/// A style is made after another, and so on, at most so often.
const MAX_PARENTS: usize = 20;

/// The styles of a document.
#[derive(Debug, Default)]
pub struct Styles {
    parents: HashMap<String, String>,
    /// Lists and levels, the first of which is 1, with numbers.
    numbered: HashMap<String, Vec<(usize, String)>>,
}

impl Styles {
    /// Adds those of the element that began last.
    pub fn read(&mut self, pull: &mut Pull<impl BufRead>) -> Result<(), ExtractError> {
        let outside = pull.depth() - 1;
        let mut list = String::new();
        while pull.depth() > outside {
            let tag = match pull.next()? {
                Node::Open(tag) => tag,
                Node::End => break,
                Node::Close | Node::Text(_) => continue,
            };
            match tag.name() {
                "style" => {
                    let name = tag.attr("name");
                    self.parents.extend(name.zip(tag.attr("parent-style-name")));
                }
                "list-style" => list = tag.attr("name").unwrap_or_default(),
                "list-level-style-number" => {
                    let format = tag.attr("num-format").unwrap_or_default();
                    if let Some(level) = tag.number("level").filter(|_| !format.is_empty()) {
                        self.numbered.entry(list.clone()).or_default().push((level, format));
                    }
                }
                "binary-data" => pull.skip()?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether this style, or one it is made after, has a name.
    pub fn is(&self, name: &str, known: &str) -> bool {
        let mut parents =
            std::iter::successors(Some(name), |name| self.parents.get(*name).map(String::as_str));
        parents.by_ref().take(MAX_PARENTS).any(|name| name.eq_ignore_ascii_case(known))
    }

    /// How the items of a list are numbered on a level, the first of which is 1;
    /// `None` where they have bullets.
    pub fn numbers(&self, list: &str, level: usize) -> Option<&str> {
        let levels = self.numbered.get(list)?;
        levels.iter().find(|(numbered, _)| *numbered == level).map(|(_, format)| format.as_str())
    }
}
