//! An answer that a model writes, checked while it is written.

use super::{
    Citations, UNANSWERED,
    claims::{Claims, Compare},
    prompt::Brief,
};
use crate::events::Sink;
use futures::StreamExt;
use ragstream_api::{problem::Problem, search::Passage};
use ragstream_core::{
    fault::Fault,
    ports::{LanguageModel, Prompt},
};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Words between the model and the check, and between the check and the reader: the model is
/// read no faster than somebody reads the answer.
const QUEUE: usize = 32;
/// Longest text that is read of a reply that is no answer (a rewritten question), in bytes.
const MAX_REPLY: usize = 4 * 1024;

/// What came of it.
pub(crate) struct Written {
    pub(crate) text: String,
    /// Whether the passages hold an answer.
    pub(crate) answered: bool,
    pub(crate) citations: Citations,
    /// Statements that were left out.
    pub(crate) dropped: usize,
}

/// Why there is no answer.
pub(crate) enum Unwritten {
    /// The model could not, or broke off.
    Model(Fault),
    /// Nobody reads it.
    Gone(Problem),
}

impl From<Problem> for Unwritten {
    fn from(problem: Problem) -> Self {
        Self::Gone(problem)
    }
}

/// Has `model` write, and gives the checked text away sentence by sentence. Citations go on
/// from those there are.
pub(crate) async fn write(
    model: &dyn LanguageModel,
    brief: &Brief<'_>,
    compare: Arc<dyn Compare>,
    mut citations: Citations,
    sink: &mut Sink,
) -> Result<Written, Unwritten> {
    let (prompt, used) = brief.prompt();
    let passages: Vec<Passage> = brief.passages[..used].to_vec();
    let free = brief.free;
    let mut words = model.write(&prompt).await.map_err(Unwritten::Model)?;
    let (to_check, mut unchecked) = mpsc::channel::<String>(QUEUE);
    let (to_reader, mut checked) = mpsc::channel::<String>(QUEUE);
    // Comparing meanings takes the processor.
    let checking = tokio::task::spawn_blocking(move || {
        let mut claims = Claims::new(&passages, &*compare, free);
        while let Some(words) = unchecked.blocking_recv() {
            let through = claims.push(&words, &mut citations);
            if !through.is_empty() && to_reader.blocking_send(through).is_err() {
                break;
            }
        }
        let rest = claims.finish(&mut citations);
        if !rest.is_empty() {
            // Where nobody is there to read it, nobody misses it.
            let _ = to_reader.blocking_send(rest);
        }
        (claims.said, claims.dropped, citations)
    });
    let reading = async {
        while let Some(words) = words.next().await {
            // The check ends early only where nobody reads.
            if to_check.send(words.map_err(Unwritten::Model)?).await.is_err() {
                break;
            }
        }
        drop(to_check);
        Ok::<_, Unwritten>(())
    };
    let giving = async {
        let mut text = String::new();
        while let Some(more) = checked.recv().await {
            sink.words(&more).await?;
            text.push_str(&more);
        }
        Ok::<_, Unwritten>(text)
    };
    let ((), text) = tokio::try_join!(reading, giving)?;
    let (said, dropped, citations) = checking.await.map_err(|error| {
        Unwritten::Model(
            Fault::failed("answer_panicked", "the check of the answer panicked").caused_by(error),
        )
    })?;
    let answered = said && !text.trim().is_empty();
    if !answered {
        sink.words(UNANSWERED).await?;
    }
    let text = if answered { text.trim().to_owned() } else { UNANSWERED.to_owned() };
    Ok(Written { text, answered, citations, dropped })
}

/// A short reply, as it is.
pub(crate) async fn reply(model: &dyn LanguageModel, prompt: &Prompt) -> Result<String, Fault> {
    let mut words = model.write(prompt).await?;
    let mut text = String::new();
    while let Some(more) = words.next().await {
        text.push_str(&more?);
        if text.len() > MAX_REPLY {
            break;
        }
    }
    Ok(text)
}
