//! Texts of any kind as sections of one Markdown text: none of them can
//! swallow or unsettle what follows it.

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag};
use ragstream_core::text::{DocumentText, Markup};
use std::{borrow::Cow, ops::Range};

/// Longest name that is shown, in characters.
const LABEL_CHARACTERS: usize = 512;

/// A heading of the first level that is no part of any text.
const SENTINEL: &str = "\n\n# \u{fdd0}\n";

/// A name or a reason in one line, without what would trick the eye.
pub fn label(name: &str) -> String {
    let shown = |c: char| match c {
        c if c.is_control() || c.is_whitespace() => ' ',
        // Marks that turn the direction of what follows.
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        c => c,
    };
    let label: String = name.chars().take(LABEL_CHARACTERS).map(shown).collect();
    label.trim().to_owned()
}

/// A heading of the first level; `label` is one.
pub fn heading(label: &str) -> String {
    format!("# {label}\n\n")
}

/// The text as part of a section: headings go one level down, code is in
/// fences, and plain text stays plain.
pub fn within(text: &DocumentText) -> String {
    moved(text).0
}

/// The same, and where its bytes went, as far as that can be told.
pub fn moved(text: &DocumentText) -> (String, Option<Moves>) {
    let (shown, moves) = match (text.markup, text.language.as_deref()) {
        (Markup::Markdown, _) => {
            let (shifted, moves) = shifted(&text.text);
            (shifted, Some(moves))
        }
        (Markup::Plain, Some(language)) => return (fenced(&text.text, language), None),
        (Markup::Plain, None) => (plain(&text.text), None),
    };
    for close in CLOSES {
        let closed = [&shown, *close].concat();
        if is_closed(&closed) {
            return (closed, moves);
        }
    }
    let plain = plain(&text.text);
    (if is_closed(&plain) { plain } else { fenced(&text.text, "") }, None)
}

/// Where the bytes of a text went when it became part of another: pairs of a
/// byte before and after, from each of which on both go in step.
#[derive(Debug, Default)]
pub struct Moves(Vec<(usize, usize)>);

impl Moves {
    /// Where a byte went. One that was left out went where the next one is.
    pub fn of(&self, byte: usize) -> usize {
        let after = self.0.partition_point(|(from, _)| *from <= byte);
        let next = self.0.get(after).map_or(usize::MAX, |(_, to)| *to);
        let (from, to) = after.checked_sub(1).map_or((0, 0), |last| self.0[last]);
        (to + (byte - from)).min(next)
    }
}

/// What ends a block that was never closed: nothing, a fence of either kind, a comment.
const CLOSES: &[&str] = &["", "\n``````````", "\n~~~~~~~~~~", "\n-->"];

/// The Markdown with its headings one level down.
pub fn shifted(markdown: &str) -> (String, Moves) {
    let mut headings: Vec<(HeadingLevel, Range<usize>)> = Vec::new();
    for (event, range) in Parser::new_ext(markdown, Options::all()).into_offset_iter() {
        if let Event::Start(Tag::Heading { level, .. }) = event {
            headings.push((level, range));
        }
    }
    let (mut shifted, mut done) = (String::with_capacity(markdown.len() + headings.len()), 0);
    let mut moves = Moves::default();
    for (level, range) in headings {
        if range.start < done {
            continue;
        }
        shifted.push_str(&markdown[done..range.start]);
        // A heading begins where it began; its sign is more of it.
        moves.0.push((range.start, shifted.len()));
        let source = &markdown[range.clone()];
        if source.starts_with('#') {
            if level != HeadingLevel::H6 {
                shifted.push('#');
            }
            moves.0.push((range.start + 1, shifted.len() + 1));
            shifted.push_str(source);
        } else {
            // Underlined: the last line is the line.
            let text = source.trim_end().rsplit_once('\n').map_or(source, |(text, _)| text);
            shifted.push_str(if level == HeadingLevel::H1 { "## " } else { "### " });
            shifted.push_str(&text.split_whitespace().collect::<Vec<_>>().join(" "));
            shifted.push('\n');
        }
        done = range.end;
        moves.0.push((done, shifted.len()));
    }
    shifted.push_str(&markdown[done..]);
    (shifted, moves)
}

/// Whether a heading after this text is one.
fn is_closed(markdown: &str) -> bool {
    let with_sentinel = [markdown, SENTINEL].concat();
    let mut last = None;
    let mut depth = 0usize;
    for (event, range) in Parser::new_ext(&with_sentinel, Options::all()).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H1, .. }) if depth == 0 => {
                last = Some(range.start);
                depth += 1;
            }
            Event::Start(_) => depth += 1,
            Event::End(_) => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    last.is_some_and(|start| start >= markdown.len())
}

