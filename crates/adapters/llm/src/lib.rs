//! A language model behind the chat completions protocol of OpenAI, which hosted models and
//! local servers (llama.cpp, Ollama, vLLM) speak alike.
//!
//! What holds:
//! - An answer is read as it is written. What fails before its first word is tried again a few
//!   times, after what `Retry-After` says; after it nothing is, for words would come twice.
//! - Each wait has an end: for the connection, for the first word, between two words.
//! - Neither prompt, nor answer, nor key is in a log or an error.
//!
//! The client is our own: the crates there are for this bring a TLS of their own, write what
//! servers answer into the log, and refuse fields that other servers than OpenAI's send.

mod client;
mod config;
mod protocol;

pub use client::ChatModel;
pub use config::{BadAddress, ChatConfig, DEFAULT_CONTEXT_TOKENS};
