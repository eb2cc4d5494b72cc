//! What a chunk is embedded with: the headings above it, as far as the model has room.
//!
//! A paragraph under "Fees > Pilots" may name neither word. Its text is cut to fewer
//! tokens than the model reads (`crates/chunk`), and what is left is for its headings.

use ragstream_core::chunk::Chunk;

/// Between headings, as in a breadcrumb.
const BETWEEN: &str = " > ";

/// Characters that are taken for a token. English has four and more; where that is too many, the
/// model refuses the text, and the chunk is embedded without its headings.
const CHARACTERS_PER_TOKEN: usize = 3;

/// The chunk's text under its headings, the innermost of them first to be kept; `None` where there
/// is none to say, or no room.
pub fn with_headings(chunk: &Chunk, model_tokens: usize) -> Option<String> {
    let mut room = model_tokens.saturating_sub(chunk.tokens as usize) * CHARACTERS_PER_TOKEN;
    let mut kept: Vec<&str> = Vec::new();
    for heading in chunk.headings.iter().rev().map(|heading| heading.trim()) {
        // The text of a section's first chunk begins with it.
        let is_said = chunk.text.trim_start_matches(['#', ' ']).starts_with(heading);
        if heading.is_empty() || (kept.is_empty() && is_said) {
            continue;
        }
        let Some(left) = room.checked_sub(heading.chars().count() + BETWEEN.len()) else { break };
        room = left;
        kept.push(heading);
    }
    if kept.is_empty() {
        return None;
    }
    kept.reverse();
    Some(format!("{}\n\n{}", kept.join(BETWEEN), chunk.text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ragstream_core::id::{ChunkId, DocumentId, Version};

    fn chunk(text: &str, headings: &[&str], tokens: u32) -> Chunk {
        Chunk {
            id: ChunkId::derive(DocumentId::generate(), Version(1), "c", 0),
            position: 0,
            text: text.into(),
            span: 0..text.len() as u64,
            page: None,
            headings: headings.iter().map(|heading| (*heading).to_owned()).collect(),
            tokens,
        }
    }

    #[test]
    fn headings_stand_above_the_text() {
        let fees = chunk("Nine guilders.", &["Harbour", "Fees", "Pilots"], 4);
        assert_eq!(with_headings(&fees, 254).unwrap(), "Harbour > Fees > Pilots\n\nNine guilders.");
        assert_eq!(with_headings(&chunk("Nine guilders.", &[], 4), 254), None);
        assert_eq!(with_headings(&chunk("Nine guilders.", &["  "], 4), 254), None);
    }

    #[test]
    fn a_heading_that_the_text_begins_with_is_not_said_twice() {
        let first = chunk("## Pilots\n\nNine guilders.", &["Fees", "Pilots"], 8);
        assert_eq!(with_headings(&first, 254).unwrap(), "Fees\n\n## Pilots\n\nNine guilders.");
    }

    #[test]
    fn the_innermost_headings_come_first_where_there_is_little_room() {
        let long = "a heading of forty characters and no less";
        let narrow = chunk("Nine guilders.", &[long, "Pilots"], 250);
        assert_eq!(with_headings(&narrow, 254).unwrap(), "Pilots\n\nNine guilders.");
        assert_eq!(with_headings(&narrow, 250), None);
    }
}
