//! The structure of a window of Markdown: its headings, where its blocks
//! begin, and what text before a place in a block makes a parser read what
//! follows as a part of that block.

use crate::{
    boundary::{self, Boundary, rank, starts},
    code,
};
use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use std::{collections::HashSet, ops::Range};

/// Longest heading that is kept, in bytes: headings travel with every chunk
/// below them, and a paragraph over a stray `---` is a heading too.
const MAX_HEADING_BYTES: usize = 200;

/// Deeper nesting is not told when a block goes on: nobody writes it.
const MAX_NESTING: usize = 16;

/// Columns of a table that goes on; cells of further ones are text all the same.
const MAX_COLUMNS: usize = 64;

/// Longest word after the fence of a code block that is kept, in bytes.
const MAX_LANGUAGE_BYTES: usize = 32;

/// A heading.
#[derive(Clone, Debug, PartialEq)]
pub struct Heading {
    /// Byte of the window.
    pub start: usize,
    level: usize,
    text: String,
}

/// What makes a block go on.
enum Open {
    Quote,
    Item(Option<u64>),
    Footnote(String),
    Fence(String),
    Indented,
    Html(&'static str),
    Table(usize),
    Paragraph,
    /// Blocks that nothing is needed for.
    Other,
}

/// The structure of a window, whose bytes it counts.
#[derive(Default)]
pub struct Outline {
    /// Where it may be cut.
    pub boundaries: Vec<Boundary>,
    headings: Vec<Heading>,
    /// Blocks, outer ones first.
    open: Vec<(Range<usize>, Open)>,
    lead: usize,
}

impl Outline {
    /// Parses a window that stands behind `lead`, which is not of the text.
    pub fn of(lead: &str, text: &str) -> Self {
        let whole = match lead.is_empty() {
            true => std::borrow::Cow::Borrowed(text),
            false => std::borrow::Cow::Owned(format!("{lead}{text}")),
        };
        let mut reader = Reader {
            whole: &whole,
            outline: Self { lead: lead.len(), ..Self::default() },
            ..Reader::default()
        };
        for (event, range) in Parser::new_ext(&whole, Options::all()).into_offset_iter() {
            reader.read(event, range);
        }
        reader.finish()
    }

    /// What to parse before the text from `at` on, so that it is read as what it is.
    pub fn reopen(&self, text: &str, at: usize) -> String {
        let line = text[..at].rfind('\n').map_or(0, |end| end + 1);
        // At the beginning of a line a container's own marks follow; within it they are over.
        let is_line_start = text[line..at].trim().is_empty();
        let (mut first, mut next) = (String::new(), String::new());
        let mut leaf = None;
        let place = at + self.lead;
        let inside = self.open.iter().filter(|(range, _)| range.start < place && place < range.end);
        for (_, open) in inside.take(MAX_NESTING) {
            let marks = match open {
                Open::Quote => "> ".to_owned(),
                Open::Item(None) => "- ".to_owned(),
                Open::Item(Some(number)) => format!("{number}. "),
                Open::Footnote(name) => format!("[^{name}]: "),
                Open::Other => continue,
                open => {
                    leaf = Some(open);
                    break;
                }
            };
            first.push_str(&marks);
            match open {
                Open::Quote => next.push_str("> "),
                Open::Footnote(_) => next.push_str("    "),
                _ => next.extend(std::iter::repeat_n(' ', marks.len())),
            }
        }
        let more = if is_line_start { "" } else { "x" };
        match leaf {
            None if is_line_start && !first.is_empty() => format!("{}\n", first.trim_end()),
            None => first,
            Some(Open::Fence(fence)) if is_line_start => format!("{first}{fence}\n"),
            Some(Open::Fence(fence)) => format!("{first}{fence}\n{next}x"),
            Some(Open::Html(tag)) if is_line_start => format!("{first}{tag}\n"),
            Some(Open::Html(tag)) => format!("{first}{tag}\n{next}x"),
            Some(Open::Table(columns)) => {
                let (head, rule) = ("|x".repeat(*columns), "|-".repeat(*columns));
                let row = if is_line_start { String::new() } else { format!("{next}|x") };
                format!("{first}{head}|\n{next}{rule}|\n{row}")
            }
            Some(Open::Indented) if is_line_start => String::new(),
            Some(Open::Indented) => format!("{first}    x"),
            Some(_) if is_line_start => format!("{first}x\n"),
            Some(_) => format!("{first}{more}"),
        }
    }

