//! What a person was told is remembered, so that it is told once.

use pointsman::domain::{CommentId, Event, IssueNumber, Note};
use pointsman::machine::evolve::evolve;
use pointsman::machine::state::{State, Walk};

use crate::builders::ten;

fn tell(state: &mut State, issue: u64, key: &str) {
    let (issue, key) = (IssueNumber(issue), key.to_owned());
    let note = Note {
        issue,
        key: key.clone(),
        text: String::new(),
    };
    for event in [
        Event::NoteIntended { note },
        Event::NoteWritten { issue, key },
    ] {
        evolve(state, ten(), &event).unwrap();
    }
}

/// Whatever their numbers are: what was told last is what the next cycle must know.
#[test]
fn what_was_told_longest_ago_is_forgotten_first() {
    let mut state = State::default();
    for issue in 1000..6000 {
        tell(&mut state, issue, "several");
    }
    tell(&mut state, 1, "several");
    tell(&mut state, 2, "several");
    for key in 0..100 {
        tell(&mut state, 2, &format!("{:03}", 100 - key));
    }
    let told = |issue, key: &str| state.is_told(IssueNumber(issue), key);
    assert!(told(1, "several") && told(2, "several") && told(2, "001"));
    assert!(told(5999, "several") && !told(1000, "several"));
}

/// What was forgotten and told again stands in ledgers.
#[test]
fn a_ledger_in_which_something_was_told_twice_is_read() {
    let mut state = State::default();
    tell(&mut state, 1, "several");
    tell(&mut state, 1, "several");
    assert_eq!((state.notes.len(), state.told.len()), (0, 1));
}

/// Rounds that a lost ledger had are counted once after it was adopted, whatever this one had written before.
#[test]
fn rounds_that_the_marks_name_are_counted_once_after_an_adoption() {
    let (issue, mut state) = (IssueNumber(7), State::default());
    state.walks.insert(issue, Walk::default());
    let written = |state: &mut State| {
        let intended = Event::StatusIntended {
            issue,
            dispatch: None,
            digest: "d".to_owned(),
        };
        let written = Event::StatusWritten {
            issue,
            comment: Some(CommentId::new("1")),
            marker: None,
            digest: "d".to_owned(),
            last: false,
            round: 3,
        };
        for event in [intended, written] {
            evolve(state, ten(), &event).unwrap();
        }
        state.walks[&issue].rounds
    };
    let by = "ann".to_owned();
    assert_eq!(written(&mut state), 0, "no ledger was lost");
    evolve(&mut state, ten(), &Event::LedgerAdopted { by }).unwrap();
    assert_eq!(written(&mut state), 2);
    state.walks.get_mut(&issue).unwrap().rounds = 0;
    assert_eq!(written(&mut state), 0, "a person made them good");
}
