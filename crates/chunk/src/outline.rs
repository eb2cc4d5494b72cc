//! The structure of a Markdown text: its headings, and where its blocks begin.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};

/// Longest heading that is kept, in bytes: headings travel with every chunk
/// below them, and a paragraph over a stray `---` is a heading too.
const MAX_HEADING_BYTES: usize = 200;

/// A heading.
struct Heading {
    start: usize,
    level: HeadingLevel,
    text: String,
}

/// Headings and blocks of a text, in order.
#[derive(Default)]
pub struct Outline {
    headings: Vec<Heading>,
    /// Where top-level blocks begin.
    pub blocks: Vec<usize>,
}

impl Outline {
    /// Parses a whole text, so that a `#` inside a code block is none.
    pub fn of_markdown(text: &str) -> Self {
        let mut outline = Self::default();
        let (mut depth, mut open) = (0usize, None::<Heading>);
        for (event, range) in Parser::new_ext(text, Options::all()).into_offset_iter() {
            if depth == 0 && !matches!(event, Event::End(_)) {
                outline.blocks.push(range.start);
            }
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    open = Some(Heading { start: range.start, level, text: String::new() });
                    depth += 1;
                }
                Event::End(TagEnd::Heading(_)) => {
                    outline.headings.extend(open.take().filter(|heading| !heading.text.trim().is_empty()));
                    depth = depth.saturating_sub(1);
                }
                Event::Start(_) => depth += 1,
                Event::End(_) => depth = depth.saturating_sub(1),
                Event::Text(part) | Event::Code(part) => {
                    if let Some(heading) = &mut open {
                        append(&mut heading.text, &part);
                    }
                }
                Event::SoftBreak | Event::HardBreak => {
                    if let Some(heading) = &mut open {
                        append(&mut heading.text, " ");
                    }
                }
                _ => {}
            }
        }
        outline
    }

    /// Walks down the text, telling the headings above each place.
    pub fn walk(&self) -> Walk<'_> {
        Walk { headings: self.headings.iter().peekable(), above: Vec::new() }
    }
}

fn append(heading: &mut String, part: &str) {
    let room = MAX_HEADING_BYTES.saturating_sub(heading.len());
    heading.push_str(&part[..part.floor_char_boundary(room)]);
}

/// A walk through the headings, from the top.
pub struct Walk<'a> {
    headings: std::iter::Peekable<std::slice::Iter<'a, Heading>>,
    above: Vec<&'a Heading>,
}

impl Walk<'_> {
    /// The headings above a byte, outermost first; one that begins there
    /// included. Bytes must not go down from call to call.
    pub fn at(&mut self, byte: usize) -> Vec<String> {
        while let Some(heading) = self.headings.next_if(|heading| heading.start <= byte) {
            self.above.retain(|above| above.level < heading.level);
            self.above.push(heading);
        }
        self.above.iter().map(|heading| heading.text.trim().to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_nest_and_code_has_none() {
        let text = "intro\n\n# A *b* `c`\n\n## D\n\n```\n# no\n```\n\nSetext\n===\n\n### deep\n\n## E";
        let outline = Outline::of_markdown(text);
        let mut walk = outline.walk();
        let mut above = |what: &str| walk.at(text.find(what).unwrap_or_default());
        assert_eq!(above("intro"), Vec::<String>::new());
        assert_eq!(above("# A"), ["A b c"]);
        assert_eq!(above("# no"), ["A b c", "D"]);
        assert_eq!(above("==="), ["Setext"]);
        assert_eq!(above("deep"), ["Setext", "deep"]);
        assert_eq!(above("## E"), ["Setext", "E"]);
        assert_eq!(outline.blocks.len(), 7);
    }

    #[test]
    fn an_endless_heading_is_cut() {
        let text = format!("# {}", "é".repeat(5000));
        let heading = Outline::of_markdown(&text).walk().at(0);
        assert_eq!(heading[0].len(), MAX_HEADING_BYTES);
    }
}
