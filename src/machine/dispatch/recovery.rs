//! An agent that stopped because its provider failed is told to go on: after a growing pause, so many times, then a person is called.
//!
//! The word is a delivery like any other, with its intent and its receipt. Nothing is typed while the agent does anything, holds a
//! draft or has a person at it: only who stands still with an error takes it (`AgentState::stopped_since`).

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Dispatch, PaneSample, Phase, Purpose, Rules, Window};
use crate::machine::dispatch::flow::compose;
use crate::machine::state::State;
use crate::machine::step::Step;

/// The pause before each word of one dispatch: most outages are over within minutes, and a longer one is a person's.
const PAUSES: [SignedDuration; 3] = [
    SignedDuration::from_secs(30),
    SignedDuration::from_mins(2),
    SignedDuration::from_mins(8),
];
/// Words in an hour, over all dispatches of the project: whatever fails that often is no outage that passes.
const AN_HOUR_MAX: usize = 6;

/// Says when an agent is told to go on; `None` if it did not stop, or nothing more is tried.
fn due(
    state: &State,
    dispatch: &Dispatch,
    rules: &Rules,
    sample: &PaneSample,
) -> Option<(Timestamp, String)> {
    let stopped = sample.state.stopped_since()?;
    let errand = dispatch.opening.errand();
    if errand.is_some_and(|errand| !errand.is_counted()) {
        return None;
    }
    let is_its = Some(&sample.pane) == dispatch.pane.as_ref();
    let profile = rules.profiles.get(&dispatch.opening.profile)?;
    let word = profile.go_on.as_ref().filter(|_| is_its)?;
    let own = dispatch.deliveries.iter();
    let told: Vec<Timestamp> = own
        .filter_map(|id| state.deliveries.get(id))
        .filter(|delivery| delivery.purpose == Purpose::Resume)
        .map(|delivery| delivery.since)
        .collect();
    let pause = PAUSES.get(told.len())?;
    let since = told.last().map_or(stopped, |last| stopped.max(*last));
    let at = since.checked_add(*pause).ok()?;
    let hour = SignedDuration::from_hours(1);
    let lately = state.resumes.iter();
    let lately = lately.filter(|told| at.duration_since(**told) < hour);
    (lately.count() < AN_HOUR_MAX).then(|| (at, word.clone()))
}

/// Says what a dispatch needs whose agent stopped with an error.
pub(super) fn next(
    state: &State,
    dispatch: &Dispatch,
    rules: &Rules,
    sample: Option<&PaneSample>,
    now: Timestamp,
) -> Option<Step> {
    let (at, word) = due(state, dispatch, rules, sample?)?;
    (now >= at).then(|| compose(state, dispatch, Purpose::Resume, Some(word)))
}

/// Returns whether an agent that stopped will be told to go on by itself: until nothing more is tried, nobody is called.
pub fn is_hoped_for(state: &State, rules: &Rules, window: Window, sample: &PaneSample) -> bool {
    let works = |dispatch: &&Dispatch| dispatch.phase == Phase::Working;
    let dispatch = state.in_window(window).filter(works);
    dispatch.is_some_and(|dispatch| due(state, dispatch, rules, sample).is_some())
}
