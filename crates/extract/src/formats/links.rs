//! Links and fields of word processors.

/// What a field does with its result: a link leads somewhere, the number of a
/// page is none of the text. The result is the text from `start` on.
pub fn end_field(text: &mut String, start: usize, code: &str) {
    let mut words = code.split_whitespace();
    match words.next().unwrap_or_default().to_ascii_uppercase().as_str() {
        "PAGE" | "NUMPAGES" | "SECTIONPAGES" => text.truncate(text.floor_char_boundary(start)),
        "HYPERLINK" => {
            let address = words.next().unwrap_or_default().trim_matches('"');
            link(text, start, address);
        }
        _ => {}
    }
}

/// Makes the text from `start` on a link, unless it is its own address.
pub fn link(text: &mut String, start: usize, address: &str) {
    // A field may have begun in a paragraph before.
    let Some(words) = text.get(start..) else { return };
    let (trimmed, address) = (words.trim(), address.trim());
    if trimmed.is_empty() || !address.contains(':') || trimmed == address || trimmed.contains(['\n', '[']) {
        return;
    }
    let before = &words[..words.len() - words.trim_start().len()];
    let after = &words[words.trim_end().len()..];
    let linked = format!("{before}[{trimmed}]({}){after}", address.replace(' ', "%20"));
    text.truncate(start);
    text.push_str(&linked);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_somewhere_and_page_numbers_go() {
        let ended = |text: &str, start, code| {
            let mut text = text.to_owned();
            end_field(&mut text, start, code);
            text
        };
        assert_eq!(
            ended("see  the page ", 4, " HYPERLINK \"https://a.b/c\" \\o x"),
            "see  [the page](https://a.b/c) "
        );
        assert_eq!(ended("https://a.b", 0, "HYPERLINK \"https://a.b\""), "https://a.b");
        assert_eq!(ended("chapter", 0, "HYPERLINK \\l \"_Toc1\""), "chapter");
        assert_eq!(ended("Page 7", 5, "PAGE \\* MERGEFORMAT"), "Page ");
        assert_eq!(ended("é7", 1, "PAGE"), "");
        assert_eq!(ended("x", 9, "HYPERLINK \"https://a.b\""), "x");
        assert_eq!(ended("May 5", 0, "DATE"), "May 5");
    }
}
