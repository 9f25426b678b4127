//! Folding a delivery: planned, typed, submitted, ended, and what its end means for the dispatch it belongs to.

use jiff::Timestamp;

use super::steps::step_after;
use super::{ask, dispatch};
use crate::domain::{Delivery, DeliveryStep, Dispatch, Event, Phase, Purpose, Verdict};
use crate::machine::state::{RESUMES_KEPT, State};

/// Takes a text that is about to be delivered: one at a time, and only what the dispatch's phase calls for.
pub(super) fn plan(state: &mut State, delivery: &Delivery) -> Result<(), String> {
    if state.deliveries.contains_key(&delivery.id) {
        return Err(format!("delivery {} exists", delivery.id));
    }
    let unsettled = dispatch(state, &delivery.dispatch)?
        .deliveries
        .clone()
        .into_iter()
        .find(|id| {
            !matches!(
                state.deliveries.get(id).map(|d| &d.step),
                Some(DeliveryStep::Settled { .. }) | None
            )
        });
    if let Some(other) = unsettled {
        return Err(format!("delivery {other} is not settled"));
    }
    let found = dispatch(state, &delivery.dispatch)?;
    match (delivery.purpose, &found.phase) {
        (Purpose::Stop, Phase::Closed { .. }) | (Purpose::Brief, Phase::Delivering) => {}
        (Purpose::Nudge | Purpose::Answer | Purpose::Resume, Phase::Working) => {}
        (purpose, phase) => return Err(format!("no {purpose:?} while {phase:?}")),
    }
    if delivery.purpose == Purpose::Nudge {
        found.nudged = true;
    }
    if let (Purpose::Answer, Some(asked)) = (delivery.purpose, &mut found.asked) {
        asked.told = asked.replies.len();
    }
    found.deliveries.push(delivery.id.clone());
    if delivery.purpose == Purpose::Resume {
        state.resumes.push_back(delivery.since);
        let surplus = state.resumes.len().saturating_sub(RESUMES_KEPT);
        state.resumes.drain(..surplus);
    }
    state
        .deliveries
        .insert(delivery.id.clone(), delivery.clone());
    Ok(())
}

/// Moves a delivery one step; the pairs that are not named are illegal.
pub(super) fn deliver(state: &mut State, at: Timestamp, event: &Event) -> Result<(), String> {
    let (Event::BriefStaged { delivery: id }
    | Event::PasteIntended { delivery: id, .. }
    | Event::LinePasted { delivery: id, .. }
    | Event::LaunchIntended { delivery: id }
    | Event::LineLaunched { delivery: id, .. }
    | Event::EnterIntended { delivery: id, .. }
    | Event::LineSubmitted { delivery: id, .. }
    | Event::LineCleared { delivery: id }
    | Event::ReceiptMissed { delivery: id, .. }
    | Event::DeliverySettled { delivery: id, .. }) = event
    else {
        return Err("not an event of a delivery".to_owned());
    };
    let delivery = state
        .deliveries
        .get_mut(id)
        .ok_or_else(|| format!("there is no delivery {id}"))?;
    let next = step_after(&delivery.step, event)
        .ok_or_else(|| format!("delivery {id} is {:?}", delivery.step))?;
    if matches!(next, DeliveryStep::Submitted { waits: 0, .. }) && delivery.submitted_at.is_none() {
        delivery.submitted_at = Some(at);
    }
    match event {
        Event::LinePasted { baseline, .. } | Event::LineLaunched { baseline, .. } => {
            delivery.baseline.clone_from(baseline);
        }
        Event::EnterIntended { composer, .. } => delivery.composer = Some(composer.clone()),
        _ => {}
    }
    delivery.step = next;
    delivery.since = at;
    let delivery = delivery.clone();
    let owner = dispatch(state, &delivery.dispatch)?;
    match event {
        Event::PasteIntended { pane, context, .. } | Event::LineLaunched { pane, context, .. } => {
            owner.pane = Some(pane.clone());
            owner.context = Some(context.clone());
            let Some(labelling) = owner.opening.labelling() else {
                return Ok(());
            };
            let (stage, issue, context) = (
                owner.opening.stage.label.clone(),
                labelling.issue,
                context.clone(),
            );
            state
                .walks
                .entry(issue)
                .or_default()
                .makers
                .entry(stage)
                .or_default()
                .insert(context);
        }
        Event::DeliverySettled { verdict, .. } => settle(owner, &delivery, *verdict, at),
        Event::LineCleared { .. } => settle(owner, &delivery, Verdict::NotDelivered, at),
        _ => {}
    }
    Ok(())
}

fn settle(owner: &mut Dispatch, delivery: &Delivery, verdict: Verdict, at: Timestamp) {
    match delivery.purpose {
        Purpose::Brief => {}
        Purpose::Answer => return ask::delivered(owner, verdict),
        // What was not typed was not said: the one nudge is still to come.
        Purpose::Nudge if verdict == Verdict::NotDelivered => {
            owner.nudged = false;
            owner.undelivered += 1;
            return;
        }
        Purpose::Nudge | Purpose::Stop | Purpose::Resume => return,
    }
    match verdict {
        Verdict::Confirmed => {
            owner.undelivered = 0;
            // Also after the end: who has the brief is told to stop.
            owner.confirmed_at = owner.confirmed_at.or(Some(at));
            if owner.phase == Phase::Delivering {
                owner.phase = Phase::Working;
            }
        }
        Verdict::NotDelivered => {
            owner.undelivered += 1;
            owner.prepared = false;
        }
        Verdict::Queued | Verdict::Unconfirmed | Verdict::TypedNotSubmitted => {}
    }
}
