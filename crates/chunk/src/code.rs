//! Source code: where its items and statements begin, and what they are in.
//!
//! By the grammar of the language where there is one here. The rule is the
//! same for all of them: what has a name and a body is an item.

use crate::{
    boundary::{self, Boundary, rank, starts},
    indent,
};
use std::ops::Range;
use tree_sitter::{Language, Node, Parser};

/// Longest name of an item that is kept, in bytes.
const MAX_LABEL_BYTES: usize = 100;

/// Most bytes of the heads of items that are repeated to a parser where a
/// window of a very large file begins inside of them.
const MAX_REOPENED_BYTES: usize = 4 << 10;

/// Deeper places are alike.
const MAX_DEPTH: usize = 9;

/// Deeper nodes are not looked at: text made to be deep must not exhaust the stack.
const MAX_NESTING: usize = 64;

/// The grammar of a language, by its name or what stands after a fence.
fn grammar(language: &str) -> Option<Language> {
    Some(match language {
        "bash" | "sh" | "shell" | "zsh" => tree_sitter_bash::LANGUAGE.into(),
        "c" | "h" => tree_sitter_c::LANGUAGE.into(),
        "c#" | "cs" | "csharp" => tree_sitter_c_sharp::LANGUAGE.into(),
        "c++" | "cc" | "cpp" | "cuda" | "cxx" | "hpp" => tree_sitter_cpp::LANGUAGE.into(),
        "go" | "golang" => tree_sitter_go::LANGUAGE.into(),
        "java" => tree_sitter_java::LANGUAGE.into(),
        "javascript" | "js" | "jsx" | "mjs" => tree_sitter_javascript::LANGUAGE.into(),
        "php" => tree_sitter_php::LANGUAGE_PHP.into(),
        "py" | "python" | "python3" | "starlark" => tree_sitter_python::LANGUAGE.into(),
        "rb" | "ruby" => tree_sitter_ruby::LANGUAGE.into(),
        "rs" | "rust" => tree_sitter_rust::LANGUAGE.into(),
        "ts" | "tsx" | "typescript" => tree_sitter_typescript::LANGUAGE_TSX.into(),
        _ => return None,
    })
}

/// An item of a window.
struct Item {
    /// What the parser calls it.
    id: usize,
    /// With the comments that document it.
    range: Range<usize>,
    label: String,
    /// The bytes before its body.
    head: Range<usize>,
}

/// The structure of a window, whose bytes it counts.
#[derive(Default)]
pub struct Items {
    /// Where it may be cut.
    pub boundaries: Vec<Boundary>,
    items: Vec<Item>,
    lead: usize,
    whole: String,
}

/// Where code may be cut, ranks 0 to 9.
pub fn boundaries(language: Option<&str>, code: &str) -> Vec<Boundary> {
    match language.and_then(|language| read(language, code)) {
        Some(reader) => {
            let mut boundaries = reader.boundaries;
            boundary::unite(&mut boundaries);
            boundaries
        }
        None => indent::boundaries(code),
    }
}

fn read<'a>(language: &str, code: &'a str) -> Option<Reader<'a>> {
    let mut parser = Parser::new();
    parser.set_language(&grammar(language)?).ok()?;
    let tree = parser.parse(code, None)?;
    let mut reader = Reader { code, boundaries: Vec::new(), items: Vec::new() };
    reader.children(tree.root_node(), 0);
    Some(reader)
}

impl Items {
    /// Parses a window that stands behind `lead`, which is not of the text. What
    /// is still open where a window ends that `is_last` is not said of is closed
    /// for the parser, which would not see an item in it otherwise.
    pub fn of(language: &str, lead: &str, text: &str, is_last: bool) -> Self {
        let mut whole = format!("{lead}{text}");
        if !is_last {
            let open = open_braces(&whole);
            whole.push_str(&"\n}".repeat(open));
        }
        let (mut boundaries, items) = match read(language, &whole) {
            Some(reader) => (reader.boundaries, reader.items),
            None => (indent::boundaries(&whole), Vec::new()),
        };
        // Lines of comments and long literals, and of what no grammar knows.
        let every = starts(&whole, 0..whole.len()).filter(|(_, line)| !line.trim().is_empty());
        boundaries.extend(every.map(|(at, _)| Boundary::new(at, rank::LINE)));
        let lead = lead.len();
        boundaries.retain(|boundary| boundary.at > lead && boundary.at < lead + text.len());
        boundaries.iter_mut().for_each(|boundary| boundary.at -= lead);
        boundary::unite(&mut boundaries);
        Self { boundaries, items, lead, whole }
    }

    /// The heads of the items that `at` is in, for the parser.
    pub fn reopen(&self, at: usize) -> String {
        let at = at + self.lead;
        let mut heads = String::new();
        for item in self.items.iter().filter(|item| item.head.end < at && at < item.range.end) {
            heads.push_str(&self.whole[item.head.clone()]);
            heads.truncate(heads.trim_end().len());
            heads.push('\n');
        }
        if heads.len() > MAX_REOPENED_BYTES { String::new() } else { heads }
    }

    /// The items that a span is in, outermost first. Lines that close
    /// something at its ends do not count.
    pub fn around(&self, text: &str, span: Range<usize>) -> Vec<String> {
        let says = |line: &str| line.contains(char::is_alphanumeric) && line.trim() != "end";
        let mut lines = starts(text, span.clone()).filter(|(_, line)| says(line));
        let first = lines.next();
        let last = lines.last().or(first);
        let (start, end) = match (first, last) {
            (Some((start, first)), Some((end, last))) => {
                (start + first.len() - first.trim_start().len(), end + last.trim_end().len())
            }
            _ => (span.start, span.end),
        };
        let (start, end) = (start + self.lead, end + self.lead);
        let around = self.items.iter().filter(|item| item.range.start <= start && end <= item.range.end);
        around.map(|item| item.label.clone()).collect()
    }
}

