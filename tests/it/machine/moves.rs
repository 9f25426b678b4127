//! PROTOCOLS 6 as data: what a move does with the labels it finds and with what happened to them since its intent.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use pointsman::domain::{
    Action, Actor, ActorId, ActorKind, Event, IssueNumber, Label, LabelEvent, LabelEventId, Next,
    Role, Settled, Transition, TransitionStep,
};
use pointsman::machine::evolve::evolve;
use pointsman::machine::labels::transition::{Hands, UNSEEN_TWICE, judge, next};
use pointsman::machine::state::{State, Walk};
use pointsman::machine::step::Step;

use super::{alice, now};
use crate::builders::rules;

fn us() -> Actor {
    Actor {
        id: ActorId::new("1"),
        login: "pointsman".to_owned(),
        kind: ActorKind::User,
    }
}

/// Who may label and not write.
fn mallory() -> Actor {
    Actor {
        id: ActorId::new("66"),
        login: "mallory".to_owned(),
        kind: ActorKind::User,
    }
}

fn moving(to: &str) -> Transition {
    Transition {
        issue: IssueNumber(1),
        from: Label::new("dev"),
        to: match to {
            "done" => Next::Done,
            label => Next::Stage(Label::new(label)),
        },
        dispatch: None,
        after: Some(LabelEventId::new("100")),
        rework: false,
        at: now(),
        unchanged_since: None,
        step: TransitionStep::Intended,
    }
}

/// A move to QA whose write was answered if its event is there.
fn written(since: &str) -> Transition {
    let step = if since.contains("us+QA") {
        TransitionStep::Added
    } else {
        TransitionStep::Intended
    };
    Transition {
        step,
        ..moving("QA")
    }
}

/// `us+QA` = we set QA; `alice-dev` = alice took dev away. Ids grow from the one the dispatch was opened for.
fn events(since: &str) -> Vec<LabelEvent> {
    let first = ("alice+dev", 100);
    let rest = since.split_whitespace().zip(101..);
    std::iter::once(first)
        .chain(rest)
        .map(|(text, id)| {
            let at = text.find(['+', '-']).unwrap();
            let actor = match &text[..at] {
                "us" => us(),
                "mallory" => mallory(),
                _ => alice(),
            };
            LabelEvent {
                id: LabelEventId::new(id.to_string()),
                set: text[at..].starts_with('+'),
                label: Label::new(&text[at + 1..]),
                actor: Some(actor),
                at: now(),
            }
        })
        .collect()
}