/// Text without markup, as Markdown: signs that would begin a heading, a
/// fence, a line, or markup of HTML are escaped.
pub fn plain(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 64);
    for line in text.split_inclusive('\n') {
        let content = line.trim_start_matches([' ', '\t']);
        let (indent, rule) = (line.len() - content.len(), content.trim_end());
        let is_rule = |sign: u8| !rule.is_empty() && rule.bytes().all(|byte| byte == sign);
        let begins = ["#", "```", "~~~", "<", ":::", "$$"].iter().any(|start| content.starts_with(start));
        if begins || is_rule(b'-') || is_rule(b'=') || is_rule(b'+') {
            escaped.push_str(&line[..indent]);
            escaped.push('\\');
            escaped.push_str(content);
        } else {
            escaped.push_str(line);
        }
    }
    escaped
}

/// Code between fences longer than any inside.
fn fenced(code: &str, language: &str) -> String {
    let (mut longest, mut run) = (2, 0);
    for byte in code.bytes() {
        run = if byte == b'`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let word: Cow<'_, str> = language.to_lowercase().replace(' ', "-").into();
    format!("{fence}{word}\n{}\n{fence}\n", code.trim_end_matches('\n'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn markdown(text: &str) -> DocumentText {
        DocumentText { text: text.to_owned(), markup: Markup::Markdown, ..Default::default() }
    }

    fn headings(markdown: &str) -> Vec<(HeadingLevel, String)> {
        let mut headings = Vec::new();
        let mut open = false;
        for event in Parser::new_ext(markdown, Options::all()) {
            match event {
                Event::Start(Tag::Heading { level, .. }) => {
                    headings.push((level, String::new()));
                    open = true;
                }
                Event::End(pulldown_cmark::TagEnd::Heading(_)) => open = false,
                Event::Text(text) | Event::Code(text) => {
                    if let (true, Some((_, heading))) = (open, headings.last_mut()) {
                        heading.push_str(&text);
                    }
                }
                _ => {}
            }
        }
        headings
    }

    #[test]
    fn headings_go_one_level_down() {
        let text = "# A `b`\n\ntext\n\nUnder\nlined\n===\n\nSecond\n---\n\n```\n# code\n```\n\n###### six\n\n> # quoted\n";
        assert_eq!(
            shifted(text).0,
            "## A `b`\n\ntext\n\n## Under lined\n\n### Second\n\n```\n# code\n```\n\n###### six\n\n> ## quoted\n"
        );
    }

    #[test]
    fn bytes_are_found_where_they_went() {
        let text = "# One\n\nalpha\n\nTwo\nlines\n===\n\nbeta\n\n###### six\n\ngamma";
        let (shifted, moves) = shifted(text);
        for word in ["One", "alpha", "beta", "six", "gamma"] {
            assert_eq!(Some(moves.of(text.find(word).unwrap())), shifted.find(word), "{word} in {shifted}");
        }
        assert_eq!((moves.of(0), moves.of(text.len())), (0, shifted.len()));
        assert_eq!(moves.of(text.find("Two").unwrap()), shifted.find("## Two").unwrap());
    }

    #[test]
    fn no_text_swallows_what_follows() {
        let open = [
            "```\nnever closed",
            "<!-- never closed",
            "<script>\nx",
            "~~~~\n~~~",
            "- list\n  ```\n  x",
            "---\ntitle: x",
            "<pre>\n",
            "[^1]: note",
            "$$\nx",
            "text\n: definition",
        ];
        for text in open {
            for document in [markdown(text), DocumentText { text: text.to_owned(), ..Default::default() }] {
                let section = format!("{}{}\n\n# next\n", heading("first"), within(&document).trim_end());
                let headings = headings(&section);
                let names: Vec<&str> = headings.iter().map(|(_, name)| name.as_str()).collect();
                assert_eq!(names, ["first", "next"], "{section}");
            }
        }
    }

    #[test]
    fn plain_text_has_no_headings_and_code_is_fenced() {
        let text = "# not a heading\nline\n-----\n  === \n<b>\n- item\nsee `x`\n";
        assert!(headings(&plain(text)).is_empty());
        assert_eq!(plain("a\n- b\n> c\n"), "a\n- b\n> c\n");
        let mut code = DocumentText {
            text: "# comment ```\nx\n".to_owned(),
            language: Some("python".to_owned()),
            ..Default::default()
        };
        assert_eq!(within(&code), "````python\n# comment ```\nx\n````\n");
        code.language = None;
        assert!(within(&code).starts_with("\\# comment"));
    }

    #[test]
    fn names_are_one_line() {
        assert_eq!(label("a*b\n[c](d)\u{202e}gpj.exe\t"), "a*b [c](d)\u{fffd}gpj.exe");
        assert_eq!(
            headings(&heading(&label("x_y_z.txt #1"))),
            [(HeadingLevel::H1, "x_y_z.txt #1".to_owned())]
        );
        assert_eq!(label(&"x".repeat(2000)).len(), LABEL_CHARACTERS);
    }
}
