//! What happens to the pull request of an issue's branch.

use super::issue::{drop_ended, free_seat, known};
use super::judging;
use crate::domain::{DispatchId, Event, IssueNumber, Pull};
use crate::machine::pull::{Kept, once_more};
use crate::machine::state::State;

/// Applies one event of a pull request, or of a step towards it.
pub(super) fn pull(state: &mut State, event: &Event) -> Result<(), String> {
    match event {
        Event::PullKept {
            dispatch: id,
            issue,
            pull,
        } => keep(state, id, *issue, pull)?,
        Event::PullMoved { issue, head } => {
            let walk = known(state, *issue)?;
            let moved = (walk.subject.as_ref() != Some(head)).then(|| head.clone());
            kept(walk.pull.as_mut(), *issue)?.moved = moved;
        }
        Event::PullEnded { issue, end, anew } => {
            let walk = known(state, *issue)?;
            kept(walk.pull.as_mut(), *issue)?.end = Some(end.clone());
            if anew.is_some() {
                drop_ended(walk);
            }
        }
        Event::ReworkWanted {
            issue,
            review,
            findings,
            again,
            ..
        } => {
            free_seat(state, *issue, None);
            let walk = known(state, *issue)?;
            walk.reviewed = (*review).max(walk.reviewed);
            walk.failed_on = Some(findings.clone());
            walk.yours = None;
            walk.approved = None;
            if *again {
                walk.again = Some(once_more(*review));
                walk.rounds += 1;
                walk.ended = None;
            }
        }
        _ => return Err("not an event of a pull request".to_owned()),
    }
    Ok(())
}

fn kept(pull: Option<&mut Kept>, issue: IssueNumber) -> Result<&mut Kept, String> {
    pull.ok_or_else(|| format!("{issue} has no pull request"))
}

fn keep(state: &mut State, id: &DispatchId, issue: IssueNumber, pull: &Pull) -> Result<(), String> {
    judging(state, id)?;
    known(state, issue)?.pull = Some(Kept {
        pull: pull.clone(),
        moved: None,
        end: None,
        stale: false,
    });
    Ok(())
}