    /// Walks down the window below the headings of what came before.
    pub fn walk(&self, above: Vec<Heading>) -> Walk<'_> {
        Walk { headings: self.headings.iter().peekable(), above }
    }
}

/// A walk through the headings, from the top.
pub struct Walk<'a> {
    headings: std::iter::Peekable<std::slice::Iter<'a, Heading>>,
    above: Vec<Heading>,
}

impl Walk<'_> {
    fn go(&mut self, is_passed: impl Fn(&Heading) -> bool) {
        while let Some(heading) = self.headings.next_if(|heading| is_passed(heading)) {
            self.above.retain(|above| above.level < heading.level);
            self.above.push(heading.clone());
        }
    }

    /// The headings above a byte, outermost first; one that begins there
    /// included. Bytes must not go down from call to call.
    pub fn at(&mut self, byte: usize) -> Vec<String> {
        self.go(|heading| heading.start <= byte);
        self.above.iter().map(|heading| heading.text.trim().to_owned()).collect()
    }

    /// The headings above a byte; one that begins there is yet to come.
    pub fn leave(mut self, byte: usize) -> Vec<Heading> {
        self.go(|heading| heading.start < byte);
        self.above
    }
}

#[derive(Default)]
struct Reader<'a> {
    whole: &'a str,
    outline: Outline,
    depth: usize,
    heading: Option<Heading>,
    /// Level of the heading that ended just now.
    under: Option<usize>,
    /// Places that stay with what is before them.
    glued: HashSet<usize>,
    /// Bytes of code blocks, whose lines are judged by themselves.
    code: Vec<Range<usize>>,
    in_table_head: bool,
}

