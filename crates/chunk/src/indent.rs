//! Source code of languages without a grammar: indentation and empty lines
//! tell what belongs together, in nearly all of them.

use crate::boundary::{Boundary, starts};

/// Columns of a tab.
const TAB: usize = 4;

/// Deeper lines are alike.
const MAX_LEVEL: usize = 4;

/// Lines at which the code may be cut; ranks 0 (not indented, after an empty
/// line) to 9. A line that closes a block stays with it, and one under a
/// comment with the comment.
pub fn boundaries(code: &str) -> Vec<Boundary> {
    let mut found = Vec::new();
    let (mut blank, mut comment) = (true, false);
    for (at, line) in starts(code, 0..code.len()) {
        let words = line.trim();
        if words.is_empty() {
            (blank, comment) = (true, false);
            continue;
        }
        let glued = !blank && comment;
        if at > 0 && !glued && !closes(words) {
            let columns: usize =
                line.chars().take_while(|c| c.is_whitespace()).map(|c| if c == '\t' { TAB } else { 1 }).sum();
            let level = columns.div_ceil(2).min(MAX_LEVEL);
            let rank = 2 * level + usize::from(!blank);
            found.push(Boundary { at, rank: rank as u8, opens: rank == 0 });
        }
        (blank, comment) = (false, is_comment(words));
    }
    found
}

fn closes(line: &str) -> bool {
    line.starts_with(['}', ')', ']'])
        || ["end", "else", "elif", "fi", "done", "esac", "then", "do", "begin", "*/", "\"\"\""]
            .iter()
            .any(|word| line.strip_prefix(word).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric)))
}

fn is_comment(line: &str) -> bool {
    ["//", "#", "--", "/*", "*", ";", "%", "'", "@", "(*", "{-", "|||"]
        .iter()
        .any(|mark| line.starts_with(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_begin_after_empty_lines_and_keep_their_comments_and_ends() {
        let code = "-- adds\nfunction add(a, b)\n  local c = a + b\n  return c\nend\n\n-- subtracts\nfunction sub()\nend\n";
        let cuts: Vec<_> = boundaries(code).iter().map(|b| (&code[b.at..b.at + 10], b.rank)).collect();
        assert_eq!(cuts, [("  local c ", 3), ("  return c", 3), ("-- subtrac", 0)]);
    }
}
