//! PROTOCOLS 12: nothing comes again without a bound.

use jiff::SignedDuration;
use pointsman::domain::{Action, IssueNumber, Label};
use pointsman::machine::pace::Pace;
use pointsman::machine::step::Flow;

use crate::builders::ten;

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
