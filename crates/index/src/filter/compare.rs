//! How two values of a filter and of a document compare.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use serde_json::Number;
use std::cmp::Ordering;

/// A number in the form in which equal ones are the same: all whole numbers
/// that JSON can hold in integers, and the bits of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Exact {
    Whole(i128),
    Real(u64),
}

impl Exact {
    pub(super) fn of(number: &Number) -> Self {
        if let Some(whole) = whole(number) {
            return Self::Whole(whole);
        }
        let real = number.as_f64().unwrap_or(f64::NAN);
        // Beyond 2^64 no integer of JSON is: the bits tell such numbers apart.
        if real.fract() == 0.0 && real.abs() <= u64::MAX as f64 {
            Self::Whole(real as i128)
        } else {
            Self::Real(real.to_bits())
        }
    }

    fn real(self) -> f64 {
        match self {
            Self::Whole(whole) => whole as f64,
            Self::Real(bits) => f64::from_bits(bits),
        }
    }

    /// By value, exactly: a float is not rounded to an integer, nor the other way round.
    pub(super) fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Whole(a), Self::Whole(b)) => Some(a.cmp(&b)),
            (Self::Whole(a), Self::Real(_)) => beside(a, other.real()),
            (Self::Real(_), Self::Whole(b)) => beside(b, self.real()).map(Ordering::reverse),
            (Self::Real(_), Self::Real(_)) => self.real().partial_cmp(&other.real()),
        }
    }
}

fn whole(number: &Number) -> Option<i128> {
    number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from))
}

fn beside(whole: i128, real: f64) -> Option<Ordering> {
    if real.is_nan() {
        return None;
    }
    Some(whole.cmp(&(real.trunc() as i128)).then_with(|| 0.0f64.total_cmp(&real.fract())))
}

/// The moment that a text names: `YYYY-MM-DD` (its midnight in UTC) or RFC 3339.
pub(super) fn moment(text: &str) -> Option<DateTime<Utc>> {
    // Nearly all texts are none: told without parsing.
    let bytes = text.as_bytes();
    if bytes.len() < 10 || !bytes[0].is_ascii_digit() || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    if bytes.len() == 10 {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text).ok().map(|moment| moment.with_timezone(&Utc))
}
