//! What fails again and again, what is in the way, and what must not spin, as data.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;
use pointsman::daemon::pace::{Jitter, Pace};
use pointsman::domain::{
    Action, Activity, Attention, Event, GateName, Hold, IssueNumber, Outcome, ProjectName,
    PullPlan, Verb, Window,
};
use pointsman::machine::dispatch::flow;
use pointsman::machine::dispatch::stall::{STALLS_MAX, again_at};
use pointsman::machine::evolve::evolve;
use pointsman::machine::starting::decide::{Decision, Memory, decide};
use pointsman::machine::state::{State, Walk};
use pointsman::machine::step::{Flow, Step};

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
    seen.panes.insert(Window::AGENT, idle);
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

/// What came of a step, settled again and again: where the issue stands after each, and why it was parked in the end.
fn settled(action: &Action, outcome: &Outcome) -> (Vec<&'static str>, Option<String>) {
    let (mut state, mut words) = (state(), Vec::new());
    for _ in 0..=STALLS_MAX {
        let dispatch = state.dispatches.values().next().expect("there is one");
        let step = flow::settle(&state, dispatch, &rules(), action, outcome, ten());
        let Step::Record(events) = step else {
            panic!("nothing is written down: {step:?}")
        };
        let parked = events.iter().find_map(|event| match event {
            Event::ParkIntended { why, .. } => Some(why.clone()),
            _ => None,
        });
        if parked.is_some() {
            return (words, parked);
        }
        for event in &events {
            evolve(&mut state, ten(), event).unwrap();
        }
        words.push(word(&state, &Memory::default()));
    }
    (words, None)
}

fn keep_pull() -> Action {
    Action::KeepPull {
        dispatch: Box::new(dispatch("d1", 7, "Add an FAQ", dev())),
        plan: Box::new(PullPlan {
            issue: IssueNumber(7),
            branch: "pointsman/7-faq".to_owned(),
            title: "Add an FAQ".to_owned(),
            evidence: String::new(),
            ready: false,
        }),
        known: None,
    }
}

#[test]
fn what_the_outside_refuses_is_told_at_once_slowed_and_handed_over_like_a_failure() {
    let refused = Outcome::Refused {
        why: "the token may not".to_owned(),
        hint: "give it the right".to_owned(),
        until: ten(),
    };
    let (words, parked) = settled(&keep_pull(), &refused);
    assert_eq!(words, ["blocked"; STALLS_MAX as usize - 1]);
    assert_eq!(
        parked.expect("it is a person's"),
        "`keep-pull` failed 16 times in a row. The last time: the token may not; give it the right"
    );
}

#[test]
fn a_tracker_that_is_down_parks_nothing_for_its_pull_request() {
    let failed = Outcome::Failed {
        why: "it is down".to_owned(),
        until: ten(),
    };
    let gate = Action::Gate {
        dispatch: Box::new(dispatch("d1", 7, "Add an FAQ", dev())),
        gate: GateName::Pr,
        report: Box::new(super::life::report("r1", "", Verb::Done)),
        ground: Box::default(),
    };
    for action in [keep_pull(), gate] {
        let (words, parked) = settled(&action, &failed);
        assert_eq!((words.last(), parked), (Some(&"failing"), None));
    }
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
        pointsman::machine::starting::open::place(
            &super::life::working_rules(),
            state,
            &seen(Vec::new()),
            &dev(),
            None,
        )
        .err()
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

/// The pauses between 500 cycles of a project.
fn pauses(project: &str, cycle: Duration) -> Vec<Duration> {
    let mut jitter = Jitter::of(&ProjectName::new(project));
    let drawn = (0..500).map(|_| {
        jitter.draw();
        jitter.pause(cycle)
    });
    drawn.collect()
}

#[test]
fn pauses_differ_by_a_tenth_at_most_and_are_the_same_in_every_run() {
    let minute = Duration::from_mins(1);
    let blog = pauses("blog", minute);
    assert_eq!(blog, pauses("blog", minute));
    assert_ne!(blog, pauses("shop", minute));
    let (least, most) = (blog.iter().min(), blog.iter().max());
    assert!(least >= Some(&Duration::from_secs(54)) && most <= Some(&Duration::from_secs(66)));
    assert!(blog.iter().collect::<BTreeSet<_>>().len() > 100);
    let mean = blog.iter().sum::<Duration>() / 500;
    assert!(mean.abs_diff(minute) < Duration::from_secs(1), "{mean:?}");
}

/// Two projects that begin together are apart soon, and no pause brings all of them together again.
#[test]
fn projects_that_start_together_drift_apart() {
    let day = |project: &str| {
        let mut at = Duration::ZERO;
        let pauses = pauses(project, Duration::from_mins(1));
        pauses
            .into_iter()
            .map(|pause| {
                at += pause;
                at
            })
            .collect::<Vec<_>>()
    };
    let (blog, shop) = (day("blog"), day("shop"));
    let near = blog.iter().filter(|at| {
        shop.iter()
            .any(|other| other.abs_diff(**at) < Duration::from_millis(250))
    });
    assert!(near.count() < 25, "of 500 cycles");
}
