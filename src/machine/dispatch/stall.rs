//! What fails is tried again: at its own pace first, then more and more slowly. A person is told, and in the end has the issue.
//!
//! A run of failures ends with the first step that succeeds; the fold counts it (`evolve::stall`). What the outside refuses counts as
//! one and is told at once. What only a person can clear away is no failure: it is theirs at once, is looked at again for as long as
//! it takes, and is written down when it changes.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Action, Dispatch, Event, GateName, Hold, Rules, Stall};
use crate::machine::dispatch::flow::park;
use crate::machine::dispatch::watchdog;
use crate::machine::state::State;
use crate::machine::step::Step;

/// Failures in a row after which a person is told: a minute or two.
pub const STALLS_TOLD: u32 = 5;
/// And after which the issue is a person's: half an hour more.
pub const STALLS_MAX: u32 = 16;
/// The pause after a person was told. It doubles from then on.
const SLOWER: SignedDuration = SignedDuration::from_secs(30);
/// It doubles this often at most: what a person has mended goes on within four minutes.
const SLOWER_DOUBLINGS_MAX: u32 = 3;

/// Returns when what failed for the nth time in a row is tried again; `until` is when it makes sense at all.
pub fn again_at(times: u32, until: Timestamp, now: Timestamp) -> Timestamp {
    match times.checked_sub(STALLS_TOLD) {
        None => until,
        Some(more) => until.max(now + SLOWER * (1 << more.min(SLOWER_DOUBLINGS_MAX))),
    }
}

/// Says where what failed `times` in a row stands.
pub fn standing(times: u32, why: &str, until: Timestamp) -> Hold {
    let why = why.to_owned();
    if times < STALLS_TOLD {
        Hold::Stalled { why, until }
    } else {
        Hold::Failing { times, why, until }
    }
}

/// Says where a stalled dispatch stands. What a person is told does not come and go with each try.
pub fn hold(stall: &Stall, at: Timestamp) -> Option<Hold> {
    if let Some(hold) = &stall.hold {
        return Some(hold.clone());
    }
    (stall.until > at || stall.times >= STALLS_TOLD)
        .then(|| standing(stall.times, &stall.why, stall.until))
}

/// Why a step of a dispatch came to nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failure<'a> {
    pub(super) why: &'a str,
    /// What a person can do, if the outside answered and said no.
    pub(super) hint: Option<&'a str>,
    /// It makes no sense before.
    pub(super) until: Timestamp,
}

/// A step of a dispatch failed.
pub(super) fn failed(
    state: &State,
    dispatch: &Dispatch,
    rules: &Rules,
    action: &Action,
    failure: Failure<'_>,
    now: Timestamp,
) -> Step {
    let Failure { why, hint, until } = failure;
    let times = dispatch.stalled.as_ref().map_or(0, |stall| stall.times) + 1;
    let waits = hint.is_none() && asks_the_tracker(action);
    if times >= STALLS_MAX && dispatch.is_open() && !waits {
        let what = action.word();
        let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
        let why = format!("`{what}` failed {times} times in a row. The last time: {why}{hint}");
        let settled = watchdog::settled_by(state, dispatch, &why);
        return match park(dispatch, rules, why) {
            Step::Record(events) => Step::Record(settled.into_iter().chain(events).collect()),
            other => other,
        };
    }
    Step::Record(vec![Event::DispatchStalled {
        dispatch: dispatch.id().clone(),
        why: why.to_owned(),
        until: again_at(times, until, now),
        hold: hint.map(|hint| Hold::Blocked {
            why: why.to_owned(),
            hint: hint.to_owned(),
        }),
    }])
}

/// A tracker that is down takes no park either: what waits for it goes on when it is back.
fn asks_the_tracker(action: &Action) -> bool {
    matches!(
        action,
        Action::Compose { .. }
            | Action::Publish { .. }
            | Action::KeepPull { .. }
            | Action::RemoveLabel { .. }
            | Action::Gate {
                gate: GateName::Pr,
                ..
            }
    )
}

/// A step of a dispatch waits for a person.
pub(super) fn held(dispatch: &Dispatch, hold: &Hold, until: Timestamp) -> Step {
    let known = dispatch
        .stalled
        .as_ref()
        .and_then(|stall| stall.hold.as_ref());
    if known == Some(hold) {
        return Step::Rest;
    }
    Step::Record(vec![Event::DispatchStalled {
        dispatch: dispatch.id().clone(),
        why: hold.to_string(),
        until,
        hold: Some(hold.clone()),
    }])
}
