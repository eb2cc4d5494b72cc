//! A passage's sentences, each with where it begins.

use unicode_segmentation::UnicodeSegmentation;

/// Sentences by Unicode's rules (UAX #29), each within one line: a line break
/// ends a heading, a list item or a table row. Offsets are in bytes; white
/// space around a sentence is left out.
pub(crate) fn sentences(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.split_sentence_bound_indices().flat_map(|(start, sentence)| {
        let mut at = start;
        sentence.split_inclusive('\n').filter_map(move |line| {
            let begins = at + (line.len() - line.trim_start().len());
            at += line.len();
            let line = line.trim();
            (!line.is_empty()).then_some((begins, line))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_point_at_the_sentences() {
        let text = "# Title\n\nÄpfel are red. Are they?  Yes!\n- one\n- two 3.5 ok\n你好。世界。";
        let found: Vec<_> = sentences(text).collect();
        for (start, sentence) in &found {
            assert_eq!(&text[*start..start + sentence.len()], *sentence);
        }
        let texts: Vec<_> = found.into_iter().map(|(_, s)| s).collect();
        assert_eq!(
            texts,
            ["# Title", "Äpfel are red.", "Are they?", "Yes!", "- one", "- two 3.5 ok", "你好。", "世界。"]
        );
    }
}
