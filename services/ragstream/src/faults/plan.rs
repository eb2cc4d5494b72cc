//! The plan: which passing of which point meets which fault.

use std::{
    fmt,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// A place where a fault can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    BeforeHandle,
    AfterEffect,
    AfterPublish,
    BeforeCommit,
    Embed,
}

impl Point {
    const ALL: [(Self, &'static str); 5] = [
        (Self::BeforeHandle, "before_handle"),
        (Self::AfterEffect, "after_effect"),
        (Self::AfterPublish, "after_publish"),
        (Self::BeforeCommit, "before_commit"),
        (Self::Embed, "embed"),
    ];

    /// Whether it is passed on the thread that has to poll.
    fn is_on_the_poll_thread(self) -> bool {
        matches!(self, Self::BeforeHandle | Self::BeforeCommit)
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(point, _)| point == self).map_or("", |(_, name)| name);
        f.write_str(name)
    }
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Crash,
    Unavailable(Duration),
    Hold(Duration),
    Delay(Duration),
}

#[derive(Debug)]
struct Fault {
    point: Point,
    action: Action,
    /// The passing that meets it; `None` is each.
    at: Option<u64>,
    passed: AtomicU64,
}

/// All faults of a process.
#[derive(Debug)]
pub(super) struct Plan {
    text: String,
    faults: Vec<Fault>,
}

impl Plan {
    /// As it was given.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// A point is passed: what happens now.
    pub(super) fn pass(&self, point: Point) -> Option<Action> {
        let mut action = None;
        for fault in self.faults.iter().filter(|fault| fault.point == point) {
            let nth = fault.passed.fetch_add(1, Ordering::Relaxed) + 1;
            if fault.at.is_none_or(|at| at == nth) {
                action = action.or(Some(fault.action));
            }
        }
        action
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let faults = text.split(',').map(|fault| fault.trim().parse());
        Ok(Self { text: text.to_owned(), faults: faults.collect::<Result<_, String>>()? })
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (point, rest) = text.split_once('=').ok_or_else(|| format!("{text:?} is not `point=action`"))?;
        let known = Point::ALL.iter().find(|(_, name)| *name == point);
        let point = known.map(|(point, _)| *point).ok_or_else(|| {
            let names: Vec<_> = Point::ALL.iter().map(|(_, name)| *name).collect();
            format!("{point:?} is no point: there are {}", names.join(", "))
        })?;
        let (action, at) = match rest.split_once('@') {
            None => (rest, None),
            Some((action, nth)) => {
                let nth = nth.parse().ok().filter(|nth| *nth > 0);
                (action, Some(nth.ok_or_else(|| format!("{rest:?}: after `@` stands a number from 1 on"))?))
            }
        };
        let action: Action = action.parse()?;
        let at = match action {
            Action::Delay(_) if at.is_some() => return Err(format!("{rest:?}: a delay is at each passing")),
            Action::Delay(_) if point.is_on_the_poll_thread() => {
                return Err(format!("{text:?}: a consumer that is late each time is no consumer"));
            }
            Action::Delay(_) => None,
            _ => Some(at.unwrap_or(1)),
        };
        Ok(Self { point, action, at, passed: AtomicU64::new(0) })
    }
}

impl FromStr for Action {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "crash" => Ok(Self::Crash),
            Some(("unavailable", time)) => Ok(Self::Unavailable(duration(time)?)),
            Some(("hold", time)) => Ok(Self::Hold(duration(time)?)),
            Some(("delay", time)) => Ok(Self::Delay(duration(time)?)),
            _ => Err(format!(
                "{text:?} is no action: there are crash, unavailable:TIME, hold:TIME and delay:TIME"
            )),
        }
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "ms" => Some(1),
        "s" => Some(1000),
        "m" => Some(60_000),
        _ => None,
    };
    let time = unit.zip(digits.parse::<u64>().ok()).and_then(|(unit, n)| n.checked_mul(unit));
    time.map(Duration::from_millis).ok_or_else(|| format!("{text:?} is no time: write 500ms, 5s or 2m"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn strikes_at_the_passing_that_is_named_and_at_no_other() {
        let text =
            "before_handle=crash@3, after_publish=unavailable:5s ,after_effect=hold:600ms@2,embed=delay:2m";
        let plan: Plan = text.parse().unwrap();
        let pass = |point| [1, 2, 3, 4].map(|_| plan.pass(point));
        assert_eq!(pass(Point::BeforeHandle), [None, None, Some(Action::Crash), None]);
        let outage = Action::Unavailable(Duration::from_secs(5));
        assert_eq!(pass(Point::AfterPublish), [Some(outage), None, None, None]);
        let hold = Action::Hold(Duration::from_millis(600));
        assert_eq!(pass(Point::AfterEffect), [None, Some(hold), None, None]);
        assert_eq!(pass(Point::Embed), [Some(Action::Delay(Duration::from_secs(120))); 4]);
        assert_eq!(pass(Point::BeforeCommit), [None; 4]);
        assert_eq!(plan.text(), text);
    }

    #[test]
    fn one_point_may_meet_several_faults() {
        let plan: Plan = "embed=hold:1s@1,embed=crash@2".parse().unwrap();
        assert_eq!(plan.pass(Point::Embed), Some(Action::Hold(Duration::from_secs(1))));
        assert_eq!(plan.pass(Point::Embed), Some(Action::Crash));
        assert_eq!(plan.pass(Point::Embed), None);
    }

    #[test]
    fn what_can_not_be_read_says_what_can() {
        for (wrong, hint) in [
            ("", "point=action"),
            ("crash", "point=action"),
            ("nowhere=crash", "before_commit"),
            ("embed=explode", "unavailable:TIME"),
            ("embed=crash:1s", "no action"),
            ("embed=hold", "no action"),
            ("embed=hold:5", "500ms"),
            ("embed=hold:s", "500ms"),
            ("embed=hold:-1s", "500ms"),
            ("embed=hold:99999999999999999999s", "500ms"),
            ("embed=hold:999999999999999999m", "500ms"),
            ("embed=crash@0", "from 1 on"),
            ("embed=crash@x", "from 1 on"),
            ("embed=delay:1s@2", "each passing"),
            ("before_handle=delay:1s", "late each time"),
            ("embed=crash,", "point=action"),
        ] {
            let error = wrong.parse::<Plan>().unwrap_err();
            assert!(error.contains(hint), "{wrong:?}: {error}");
        }
    }
}
