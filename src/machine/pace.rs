//! How often: the one bound on every effect that can come again (PROTOCOLS 12).
//!
//! What fails is tried again more and more slowly (`stall`). What is done and does not last (a label that is dropped without a word,
//! an answer that somebody takes away) is done a few times at once, then ever more rarely. Looks change nothing and have pauses of
//! their own, as the status comment has. All of it is remembered and not recorded: after a restart the counting starts anew.

use std::collections::{BTreeMap, VecDeque};

use jiff::{SignedDuration, Timestamp};

use crate::domain::Action;
use crate::machine::step::Flow;

/// An action of a flow is started this often within an hour without a pause.
const STARTS_FREE: usize = 10;
/// From then on the pause grows by this much with each start.
const PAUSE_STEP: SignedDuration = SignedDuration::from_secs(10);
/// And is never longer than this: so an action of a flow is started at most 50 times an hour.
const PAUSE_MAX: SignedDuration = SignedDuration::from_mins(2);
/// What is longer ago than this is forgotten.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// What was started lately.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    /// Starts within the last hour, oldest first.
    tries: BTreeMap<(Flow, String), VecDeque<Timestamp>>,
}

impl Pace {
    /// Returns when an action of a flow may be started; `None` means now.
    pub fn again_at(&self, flow: &Flow, action: &Action, now: Timestamp) -> Option<Timestamp> {
        if is_look(action) || matches!(action, Action::State { .. }) {
            return None;
        }
        let starts = self.tries.get(&key(flow, action))?;
        let over = (starts.len() + 1).checked_sub(STARTS_FREE)?;
        let pause = PAUSE_STEP * i32::try_from(over).unwrap_or(i32::MAX);
        let at = *starts.back()? + pause.min(PAUSE_MAX);
        (at > now).then_some(at)
    }

    /// Counts a start.
    pub fn started(&mut self, flow: &Flow, action: &Action, now: Timestamp) {
        let tries = self.tries.entry(key(flow, action)).or_default();
        tries.push_back(now);
    }

    /// Returns how often an action of a flow was started within the hour.
    pub fn starts(&self, flow: &Flow, action: &Action) -> u32 {
        let tries = self.tries.get(&key(flow, action));
        tries.map_or(0, |starts| u32::try_from(starts.len()).unwrap_or(u32::MAX))
    }

    /// Forgets what is long ago.
    pub fn forget(&mut self, now: Timestamp) {
        for tries in self.tries.values_mut() {
            while tries
                .front()
                .is_some_and(|at| now.duration_since(*at) >= REMEMBERED)
            {
                tries.pop_front();
            }
        }
        self.tries.retain(|_, tries| !tries.is_empty());
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