impl Reader<'_> {
    fn read(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::Start(tag) => {
                self.start(&tag, &range);
                self.depth += 1;
            }
            Event::End(tag) => {
                self.depth = self.depth.saturating_sub(1);
                match tag {
                    TagEnd::Heading(_) => {
                        let heading = self.heading.take().filter(|heading| !heading.text.trim().is_empty());
                        if self.depth == 0 {
                            self.under = heading.as_ref().map(|heading| heading.level);
                        }
                        self.outline.headings.extend(heading);
                    }
                    TagEnd::TableHead => self.in_table_head = true,
                    _ => {}
                }
            }
            Event::Text(part) | Event::Code(part) => self.add_to_heading(&part),
            Event::SoftBreak | Event::HardBreak => self.add_to_heading(" "),
            Event::Rule => self.block(&range, None),
            _ => {}
        }
    }

    fn start(&mut self, tag: &Tag<'_>, range: &Range<usize>) {
        let open = match tag {
            Tag::Heading { level, .. } => {
                let level = *level as usize;
                self.heading = Some(Heading { start: range.start, level, text: String::new() });
                self.block(range, Some(level));
                self.outline.open.push((range.clone(), Open::Paragraph));
                return;
            }
            Tag::Paragraph => Open::Paragraph,
            Tag::BlockQuote(_) => Open::Quote,
            Tag::Item => Open::Item(self.number(range.start)),
            Tag::FootnoteDefinition(name) => Open::Footnote(name.chars().take(MAX_LANGUAGE_BYTES).collect()),
            Tag::CodeBlock(kind) => self.code_block(kind, range),
            Tag::HtmlBlock => Open::Html(html_tag(&self.whole[range.clone()])),
            Tag::Table(columns) => Open::Table(columns.len().clamp(1, MAX_COLUMNS)),
            Tag::TableRow => {
                if std::mem::take(&mut self.in_table_head) {
                    // The rule and the first row stay with the head.
                    let head = self.whole[..range.start].trim_end().rfind('\n').map_or(0, |end| end + 1);
                    self.glued.extend([head, self.line_start(range.start)]);
                }
                Open::Other
            }
            Tag::List(_)
            | Tag::TableHead
            | Tag::DefinitionList
            | Tag::DefinitionListTitle
            | Tag::DefinitionListDefinition
            | Tag::MetadataBlock(_) => Open::Other,
            _ => return,
        };
        self.block(range, None);
        self.outline.open.push((range.clone(), open));
    }

    /// The place where a block begins, if it begins a line.
    fn block(&mut self, range: &Range<usize>, level: Option<usize>) {
        let line = self.line_start(range.start);
        let above = match self.depth {
            0 => self.under.take(),
            _ => None,
        };
        if self.whole[line..range.start].contains(|c: char| !c.is_whitespace() && c != '>') {
            return;
        }
        let is_glued = match (above, level) {
            (Some(above), Some(level)) => level > above,
            (above, _) => above.is_some(),
        };
        if is_glued {
            self.glued.insert(line);
        }
        let boundary = match (self.depth, level) {
            (0, Some(level)) => Boundary { at: line, rank: rank::TOP + level as u8, opens: true },
            (depth, _) => Boundary::new(line, (rank::BLOCK + depth.min(9) as u8).min(rank::DEEPEST_BLOCK)),
        };
        self.outline.boundaries.push(boundary);
    }

    fn line_start(&self, at: usize) -> usize {
        self.whole[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    /// The number of an item in a list that has them.
    fn number(&self, at: usize) -> Option<u64> {
        let digits: String = self.whole[at..].chars().take_while(char::is_ascii_digit).take(9).collect();
        digits.parse().ok()
    }

    fn code_block(&mut self, kind: &CodeBlockKind<'_>, range: &Range<usize>) -> Open {
        self.code.push(range.clone());
        let (open, language) = match kind {
            CodeBlockKind::Indented => (Open::Indented, None),
            CodeBlockKind::Fenced(info) => {
                let block = &self.whole[range.clone()];
                let mark = block.chars().next().unwrap_or('`');
                let fence: String =
                    block.chars().take_while(|c| *c == mark).take(MAX_LANGUAGE_BYTES).collect();
                let language = info.split([' ', ',', '{']).next().unwrap_or_default();
                let language = &language[..language.floor_char_boundary(MAX_LANGUAGE_BYTES)];
                (Open::Fence(format!("{fence}{language}")), Some(language.to_lowercase()))
            }
        };
        let block = &self.whole[range.clone()];
        let skipped = match kind {
            CodeBlockKind::Indented => 0,
            CodeBlockKind::Fenced(_) => block.find('\n').map_or(block.len(), |end| end + 1),
        };
        // The first line stays with the fence, and the closing fence with the last.
        let body = block[skipped..].trim_end();
        let end = match kind {
            CodeBlockKind::Fenced(_) => body.rfind('\n').map_or(0, |end| end + 1),
            CodeBlockKind::Indented => body.len(),
        };
        let base = range.start + skipped;
        let body = &block[skipped..skipped + end];
        let found = code::boundaries(language.as_deref(), body).into_iter();
        let found = found.map(|b| Boundary { at: base + b.at, rank: rank::FENCED + b.rank, ..b });
        let lines = starts(body, 0..body.len()).map(|(at, _)| Boundary::new(base + at, rank::LINE));
        self.outline.boundaries.extend(found.chain(lines).filter(|b| b.at > base));
        open
    }

    fn add_to_heading(&mut self, part: &str) {
        if let Some(heading) = &mut self.heading {
            let room = MAX_HEADING_BYTES.saturating_sub(heading.text.len());
            heading.text.push_str(&part[..part.floor_char_boundary(room)]);
        }
    }

    /// Adds the lines outside of code, and counts from the window on.
    fn finish(mut self) -> Outline {
        let mut at = 0;
        for code in &self.code {
            if code.start > at {
                boundary::lines(self.whole, at..code.start, &mut self.outline.boundaries);
            }
            at = at.max(code.end);
        }
        boundary::lines(self.whole, at..self.whole.len(), &mut self.outline.boundaries);
        let mut outline = self.outline;
        let lead = outline.lead;
        outline.boundaries.retain(|boundary| boundary.at > lead && !self.glued.contains(&boundary.at));
        outline.boundaries.iter_mut().for_each(|boundary| boundary.at -= lead);
        boundary::unite(&mut outline.boundaries);
        outline.headings.retain(|heading| heading.start >= lead);
        outline.headings.iter_mut().for_each(|heading| heading.start -= lead);
        outline
    }
}

/// What opens a block of HTML of the same kind.
fn html_tag(block: &str) -> &'static str {
    let block = block.trim_start().to_ascii_lowercase();
    let kinds = [
        ("<!--", "<!--"),
        ("<pre", "<pre>"),
        ("<script", "<script>"),
        ("<style", "<style>"),
        ("<textarea", "<textarea>"),
        ("<?", "<?"),
        ("<![cdata[", "<![CDATA["),
    ];
    kinds.iter().find(|(start, _)| block.starts_with(start)).map_or("<div>", |(_, tag)| tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_nest_and_code_has_none() {
        let text = "intro\n\n# A *b* `c`\n\n## D\n\n```\n# no\n```\n\nSetext\n===\n\n### deep\n\n## E";
        let outline = Outline::of("", text);
        let mut walk = outline.walk(Vec::new());
        let mut above = |what: &str| walk.at(text.find(what).unwrap_or_default());
        assert_eq!(above("intro"), Vec::<String>::new());
        assert_eq!(above("# A"), ["A b c"]);
        assert_eq!(above("# no"), ["A b c", "D"]);
        assert_eq!(above("==="), ["Setext"]);
        assert_eq!(above("deep"), ["Setext", "deep"]);
        assert_eq!(above("## E"), ["Setext", "E"]);
        let opens: Vec<_> =
            outline.boundaries.iter().filter(|b| b.opens).map(|b| &text[b.at..b.at + 3]).collect();
        assert_eq!(opens, ["# A", "Set", "## "], "a heading stays with the one above it");
    }

    #[test]
    fn an_endless_heading_is_cut() {
        let text = format!("# {}", "é".repeat(5000));
        let heading = Outline::of("", &text).walk(Vec::new()).at(0);
        assert_eq!(heading[0].len(), MAX_HEADING_BYTES);
    }

    /// What a parser says of the text from `what` on, once it was cut there.
    fn goes_on(text: &str, what: &str) -> (String, Outline) {
        let at = text.find(what).unwrap_or_default();
        let lead = Outline::of("", text).reopen(text, at);
        let outline = Outline::of(&lead, &text[at..]);
        (lead, outline)
    }

    #[test]
    fn a_block_that_was_cut_keeps_its_nature() {
        for (text, what) in [
            ("```sh\na\n# no\n# cut\n# no\n```\n\n# Yes", "# cut"),
            ("~~~~\na\n```\n# cut\n~~~\n# no\n~~~~\n\n# Yes", "# cut"),
            ("- a\n\n  ```\n  b\n  # cut\n  # no\n  ```\n\n# Yes", "  # cut"),
            ("> ```\n> b\n> # cut\n> # no\n> ```\n\n# Yes", "> # cut"),
            ("<!--\na\n\n# cut\n\n# no\n-->\n\n# Yes", "# cut"),
            ("<pre>\na\n\n# cut\n# no\n</pre>\n\n# Yes", "# cut"),
            ("words and # cut words\n\n# Yes", "# cut"),
            ("```\nlong # cut line\n# no\n```\n# Yes", "# cut"),
            ("1. a\n\n   b # cut c\n\n       # no\n\n# Yes", "# cut"),
        ] {
            let (lead, outline) = goes_on(text, what);
            let headings: Vec<_> = outline.headings.iter().map(|heading| heading.text.as_str()).collect();
            assert_eq!(headings, ["Yes"], "{text:?} after {lead:?}");
        }
    }

    #[test]
    fn rows_of_a_table_stay_rows() {
        let text = "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n| 5 | 6 |\n\n# Yes";
        let (lead, outline) = goes_on(text, "| 3");
        assert_eq!(lead, "|x|x|\n|-|-|\n");
        let rows = outline.boundaries.iter().filter(|b| (rank::BLOCK..rank::FENCED).contains(&b.rank));
        assert_eq!(rows.map(|b| b.at).collect::<Vec<_>>(), [10]);
    }
}
