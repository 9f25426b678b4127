//! Where an issue stands that something of ours is open for: what is under way, or what it waits for.

use jiff::Timestamp;

use crate::domain::{DeliveryStep, Dispatch, Hold, Observation, Phase, Rules, Verdict};
use crate::machine::dispatch::{flow, stall, watchdog};
use crate::machine::memory::Memory;
use crate::machine::starting::decide::Standing;
use crate::machine::starting::open;
use crate::machine::state::State;
use crate::machine::step::Flow;

/// Issues that something of ours is open for stand where that is.
pub(in crate::machine) fn standing(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    now: Timestamp,
) -> Standing {
    let mut standing = Standing::new();
    for dispatch in state
        .dispatches
        .values()
        .filter(|dispatch| dispatch.is_open())
    {
        if let Some(issue) = dispatch.issue() {
            let hold = match (
                hold_of(rules, state, dispatch, seen),
                memory.unread_for_long(issue, now),
            ) {
                // Whether it is still wanted is not known.
                (Hold::InHand { .. }, Some(why)) => Hold::Unreadable {
                    why: why.to_owned(),
                    until: None,
                },
                (hold, _) => hold,
            };
            standing.insert(issue, hold);
        }
    }
    for transition in state.transitions.values() {
        standing.insert(
            transition.issue,
            Hold::Moving {
                to: transition.to.to_string(),
            },
        );
    }
    for (issue, route) in &state.routes {
        standing.entry(*issue).or_insert(Hold::Moving {
            to: route.to.to_string(),
        });
    }
    for (issue, (label, why)) in &state.parks {
        standing.insert(
            *issue,
            Hold::Parked {
                label: label.clone(),
                why: Some(why.clone()),
                stripped: None,
            },
        );
    }
    note_faults(state, memory, &mut standing, now);
    note_stuck(state, memory, &mut standing);
    standing
}

/// What failed a moment ago, or does not last, says so; what fails again and again says so until it succeeds.
fn note_faults(state: &State, memory: &Memory, standing: &mut Standing, now: Timestamp) {
    for (flow, (times, why)) in &memory.faults {
        let (issue, wanted) = match flow {
            Flow::Transition(issue) => (Some(*issue), state.transitions.contains_key(issue)),
            Flow::Park(issue) => (Some(*issue), state.parks.contains_key(issue)),
            Flow::Route(issue) => (Some(*issue), state.routes.contains_key(issue)),
            Flow::Merge(issue) => {
                let walk = state.walks.get(issue);
                let approved = walk.is_some_and(|walk| walk.approved.is_some());
                (Some(*issue), approved)
            }
            Flow::Leave(issue) => (Some(*issue), state.walks.contains_key(issue)),
            Flow::Dispatch(id) => {
                let dispatch = state.dispatches.get(id);
                let open = dispatch.filter(|dispatch| dispatch.is_open());
                // What is in a person's way says more than how often it was looked at.
                let known = open.and_then(|open| open.stalled.as_ref()?.hold.as_ref());
                (
                    open.and_then(Dispatch::issue),
                    open.is_some() && known.is_none(),
                )
            }
            Flow::Post(..)
            | Flow::Answer(_)
            | Flow::Status(_)
            | Flow::Note(_)
            | Flow::Interrupt => (None, false),
        };
        let rests = memory.rests.get(flow).copied();
        if let Some(issue) = issue
            && wanted
            && (rests.is_some() || *times >= stall::STALLS_TOLD)
        {
            let hold = stall::standing(*times, why, rests.unwrap_or(now));
            standing.insert(issue, hold);
        }
    }
}

/// An agent that is busy beyond the stage's time is a person's to look at.
fn note_stuck(state: &State, memory: &Memory, standing: &mut Standing) {
    for dispatch in state.dispatches.values() {
        let held = dispatch.issue().and_then(|issue| standing.get_mut(&issue));
        if let Some(hold @ Hold::InHand { .. }) = held
            && watchdog::is_out_of_time(memory, dispatch)
        {
            *hold = Hold::Stuck {
                dispatch: dispatch.id().clone(),
                minutes: dispatch.opening.stage.timeout.as_secs() / 60,
            };
        }
    }
}

fn hold_of(rules: &Rules, state: &State, dispatch: &Dispatch, seen: &Observation) -> Hold {
    let stall = dispatch.stalled.as_ref();
    if let Some(hold) = stall.and_then(|stall| stall::hold(stall, seen.at)) {
        return hold;
    }
    if let Some(asked) = dispatch
        .asked
        .as_ref()
        .filter(|_| dispatch.waits_for_a_person())
    {
        return Hold::Asked {
            question: asked.text.clone(),
        };
    }
    let phase = match &dispatch.phase {
        Phase::Delivering => return delivering(rules, state, dispatch, seen),
        Phase::Working if dispatch.asked.is_some() => {
            "answered: the reply is on its way to the agent"
        }
        Phase::Working => "with the agent",
        Phase::Judging => "being judged",
        Phase::Closed { cause, .. } => cause.word(),
    };
    Hold::InHand {
        dispatch: dispatch.id().clone(),
        phase: phase.to_owned(),
    }
}

/// A brief on its way.
fn delivering(rules: &Rules, state: &State, dispatch: &Dispatch, seen: &Observation) -> Hold {
    let id = dispatch.id().clone();
    let in_hand = |phase: String| Hold::InHand {
        dispatch: id.clone(),
        phase,
    };
    let last = state.last_delivery(dispatch).map(|last| &last.step);
    // Nothing is typed, and it waits for an agent that is not there, or wants a person.
    let window = dispatch.opening.window;
    let to_type = window.is_agent() && last.is_none_or(watchdog::is_untyped);
    let ends_by_itself = |hold: &Hold| matches!(hold, Hold::AgentNotIdle { .. });
    let agent =
        || open::agent_hold(rules, seen, window).filter(|hold| to_type && !ends_by_itself(hold));
    match last {
        Some(DeliveryStep::Settled {
            verdict: Verdict::NotDelivered,
            witness,
        }) if dispatch.undelivered >= flow::UNDELIVERED_TOLD => Hold::Undelivered {
            dispatch: id.clone(),
            times: dispatch.undelivered,
            why: witness.clone(),
        },
        Some(DeliveryStep::Settled {
            verdict: Verdict::NotDelivered,
            witness,
        }) => agent().unwrap_or_else(|| in_hand(format!("to be delivered again ({witness})"))),
        Some(DeliveryStep::Settled {
            verdict: Verdict::Queued,
            ..
        }) => in_hand("queued by the agent, behind what it does".to_owned()),
        Some(DeliveryStep::Settled { verdict, .. }) => Hold::Unknown {
            dispatch: id.clone(),
            verdict: verdict.as_str().to_owned(),
        },
        _ => agent().unwrap_or_else(|| in_hand("being delivered".to_owned())),
    }
}
