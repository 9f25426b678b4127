//! Folding the status comments: what is there, what may be there, and what the next text has to say of what is over.

use jiff::Timestamp;

use crate::domain::{Cause, Dispatch, Event, IssueNumber, Opening, Sighting};
use crate::machine::state::State;
use crate::machine::telling::status::{MARKERS_MAX, Over, Past};

/// Applies one event of a status comment.
pub(super) fn write(state: &mut State, at: Timestamp, event: &Event) -> Result<(), String> {
    match event {
        Event::StatusIntended {
            issue,
            dispatch,
            digest,
        } => {
            let notice = state.notices.entry(*issue).or_default();
            notice.intended = Some((digest.clone(), dispatch.clone()));
            notice.at = at;
        }
        Event::StatusWritten {
            issue,
            comment,
            marker,
            digest,
            last,
            round,
        } => {
            let notice = state.notices.get_mut(issue);
            let notice = notice.ok_or_else(|| format!("nothing was to be said on {issue}"))?;
            // Once after each adoption: what a person makes good afterwards stays good.
            if state.adopted.at.is_some()
                && state.adopted.recalled.insert(*issue)
                && let Some(walk) = state.walks.get_mut(issue)
            {
                walk.rounds = walk.rounds.max(round.saturating_sub(1));
            }
            notice.intended = None;
            notice.at = at;
            notice.comment.clone_from(comment);
            notice.written = Some(digest.clone());
            notice.markers.extend(marker.as_deref().cloned());
            let surplus = notice.markers.len().saturating_sub(MARKERS_MAX);
            notice.markers.drain(..surplus);
            if *last && notice.over.is_some() {
                state.notices.remove(issue);
            }
        }
        Event::LedgerSighted { issue, sighting } => {
            if let Some(notice) = state.notices.get_mut(issue) {
                notice.intended = None;
            }
            state.sightings.insert(*issue, sighting.clone());
        }
        Event::LedgerAdopted { .. } => {
            let adopted = &mut state.adopted;
            adopted.at = Some(at);
            adopted.recalled.clear();
            for sighting in std::mem::take(&mut state.sightings).into_values() {
                match sighting {
                    Sighting::Other { ledger } => drop(adopted.ledgers.insert(ledger)),
                    Sighting::Ahead { dispatch } => drop(adopted.dispatches.insert(dispatch)),
                }
            }
        }
        _ => return Err("not an event of a status comment".to_owned()),
    }
    Ok(())
}

/// An issue that was over is in hand again.
pub(super) fn opened(state: &mut State, opening: &Opening) {
    let issue = opening.labelling().map(|labelling| labelling.issue);
    if let Some(notice) = issue.and_then(|issue| state.notices.get_mut(&issue)) {
        notice.over = None;
    }
}

/// A dispatch ends: its evidence goes with it, and the comment keeps this.
pub(super) fn past(dispatch: &Dispatch, cause: &Cause, at: Timestamp) -> Past {
    Past {
        stage: dispatch.opening.stage.label.clone(),
        round: dispatch.opening.round,
        cause: cause.clone(),
        evidence: dispatch.evidence.clone(),
        at,
    }
}

/// A dispatch of the issue ended so.
pub(super) fn closed(state: &mut State, issue: IssueNumber, past: Past) {
    if let Some(notice) = state.notices.get_mut(&issue) {
        notice.last = Some(past);
    }
}

/// Nothing more comes of it.
pub(super) fn over(state: &mut State, issue: IssueNumber, over: Over) {
    if let Some(notice) = state.notices.get_mut(&issue) {
        notice.over = Some(over);
    }
}
