//! Log lines that would come with every request while something is down.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How often the same thing is said: an outage is a line at its beginning, and one a minute.
const EVERY: Duration = Duration::from_secs(60);

/// What this process said of outages, by the class of their faults: whoever meets one first
/// tells of it, for all who wait for the same part.
pub static OUTAGES: Seldom = Seldom::new();

/// Lets a line through once a minute, and counts those that it held back.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<BTreeMap<&'static str, (Instant, u64)>>);

impl Seldom {
    /// Nothing was said yet.
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Whether to say this (a class, never an id) now: `Some` with how often it was
    /// held back since it was last said.
    pub fn say(&self, what: &'static str, now: Instant) -> Option<u64> {
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match said.get_mut(what) {
            Some((last, held_back)) if now.saturating_duration_since(*last) < EVERY => {
                *held_back += 1;
                None
            }
            last => {
                let held_back = last.map_or(0, |(_, held_back)| *held_back);
                said.insert(what, (now, 0));
                Some(held_back)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_each_thing_once_in_a_while_and_how_often_it_was() {
        let (seldom, start) = (Seldom::new(), Instant::now());
        assert_eq!(seldom.say("a", start), Some(0));
        for _ in 0..3 {
            assert_eq!(seldom.say("a", start + EVERY / 2), None);
        }
        assert_eq!(seldom.say("b", start + EVERY / 2), Some(0));
        assert_eq!(seldom.say("a", start + EVERY), Some(3));
        assert_eq!(seldom.say("a", start + EVERY), None);
        assert_eq!(seldom.say("a", start + 2 * EVERY), Some(1));
    }
}
