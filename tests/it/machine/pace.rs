//! PROTOCOLS 12: nothing comes again without a bound.

use jiff::SignedDuration;
use pointsman::domain::{Action, IssueNumber, Label, Outcome};
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

#[test]
fn a_fault_is_tried_again_after_a_pause_that_doubles_and_never_before_the_outside_says() {
    let mut pace = Pace::default();
    let mut pauses = Vec::new();
    for _ in 0..8 {
        let failed = Outcome::Failed {
            why: "no answer".to_owned(),
            until: ten() + SignedDuration::from_secs(15),
        };
        pace.started(&FLOW, &remove(), ten());
        let Outcome::Failed { until, .. } = pace.ended(&FLOW, &remove(), &failed, ten()) else {
            panic!("it failed");
        };
        pauses.push(until.duration_since(ten()).as_secs());
    }
    assert_eq!(pauses, [15, 20, 40, 80, 160, 320, 320, 320]);
    assert_eq!(pace.vain(&FLOW), 8);
    pace.ended(&FLOW, &remove(), &Outcome::Done, ten());
    assert_eq!(pace.vain(&FLOW), 0, "it works again");
}
