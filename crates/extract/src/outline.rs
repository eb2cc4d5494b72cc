//! What a text shows of its structure: its headings, and where its links lead.

use memchr::{memchr2, memmem};
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
    let skeleton = skeleton(markdown);
    for event in Parser::new_ext(&skeleton, Options::all()) {
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

/// The same Markdown, of which long paragraphs that have neither headings nor links are one letter: to
/// parse those takes longer than to read the document they came from.
///
/// Such a paragraph stands between blank lines, and each of its lines begins with a letter: it is
/// neither a list, a table, a fence nor what is below a heading's text. One letter in its place ends and
/// continues what it did.
fn skeleton(markdown: &str) -> String {
    let mut skeleton = String::new();
    let mut rest = markdown;
    while !rest.is_empty() {
        let end = memmem::find(rest.as_bytes(), b"\n\n").map_or(rest.len(), |at| at + 2);
        let (block, after) = rest.split_at(end);
        let is_plain = block.len() > PLAIN_BYTES
            && block.trim_end_matches('\n').split('\n').all(begins_with_letter)
            && memchr2(b'[', b'<', block.as_bytes()).is_none();
        skeleton.push_str(if is_plain { "x\n\n" } else { block });
        rest = after;
    }
    skeleton
}

/// Shorter paragraphs stay.
const PLAIN_BYTES: usize = 40;

fn begins_with_letter(line: &str) -> bool {
    line.starts_with(|first: char| first.is_ascii_alphabetic())
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

    /// Whatever stands around a plain paragraph, it is passed over without a difference.
    #[test]
    fn a_plain_paragraph_changes_nothing() {
        let plain =
            "Words of a paragraph that is long enough to be passed over,\nand goes on in a second line.";
        let around = [
            "# One",
            "- item",
            "    # indented",
            "```",
            "~~~\n# code",
            "> # quoted",
            "a\n===",
            "b\n---",
            "---",
            "| a |\n|---|",
            "<div>",
            "</div>",
            "<!--",
            "-->",
            "1. # in a list",
            "[x]: https://a.example/ref",
            "[x] and [y](https://a.example/y)",
            "<https://a.example/z>",
            "`code",
            "$$",
            "+++",
            ": defined",
            "[^1]: note",
            "  deeper\n\n  ## there",
            "<pre>",
            "x\n: y",
        ];
        let whole = |text: &str| {
            let (mut headings, mut seen) = (Vec::new(), None);
            for event in Parser::new_ext(text, Options::all()) {
                match event {
                    Event::Start(Tag::Heading { .. }) => seen = Some(String::new()),
                    Event::Start(Tag::Link { dest_url, .. }) => headings.push(format!("-> {dest_url}")),
                    Event::End(TagEnd::Heading(_)) => headings.extend(seen.take()),
                    Event::Text(part) | Event::Code(part) => {
                        if let Some(seen) = &mut seen {
                            seen.push_str(&part);
                        }
                    }
                    _ => {}
                }
            }
            headings
        };
        let mut shorter = 0;
        for a in around {
            for b in around {
                for c in around {
                    for blank in ["\n\n", "\n \n", "\n\n\n\n"] {
                        let text = [a, plain, b, plain, c, plain].join(blank);
                        let skeleton = skeleton(&text);
                        shorter += usize::from(skeleton.len() < text.len());
                        assert_eq!(whole(&skeleton), whole(&text), "{text}");
                    }
                }
            }
        }
        assert!(shorter > 10_000);
    }
}
