//! A person stops an agent's turn: one press of the agent's own key, and only while it is busy. At an idle prompt the key edits or
//! closes something, in a dialog it answers.

use crate::domain::{Activity, Attention, Event, Liveness, Outcome, Pane, PaneSample, Profile};
use crate::machine::step::Step;

/// Returns the pane whose agent may be interrupted, or says why none may.
pub fn target(sample: Option<&PaneSample>, profile: Option<&Profile>) -> Result<Pane, String> {
    let key = profile.and_then(|profile| profile.submit.interrupt_key.as_ref());
    if key.is_none() {
        return Err("its profile names no `interrupt_key`".to_owned());
    }
    let Some(sample) = sample else {
        return Err("its agent is not there".to_owned());
    };
    let state = &sample.state;
    if state.liveness != Liveness::Alive {
        return Err(format!("its agent is not alive ({})", state.because));
    }
    match (&state.attention, state.activity) {
        (Attention::None | Attention::Stuck | Attention::HumanPresent, Activity::Busy) => {
            Ok(sample.pane.clone())
        }
        (attention, _) if attention.is_open() => Err(format!(
            "the agent asks something ({}), and the key would answer it",
            state.because
        )),
        (_, Activity::Idle { .. }) => Err("the agent is idle: there is nothing to stop".to_owned()),
        _ => Err(format!("the agent is not seen at work ({})", state.because)),
    }
}

/// Writes down what came of the key.
pub fn settle(outcome: &Outcome) -> Step {
    let refused = match outcome {
        Outcome::Interrupted => None,
        Outcome::NotInterrupted { why } | Outcome::Failed { why, .. } => Some(why.clone()),
        _ => return Step::Rest,
    };
    Step::Record(vec![Event::InterruptSettled { refused }])
}
