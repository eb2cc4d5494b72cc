//! What a text shows of its structure: its headings, and where its links lead.

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use ragstream_core::document::Metadata;
use serde_json::Value;

/// Most headings that are named.
const HEADINGS: usize = 500;

/// Longest heading that is named whole, in characters.
const HEADING_CHARACTERS: usize = 200;

/// Most links that are named.
const LINKS: usize = 500;

/// Longer addresses carry data, and are left out.
const LINK_BYTES: usize = 500;

/// Addresses, each once, in the order of the document.
#[derive(Default)]
pub struct Links(Vec<Value>);

impl Links {
    /// Takes an address that leads out of the document.
    pub fn add(&mut self, address: &str) {
        let address = address.trim();
        let leads_out = ["http://", "https://", "mailto:", "ftp://"]
            .iter()
            .any(|kind| address.get(..kind.len()).is_some_and(|start| start.eq_ignore_ascii_case(kind)));
        let fits = address.len() <= LINK_BYTES && self.0.len() < LINKS;
        if leads_out && fits && !self.0.iter().any(|known| known == address) {
            self.0.push(address.into());
        }
    }

    /// Tells them, unless there are none.
    pub fn describe(self, metadata: &mut Metadata) {
        if !self.0.is_empty() {
            metadata.insert("links".to_owned(), self.0.into());
        }
    }
}

/// Adds headings and links of Markdown to what is known of a document.
pub fn describe(markdown: &str, metadata: &mut Metadata) {
    let (mut headings, mut links, mut open) = (Vec::new(), Links::default(), None);
    for event in Parser::new_ext(markdown, Options::all()) {
        match event {
            Event::Start(Tag::Heading { .. }) => open = Some(String::new()),
            Event::Start(Tag::Link { dest_url, .. }) => links.add(&dest_url),
            Event::End(TagEnd::Heading(_)) => {
                let heading = open.take().unwrap_or_default();
                let heading: String = heading.trim().chars().take(HEADING_CHARACTERS).collect();
                if !heading.is_empty() && headings.len() < HEADINGS {
                    headings.push(Value::from(heading));
                }
            }
            Event::Text(part) | Event::Code(part) => {
                if let Some(heading) = &mut open {
                    heading.push_str(&part);
                }
            }
            _ => {}
        }
    }
    if !headings.is_empty() {
        metadata.entry("headings").or_insert(headings.into());
    }
    if !metadata.contains_key("links") {
        links.describe(metadata);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_and_links_are_named_once() {
        let text = "# The `real` *one*\n\n[a](https://a.example/x) [b](#here) <https://a.example/x>\n\n## Next\n\n\
            [m](mailto:a@b.example)\n\n```\n# code\n```\n";
        let mut metadata = Metadata::new();
        describe(text, &mut metadata);
        assert_eq!(metadata["headings"], serde_json::json!(["The real one", "Next"]));
        assert_eq!(metadata["links"], serde_json::json!(["https://a.example/x", "mailto:a@b.example"]));
        metadata.clear();
        describe("no heading", &mut metadata);
        assert!(metadata.is_empty());
    }
}
