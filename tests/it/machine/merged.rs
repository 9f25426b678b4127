//! A merge closes the issue too, perhaps in the middle of a cycle: the pull request says what happened, not the closed issue.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use pointsman::domain::{
    Action, Actor, ActorId, ActorKind, Details, Event, IssueNumber, Label, Observation, Outcome,
    Pull, PullEnd, PullHead, PullRead, SingleRead, Subject, Text,
};
use pointsman::machine::dispatch::stall::STALLS_MAX;
use pointsman::machine::engine::{Effect, Engine, Input};
use pointsman::machine::memory::Memory;
use pointsman::machine::pull::Kept;
use pointsman::machine::starting::decide::{Decision, decide};
use pointsman::machine::state::{State, Walk};
use pointsman::machine::step::Flow;

use crate::builders::{alice, head, minutes, rules, seen};

const ISSUE: IssueNumber = IssueNumber(7);
const PULL: IssueNumber = IssueNumber(8);

/// Reviewed and shown; the last move is a person's.
fn state() -> State {
    let walk = Walk {
        yours: Some(Label::new("review")),
        subject: Some(Subject::new("c".repeat(40))),
        pull: Some(Kept {
            pull: Pull {
                number: PULL,
                url: "https://github.test/me/blog/pull/8".to_owned(),
                evidence: String::new(),
                draft: false,
            },
            moved: None,
            end: None,
            stale: false,
        }),
        ..Walk::default()
    };
    let mut state = State {
        added: Some(minutes(-6000)),
        ..State::default()
    };
    state.walks.insert(ISSUE, walk);
    state
}

/// Issue 7 as it is read singly: closed.
fn closed(seen: &mut Observation) {
    let mut closed = head(7, "Add an FAQ", "review");
    closed.open = false;
    let text = Text {
        title: closed.title.clone(),
        body: String::new(),
        edits: Vec::new(),
    };
    let details = Details {
        read: SingleRead::Found(Box::new((closed.clone(), text))),
        events: Vec::new(),
        roles: BTreeMap::new(),
        comments: None,
        at: minutes(0),
    };
    seen.heads.insert(ISSUE, closed);
    seen.details.insert(ISSUE, details);
}

/// The merge closes the issue; what the merge came to is not known yet.
#[test]
fn an_issue_that_is_closed_while_it_is_merged_does_not_count_as_left() {
    let (mut state, rules) = (state(), rules());
    let walk = state.walks.get_mut(&ISSUE).expect("it is there");
    walk.approved = Some("alice".to_owned());
    walk.pull = None;
    let mut seen = seen(Vec::new());
    closed(&mut seen);
    let did = |memory: &Memory| {
        let (decision, _) = decide(&rules, &state, memory, &seen, minutes(0));
        matches!(decision, Decision::Act(_)).then_some(decision)
    };
    let mut memory = Memory::default();
    assert!(did(&memory).is_some(), "closed by a person, it is left");
    memory.busy.insert(Flow::Merge(ISSUE));
    assert_eq!(did(&memory), None);
}

#[test]
fn an_issue_that_is_found_closed_has_its_pull_request_read_before_it_counts_as_left() {
    let (state, rules) = (state(), rules());
    // The list was read before the merge, the issue after it.
    let listed = PullHead {
        open: true,
        updated_at: minutes(-10),
    };
    let mut seen = seen(Vec::new());
    closed(&mut seen);
    seen.pulls.insert(PULL, listed);
    let open = PullRead {
        head: Some(Subject::new("c".repeat(40))),
        ..PullRead::default()
    };
    let mut memory = Memory::default();
    seen.pull_reads.insert(PULL, Some(open));
    memory.pulls.take(&seen, minutes(0));
    seen.pull_reads.clear();
    let (decision, _) = decide(&rules, &state, &memory, &seen, minutes(0));
    let Decision::Look(questions) = &decision else {
        panic!("{decision:?}");
    };
    assert_eq!(
        (&questions.issues[..], &questions.pulls[..]),
        (&[ISSUE][..], &[PULL][..])
    );

    let merged = PullRead {
        end: Some(PullEnd::Merged {
            by: "me".to_owned(),
        }),
        ..PullRead::default()
    };
    seen.pull_reads.insert(PULL, Some(merged));
    memory.pulls.take(&seen, minutes(0));
    let (decision, _) = decide(&rules, &state, &memory, &seen, minutes(0));
    let Decision::Act(act) = &decision else {
        panic!("{decision:?}");
    };
    assert_eq!(act.did, "pull request #8 of #7 was merged by me");
}

