//! What happens to an issue between its dispatches: moves, parks, people's decisions, seats.

use jiff::Timestamp;

use super::status;
use crate::domain::{Cause, Event, IssueNumber, Next, Settled, Transition, TransitionStep};
use crate::machine::pull::Kept;
use crate::machine::state::{Route, State, Walk};
use crate::machine::telling::status::Over;

pub(super) fn intend(state: &mut State, transition: &Transition) -> Result<(), String> {
    if state.transitions.contains_key(&transition.issue) {
        return Err(format!("{} is already moving", transition.issue));
    }
    if let Some(open) = state.open_dispatch(transition.issue) {
        return Err(format!("dispatch {} is open", open.id()));
    }
    state.routes.remove(&transition.issue);
    let owner = transition.dispatch.as_ref();
    let goes_back = owner
        .and_then(|owner| state.dispatches.get(owner))
        .is_some_and(|owner| transition.to == Next::Stage(owner.opening.stage.label.clone()));
    if goes_back {
        state.walks.entry(transition.issue).or_default().reverted = true;
    }
    state
        .transitions
        .insert(transition.issue, transition.clone());
    Ok(())
}

pub(super) fn transit(state: &mut State, at: Timestamp, event: &Event) -> Result<(), String> {
    let (Event::TransitionStepped { issue, .. }
    | Event::TransitionUnseen { issue }
    | Event::TransitionSettled { issue, .. }) = event
    else {
        return Err("not an event of a transition".to_owned());
    };
    let Some(transition) = state.transitions.get_mut(issue) else {
        return Err(format!("{issue} is not moving"));
    };
    match event {
        Event::TransitionStepped { step, .. } => {
            if *step == TransitionStep::Intended {
                return Err("a transition does not go back".to_owned());
            }
            transition.step = *step;
            transition.unchanged_since = None;
        }
        Event::TransitionUnseen { .. } => {
            transition.unchanged_since = transition.unchanged_since.or(Some(at));
        }
        Event::TransitionSettled { outcome, .. } => {
            let transition = state.transitions.remove(issue).expect("it was found above");
            arrive(state, &transition, outcome);
        }
        _ => {}
    }
    Ok(())
}

fn arrive(state: &mut State, transition: &Transition, outcome: &Settled) {
    let walk = state.walks.entry(transition.issue).or_default();
    walk.yours = None;
    match outcome {
        Settled::Moved { event } => {
            walk.own_event = event.clone().or(walk.own_event.take());
            walk.asked = transition.dispatch.is_none();
            if transition.rework {
                walk.rounds += 1;
            }
            walk.approved = None;
            if transition.to == crate::domain::Next::Done {
                free_seat(state, transition.issue, None);
                state.walks.remove(&transition.issue);
                status::over(state, transition.issue, Over::Done);
            }
        }
        Settled::Overridden { .. } => {
            // What a person did instead stands, also against the end of the pull request: that of `approve`, or their own.
            let kept = walk.pull.take().filter(is_open);
            walk.pull = match walk.merged.take() {
                Some(_) => kept.map(outlived),
                None => kept,
            };
            free_seat(state, transition.issue, None);
        }
    }
}

