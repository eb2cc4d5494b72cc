//! Which letters go back, and why the others do not.

use super::letter::Story;
use ragstream_api::dead_letters::SkippedLetters;
use ragstream_core::{
    fault::Result,
    ports::{LogEnds, Place, Redriven},
    topics::original_of,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// How often a record is sent back in all. Whoever did so three times and finds
/// it here again has not removed the cause; a script that sends back whatever it
/// finds would go round for ever.
const MAX_REDRIVES: u32 = 3;

/// What has to be known of a letter to judge it.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    place: Place,
    original: Option<Place>,
    /// How often its record was sent back, this letter's own redrives included.
    redrives: u32,
    value_omitted: bool,
    redriven: Option<Redriven>,
}

impl Candidate {
    pub(crate) fn new(place: Place, story: Story, redriven: Option<Redriven>) -> Self {
        Self {
            place,
            original: story.original,
            redrives: story.redrives.saturating_add(redriven.map_or(0, |redriven| redriven.times)),
            value_omitted: story.value_omitted,
            redriven,
        }
    }
}

/// A letter that goes back.
pub(crate) struct Approved {
    pub(crate) original: Place,
    /// How often its record was sent back, this time included.
    pub(crate) redrives: u32,
}

/// Letters that do not go back, by reason.
#[derive(Default)]
pub(crate) struct Skipped(BTreeMap<String, (u32, String)>);

impl Skipped {
    pub(crate) fn add(&mut self, reason: &str, detail: impl FnOnce() -> String) {
        self.0.entry(reason.to_owned()).or_insert_with(|| (0, detail())).0 += 1;
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, u32> {
        self.0.iter().map(|(reason, (count, _))| (reason.clone(), *count)).collect()
    }

    pub(crate) fn into_answer(self) -> Vec<SkippedLetters> {
        let letters = |(reason, (count, detail))| SkippedLetters { reason, count, detail };
        self.0.into_iter().map(letters).collect()
    }
}

/// Which letters go back, of several of one record the oldest; the reasons of the others.
pub(crate) async fn judge(
    mut candidates: Vec<Candidate>,
    force: bool,
    ends: &dyn LogEnds,
    skipped: &mut Skipped,
) -> Result<HashMap<Place, Approved>> {
    candidates.sort_by(|a, b| a.place.cmp(&b.place));
    let mut partitions: HashMap<String, BTreeSet<i32>> = HashMap::new();
    let mut taken: HashSet<Place> = HashSet::new();
    let mut approved = HashMap::new();
    for candidate in candidates {
        let Candidate { place, original, redrives, value_omitted, redriven } = candidate;
        let Some(original) = original else {
            skipped
                .add("no_origin", || format!("the headers of {place} do not say where its record came from"));
            continue;
        };
        if original_of(&place.topic) != Some(original.topic.as_str()) {
            skipped.add("wrong_origin", || {
                format!("{place} lies in {} and says that it came from {}", place.topic, original.topic)
            });
            continue;
        }
        if value_omitted {
            skipped.add("value_omitted", || {
                format!("{place} lacks its value, which was too large: copy the record at {original}")
            });
            continue;
        }
        if !partitions.contains_key(&original.topic) {
            let ends = ends.ends(&original.topic).await?;
            partitions.insert(original.topic.clone(), ends.into_keys().collect());
        }
        if !partitions[&original.topic].contains(&original.partition) {
            skipped.add("partition_missing", || {
                format!("{place} came from {original}: that topic has no such partition any more")
            });
            continue;
        }
        if let Some(redriven) = redriven.filter(|_| !force) {
            skipped.add("already_redriven", || {
                format!("{place} was sent back at {}; `force` sends it again", redriven.at.to_rfc3339())
            });
            continue;
        }
        if redrives >= MAX_REDRIVES && !force {
            skipped.add("too_many_redrives", || {
                format!(
                    "the record of {place} was sent back {redrives} times and failed each time: remove \
                     the cause first, then `force` sends it again"
                )
            });
            continue;
        }
        if !taken.insert(original.clone()) {
            skipped.add("same_record", || {
                format!("{place} is another letter of the record at {original}, which goes back once")
            });
            continue;
        }
        approved.insert(place, Approved { original, redrives: redrives.saturating_add(1) });
    }
    Ok(approved)
}
