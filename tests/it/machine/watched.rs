//! An agent at work: how much of its time counts as watched, and how often its issue is read meanwhile.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    Activity, Attention, CommentMode, IssueNumber, Observation, Phase, Rules, SingleRead, Verb,
    Window,
};
use pointsman::machine::engine::{Effect, Engine, Input};
use pointsman::machine::state::{State, Walk};

use super::life::{looked, report, working_rules};
use crate::builders::{dev, dispatch, minutes, pane, sample, ten};

const SEVEN: IssueNumber = IssueNumber(7);

fn silent_rules() -> Rules {
    let mut rules = working_rules();
    rules.comment = CommentMode::Off;
    rules
}

fn at_work() -> State {
    let mut dispatch = dispatch("d1", 7, "Add an FAQ", dev());
    (dispatch.prepared, dispatch.phase) = (true, Phase::Working);
    dispatch.confirmed_at = Some(minutes(-5));
    dispatch.pane = Some(pane());
    let mut state = State::default();
    state.dispatches.insert(dispatch.id().clone(), dispatch);
    state
}

/// Its agent is seen at work, and a single read says that it is wanted.
fn looked_at_work(at: Timestamp) -> Observation {
    let state = at_work();
    let opening = &state.dispatches.values().next().unwrap().opening;
    let labelling = opening.labelling().unwrap().clone();
    let mut seen = looked(at);
    let details = seen.details.get_mut(&SEVEN).unwrap();
    details.events[0].id = labelling.event;
    let SingleRead::Found(found) = &mut details.read else {
        panic!("it is there");
    };
    (found.0.id, found.0.repo) = (labelling.issue_id, labelling.repo);
    let busy = sample(Activity::Busy, Attention::None);
    seen.panes.insert(Window::AGENT, busy);
    seen
}

/// What counts as watched follows how often is looked. An agent in its own window is looked at every few seconds whatever the cycle: an
/// hour without a look is a suspend. A checker is looked at once a cycle: an hour is a suspend if that is a minute, and none if it is an
/// hour.
#[test]
fn a_long_cycle_watches_its_checkers_too_and_no_night_is_an_agents_work() {
    let watched = |window: Window, every: u64, gap: i64| {
        let mut rules = silent_rules();
        rules.looks_every = Duration::from_mins(every);
        let looked = |at: Timestamp| {
            let mut seen = looked_at_work(at);
            let sample = seen.panes.remove(&Window::AGENT).expect("it is seen");
            seen.panes.insert(window, sample);
            seen
        };
        let mut state = at_work();
        let dispatch = state.dispatches.values_mut().next().unwrap();
        dispatch.opening.window = window;
        let mut engine = Engine::new(state);
        engine.step(&rules, Input::Woken, ten());
        engine.step(&rules, Input::Seen(Box::new(looked(ten()))), ten());
        engine.step(&rules, Input::Woken, minutes(gap));
        let memory = engine.memory_for(&rules, &looked(minutes(gap)), minutes(gap));
        memory.observed.values().next().unwrap().as_mins()
    };
    let checker = |every, gap| watched(Window::Check, every, gap);
    assert_eq!(
        [checker(1, 15), checker(1, 16), checker(10, 15)],
        [15, 0, 15]
    );
    assert_eq!(
        [checker(60, 60), checker(60, 90), checker(60, 91)],
        [60, 90, 0]
    );
    let day = 24 * 60;
    assert_eq!([checker(24 * 60, day), checker(24 * 60, 2 * day)], [day, 0]);
    let maker = |every, gap| watched(Window::AGENT, every, gap);
    assert_eq!(
        [maker(60, 15), maker(60, 60), maker(24 * 60, day)],
        [15, 0, 0]
    );
}

/// Feeds what was seen, and takes what is written down; says whether a single read is asked for.
fn asks(engine: &mut Engine, rules: &Rules, seen: Observation, now: Timestamp) -> bool {
    let effects = engine.step(rules, Input::Seen(Box::new(seen)), now);
    let appends = |effect: &Effect| matches!(effect, Effect::Append { .. });
    if effects.iter().any(appends) {
        drop(engine.step(rules, Input::Appended, now));
    }
    let looks = |effect: &Effect| matches!(effect, Effect::Look(_));
    effects.iter().any(looks)
}

/// Returns the seconds of an hour at which the issue is read singly; it is looked at every five seconds, and seen as `listed` says.
fn reads(state: State, rules: &Rules, listed: impl Fn(&mut Observation, i64)) -> Vec<i64> {
    let mut engine = Engine::new(state);
    let mut reads = Vec::new();
    for second in (0..3600).step_by(5) {
        let now = ten() + SignedDuration::from_secs(second);
        engine.step(rules, Input::Woken, now);
        let mut seen = looked_at_work(now);
        let details = std::mem::take(&mut seen.details);
        listed(&mut seen, second);
        if asks(&mut engine, rules, seen.clone(), now) {
            reads.push(second);
            seen.details = details;
            assert!(!asks(&mut engine, rules, seen, now), "it was read");
        }
    }
    reads
}

/// A list may lack a label for long: what it goes on to say is looked into more and more rarely, however often an agent is looked at.
#[test]
fn what_a_list_goes_on_to_say_is_read_singly_at_growing_pauses() {
    let reads = reads(at_work(), &silent_rules(), |seen, second| {
        let listed = seen.heads.get_mut(&SEVEN).unwrap();
        listed.labels.clear();
        listed.updated_at = minutes(if second < 1800 { 0 } else { 30 });
    });
    assert!(reads.starts_with(&[0, 15, 30, 60, 120]), "{reads:?}");
    assert!(reads.contains(&1800), "it changed: {reads:?}");
    assert!(reads.len() < 25, "{reads:?}");
}

/// It is parked, its label is not there, and nobody is known to have taken it off: while something else holds it, that is looked into
/// more and more rarely too.
#[test]
fn a_park_label_that_is_gone_without_a_trace_is_looked_for_at_growing_pauses() {
    let mut state = State::default();
    let walk = Walk {
        parked: Some("no reason is known".to_owned()),
        ..Walk::default()
    };
    state.walks.insert(SEVEN, walk);
    state.paused = Some("alice".to_owned());
    let reads = reads(state, &silent_rules(), |_, _| {});
    assert!(reads.starts_with(&[0, 15, 30, 60, 120]), "{reads:?}");
    assert!(reads.len() < 20, "{reads:?}");
}

/// Its label is off, and while that is read the agent reports: the report is taken first, and what was read counts as not heard.
#[test]
fn a_read_that_a_report_overtook_is_made_again_at_once() {
    let mut engine = Engine::new(at_work());
    let rules = silent_rules();
    engine.step(&rules, Input::Woken, ten());
    let mut seen = looked_at_work(ten());
    let mut details = std::mem::take(&mut seen.details);
    seen.heads.get_mut(&SEVEN).unwrap().labels.clear();
    assert!(asks(&mut engine, &rules, seen.clone(), ten()));
    let SingleRead::Found(found) = &mut details.get_mut(&SEVEN).unwrap().read else {
        panic!("it is there");
    };
    found.0.labels.clear();
    let mut read = seen.clone();
    read.details = details;
    read.reports = vec![report("r1", "done", Verb::Done)];
    assert!(!asks(&mut engine, &rules, read, ten()), "it was read");
    assert!(!engine.state.reports.is_empty(), "the report is taken");
    let memory = engine.memory_for(&rules, &seen, ten());
    assert!(!memory.was_read(SEVEN, &seen, ten()), "it is read again");
}