/// Braces that are not closed, those in literals counted too: one too many or
/// too few does little harm.
fn open_braces(code: &str) -> usize {
    let open = code.bytes().fold(0usize, |open, byte| match byte {
        b'{' => open + 1,
        b'}' => open.saturating_sub(1),
        _ => open,
    });
    open.min(MAX_NESTING)
}

struct Reader<'a> {
    code: &'a str,
    boundaries: Vec<Boundary>,
    items: Vec<Item>,
}

impl Reader<'_> {
    fn children(&mut self, parent: Node<'_>, depth: usize) {
        if depth > MAX_NESTING {
            return;
        }
        // Where the comments begin that stand directly above the next node, and the line after them.
        let mut above: Option<(usize, usize)> = None;
        let mut cursor = parent.walk();
        for node in parent.named_children(&mut cursor) {
            let line = self.line_start(node.start_byte());
            let begins_line = self.code[line..node.start_byte()].trim().is_empty();
            let row = node.start_position().row;
            let glued = above.take().filter(|(_, next)| begins_line && *next >= row).map(|(start, _)| start);
            if is_remark(&node) && begins_line {
                let end = node.end_position();
                let next = if end.column == 0 { end.row } else { end.row + 1 };
                above = Some((glued.unwrap_or(line), next));
            }
            let start = glued.unwrap_or(line);
            let is_new = |id: usize| self.items.last().is_none_or(|last| last.id != id);
            let item = item_of(node, 0).filter(|(item, _)| begins_line && is_new(item.id()));
            let is_first = depth > 0 && row == parent.start_position().row;
            if glued.is_none() && begins_line && !is_first {
                self.boundaries.push(Boundary::new(line, depth.min(MAX_DEPTH) as u8));
            }
            if let Some((item, body)) = item {
                let rank = depth.min(MAX_DEPTH) as u8;
                self.boundaries.push(Boundary { at: start, rank, opens: true });
                self.items.push(Item {
                    id: item.id(),
                    range: start..node.end_byte(),
                    label: self.label(item, body),
                    head: self.line_start(node.start_byte())..self.body_start(body),
                });
            }
            if node.end_position().row > row {
                self.children(node, depth + 1);
            }
        }
    }

    fn line_start(&self, at: usize) -> usize {
        self.code[..at].rfind('\n').map_or(0, |end| end + 1)
    }

    /// After the opening brace, or where the first statement is.
    fn body_start(&self, body: Node<'_>) -> usize {
        let start = body.start_byte();
        start + usize::from(self.code[start..].starts_with('{'))
    }

    /// What an item is called: what it is and its name, without attributes, visibility, parameters.
    fn label(&self, item: Node<'_>, body: Node<'_>) -> String {
        let mut cursor = item.walk();
        let is_extra = |node: &Node<'_>| {
            is_remark(node)
                || ["modifier", "template_parameter"].iter().any(|kind| node.kind().contains(kind))
        };
        let first = item.children(&mut cursor).find(|child| !is_extra(child)).unwrap_or(item);
        let (start, end) = match (item.child_by_field_name("name"), declared(item)) {
            (Some(name), _) => (first.start_byte().min(name.start_byte()), name.end_byte()),
            (None, Some(range)) => (range.start, range.end),
            (None, None) => (first.start_byte(), body.start_byte()),
        };
        let words: Vec<&str> = self.code[start..end.max(start)].split_whitespace().collect();
        let mut label = words.join(" ");
        label.truncate(label.floor_char_boundary(MAX_LABEL_BYTES));
        label
    }
}

/// A node that says something about the next one.
fn is_remark(node: &Node<'_>) -> bool {
    ["comment", "attribute_item", "decorator", "annotation"].iter().any(|kind| node.kind().contains(kind))
}

/// The bytes of the declared name of a C function, without its parameters.
fn declared(item: Node<'_>) -> Option<Range<usize>> {
    let declarator = item.child_by_field_name("declarator")?;
    let (start, mut inner) = (declarator.start_byte(), declarator);
    while let Some(deeper) = inner.child_by_field_name("declarator") {
        if inner.child_by_field_name("parameters").is_some() {
            return Some(start..deeper.end_byte());
        }
        inner = deeper;
    }
    Some(start..inner.end_byte())
}

/// The item that a node is or wraps, and its body.
fn item_of(node: Node<'_>, depth: usize) -> Option<(Node<'_>, Node<'_>)> {
    if let Some(body) = node.child_by_field_name("body") {
        let is_named = ["name", "declarator"].iter().any(|field| node.child_by_field_name(field).is_some());
        return (is_named || node.kind() == "impl_item").then_some((node, body));
    }
    // `const name = () => { ... }`
    if let Some(body) = node.child_by_field_name("value").and_then(|value| value.child_by_field_name("body"))
        && node.child_by_field_name("name").is_some()
    {
        return Some((node, body));
    }
    let wraps = ["decorated_definition", "export_statement", "template_declaration", "lexical_declaration"];
    if !wraps.contains(&node.kind()) || depth > 3 {
        return None;
    }
    let mut cursor = node.walk();
    node.named_children(&mut cursor).find_map(|child| item_of(child, depth + 1))
}
