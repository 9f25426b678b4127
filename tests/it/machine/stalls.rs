//! What fails again and again, what is in the way, and what must not spin, as data.

use std::time::Duration;

use jiff::SignedDuration;
use pointsman::daemon::pace::Pace;
use pointsman::domain::{Activity, Attention, Event, Hold, IssueNumber, Window};
use pointsman::machine::decide::{Decision, Memory, decide};
use pointsman::machine::evolve::evolve;
use pointsman::machine::stall::again_at;
use pointsman::machine::state::{State, Walk};
use pointsman::machine::step::Flow;

use crate::builders::{dev, dispatch, minutes, rules, sample, seen, ten};

fn stalled(hold: Option<Hold>) -> Event {
    Event::DispatchStalled {
        dispatch: pointsman::domain::DispatchId::new("d1"),
        why: "the tree cannot be prepared".to_owned(),
        until: ten(),
        hold,
    }
}

fn state() -> State {
    let dispatch = dispatch("d1", 7, "Add an FAQ", dev());
    let mut state = State::default();
    state.dispatches.insert(dispatch.id().clone(), dispatch);
    state
}

fn word(state: &State, memory: &Memory) -> &'static str {
    let mut seen = seen(Vec::new());
    let idle = sample(Activity::Idle { since: ten() }, Attention::None);
    seen.panes.insert(Window::Agent, idle);
    let (_, standing) = decide(&rules(), state, memory, &seen, minutes(1));
    standing.get(&IssueNumber(7)).map_or("nothing", Hold::word)
}

#[test]
fn failures_in_a_row_are_told_and_one_success_ends_them() {
    let mut state = state();
    let mut words = Vec::new();
    for _ in 0..6 {
        evolve(&mut state, ten(), &stalled(None)).unwrap();
        words.push(word(&state, &Memory::default()));
    }
    assert_eq!(words[3..], ["in-hand", "failing", "failing"]);
    let prepared = Event::TreePrepared {
        dispatch: pointsman::domain::DispatchId::new("d1"),
        base: None,
        known: Vec::new(),
    };
    evolve(&mut state, ten(), &prepared).unwrap();
    evolve(&mut state, ten(), &stalled(None)).unwrap();
    assert_eq!(word(&state, &Memory::default()), "in-hand");
}

#[test]
fn what_a_person_has_to_clear_away_is_said_at_once_and_counts_as_no_failure() {
    let mut state = state();
    for _ in 0..4 {
        evolve(&mut state, ten(), &stalled(None)).unwrap();
    }
    let files = vec!["src/app.ts".to_owned()];
    let dirty = Some(Hold::TreeDirty { files });
    evolve(&mut state, ten(), &stalled(dirty)).unwrap();
    assert_eq!(word(&state, &Memory::default()), "tree-dirty");
    evolve(&mut state, ten(), &stalled(None)).unwrap();
    assert_eq!(word(&state, &Memory::default()), "in-hand");
}

#[test]
fn the_pauses_grow_once_a_person_was_told() {
    let soon = ten() + SignedDuration::from_secs(15);
    let seconds = |times| again_at(times, soon, ten()).duration_since(ten()).as_secs();
    let pauses: Vec<i64> = (1..=10).map(seconds).collect();
    assert_eq!(pauses, [15, 15, 15, 15, 30, 60, 120, 240, 240, 240]);
    // A limit that names its own end is waited for.
    assert_eq!(again_at(9, minutes(60), ten()), minutes(60));
}

#[test]
fn a_merge_that_fails_again_and_again_is_told_until_it_succeeds() {
    let mut state = State::default();
    let walk = Walk {
        approved: Some("alice".to_owned()),
        ..Walk::default()
    };
    state.walks.insert(IssueNumber(7), walk);
    let mut memory = Memory::default();
    let flow = Flow::Merge(IssueNumber(7));
    for _ in 0..5 {
        memory.failed(&flow, "the remote rejected it", ten(), ten());
    }
    assert_eq!(word(&state, &memory), "failing");
}

#[test]
fn a_ledger_from_before_says_that_it_failed() {
    let body = r#"{"kind":"dispatch-stalled","dispatch":"d1","why":"the tree cannot be prepared","until":"2026-11-20T10:00:00Z"}"#;
    let event: Event = serde_json::from_str(body).unwrap();
    assert_eq!(event, stalled(None));
    assert_eq!(serde_json::to_string(&event).unwrap(), body);
}

#[test]
fn a_window_that_cannot_be_cleared_away_is_told_to_those_who_wait_for_it() {
    let mut state = state();
    let closed = Event::DispatchClosed {
        dispatch: pointsman::domain::DispatchId::new("d1"),
        cause: pointsman::domain::Cause::TimedOut,
    };
    evolve(&mut state, ten(), &closed).unwrap();
    let hold = |state: &State| {
        pointsman::machine::open::session_hold(
            &super::life::working_rules(),
            state,
            &seen(Vec::new()),
            &dev(),
        )
    };
    assert_eq!(hold(&state).map(|hold| hold.word()), Some("session-taken"));
    for _ in 0..5 {
        evolve(&mut state, ten(), &stalled(None)).unwrap();
    }
    assert_eq!(hold(&state).map(|hold| hold.word()), Some("failing"));
    assert!(matches!(
        decide(
            &super::life::working_rules(),
            &state,
            &Memory::default(),
            &seen(Vec::new()),
            minutes(1)
        )
        .0,
        Decision::Act(_)
    ));
}

#[test]
fn a_state_that_wakes_itself_begins_twenty_cycles_and_then_one_a_second() {
    let start = tokio::time::Instant::now();
    let (mut pace, mut now, mut cycles) = (Pace::default(), start, 0);
    while now < start + Duration::from_mins(1) {
        if pace.pause(now).is_zero() {
            pace.begin(now);
            cycles += 1;
        }
        // An outcome comes at once, and wants the next cycle.
        now += Duration::from_millis(5);
    }
    assert!((70..=80).contains(&cycles), "{cycles}");
    pace.tick();
    assert!(pace.pause(now).is_zero());
}
