//! The part of the chat completions protocol that is needed:
//! <https://platform.openai.com/docs/api-reference/chat>.

use ragstream_core::ports::Prompt;
use serde::{Deserialize, Serialize};

/// What ends a stream.
pub(crate) const DONE: &str = "[DONE]";

#[derive(Serialize)]
pub(crate) struct Request<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    temperature: f32,
    max_tokens: u32,
    stream: bool,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> Request<'a> {
    pub(crate) fn new(prompt: &'a Prompt, model: &'a str) -> Self {
        let message = |(speaker, content): &'a (_, String)| {
            let speaker: &ragstream_core::ports::Speaker = speaker;
            Message { role: speaker.as_str(), content }
        };
        Self {
            model: prompt.model.as_deref().unwrap_or(model),
            messages: prompt.messages.iter().map(message).collect(),
            temperature: prompt.temperature,
            max_tokens: prompt.max_tokens,
            stream: true,
        }
    }
}

/// One event of the stream. Fields that are not known, and those that some servers leave out,
/// change nothing.
#[derive(Deserialize)]
pub(crate) struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    /// Some servers say so in the middle of a stream that went wrong.
    #[serde(default)]
    pub(crate) error: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<String>,
}

impl Chunk {
    /// The words that it adds; empty for an event about something else.
    pub(crate) fn into_text(self) -> String {
        self.choices.into_iter().next().and_then(|choice| choice.delta.content).unwrap_or_default()
    }
}
