//! An answer as it is made.
//!
//! The query node's events are passed on as they come. The last one, `done`, is passed on once the message
//! and its answer are on record. Who goes away before takes the answer along: nothing is kept.

use super::keeper::Keeper;
use crate::query_nodes::answer::{self, DONE, ERROR, unreadable};
use axum::{body::Body, response::sse::Event};
use futures::{
    StreamExt,
    stream::{BoxStream, unfold},
};
use ragstream_api::problem::Problem;
use serde_json::{Map, Value};

/// The events of an answer, up to its end.
pub(super) fn told(answer: Body, keeper: Keeper) -> BoxStream<'static, Event> {
    unfold((answer::events(answer), keeper), async |(mut events, keeper)| {
        let event = match events.next().await? {
            Ok(last) if last.event == DONE => done(&last.data, &keeper).await,
            Ok(event) => Event::default().event(&event.event).data(&event.data),
            Err(problem) => error(&problem),
        };
        Some((event, (events, keeper)))
    })
    .boxed()
}

async fn done(answer: &str, keeper: &Keeper) -> Event {
    let kept = async {
        let mut answer: Map<String, Value> = serde_json::from_str(answer).map_err(|_| unreadable())?;
        keeper.keep(&mut answer).await?;
        Ok(Value::Object(answer))
    };
    match kept.await {
        Ok(answer) => Event::default().event(DONE).data(answer.to_string()),
        Err(problem) => error(&problem),
    }
}

fn error(problem: &Problem) -> Event {
    // A problem is strings and numbers, which are JSON.
    let data = serde_json::to_string(problem).unwrap_or_default();
    Event::default().event(ERROR).data(data)
}
