//! PROTOCOLS 12: nothing comes again without a bound.

use jiff::SignedDuration;
use pointsman::domain::{Action, IssueNumber, Label};
use pointsman::machine::pace::Pace;
use pointsman::machine::starting::decide::{Decision, Memory, decide};
use pointsman::machine::state::State;
use pointsman::machine::step::Flow;
use pointsman::machine::telling::status::{EDIT_EVERY, Notice};

use super::life::working_rules;
use crate::builders::{head, minutes, seen, ten};

const FLOW: Flow = Flow::Transition(IssueNumber(7));

fn remove() -> Action {
    Action::RemoveLabel {
        issue: IssueNumber(7),
        label: Label::new("QA"),
    }
}

/// How often an action is started in two hours if it is asked for every second.
fn starts(action: &Action, hours: i64) -> usize {
    let mut pace = Pace::default();
    let mut starts = 0;
    for second in 0..hours * 3600 {
        let now = ten() + SignedDuration::from_secs(second);
        pace.forget(now);
        if pace.again_at(&FLOW, action, now).is_none() {
            pace.started(&FLOW, action, now);
            starts += 1;
        }
    }
    starts
}

#[test]
fn what_does_not_last_is_done_fifty_times_an_hour_at_most() {
    let (one, three) = (starts(&remove(), 1), starts(&remove(), 3));
    assert!((10..=50).contains(&one), "{one} in the first hour");
    assert!(three <= 150, "{three} in three hours");
    let look = Action::ReadLabels {
        issue: IssueNumber(7),
    };
    assert_eq!(starts(&look, 1), 3600, "a look has pauses of its own");
}

/// Whoever follows an issue gets a mail for each edit: a write whose answer was lost counts, however long ago it was intended.
#[test]
fn a_status_comment_waits_a_minute_after_a_write_whose_answer_was_lost() {
    let issue = IssueNumber(7);
    let notice = Notice {
        written: Some("other words".to_owned()),
        at: minutes(-10),
        ..Notice::default()
    };
    let mut state = State::default();
    state.notices.insert(issue, notice);
    let says = |memory: &Memory, at| {
        let seen = seen(vec![head(7, "Add an FAQ", "bug")]);
        match decide(&working_rules(), &state, memory, &seen, at).0 {
            Decision::Act(act) => Ok(act.did),
            Decision::Wait(until) => Err(until),
            Decision::Look(questions) => panic!("{questions:?}"),
        }
    };
    let said = Ok("saying on #7 where it stands".to_owned());
    assert_eq!(says(&Memory::default(), ten()), said);
    let mut memory = Memory::default();
    memory.told.insert(issue, ten());
    let free = ten() + EDIT_EVERY;
    let second = SignedDuration::from_secs(1);
    assert_eq!(says(&memory, free - second), Err(Some(free)));
    assert_eq!(says(&memory, free), said);
}