fn word(step: &Step) -> String {
    match step {
        Step::Do(Action::AddLabel { label, .. }) => format!("set {label}"),
        Step::Do(Action::RemoveLabel { label, .. }) => format!("remove {label}"),
        Step::Do(Action::ReadLabels { .. }) => "read".to_owned(),
        Step::Do(Action::CloseIssue { .. }) => "close".to_owned(),
        Step::Rest => "wait".to_owned(),
        Step::Record(events) => match events.as_slice() {
            [Event::TransitionUnseen { .. }] => "wait a minute".to_owned(),
            [Event::TransitionSettled { outcome, .. }] => match outcome {
                Settled::Moved { event: Some(event) } => format!("moved by {event}"),
                Settled::Moved { event: None } => "moved".to_owned(),
                Settled::Overridden { by, .. } => format!("overridden by {by}"),
            },
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn found(transition: &Transition, labels: &str, open: bool, since: &str) -> String {
    let labels: Vec<Label> = labels.split_whitespace().map(Label::new).collect();
    let routing = ["prep", "dev", "QA", "review"].map(Label::new);
    let at = now() + SignedDuration::from_secs(5);
    let events = events(since);
    let hands = Hands {
        us: Some(&us()),
        project: &rules().project,
        roles: &BTreeMap::from([(alice(), Role::Write), (mallory(), Role::Triage)]),
    };
    word(&judge(
        transition, &labels, open, &events, &hands, &routing, at,
    ))
}

#[test]
fn a_move_does_what_the_labels_and_their_events_say() {
    // labels now, events since the intent, what is done
    let table = [
        ("dev", "", "wait a minute"),
        ("dev", "us+QA alice-QA", "overridden by alice"),
        ("dev QA", "us+QA", "remove dev"),
        ("dev QA", "alice-dev alice+dev us+QA", "overridden by alice"),
        ("dev QA", "us+QA alice-dev alice+dev", "overridden by alice"),
        // Two people set it: the last one is named.
        ("dev QA", "us+QA us+dev", "overridden by pointsman"),
        ("QA", "us+QA us-dev", "moved by 101"),
        ("QA", "us+QA alice-dev", "moved by 101"),
        // Somebody else set it before us: their request, not our move.
        ("QA", "alice+QA alice-dev", "overridden by alice"),
        (
            "review",
            "us+QA us-dev alice-QA alice+review",
            "overridden by alice",
        ),
        (
            "QA review",
            "us+QA us-dev alice+review",
            "overridden by alice",
        ),
        ("dev QA review", "us+QA alice+review", "overridden by alice"),
        ("", "us+QA us-dev alice-QA", "overridden by alice"),
        ("bug", "us+QA us-QA alice-dev", "overridden by alice"),
        // The label is to be seen before its event.
        ("QA", "us-dev", "wait a minute"),
    ];
    for (labels, since, then) in table {
        let is = found(&written(since), labels, true, since);
        assert_eq!(is, then, "{{{labels}}} after {since:?}");
    }
}

#[test]
fn the_last_move_does_what_labels_events_and_the_issue_say() {
    let table = [
        ("dev", true, "", "remove dev"),
        ("dev", true, "alice-dev alice+dev", "overridden by alice"),
        ("dev QA", true, "alice+QA", "overridden by alice"),
        ("", true, "us-dev", "close"),
        // Who took the label away wants it to rest.
        ("", true, "alice-dev", "overridden by alice"),
        ("", false, "us-dev", "moved"),
        ("", false, "alice-dev", "moved"),
        ("dev", false, "", "remove dev"),
    ];
    for (labels, open, since, then) in table {
        let is = found(&moving("done"), labels, open, since);
        assert_eq!(is, then, "{{{labels}}} after {since:?}, open: {open}");
    }
}

/// A write whose answer was lost may arrive after a person has moved the issue elsewhere, or off: it is waited for, and taken back.
#[test]
fn a_write_that_arrives_after_a_persons_move_is_taken_back() {
    let table = [
        ("review", "alice-dev alice+review", "wait a minute"),
        ("", "alice-dev", "wait a minute"),
        // Our move before took that label off.
        ("", "us-QA alice-dev", "wait a minute"),
        ("QA review", "alice-dev alice+review us+QA", "remove QA"),
        ("dev QA review", "alice+review us+QA", "remove QA"),
        ("QA", "alice-dev us+QA", "remove QA"),
        // It was taken back, and nothing is waited for.
        (
            "review",
            "alice-dev alice+review us+QA us-QA",
            "overridden by alice",
        ),
        ("", "alice-dev us+QA us-QA", "overridden by alice"),
        // Whoever set another label beside ours saw ours.
        (
            "QA review",
            "us+QA alice-dev alice+review",
            "overridden by alice",
        ),
        // Who wants that label too has it.
        (
            "QA review",
            "alice+review alice+QA alice-QA us+QA",
            "overridden by alice",
        ),
        ("QA", "alice-dev alice+QA alice-QA us+QA", "moved by 104"),
        // A stranger's label is nobody's move.
        ("dev QA review", "mallory+review us+QA", "remove dev"),
    ];
    for (labels, since, then) in table {
        let is = found(&written(since), labels, true, since);
        assert_eq!(is, then, "{{{labels}}} after {since:?}");
    }
    let second = SignedDuration::from_secs(1);
    for (age, then) in [
        (UNSEEN_TWICE - second, "wait"),
        (UNSEEN_TWICE, "overridden by alice"),
    ] {
        let waited = Transition {
            unchanged_since: Some(now() + SignedDuration::from_secs(5) - age),
            ..moving("QA")
        };
        assert_eq!(
            found(&waited, "review", true, "alice-dev alice+review"),
            then
        );
    }
    // What was answered is no write that may still arrive.
    let added = Transition {
        step: TransitionStep::Added,
        ..moving("QA")
    };
    assert_eq!(
        found(&added, "review", true, "alice-dev alice+review"),
        "overridden by alice"
    );
}

/// A person or an agent may have our account: what it set is no answer to a write of ours, which may still arrive.
#[test]
fn what_our_account_set_answers_no_write_of_ours() {
    let table = [
        ("dev", "us+QA alice-QA"),
        ("", "us-dev us+QA alice-QA"),
        ("review", "us-dev us+QA us-QA alice+review"),
    ];
    let waited = Transition {
        unchanged_since: Some(now() + SignedDuration::from_secs(5) - UNSEEN_TWICE),
        ..moving("QA")
    };
    for (labels, since) in table {
        let is = |transition: &Transition| found(transition, labels, true, since);
        assert_eq!(is(&moving("QA")), "wait a minute", "{{{labels}}} {since:?}");
        assert_eq!(is(&waited), "overridden by alice", "{{{labels}}} {since:?}");
    }
}

/// A label is to be seen before the event that says who set it: a stranger's would be nobody's move.
#[test]
fn a_label_whose_event_is_late_is_nobodys_move_for_a_minute() {
    let waited = |to: &str| Transition {
        step: TransitionStep::Added,
        unchanged_since: Some(now() + SignedDuration::from_secs(5) - UNSEEN_TWICE),
        ..moving(to)
    };
    let added = Transition {
        step: TransitionStep::Added,
        ..moving("QA")
    };
    // It had that label before, and lost it.
    let late = "us+QA alice+review alice-review";
    let is = |transition: &Transition, since| found(transition, "dev QA review", true, since);
    assert_eq!(is(&added, late), "wait a minute");
    assert_eq!(is(&waited("QA"), late), "overridden by alice");
    assert_eq!(is(&added, &format!("{late} mallory+review")), "remove dev");
    let last = |transition: &Transition| found(transition, "dev review", true, "");
    assert_eq!(last(&moving("done")), "wait a minute");
    assert_eq!(last(&waited("done")), "overridden by somebody");
}

/// PROTOCOLS 7: what a stranger sets is ignored; what they take away is gone, as everybody's.
#[test]
fn what_a_stranger_sets_does_not_stop_a_move_and_what_they_take_away_does() {
    let table = [
        ("dev QA review", "us+QA mallory+review", "remove dev"),
        ("QA review", "us+QA us-dev mallory+review", "moved by 101"),
        ("QA review", "mallory+review us+QA us-dev", "moved by 102"),
        // They were faster with the very label.
        ("dev QA", "mallory+QA", "remove dev"),
        ("QA", "mallory+QA us-dev", "moved by 101"),
        (
            "QA",
            "mallory+QA mallory-QA alice+QA us-dev",
            "overridden by alice",
        ),
        ("dev QA", "us+QA mallory-dev mallory+dev", "remove dev"),
        (
            "dev QA",
            "us+QA alice-dev alice+dev mallory-dev mallory+dev",
            "overridden by alice",
        ),
        ("dev", "us+QA mallory-QA", "overridden by mallory"),
        ("", "us+QA us-dev mallory-QA", "overridden by mallory"),
    ];
    for (labels, since, then) in table {
        let is = found(&written(since), labels, true, since);
        assert_eq!(is, then, "{{{labels}}} after {since:?}");
    }
    let table = [
        ("dev QA", "mallory+QA", "remove dev"),
        ("QA", "mallory+QA us-dev", "close"),
        ("", "mallory-dev", "overridden by mallory"),
    ];
    for (labels, since, then) in table {
        let is = found(&moving("done"), labels, true, since);
        assert_eq!(is, then, "{{{labels}}} after {since:?}, to done");
    }
}

#[test]
fn a_label_that_never_arrived_is_set_again_once_two_reads_a_minute_apart_agree() {
    let ago = |age| Transition {
        unchanged_since: Some(now() + SignedDuration::from_secs(5) - age),
        ..moving("QA")
    };
    let second = SignedDuration::from_secs(1);
    assert_eq!(found(&ago(UNSEEN_TWICE - second), "dev", true, ""), "wait");
    assert_eq!(found(&ago(UNSEEN_TWICE), "dev", true, ""), "set QA");
}

/// Between the two writes labels and events are read: a person may have set the old label again.
#[test]
fn the_old_label_is_removed_only_after_a_read() {
    use TransitionStep::{Added, Intended, Removed};
    let table = [
        ("QA", Intended, true, "set QA"),
        ("QA", Intended, false, "read"),
        ("QA", Added, true, "read"),
        ("QA", Added, false, "read"),
        ("QA", Removed, true, "read"),
        ("QA", Removed, false, "read"),
        ("done", Intended, true, "read"),
        ("done", Intended, false, "read"),
        ("done", Removed, true, "close"),
        ("done", Removed, false, "read"),
    ];
    for (to, step, fresh, then) in table {
        let transition = Transition { step, ..moving(to) };
        let is = word(&next(&transition, fresh));
        assert_eq!(is, then, "to {to}, {step:?}, fresh: {fresh}");
    }
}

/// A person's move that led nowhere: the label that we had set before is no news when the issue moves next.
#[test]
fn a_route_that_is_dropped_forgets_no_label_event() {
    let issue = IssueNumber(7);
    let mut state = State::default();
    let walk = Walk {
        event: Some(LabelEventId::new("9")),
        own_event: Some(LabelEventId::new("12")),
        ..Walk::default()
    };
    state.walks.insert(issue, walk);
    let routed = Event::Routed {
        issue,
        to: Label::new("QA"),
        by: "ann".to_owned(),
        rework: false,
    };
    let dropped = Event::RouteDropped {
        issue,
        why: "it has that label already".to_owned(),
    };
    for event in [routed, dropped] {
        evolve(&mut state, now(), &event).unwrap();
    }
    let walk = &state.walks[&issue];
    assert_eq!(walk.own_event, None, "it is nobody's word any more");
    assert_eq!(walk.newest_event(), Some(&LabelEventId::new("12")));
}
