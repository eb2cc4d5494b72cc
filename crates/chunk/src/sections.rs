//! Sections: pieces of a text large enough to be cut into many chunks and
//! small enough that the splitter, whose work for one chunk grows with the
//! text that remains, takes time in proportion to the whole.

use std::ops::Range;

/// A section ends at the first good place after so many bytes: some forty chunks.
const SECTION_BYTES: usize = 32 << 10;

/// It ends after so many in any case.
const MAX_SECTION_BYTES: usize = 2 * SECTION_BYTES;

/// Cuts a text at `blocks` (the places where a block begins, in order), or
/// inside of a block where that is larger than a section: at an empty line, a
/// line, a blank, or any character, in this order of preference.
pub fn sections(text: &str, blocks: &[usize]) -> Vec<Range<usize>> {
    let mut sections = Vec::with_capacity(text.len() / SECTION_BYTES + 1);
    let mut start = 0;
    while text.len() - start > SECTION_BYTES {
        let (least, most) = (start + SECTION_BYTES, (start + MAX_SECTION_BYTES).min(text.len()));
        let block = blocks.get(blocks.partition_point(|&block| block < least)).copied();
        let end = match block.filter(|&block| block <= most) {
            Some(block) => block,
            None => best_end(text, least, most),
        };
        sections.push(start..end);
        start = end;
    }
    if start < text.len() {
        sections.push(start..text.len());
    }
    sections
}

/// The best place in a window to end a section at.
fn best_end(text: &str, least: usize, most: usize) -> usize {
    let (least, most) = (text.ceil_char_boundary(least), text.floor_char_boundary(most));
    let window = &text[least..most];
    let place = window
        .find("\n\n")
        .map(|at| at + 2)
        .or_else(|| window.find('\n').map(|at| at + 1))
        .or_else(|| window.find(char::is_whitespace));
    match place {
        Some(at) => least + at,
        None => most,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, blocks: &[usize]) -> Vec<Range<usize>> {
        let sections = sections(text, blocks);
        let mut end = 0;
        for section in &sections {
            assert_eq!(section.start, end);
            assert!(!section.is_empty() && section.len() <= MAX_SECTION_BYTES);
            assert!(text.is_char_boundary(section.end));
            end = section.end;
        }
        assert_eq!(end, text.len());
        sections
    }

    #[test]
    fn a_text_is_covered_whatever_it_is() {
        assert!(check("", &[]).is_empty());
        assert_eq!(check("short", &[0]).len(), 1);
        check(&"é".repeat(100_000), &[]);
        check(&"😀".repeat(50_000), &[0]);
        check(&"\n".repeat(100_000), &[]);
    }

    #[test]
    fn it_is_cut_where_it_hurts_least() {
        let block = format!("{}\n", "a line of text\n".repeat(300));
        let text = block.repeat(40);
        let blocks: Vec<usize> = (0..40).map(|i| i * block.len()).collect();
        for blocks in [&blocks[..], &[]] {
            let sections = check(&text, blocks);
            assert!(sections.len() > 2);
            for section in &sections {
                assert_eq!(section.start % block.len(), 0);
            }
        }
        for section in check(&"a line\n".repeat(50_000), &[]) {
            assert_eq!(section.start % 7, 0);
        }
    }
}
