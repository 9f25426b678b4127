//! The dead man's switch: work is ready, and for hours nothing is dispatched.
//!
//! Every single hold has its own end or its own person. This asks about all of them at once, whatever the cause: what waits only for
//! something that should have ended long ago. Watched time counts, not the clock: a machine that slept has missed nothing.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::domain::{Dispatch, Hold, IssueNumber};
use crate::machine::starting::decide::Standing;
use crate::machine::state::State;

/// So long may ready work wait; then a person is told. Longer than an agent that a person uses for an afternoon.
pub const STARVED_AFTER: SignedDuration = SignedDuration::from_hours(6);

/// Ready work without a dispatch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Starved {
    /// For how long that was watched.
    pub watched: SignedDuration,
    /// What each issue waits for, as a stable word.
    pub issues: BTreeMap<IssueNumber, &'static str>,
}

impl Starved {
    /// Returns whether a person has to know.
    pub fn is_due(&self) -> bool {
        self.watched >= STARVED_AFTER
    }
}

/// Finds work that is ready while nothing is dispatched; it goes on from what was found in the cycle before.
pub fn find(state: &State, standing: &Standing, before: Option<&Starved>) -> Option<Starved> {
    // What is open has clocks of its own: the stage's time, stuck, asked, undelivered.
    if state.dispatches.values().any(Dispatch::is_open) {
        return None;
    }
    // What nobody can see is not over: a tracker that is away for a moment begins nothing anew.
    if standing
        .values()
        .any(|hold| matches!(hold, Hold::Tracker { .. }))
    {
        return before.cloned();
    }
    let issues: BTreeMap<IssueNumber, &'static str> = standing
        .iter()
        .filter(|(_, hold)| is_ready(hold, standing))
        .map(|(issue, hold)| (*issue, hold.word()))
        .collect();
    (!issues.is_empty()).then(|| Starved {
        watched: before.map_or(SignedDuration::ZERO, |before| before.watched),
        issues,
    })
}

/// Tells whether a hold ends by itself, and soon. One that waits for a person is told as such, one that somebody meant is no fault.
fn is_ready(hold: &Hold, standing: &Standing) -> bool {
    match hold {
        // Whose seat it is says for itself why nothing happens; if it says nothing, nobody does.
        Hold::Seat { holder, .. } => !standing.contains_key(holder),
        Hold::Sessions { taken } => taken.iter().any(|(_, hold)| is_ready(hold, standing)),
        other => matches!(
            other,
            Hold::AgentNotIdle { .. }
                | Hold::Session { .. }
                | Hold::ActiveMax { .. }
                | Hold::Wip { .. }
                | Hold::BackOff { .. }
                | Hold::Stalled { .. }
                | Hold::Unmarked { .. }
                | Hold::Moving { .. }
                | Hold::Behind { .. }
                | Hold::NextCycle
        ),
    }
}
