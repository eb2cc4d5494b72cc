//! Puts a message and its answer on record, both or none.

use crate::query_nodes::answer::unreadable;
use ragstream_api::problem::Problem;
use ragstream_core::{
    id::{PersonaId, SessionId},
    ports::{ChatSessions, Exchange},
};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Longest title made of a message, in characters: a line of a list.
const TITLE_CHARS: usize = 80;

/// What waits for its answer.
pub(super) struct Keeper {
    pub(super) sessions: Arc<dyn ChatSessions>,
    pub(super) persona_id: PersonaId,
    pub(super) session_id: SessionId,
    /// The conversation begins with it.
    pub(super) begins: bool,
    pub(super) message: String,
    /// No text is to be kept.
    pub(super) is_private: bool,
}

impl Keeper {
    /// Keeps the message with its answer, and tells the answer's reader in which conversation.
    pub(super) async fn keep(&self, answer: &mut Map<String, Value>) -> Result<(), Problem> {
        let text = answer.get("answer").and_then(Value::as_str).ok_or_else(unreadable)?;
        let citations = answer.get("citations").filter(|citations| citations.is_array());
        let mut exchange = Exchange {
            persona_id: self.persona_id,
            session_id: self.session_id,
            begins: self.begins,
            title: None,
            question: None,
            answer: None,
            citations: Value::Array(Vec::new()),
        };
        if !self.is_private {
            exchange.title = Some(title(&self.message));
            exchange.question = Some(self.message.clone());
            // PostgreSQL's text has no zeros.
            exchange.answer = Some(text.replace('\0', "\u{fffd}"));
            exchange.citations = citations.cloned().unwrap_or(exchange.citations);
        }
        if !self.sessions.add_exchange(&exchange).await? {
            return Err(Problem::not_found("the conversation was deleted before its answer was there"));
        }
        answer.insert("session_id".to_owned(), self.session_id.to_string().into());
        Ok(())
    }
}

/// The beginning of a message, on one line and up to the end of a word.
fn title(message: &str) -> String {
    let words = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let Some((end, _)) = words.char_indices().nth(TITLE_CHARS) else { return words };
    let cut = &words[..end];
    let cut = cut.rsplit_once(' ').map_or(cut, |(whole_words, _)| whole_words);
    format!("{cut}…")
}

#[cfg(test)]
mod tests {
    use super::title;

    #[test]
    fn a_title_is_a_line_of_whole_words() {
        assert_eq!(title(" When is\n high\ttide? "), "When is high tide?");
        let (words, word) = ("Ebbe und Flut ".repeat(9), "漢".repeat(200));
        assert_eq!(title(&words), format!("{}Ebbe und…", "Ebbe und Flut ".repeat(5)));
        assert_eq!(title(&word), format!("{}…", "漢".repeat(80)));
    }
}
