//! Which letters are asked for.

use super::letter::{Content, Story};
use chrono::{DateTime, Utc};
use ragstream_api::problem::Problem;
use ragstream_core::{
    fault::FaultKind,
    id::DocumentId,
    topics::{self, dead_letters_of, original_of},
};

/// A filter; what is not named is not asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    /// Only this dead-letter topic.
    pub(crate) topic: Option<String>,
    pub(crate) error_class: Option<String>,
    pub(crate) error_kind: Option<FaultKind>,
    pub(crate) document_id: Option<DocumentId>,
    /// Stored at this time or later.
    pub(crate) since: Option<DateTime<Utc>>,
    /// Stored before this time.
    pub(crate) until: Option<DateTime<Utc>>,
    pub(crate) redriven: Option<bool>,
}

impl Filter {
    /// The dead-letter topics that it asks for.
    pub(crate) fn topics(&self) -> Vec<String> {
        self.topic.clone().map_or_else(dead_letter_topics, |topic| vec![topic])
    }

    /// What the story alone decides: nothing has to be decoded for it.
    pub(crate) fn matches_story(&self, story: &Story) -> bool {
        let class = self.error_class.as_ref();
        let kind = self.error_kind.map(FaultKind::as_str);
        let at = story.stored_at;
        class.is_none_or(|class| story.error_class.as_ref() == Some(class))
            && kind.is_none_or(|kind| story.error_kind.as_deref() == Some(kind))
            && self.since.is_none_or(|since| at.is_some_and(|at| at >= since))
            && self.until.is_none_or(|until| at.is_some_and(|at| at < until))
    }

    /// What the record decides.
    pub(crate) fn matches_content(&self, content: &Content) -> bool {
        self.document_id.is_none_or(|id| content.ids.document_id == Some(id))
    }

    /// Whether the record has to be looked into.
    pub(crate) fn asks_for_content(&self) -> bool {
        self.document_id.is_some()
    }
}

/// The dead-letter topic of a name that a user gave: its own, or that of the
/// topic whose letters it holds.
pub(crate) fn topic_of(name: &str) -> Result<String, Problem> {
    let known = dead_letter_topics();
    let wanted = if original_of(name).is_some() { name.to_owned() } else { dead_letters_of(name) };
    if known.contains(&wanted) {
        return Ok(wanted);
    }
    let names: Vec<_> = known.iter().filter_map(|topic| original_of(topic)).collect();
    Err(Problem::unprocessable(
        "unknown_topic",
        format!("{name:?} is no topic with dead letters; these are: {}", names.join(", ")),
    ))
}

/// The kind of error that a user named.
pub(crate) fn kind_of(name: &str) -> Result<FaultKind, Problem> {
    // An outage makes no dead letters.
    [FaultKind::Invalid, FaultKind::Failed].into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
        Problem::unprocessable(
            "unknown_error_kind",
            format!("{name:?} is no kind of error: there are `invalid` and `failed`"),
        )
    })
}

fn dead_letter_topics() -> Vec<String> {
    topics::ALL.iter().filter(|topic| topic.consumed).map(|topic| dead_letters_of(topic.name)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn story() -> Story {
        Story {
            stored_at: "2026-01-02T00:00:00Z".parse().ok(),
            error_class: Some("corrupt_document".into()),
            error_kind: Some("invalid".into()),
            ..Story::default()
        }
    }

    #[test]
    fn a_topic_goes_by_either_of_its_names() {
        for name in ["chunk-processing", "chunk-processing.dlq"] {
            assert_eq!(topic_of(name).unwrap(), "chunk-processing.dlq");
        }
        for name in ["", ".dlq", "other", "chunk-processing.dlq.dlq", "__consumer_offsets"] {
            let problem = topic_of(name).unwrap_err();
            assert_eq!(problem.status, 422, "{name}");
            assert!(problem.detail.contains("doc-ingest-requests"), "{}", problem.detail);
        }
    }

    #[test]
    fn kinds_are_those_that_make_letters() {
        assert_eq!(kind_of("failed").unwrap(), FaultKind::Failed);
        assert_eq!(kind_of("unavailable").unwrap_err().status, 422);
    }

    #[test]
    fn an_empty_filter_matches_everything_and_every_field_can_refuse() {
        let story = story();
        assert!(
            Filter::default().matches_story(&story) && Filter::default().matches_story(&Story::default())
        );
        let time = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
        let all = Filter {
            error_class: story.error_class.clone(),
            error_kind: Some(FaultKind::Invalid),
            since: story.stored_at,
            until: time("2026-01-02T00:00:01Z"),
            ..Filter::default()
        };
        assert!(all.matches_story(&story));
        let others = [
            Filter { error_class: Some("other".into()), ..all.clone() },
            Filter { error_kind: Some(FaultKind::Failed), ..all.clone() },
            Filter { since: time("2026-01-02T00:00:01Z"), ..all.clone() },
            // Exclusive, so that days that follow each other share no letter.
            Filter { until: story.stored_at, ..all.clone() },
        ];
        for other in others {
            assert!(!other.matches_story(&story), "{other:?}");
        }
        assert!(!all.matches_story(&Story::default()), "a record that tells nothing");
    }

    #[test]
    fn one_topic_or_all() {
        let one = Filter { topic: Some("chunk-processing.dlq".into()), ..Filter::default() };
        assert_eq!(one.topics(), ["chunk-processing.dlq"]);
        assert!(Filter::default().topics().len() > 3);
    }
}