#[test]
fn a_merge_that_is_not_yet_possible_is_tried_again_and_in_the_end_a_persons() {
    let (mut state, rules) = (state(), rules());
    let walk = state.walks.get_mut(&ISSUE).expect("it is there");
    walk.approved = Some("me".to_owned());
    let mut engine = Engine::new(state);
    let mut now = minutes(0);
    let mut parked = Vec::new();
    for _ in 0..STALLS_MAX {
        assert!(parked.is_empty());
        let mut seen = seen(vec![head(7, "Add an FAQ", "review")]);
        let open = PullRead {
            head: Some(Subject::new("c".repeat(40))),
            ..PullRead::default()
        };
        seen.pull_reads.insert(PULL, Some(open));
        let effects = engine.step(&rules, Input::Seen(Box::new(seen)), now);
        let merge = effects.iter().find_map(|effect| match effect {
            Effect::Do(id, Action::Merge { .. }) => Some(*id),
            _ => None,
        });
        let id = merge.unwrap_or_else(|| panic!("it is merged: {effects:?}"));
        let refused = Outcome::Refused {
            why: "not yet".to_owned(),
            hint: String::new(),
            until: now + SignedDuration::from_secs(15),
        };
        parked = engine.step(&rules, Input::Outcome(id, refused), now);
        parked.retain(|effect| matches!(effect, Effect::Append { .. }));
        now += SignedDuration::from_mins(5);
    }
    let Some(Effect::Append { events, .. }) = parked.first() else {
        panic!("somebody has it");
    };
    assert!(
        matches!(&events[..], [Event::ParkIntended { why, .. }] if why.starts_with("not merged: not yet")),
        "{events:?}"
    );
}

/// A merge cannot be undone by us: whoever's it is, a person hears of one that nobody approved.
#[test]
fn a_merge_by_an_agents_account_is_no_approval_and_a_person_is_told() {
    let account = |id: &str, login: &str, kind: ActorKind| Actor {
        id: ActorId::new(id),
        login: login.to_owned(),
        kind,
    };
    let bot = account("77", "shop-agent", ActorKind::User);
    let app = account("99", "pointsman[bot]", ActorKind::App);
    // Who merged it, whether it was approved before, and what a person is told of it.
    let table = [
        (&bot, false, Some("an account that agents work as")),
        (&bot, true, None),
        (
            &app,
            false,
            Some("our own App, and Pointsman did not do it"),
        ),
        (&app, true, None),
        (&alice(), false, None),
    ];
    for (by, approved, whose) in table {
        let mut rules = rules();
        rules.project.agents = vec!["77".to_owned()];
        let mut state = state();
        if approved {
            state.walks.get_mut(&ISSUE).unwrap().approved = Some("ann".to_owned());
        }
        let mut seen = seen(vec![head(7, "Add an FAQ", "review")]);
        seen.us = Some(app.clone());
        seen.pulls.insert(
            PULL,
            PullHead {
                open: false,
                updated_at: minutes(-10),
            },
        );
        let end = PullEnd::Merged {
            by: by.login.clone(),
        };
        let read = PullRead {
            end: Some(end),
            merged_by: Some(by.clone()),
            head: Some(Subject::new("c".repeat(40))),
            ..PullRead::default()
        };
        seen.pull_reads.insert(PULL, Some(read));
        let mut memory = Memory::default();
        memory.pulls.take(&seen, minutes(0));
        let (decision, _) = decide(&rules, &state, &memory, &seen, minutes(0));
        let Decision::Act(act) = decision else {
            panic!("{}: {decision:?}", by.login);
        };
        let notes = act.events.iter().filter_map(|event| match event {
            Event::NoteIntended { note } => Some(note.text.clone()),
            _ => None,
        });
        let told = whose.map(|whose| {
            format!(
                "Pull request #8 was merged by {}: that is {whose}. Pointsman knows of no person's approval of this work, and it is in the default branch now: look at it, and revert what should not be there. A rule for that branch on GitHub, which lets only people merge, keeps it from happening again.",
                by.login
            )
        });
        assert_eq!(notes.collect::<Vec<_>>(), Vec::from_iter(told));
        assert!(matches!(act.events[0], Event::PullEnded { .. }));
    }
}
