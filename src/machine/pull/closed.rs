//! A pull request that was closed unmerged drops the work, unless a person asked for the issue since: the newer word counts
//! (PROTOCOLS 7 and 8). The tracker's times say which one that is.

use crate::domain::{
    Closing, Details, IssueNumber, LabelEvent, LabelEventId, Observation, PullEnd, Questions,
    Rules, SingleRead,
};
use crate::machine::labels::trust;
use crate::machine::state::{State, Walk};

/// Who has the last word on an issue whose pull request ended.
pub(super) enum Word {
    /// It has to be read singly first.
    Unread(Questions),
    /// Nobody can say now: it is on the move, or cannot be read.
    Later,
    /// Whoever ended the pull request.
    End,
    /// Whoever set that label since.
    Label(LabelEventId),
}

pub(super) fn last_word(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    issue: IssueNumber,
    walk: &Walk,
    end: &PullEnd,
) -> Word {
    let PullEnd::Closed { at, .. } = end else {
        return Word::End;
    };
    // A label that we are moving is nobody's word until it is known for what it was moved.
    let moves = state.transitions.contains_key(&issue) || state.routes.contains_key(&issue);
    if moves || seen.unread.contains_key(&issue) {
        return Word::Later;
    }
    let Some(details) = seen.details.get(&issue) else {
        return Word::Unread(Questions {
            issues: vec![issue],
            ..Questions::default()
        });
    };
    let closing = closing(walk, *at);
    standing(rules, details)
        .find(|event| closing.is_before(event) && is_a_persons(rules, walk, details, event))
        .map_or(Word::End, |event| Word::Label(event.id.clone()))
}

/// What a label has to be newer than to outlive the closing.
pub(super) fn closing(walk: &Walk, at: Option<jiff::Timestamp>) -> Closing {
    Closing {
        at,
        own: walk.own_event.clone().filter(|_| !walk.asked),
    }
}

/// The events of the routing labels of an open issue.
fn standing<'a>(rules: &'a Rules, details: &'a Details) -> impl Iterator<Item = &'a LabelEvent> {
    let head = match &details.read {
        SingleRead::Found(found) => Some(&found.0).filter(|head| head.open),
        SingleRead::Transferred { .. } | SingleRead::Gone => None,
    };
    let stages = rules.workflow.stages.iter();
    let there = stages.filter(move |stage| head.is_some_and(|it| it.labels.contains(&stage.label)));
    there.filter_map(|stage| trust::standing_event(&details.events, &stage.label))
}

fn is_a_persons(rules: &Rules, walk: &Walk, details: &Details, event: &LabelEvent) -> bool {
    let trusted = |actor| trust::is_trusted(&rules.project, actor, &details.roles);
    walk.own_event.as_ref() == Some(&event.id) || event.actor.as_ref().is_some_and(trusted)
}
