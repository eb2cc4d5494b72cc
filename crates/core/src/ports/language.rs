use crate::fault::Result;
use async_trait::async_trait;
use futures::stream::BoxStream;

/// Which model writes answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguageModelInfo {
    /// Its name in answers.
    pub name: String,
    /// Tokens of question, passages and answer together that it reads.
    pub context_tokens: usize,
    /// Whether it runs on this machine: nothing that is sent to it leaves.
    pub is_local: bool,
}

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The one who sets the rules.
    System,
    /// The one who asks.
    User,
    /// The model.
    Assistant,
}

impl Speaker {
    /// The name in the chat protocol.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// What a model is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// The conversation, oldest first.
    pub messages: Vec<(Speaker, String)>,
    /// Another model of the same server.
    pub model: Option<String>,
    /// 0: always the likeliest word.
    pub temperature: f32,
    /// Longest answer, in tokens.
    pub max_tokens: u32,
}

/// A model that writes text.
#[async_trait]
pub trait LanguageModel: Send + Sync {
    /// The model.
    fn info(&self) -> &LanguageModelInfo;

    /// The answer, piece by piece as it is written. What fails before the first piece is
    /// tried again within; what breaks off after it is an error in the stream.
    ///
    /// # Errors
    /// `Unavailable`: it can't be reached, is overloaded or too slow. `Invalid`: it refuses the
    /// prompt (`llm_refused`), or the key (`llm_denied`). `Failed`: what it says is no answer.
    async fn write(&self, prompt: &Prompt) -> Result<BoxStream<'static, Result<String>>>;
}

/// Puts passages in order by reading each together with the question. Blocking and bound by the
/// processor: call it from a thread of its own.
pub trait Reranker: Send + Sync {
    /// Its name in answers.
    fn name(&self) -> &str;

    /// A score for each text, in order; only their order means something.
    fn rerank(&self, question: &str, texts: &[&str]) -> Result<Vec<f32>>;
}
