//! How often: the one bound on every effect that can come again (PROTOCOLS 12).
//!
//! What the outside refuses is tried again after a pause that doubles. What is done and does not last (a label that is dropped
//! without a word, an answer that somebody takes away) is done a few times at once, then ever more rarely. Looks change nothing
//! and have pauses of their own, as the status comment has. All of it is remembered and not recorded: after a restart the counting starts anew.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Action, Outcome};
use crate::machine::step::Flow;

/// The pause after the first fault; it doubles with each further one in a row, five times at most.
const FAULT_PAUSE: SignedDuration = SignedDuration::from_secs(10);
const FAULT_DOUBLINGS_MAX: u32 = 5;
/// An action of a flow is started this often within an hour without a pause.
const STARTS_FREE: usize = 10;
/// From then on the pause grows by this much with each start.
const PAUSE_STEP: SignedDuration = SignedDuration::from_secs(10);
/// And is never longer than this: so an action of a flow is started at most 50 times an hour.
const PAUSE_MAX: SignedDuration = SignedDuration::from_mins(2);
/// What is longer ago than this is forgotten.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// What was started lately, and how it went.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    tries: BTreeMap<(Flow, String), Tries>,
}

#[derive(Clone, Debug, Default)]
struct Tries {
    /// Within the last hour, oldest first.
    starts: VecDeque<Timestamp>,
    /// Faults in a row.
    faults: u32,
}

impl Pace {
    /// Returns when an action of a flow may be started; `None` means now.
    pub fn again_at(&self, flow: &Flow, action: &Action, now: Timestamp) -> Option<Timestamp> {
        if is_look(action) || matches!(action, Action::State { .. }) {
            return None;
        }
        let starts = &self.tries.get(&key(flow, action))?.starts;
        let over = (starts.len() + 1).checked_sub(STARTS_FREE)?;
        let pause = PAUSE_STEP * i32::try_from(over).unwrap_or(i32::MAX);
        let at = *starts.back()? + pause.min(PAUSE_MAX);
        (at > now).then_some(at)
    }

    /// Counts a start.
    pub fn started(&mut self, flow: &Flow, action: &Action, now: Timestamp) {
        let tries = self.tries.entry(key(flow, action)).or_default();
        tries.starts.push_back(now);
    }

    /// Counts how it went, and puts off what failed: at least until the time that the outside named.
    pub fn ended(
        &mut self,
        flow: &Flow,
        action: &Action,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Outcome {
        if is_typing(action) {
            return outcome.clone();
        }
        let tries = self.tries.entry(key(flow, action)).or_default();
        let Outcome::Failed { why, until } = outcome else {
            tries.faults = 0;
            return outcome.clone();
        };
        let pause = FAULT_PAUSE * (1 << tries.faults.min(FAULT_DOUBLINGS_MAX));
        tries.faults += 1;
        Outcome::Failed {
            why: why.clone(),
            until: (*until).max(now + pause),
        }
    }

    /// Returns how often in a row something of a flow failed, or was done and did not last.
    pub fn vain(&self, flow: &Flow) -> u32 {
        let of_flow = self.tries.iter().filter(|((of, _), _)| of == flow);
        let vain = |tries: &Tries| {
            let over = (tries.starts.len() + 1).saturating_sub(STARTS_FREE);
            let lasting = if over > 0 { tries.starts.len() } else { 0 };
            tries.faults.max(u32::try_from(lasting).unwrap_or(u32::MAX))
        };
        of_flow.map(|(_, tries)| vain(tries)).max().unwrap_or(0)
    }

    /// Forgets what is long ago.
    pub fn forget(&mut self, now: Timestamp) {
        for tries in self.tries.values_mut() {
            while tries
                .starts
                .front()
                .is_some_and(|at| now.duration_since(*at) >= REMEMBERED)
            {
                tries.starts.pop_front();
            }
        }
        self.tries.retain(|_, tries| !tries.starts.is_empty());
    }
}

/// Says why something rests that was done so often.
pub fn in_vain(action: &Action) -> String {
    format!("`{}` is done and does not last", action.word())
}

fn key(flow: &Flow, action: &Action) -> (Flow, String) {
    let word = match action {
        Action::Gate { gate, .. } => format!("gate {gate}"),
        other => other.word().to_owned(),
    };
    (flow.clone(), word)
}

/// Whether an action types: what came of it is looked for at once, and deliveries have a back-off and a cap of their own.
fn is_typing(action: &Action) -> bool {
    matches!(
        action,
        Action::Paste { .. } | Action::Launch { .. } | Action::Enter { .. } | Action::Clear { .. }
    )
}

/// Whether an action changes nothing in the world.
fn is_look(action: &Action) -> bool {
    matches!(
        action,
        Action::ReadLabels { .. }
            | Action::Inspect { .. }
            | Action::Echo { .. }
            | Action::AwaitReceipt { .. }
    )
}