pub(super) fn walk(state: &mut State, event: &Event) -> Result<(), String> {
    match event {
        Event::Overridden { issue, rework, .. } => overridden(state, *issue, *rework),
        Event::Routed { issue, .. } => routed(state, *issue, event),
        Event::RouteDropped { issue, .. } => {
            let known = state.routes.remove(issue);
            known.ok_or_else(|| format!("nobody moves {issue}"))?;
        }
        Event::Approved { issue, by, .. } => known(state, *issue)?.approved = Some(by.clone()),
        Event::Merged { issue, subject, .. } => {
            known(state, *issue)?.merged = Some(subject.clone());
        }
        Event::ParkIntended { issue, label, why } => {
            if let Some(open) = state.open_dispatch(*issue) {
                return Err(format!("dispatch {} is open", open.id()));
            }
            state.parks.insert(*issue, (label.clone(), why.clone()));
            // What a person has to look at again was not approved as it is now.
            if let Some(walk) = state.walks.get_mut(issue) {
                walk.approved = None;
            }
            free_seat(state, *issue, None);
        }
        Event::IssueParked { issue } => {
            let (_, why) = state
                .parks
                .remove(issue)
                .ok_or_else(|| format!("{issue} was not to be parked"))?;
            state.walks.entry(*issue).or_default().parked = Some(why);
        }
        Event::IssueUnparked { issue, event } => {
            let walk = known(state, *issue)?;
            walk.again = Some(event.clone());
            walk.parked = None;
            walk.ended = None;
            walk.rounds = 0;
        }
        Event::IssueLeft { issue, how } => {
            let walk = known(state, *issue)?;
            // The same label event may stand again when the issue is opened again: its claims are used up.
            let by = "a person".to_owned();
            let ended = walk.ended.take().map(|(_, at)| {
                let why = how.clone();
                (Cause::Withdrawn { by, why }, at)
            });
            *walk = Walk {
                event: walk.event.take(),
                labelling: walk.labelling.take(),
                attempts: walk.attempts,
                ended,
                // Rounds are the issue's: a label taken off and set again does not make them good.
                rounds: walk.rounds,
                reverted: walk.reverted,
                again: walk.again.take(),
                // Its remarks are read in another round, and a review is served once.
                pull: walk.pull.take().filter(is_open).map(outlived),
                reviewed: walk.reviewed,
                left: true,
                ..Walk::default()
            };
            free_seat(state, *issue, None);
            status::over(state, *issue, Over::Left(how.clone()));
        }
        Event::WalkApproved { issue, approval } => {
            state.walks.entry(*issue).or_default().approval = Some(approval.clone());
        }
        _ => return Err("not an event of an issue".to_owned()),
    }
    Ok(())
}

/// A person's move: what was ours is over, and it may be another round.
fn overridden(state: &mut State, issue: IssueNumber, rework: bool) {
    free_seat(state, issue, None);
    let walk = state.walks.entry(issue).or_default();
    walk.rounds += u32::from(rework);
    disown(walk);
    walk.yours = None;
    walk.parked = None;
}

/// Our last move is nobody's word any more; that it happened stays known.
fn disown(walk: &mut Walk) {
    walk.known_event = walk.newest_event().cloned();
    walk.own_event = None;
}

/// What the issue waited for until now waits no longer.
fn routed(state: &mut State, issue: IssueNumber, event: &Event) {
    let Event::Routed { to, by, rework, .. } = event else {
        return;
    };
    free_seat(state, issue, None);
    if let Some(walk) = state.walks.get_mut(&issue) {
        drop_ended(walk);
        disown(walk);
        walk.yours = None;
        walk.approved = None;
        walk.parked = None;
        walk.ended = None;
    }
    let (to, by, rework) = (to.clone(), by.clone(), *rework);
    state.routes.insert(issue, Route { to, by, rework });
}

/// Somebody asks for the issue after its pull request ended: what that one showed is over, and what is asked for begins without it.
pub(super) fn drop_ended(walk: &mut Walk) {
    if walk.pull.as_ref().is_some_and(|kept| !is_open(kept)) {
        walk.pull = None;
        walk.subject = None;
        walk.proofs.clear();
    }
}

fn is_open(kept: &Kept) -> bool {
    kept.end.is_none()
}

/// The walk that it is of is over.
fn outlived(kept: Kept) -> Kept {
    Kept {
        stale: true,
        ..kept
    }
}

pub(super) fn known(state: &mut State, issue: IssueNumber) -> Result<&mut Walk, String> {
    state
        .walks
        .get_mut(&issue)
        .ok_or_else(|| format!("{issue} is not in the workflow"))
}

/// Frees one stage's seat, or all of an issue.
pub(super) fn free_seat(
    state: &mut State,
    issue: IssueNumber,
    stage: Option<&crate::domain::Label>,
) {
    state
        .seats
        .retain(|label, holder| *holder != issue || stage.is_some_and(|stage| stage != label));
}
