//! What a person was told is remembered, so that it is told once.

use pointsman::domain::{Event, IssueNumber, Note};
use pointsman::machine::evolve::evolve;
use pointsman::machine::state::State;

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
