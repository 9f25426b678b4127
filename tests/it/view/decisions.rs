//! What specs decided, and whose word each has: from events alone.

use insta::assert_snapshot;
use pointsman::domain::*;
use pointsman::view::{Decisions, render_decisions};

use crate::builders::{alice, minutes, opening, prep, sha};

const SEVEN: IssueNumber = IssueNumber(7);

fn opened(id: &str, issue: u64) -> Event {
    Event::DispatchOpened {
        opening: Box::new(opening(id, issue, "Add an FAQ", prep())),
    }
}

fn spec(id: &str, issue: u64, words: &str) -> Event {
    Event::SpecPublished {
        dispatch: DispatchId::new(id),
        comment: None,
        spec: Spec {
            issue: IssueNumber(issue),
            text: format!("## Problem\nx\n## Decision\n{words}\n## Scope\ny\n"),
            digest: format!("digest of {id}"),
        },
    }
}

fn approved(by: &str) -> Event {
    Event::Approved {
        issue: SEVEN,
        by: by.to_owned(),
        at: minutes(9),
    }
}

fn merged(by: &str) -> Event {
    Event::PullEnded {
        issue: SEVEN,
        end: PullEnd::Merged { by: by.to_owned() },
        anew: None,
    }
}

fn moved(to: &str) -> Event {
    Event::Overridden {
        issue: SEVEN,
        by: alice(),
        from: None,
        to: Label::new(to),
        event: LabelEventId::new("99"),
        rework: false,
    }
}

fn told(events: &[Event], unapproved: bool) -> String {
    let mut decisions = Decisions::default();
    for (at, event) in (0..).zip(events) {
        decisions.take("blog", minutes(at), event);
    }
    render_decisions(&decisions.found(unapproved))
}

#[test]
fn a_decision_is_listed_with_its_words_and_who_approved_it_or_nobody() {
    let events = [
        opened("d1", 7),
        spec("d1", 7, "Add a page.\n\n- <!-- hidden -->no search\n"),
        opened("d2", 9),
        spec("d2", 9, "Drop the old login."),
        approved("ann"),
        approved("bob"),
    ];
    assert_snapshot!(told(&events, false), @"
    blog #7  2026-11-20T10:01:00Z  approved by ann (approve) at 2026-11-20T10:04:00Z
        Add a page.  - no search
    blog #9  2026-11-20T10:03:00Z  approved by nobody
        Drop the old login.
    ");
    assert_snapshot!(told(&events, true), @"
    blog #9  2026-11-20T10:03:00Z  approved by nobody
        Drop the old login.
    ");
    assert_snapshot!(told(&[], true), @"no decision of that kind is on record");
    let without = [opened("d3", 9), spec("d3", 9, "")];
    assert_snapshot!(told(&without, false), @"no decision of that kind is on record");
}

#[test]
fn only_what_lets_the_work_go_on_is_a_word_for_its_decision() {
    let note = Event::NoteIntended {
        note: Note {
            issue: SEVEN,
            key: "merged 8".to_owned(),
            text: "nobody approved it".to_owned(),
        },
    };
    let parked = Event::ParkIntended {
        issue: SEVEN,
        label: Label::new("needs-human"),
        why: "x".to_owned(),
    };
    let table: [(&[Event], Option<&str>); 7] = [
        (&[merged("ann")], Some("ann (merge)")),
        (&[merged("shop-agent"), note.clone()], None),
        (&[approved("ann"), merged("x"), note], Some("ann (approve)")),
        (&[moved("ready-for-dev")], Some("alice (ready-for-dev)")),
        // Back to where it was written, or anywhere else.
        (&[moved("ready-for-prep")], None),
        (&[parked], None),
        (
            &[Event::BranchPushed {
                dispatch: DispatchId::new("d1"),
                branch: "b".to_owned(),
                subject: sha("c"),
            }],
            None,
        ),
    ];
    for (after, by) in table {
        let mut events = vec![opened("d1", 7), spec("d1", 7, "Add a page.")];
        events.extend_from_slice(after);
        let said = told(&events, false);
        let expected = by.map_or("approved by nobody".to_owned(), |by| {
            format!("approved by {by} at ")
        });
        assert!(said.contains(&expected), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
    }
}

/// A word is for what was decided then: a later spec needs its own.
#[test]
fn a_new_spec_takes_the_place_of_one_that_nobody_approved() {
    let first = [opened("d1", 7), spec("d1", 7, "Add a page.")];
    let second = [opened("d2", 7), spec("d2", 7, "Add two pages.")];
    let replaced = [&first[..], &second].concat();
    assert_snapshot!(told(&replaced, false), @"
    blog #7  2026-11-20T10:03:00Z  approved by nobody
        Add two pages.
    ");
    let kept = [&first[..], &[approved("ann")], &second].concat();
    assert_snapshot!(told(&kept, false), @"
    blog #7  2026-11-20T10:01:00Z  approved by ann (approve) at 2026-11-20T10:02:00Z
        Add a page.
    blog #7  2026-11-20T10:04:00Z  approved by nobody
        Add two pages.
    ");
}
