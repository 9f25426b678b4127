//! What a person has to know, each thing by one comment of its own: an edit of the status comment tells nobody (PROTOCOLS 6 to 8).

use crate::domain::{
    Action, Details, Event, Hold, IssueNumber, Label, Note, Observation, Outcome, Questions, Rules,
    SingleRead,
};
use crate::machine::labels::trust;
use crate::machine::memory::Memory;
use crate::machine::starting::decide::{Act, Decision, Standing};
use crate::machine::state::State;
use crate::machine::step::{Flow, Step};

/// Of so many things is remembered that people were told; more than stand at any time.
const TOLD_MAX: usize = 4096;

/// Carries on what waits, one issue at a time.
pub(in crate::machine) fn waiting(
    state: &State,
    memory: &Memory,
    seen: &Observation,
) -> Option<Decision> {
    if seen.gap.is_some() {
        return None;
    }
    let mut issues = state.notes.iter().map(|note| note.issue);
    let issue = issues.find(|issue| !memory.waits(&Flow::Note(*issue)))?;
    let did = format!("telling a person about {issue}");
    Some(Act::carry_on(Flow::Note(issue), did))
}

/// Says what the oldest of an issue needs next.
pub(in crate::machine) fn next(state: &State, issue: IssueNumber) -> Step {
    let oldest = state.notes.iter().find(|note| note.issue == issue);
    oldest.map_or(Step::Rest, |note| {
        Step::Do(Action::Tell { note: note.clone() })
    })
}

/// Writes down that it is there.
pub(in crate::machine) fn settle(action: &Action, outcome: &Outcome) -> Step {
    match (action, outcome) {
        (Action::Tell { note }, Outcome::Done) => Step::Record(vec![Event::NoteWritten {
            issue: note.issue,
            key: note.key.clone(),
        }]),
        _ => Step::Rest,
    }
}

/// Several routing labels start nothing. Where no status comment says so, one comment does, for each set of them, if somebody who
/// may start work set one: strangers cause no write.
pub(in crate::machine) fn several(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    standing: &Standing,
) -> Option<Decision> {
    if seen.gap.is_some() {
        return None;
    }
    for (issue, hold) in standing {
        let Hold::SeveralLabels { labels } = hold else {
            continue;
        };
        let names: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        let names = names.join(" and ");
        let key = format!("several: {names}");
        if state.is_told(*issue, &key)
            || state.notices.contains_key(issue)
            || memory.is_refused(*issue, seen.heads.get(issue))
            || seen.unread.contains_key(issue)
        {
            continue;
        }
        let Some(details) = seen.details.get(issue) else {
            return Some(Decision::Look(Questions {
                issues: vec![*issue],
                ..Questions::default()
            }));
        };
        if !is_one_of_ours(rules, state, labels, details) {
            continue;
        }
        let note = Note {
            issue: *issue,
            key,
            text: format!(
                "Nothing starts here: {names} are set, and each says something else. Leave exactly one of them."
            ),
        };
        let did = format!("telling a person about the labels of {issue}");
        let flow = Some(Flow::Note(*issue));
        return Some(Act::record(vec![Event::NoteIntended { note }], flow, did));
    }
    None
}

/// Whether the labels are there, and one of them is the word of somebody who may start work, given to this project.
fn is_one_of_ours(rules: &Rules, state: &State, labels: &[Label], details: &Details) -> bool {
    let (Some(added), SingleRead::Found(found)) =
        (rules.project.added.or(state.added), &details.read)
    else {
        return false;
    };
    let mut set = labels.iter().filter_map(|label| {
        let event = trust::standing_event(&details.events, label)?;
        Some((event.at, event.actor.as_ref()?))
    });
    found.0.open
        && labels.iter().all(|label| found.0.labels.contains(label))
        && set.any(|(at, actor)| {
            at >= added && trust::is_trusted(&rules.project, actor, &details.roles)
        })
}

/// Folds what was to be told and what was.
pub(in crate::machine) fn write(state: &mut State, event: &Event) -> Result<(), String> {
    match event {
        Event::NoteIntended { note } => {
            // What was told so long ago that it was forgotten may be told again.
            let is_it = |other: &Note| other.issue == note.issue && other.key == note.key;
            if state.notes.iter().any(is_it) {
                return Err(format!("{} is told of `{}`", note.issue, note.key));
            }
            state.notes.push_back(note.clone());
        }
        Event::NoteWritten { issue, key } => {
            let is_it = |note: &Note| note.issue == *issue && note.key == *key;
            let at = state.notes.iter().position(is_it);
            let at = at.ok_or_else(|| format!("{issue} was not to be told of `{key}`"))?;
            state.notes.remove(at);
            state.told.retain(|(of, told)| of != issue || told != key);
            state.told.push_back((*issue, key.clone()));
            if state.told.len() > TOLD_MAX {
                state.told.pop_front();
            }
        }
        _ => return Err("not an event of a note".to_owned()),
    }
    Ok(())
}
