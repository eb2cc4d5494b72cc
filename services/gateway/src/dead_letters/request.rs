//! What a request names.

use super::{
    cursor::Cursor,
    filter::{Filter, kind_of, topic_of},
    redrive::Order,
};
use ragstream_api::{
    dead_letters::{DEFAULT_REDRIVE, MAX_REDRIVE, RedriveRequest},
    problem::Problem,
};
use ragstream_core::{id::DocumentId, ports::Place};
use serde_json::Value;

/// Which letters a redrive is about.
pub(crate) enum Chosen {
    /// Those that match, from a place on.
    By {
        /// What they have in common.
        filter: Filter,
        /// Where to begin.
        cursor: Cursor,
    },
    /// These.
    Named(Vec<Place>),
}

/// The order that a request makes.
pub(crate) fn order_of(request: RedriveRequest, correlation_id: String) -> Result<Order, Problem> {
    let max = match request.max.unwrap_or(DEFAULT_REDRIVE) {
        max @ 1..=MAX_REDRIVE => max as usize,
        max => {
            return Err(Problem::unprocessable(
                "bad_limit",
                format!("max is {max}: give 1 to {MAX_REDRIVE}"),
            ));
        }
    };
    let filter = words_of(&request);
    let (dry_run, force) = (request.dry_run, request.force);
    let chosen = chosen(request)?;
    Ok(Order { chosen, filter, dry_run, max, force, correlation_id })
}

fn chosen(request: RedriveRequest) -> Result<Chosen, Problem> {
    let filter = Filter {
        topic: request.topic.as_deref().map(topic_of).transpose()?,
        error_class: request.error_class,
        error_kind: request.error_kind.as_deref().map(kind_of).transpose()?,
        document_id: request.document_id.map(DocumentId),
        since: request.since,
        until: request.until,
        redriven: request.redriven,
    };
    let Some(letters) = request.letters else {
        let cursor = request.before.as_deref().map(Cursor::decode).transpose()?.unwrap_or_default();
        return Ok(Chosen::By { filter, cursor });
    };
    if filter != Filter::default() || request.before.is_some() {
        return Err(Problem::unprocessable(
            "letters_and_filter",
            "the letters are named one by one and by a filter: give one of the two",
        ));
    }
    if letters.is_empty() || letters.len() > MAX_REDRIVE as usize {
        let message = format!("{} letters are named: name 1 to {MAX_REDRIVE}", letters.len());
        return Err(Problem::unprocessable("bad_limit", message));
    }
    let place = |letter: Place| Ok(Place { topic: topic_of(&letter.topic)?, ..letter });
    let places = letters.into_iter().map(|letter| place(letter.into())).collect::<Result<_, Problem>>()?;
    Ok(Chosen::Named(places))
}

/// What of a request goes on record: which letters it names, as it names them.
fn words_of(request: &RedriveRequest) -> Value {
    let mut words = serde_json::to_value(request).unwrap_or_default();
    if let Some(fields) = words.as_object_mut() {
        for field in ["dry_run", "force"] {
            fields.remove(field);
        }
    }
    words
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parsed(body: &str) -> Result<Order, Problem> {
        order_of(serde_json::from_str(body).unwrap(), "c".into())
    }

    #[test]
    fn a_filter_or_letters_and_the_words_of_it() {
        let order =
            parsed(r#"{"topic": "chunk-processing", "error_kind": "failed", "force": true}"#).unwrap();
        let Chosen::By { filter, cursor } = order.chosen else { panic!("no filter") };
        assert_eq!(filter.topic.as_deref(), Some("chunk-processing.dlq"));
        assert_eq!((cursor, order.max, order.force, order.dry_run), (Cursor::default(), 1_000, true, false));
        assert_eq!(order.filter, serde_json::json!({ "topic": "chunk-processing", "error_kind": "failed" }));

        let body = r#"{"letters": [{"topic": "chunk-processing", "partition": 0, "offset": 4}]}"#;
        let Chosen::Named(places) = parsed(body).unwrap().chosen else { panic!("no letters") };
        assert_eq!(places[0].to_string(), "chunk-processing.dlq/0/4");
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let letter = r#"{"topic": "chunk-processing", "partition": 0, "offset": 4}"#;
        for (body, class) in [
            (r#"{"max": 0}"#.to_owned(), "bad_limit"),
            (r#"{"max": 10001}"#.to_owned(), "bad_limit"),
            (r#"{"topic": "secrets"}"#.to_owned(), "unknown_topic"),
            (r#"{"error_kind": "bad"}"#.to_owned(), "unknown_error_kind"),
            (r#"{"before": "?"}"#.to_owned(), "bad_cursor"),
            (r#"{"letters": []}"#.to_owned(), "bad_limit"),
            (format!(r#"{{"letters": [{letter}], "error_class": "x"}}"#), "letters_and_filter"),
            (r#"{"letters": [{"topic": "x", "partition": 0, "offset": 4}]}"#.to_owned(), "unknown_topic"),
        ] {
            let problem = parsed(&body).err().unwrap();
            assert_eq!((problem.status, problem.kind), (422, format!("/problems/{class}")), "{body}");
        }
        // A slip of the pen must not name everything.
        assert!(serde_json::from_str::<RedriveRequest>(r#"{"error_clas": "x"}"#).is_err());
    }
}
