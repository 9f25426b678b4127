//! When a used-up allowance comes back, as an absolute time, out of a provider's words.

use std::sync::LazyLock;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use regex::{Captures, Regex};

use crate::machine::resolve::{UNTOLD_MAX, is_believed};

/// `limit reached|1795309386`, `resets 3pm (Europe/Berlin)`, `resets at 15:30`, `try again in 1h 20m`.
static EPOCH: LazyLock<Regex> = LazyLock::new(|| pattern(r"\|(\d{10})\b"));
static CLOCK: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:resets?|again)(?: at)? (\d{1,2})(?::(\d{2}))? ?(am|pm)?\b(?: \(([A-Za-z_]+(?:/[A-Za-z_+-]+)*)\))?",
    )
});
static SPAN: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r"(?i)(?:again|resets?) in (?:(\d+) ?d\w*)?,? ?(?:(\d+) ?h\w*)?,? ?(?:(\d+) ?m\w*)?,? ?(?:(\d+(?:\.\d+)?) ?s\w*)?",
    )
});

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a pattern of ours")
}

/// Returns whether words name an allowance that is used up, and not a provider that is only busy.
pub(super) fn is_named(words: &str) -> bool {
    let words = words.to_lowercase();
    ["usage limit", "limit reached", "hit your limit", "quota"]
        .iter()
        .any(|named| words.contains(named))
}

/// Returns when what was said then ends; `None` if it names neither a time nor an allowance.
pub(super) fn until(words: &str, at: Timestamp) -> Option<Timestamp> {
    let told = EPOCH
        .captures(words)
        .and_then(|found| Timestamp::from_second(found[1].parse().ok()?).ok())
        .or_else(|| SPAN.captures(words).and_then(|found| after(&found, at)))
        .or_else(|| CLOCK.captures(words).and_then(|found| clock(&found, at)));
    told.filter(|told| *told > at && is_believed(*told, at))
        .or_else(|| at.checked_add(UNTOLD_MAX).ok().filter(|_| is_named(words)))
}

fn after(found: &Captures<'_>, at: Timestamp) -> Option<Timestamp> {
    let whole = |index: usize| {
        let text = found.get(index).map_or("0", |part| part.as_str());
        text.split('.')
            .next()
            .and_then(|text| text.parse::<i64>().ok())
    };
    let seconds = whole(1)?.checked_mul(24 * 3600)?;
    let seconds = seconds.checked_add(whole(2)?.checked_mul(3600)?)?;
    let seconds = seconds.checked_add(whole(3)?.checked_mul(60)?)?;
    let seconds = seconds.checked_add(whole(4)?)?;
    at.checked_add(SignedDuration::from_secs(seconds)).ok()
}

/// The next time that a clock shows this; without a place, this machine's clock.
fn clock(found: &Captures<'_>, at: Timestamp) -> Option<Timestamp> {
    let hour: i8 = found[1].parse().ok()?;
    let minute: i8 = found
        .get(2)
        .map_or(Ok(0), |part| part.as_str().parse())
        .ok()?;
    if found.get(3).is_some() && !(1..=12).contains(&hour) {
        return None;
    }
    let hour = match found.get(3).map(|part| part.as_str().to_lowercase()) {
        Some(half) if half == "pm" => hour % 12 + 12,
        Some(_) => hour % 12,
        // A number alone is no time of day.
        None if found.get(2).is_none() => return None,
        None => hour,
    };
    let zone = match found.get(4) {
        Some(place) => TimeZone::get(place.as_str()).ok()?,
        None => TimeZone::system(),
    };
    let said = at.to_zoned(zone);
    let time = jiff::civil::Time::new(hour, minute, 0, 0).ok()?;
    let today = said.with().time(time).build().ok()?;
    let next = if today > said {
        today
    } else {
        today.checked_add(1.day()).ok()?
    };
    Some(next.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reset_is_an_absolute_time_or_five_hours_at_the_latest() {
        let at: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let cases = [
            ("usage limit reached|1795345200", "2026-11-22T11:00:00Z"),
            (
                "5-hour limit reached - resets 3pm (Europe/Berlin)",
                "2026-11-22T14:00:00Z",
            ),
            (
                "hit your limit, resets at 09:30 (UTC)",
                "2026-11-23T09:30:00Z",
            ),
            ("resets 12am (UTC)", "2026-11-23T00:00:00Z"),
            (
                "Rate limit reached. Try again in 1h 20m",
                "2026-11-22T11:20:00Z",
            ),
            ("please try again in 11.054s", "2026-11-22T10:00:11Z"),
            ("You exceeded your current quota", "2026-11-22T15:00:00Z"),
            ("usage limit reached|1700000000", "2026-11-22T15:00:00Z"),
            // Nobody's allowance is away for eight days: the ceiling counts.
            ("usage limit reached|9999999999", "2026-11-22T15:00:00Z"),
            ("quota: try again in 9d", "2026-11-22T15:00:00Z"),
            ("quota: try again in 6d 3h", "2026-11-28T13:00:00Z"),
        ];
        for (words, wanted) in cases {
            assert_eq!(until(words, at), Some(wanted.parse().unwrap()), "{words}");
        }
        for words in [
            "API Error: 500",
            "resets 3",
            "try again later",
            "resets 99pm",
        ] {
            assert_eq!(until(words, at), None, "{words}");
        }
        assert_eq!(until("quota", Timestamp::MAX), None, "no time is after it");
    }
}
