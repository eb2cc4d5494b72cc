//! The text of a document, as extracted from its bytes.

use crate::document::Metadata;
use serde::{Deserialize, Serialize};

/// What the marks in a text mean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Markup {
    /// Nothing: it is read as it stands.
    #[default]
    Plain,
    /// CommonMark with tables.
    Markdown,
}

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageStart {
    /// 1-based number of the page.
    pub page: u32,
    /// Byte in the text at which it begins.
    pub byte_offset: u64,
}

/// What extraction gives. The text is never empty or mere whitespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DocumentText {
    /// The text; spans of chunks and citations are byte ranges of it.
    pub text: String,
    /// Pages in order, empty where the format has none.
    pub pages: Vec<PageStart>,
    /// How the text is marked up.
    pub markup: Markup,
    /// The document's own title, if it has one.
    pub title: Option<String>,
    /// What the file says about itself (author, dates, encoding and the like).
    pub metadata: Metadata,
    /// Name and version of the extractor, for the lineage.
    pub extractor: String,
}

/// A piece of a document's text, in order. Pieces joined are the whole text.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextPart {
    /// Ends anywhere between two characters.
    pub text: String,
    /// Pages that begin in this piece (or at its end), by their byte in the whole text.
    pub pages: Vec<PageStart>,
}

/// What is known of a text before its first piece: how it is to be cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextHead {
    /// How the text is marked up.
    pub markup: Markup,
    /// Name and version of the extractor, as far as it is known at the beginning.
    pub extractor: String,
    /// The programming language, in lower case, where the whole text is source code.
    pub language: Option<String>,
}

/// What a text turns out to say about itself, at its end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TextFacts {
    /// The document's own title, if it has one.
    pub title: Option<String>,
    /// What the file says about itself (author, dates, encoding and the like).
    pub metadata: Metadata,
    /// Name and version of the extractor, for the lineage.
    pub extractor: String,
    /// How many pages it has, where its format has pages.
    pub pages: Option<u32>,
}

impl DocumentText {
    /// The page that a byte of the text lies on, where the format has pages.
    pub fn page_at(&self, byte: u64) -> Option<u32> {
        let after = self.pages.partition_point(|page| page.byte_offset <= byte);
        after.checked_sub(1).map(|last| self.pages[last].page)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_lies_on_the_last_page_that_begins_before_it() {
        let page = |page, byte_offset| PageStart { page, byte_offset };
        // Page 2 is empty.
        let text = DocumentText { pages: vec![page(1, 0), page(2, 10), page(3, 10)], ..Default::default() };
        assert_eq!([0, 9, 10, 99].map(|byte| text.page_at(byte)), [Some(1), Some(1), Some(3), Some(3)]);
        assert_eq!(DocumentText::default().page_at(0), None);
    }
}
