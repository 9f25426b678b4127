//! The dead man's switch, as data: which holds are ready work, and what is none.

use jiff::SignedDuration;
use pointsman::domain::{DispatchId, Event, Hold, IssueNumber, Label};
use pointsman::machine::engine::{Effect, Engine, Input};
use pointsman::machine::starting::decide::Standing;
use pointsman::machine::starting::starved::{STARVED_AFTER, Starved, find};
use pointsman::machine::state::State;

use crate::builders::{dev, dispatch, rules, ten};

fn standing(holds: &[(u64, Hold)]) -> Standing {
    let holds = holds.iter().cloned();
    holds
        .map(|(number, hold)| (IssueNumber(number), hold))
        .collect()
}

fn busy() -> Hold {
    Hold::AgentNotIdle {
        is: "busy".into(),
        because: "its title says so".into(),
    }
}

fn seat(holder: u64) -> Hold {
    Hold::Seat {
        stage: Label::new("QA"),
        holder: IssueNumber(holder),
    }
}

fn paused() -> Hold {
    Hold::Paused { by: "alice".into() }
}

fn away() -> Hold {
    Hold::Tracker {
        why: "502".into(),
        since: ten(),
    }
}

/// What is found, as words; `-` for nothing.
fn found(state: &State, holds: &[(u64, Hold)], before: Option<&Starved>) -> String {
    let found = find(state, &standing(holds), before);
    found.map_or_else(
        || "-".to_owned(),
        |found| format!("{} h {:?}", found.watched.as_hours(), found.issues),
    )
}

#[test]
fn ready_work_is_what_waits_for_no_person_and_what_nobody_meant() {
    let nothing = State::default();
    let mut working = State::default();
    let open = dispatch("d1", 9, "Dark mode", dev());
    working.dispatches.insert(open.id().clone(), open);
    let before = Starved {
        watched: SignedDuration::from_hours(5),
        ..Starved::default()
    };
    let session = Hold::Session {
        dispatch: DispatchId::new("d0"),
        issue: Some(IssueNumber(3)),
    };
    let asks = Hold::AgentAsks {
        what: "shows a dialog".into(),
    };
    let said = |holds: &[(u64, Hold)]| found(&nothing, holds, Some(&before));
    // An agent that is busy with nothing of ours, a session that is never cleared away.
    assert_eq!(
        said(&[(7, busy()), (8, session)]),
        r#"5 h {IssueNumber(7): "agent-not-idle", IssueNumber(8): "session-taken"}"#
    );
    // A person has it, or meant it: they are told of the first, and know of the second.
    assert_eq!(said(&[(7, asks), (8, paused())]), "-");
    // A seat's holder says for itself why nothing happens; one that says nothing has lost it.
    assert_eq!(said(&[(7, seat(8)), (8, paused())]), "-");
    assert_eq!(said(&[(7, seat(8))]), r#"5 h {IssueNumber(7): "seat"}"#);
    // While something is open its own clocks run.
    assert_eq!(found(&working, &[(7, busy())], Some(&before)), "-");
    // Nobody knows, so nothing is over.
    assert_eq!(said(&[(7, away())]), "5 h {}");
    assert_eq!(said(&[]), "-");
    assert_eq!(STARVED_AFTER, SignedDuration::from_hours(6));
}

#[test]
fn a_ledger_that_takes_nothing_is_said_until_it_does() {
    let mut engine = Engine::new(State::default());
    let request = pointsman::domain::Request::Pause { by: "alice".into() };
    let effects = engine.step(&rules(), Input::Asked(request.clone()), ten());
    let appends = |effects: &[Effect]| {
        let is_pause = |effect: &Effect| match effect {
            Effect::Append { events, .. } => matches!(events[..], [Event::ProjectPaused { .. }]),
            _ => false,
        };
        effects.iter().any(is_pause)
    };
    assert!(appends(&effects));
    let full = "the disk is full".to_owned();
    engine.step(&rules(), Input::NotAppended(full.clone()), ten());
    assert_eq!(engine.report.unwritten, Some(full));
    engine.step(&rules(), Input::Asked(request), ten());
    engine.step(&rules(), Input::Appended, ten());
    assert_eq!(engine.report.unwritten, None);
}
