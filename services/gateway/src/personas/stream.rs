//! An answer as it is made.
//!
//! The query node's events are passed on as they come. The last one, `done`, is passed on once the message
//! and its answer are on record. Who goes away before takes the answer along: nothing is kept.

use super::{
    chat::{MAX_ANSWER_BYTES, broken_off, unreadable},
    keeper::Keeper,
};
use axum::{body::Body, response::sse::Event};
use eventsource_stream::Eventsource;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use ragstream_api::problem::Problem;
use serde_json::{Map, Value};

/// The events that end an answer.
const DONE: &str = "done";
const ERROR: &str = "error";

/// The events of an answer, up to its end.
pub(super) fn told(answer: Body, keeper: Keeper) -> BoxStream<'static, Event> {
    let mut read = 0;
    let pieces = answer.into_data_stream().map(move |piece| {
        let piece = piece.map_err(drop)?;
        read += piece.len();
        if read > MAX_ANSWER_BYTES { Err(()) } else { Ok(piece) }
    });
    let events = pieces.eventsource().boxed();
    stream::unfold(Some((events, keeper)), async |under_way| {
        let (mut events, keeper) = under_way?;
        match events.next().await {
            Some(Ok(last)) if last.event == DONE => Some((done(&last.data, &keeper).await, None)),
            Some(Ok(last)) if last.event == ERROR => Some((passed_on(&last), None)),
            Some(Ok(event)) => Some((passed_on(&event), Some((events, keeper)))),
            Some(Err(_)) | None => Some((error(&broken_off()), None)),
        }
    })
    .boxed()
}

fn passed_on(event: &eventsource_stream::Event) -> Event {
    Event::default().event(&event.event).data(&event.data)
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
