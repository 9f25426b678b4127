//! Folding what stalls: how often in a row, until the first step that succeeds.

use jiff::Timestamp;

use super::dispatch;
use crate::domain::{DispatchId, Event, Hold, Stall};
use crate::machine::state::State;

pub(super) fn stalled(
    state: &mut State,
    id: &DispatchId,
    why: &str,
    until: Timestamp,
    hold: Option<&Hold>,
) -> Result<(), String> {
    let found = dispatch(state, id)?;
    let before = found.stalled.as_ref().map_or(0, |stall| stall.times);
    found.stalled = Some(Stall {
        why: why.to_owned(),
        until,
        times: if hold.is_none() { before + 1 } else { 0 },
        hold: hold.cloned(),
    });
    Ok(())
}

/// A step that succeeded ends a run of failures; an intent does not.
pub(super) fn over(state: &mut State, event: &Event) {
    let id = match event {
        Event::TreePrepared { dispatch, .. }
        | Event::WindowOpened { dispatch, .. }
        | Event::GateFinished { dispatch, .. }
        | Event::ReportRefused { dispatch, .. }
        | Event::BranchPushed { dispatch, .. }
        | Event::SpecPublished { dispatch, .. }
        | Event::QuestionPublished { dispatch, .. }
        | Event::ParkLabelRemoved { dispatch }
        | Event::DispatchClosed { dispatch, .. } => Some(dispatch),
        Event::DeliveryPlanned { delivery } => Some(&delivery.dispatch),
        Event::ReportReceived { report } => Some(&report.dispatch),
        Event::BriefStaged { delivery }
        | Event::LinePasted { delivery, .. }
        | Event::LineLaunched { delivery, .. }
        | Event::LineSubmitted { delivery, .. }
        | Event::LineCleared { delivery }
        | Event::DeliverySettled { delivery, .. } => {
            state.deliveries.get(delivery).map(|one| &one.dispatch)
        }
        _ => None,
    };
    if let Some(found) = id.and_then(|id| state.dispatches.get_mut(id)) {
        found.stalled = None;
    }
}
