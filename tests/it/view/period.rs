//! What happened in a period: counted from events alone, written as Markdown.

use insta::assert_snapshot;
use jiff::Timestamp;
use pointsman::domain::*;
use pointsman::view::{Counter, Period, render_period};

use super::row;
use crate::builders::{alice, dev, minutes, opening, prep, review, sha, ten};

fn opened(id: &str, issue: u64, stage: Stage) -> Event {
    Event::DispatchOpened {
        opening: Box::new(opening(id, issue, "Add a | FAQ", stage)),
    }
}

fn again(id: &str, issue: u64, stage: Stage) -> Event {
    let mut opening = opening(id, issue, "Add a | FAQ", stage);
    opening.attempt = 2;
    Event::DispatchOpened {
        opening: Box::new(opening),
    }
}

fn gate(id: &str, gate: GateName, holds: bool) -> Event {
    Event::GateFinished {
        dispatch: DispatchId::new(id),
        evidence: row(gate, holds, "it was measured"),
    }
}

fn closed(id: &str, cause: Cause) -> Event {
    Event::DispatchClosed {
        dispatch: DispatchId::new(id),
        cause,
    }
}

fn verified() -> Cause {
    Cause::Verified {
        subject: Some(sha("c")),
        reported: true,
    }
}

fn done(issue: u64) -> [Event; 2] {
    let transition = Transition {
        issue: IssueNumber(issue),
        from: review().label,
        to: Next::Done,
        dispatch: None,
        after: None,
        rework: false,
        at: ten(),
        unchanged_since: None,
        step: TransitionStep::Intended,
    };
    let settled = Event::TransitionSettled {
        issue: IssueNumber(issue),
        outcome: Settled::Moved { event: None },
    };
    [Event::TransitionIntended { transition }, settled]
}

/// A morning: #12 is planned before nine, built and sent back after it; #9 goes to a person; #7 is done.
fn morning() -> Vec<(i64, &'static str, Event)> {
    let findings = "An empty name is stored".to_owned();
    let park = Event::ParkIntended {
        issue: IssueNumber(9),
        label: Label::new("needs-human"),
        why: "3 attempts failed".into(),
    };
    let [intended, settled] = done(7);
    vec![
        (-70, "blog", opened("aaaaaa", 12, prep())),
        (-65, "blog", closed("aaaaaa", verified())),
        (-62, "blog", opened("bbbbbb", 12, dev())),
        (-50, "blog", gate("bbbbbb", GateName::Branch, true)),
        (-49, "blog", gate("bbbbbb", GateName::Build, false)),
        (-45, "blog", gate("bbbbbb", GateName::Build, true)),
        (-44, "blog", closed("bbbbbb", verified())),
        (-40, "blog", opened("cccccc", 12, review())),
        (-30, "blog", closed("cccccc", Cause::Rework { findings })),
        (-25, "shop", opened("dddddd", 9, prep())),
        (
            -20,
            "shop",
            Event::QuestionPublished {
                dispatch: DispatchId::new("dddddd"),
                comment: None,
            },
        ),
        (
            -15,
            "shop",
            closed(
                "dddddd",
                Cause::Failed {
                    why: "no such page".into(),
                },
            ),
        ),
        (-14, "shop", park),
        (
            -13,
            "shop",
            Event::IssueParked {
                issue: IssueNumber(9),
            },
        ),
        (
            -12,
            "blog",
            Event::Overridden {
                issue: IssueNumber(12),
                by: alice(),
                from: None,
                to: Label::new("QA"),
                event: LabelEventId::new("1"),
                rework: false,
            },
        ),
        (-11, "blog", again("ffffff", 12, dev())),
        (-10, "blog", intended),
        (-9, "blog", settled),
        (0, "blog", opened("eeeeee", 12, dev())),
    ]
}

fn counted(since: Timestamp, until: Timestamp) -> Period {
    let mut counter = Counter::new(since, until);
    for (at, project, event) in morning() {
        counter.take(project, minutes(at), &event);
    }
    counter.report()
}

#[test]
fn a_period_is_told_from_events_alone() {
    let period = counted(minutes(-60), ten());
    assert_snapshot!("period", render_period(&period));
    let json = serde_json::to_string(&period).expect("plain data");
    let back: Period = serde_json::from_str(&json).expect("what was written can be read");
    assert_eq!(back, period);
}

#[test]
fn the_parts_of_a_day_add_up_to_the_day() {
    let opened = |period: &Period| period.rows.iter().map(|row| row.tally.opened).sum::<u32>();
    let bounces = |period: &Period| period.rows.iter().map(|row| row.tally.bounces).sum::<u32>();
    let whole = counted(minutes(-600), minutes(600));
    let (early, late) = (
        counted(minutes(-600), minutes(-40)),
        counted(minutes(-40), minutes(600)),
    );
    assert_eq!((opened(&whole), opened(&early), opened(&late)), (6, 2, 4));
    assert_eq!(
        (bounces(&whole), bounces(&early), bounces(&late)),
        (1, 0, 1)
    );
}

#[test]
fn a_period_without_events_says_so() {
    let text = render_period(&counted(minutes(60), minutes(120)));
    assert_eq!(
        text,
        "# Pointsman, 2026-11-20 11:00 UTC to 2026-11-20 12:00 UTC\n\nNothing happened.\n"
    );
}
