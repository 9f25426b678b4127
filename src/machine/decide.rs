//! The decision of one cycle, as a value: what is looked at, what is started, and why everything else waits.
//!
//! Order, first match acts (DESIGN 3): finish what is open, then candidates by rank, then what is due by the clock. This module
//! never reads a clock, and every candidate that is not chosen carries a typed reason.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{
    Answer, Dispatch, Event, Hold, IssueNumber, Observation, Phase, Questions, Rules,
};
use crate::machine::candidates::{CheapHolds, candidates, project_hold, ranked};
pub use crate::machine::memory::Memory;
use crate::machine::open::{self, Chosen};
use crate::machine::state::State;
use crate::machine::step::{Flow, Step};
use crate::machine::{flow, post, route, schedule, stall, status, walks, watchdog};

/// How often one cycle may look before it decides.
pub const LOOKS_MAX: u8 = 3;

/// One cycle's decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Read these first.
    Look(Questions),
    /// Write these down and carry that flow on.
    Act(Act),
    /// Nothing now; the earliest moment at which time alone may change that.
    Wait(Option<Timestamp>),
}

/// What a cycle starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The facts that are decided.
    pub events: Vec<Event>,
    /// What is carried on then.
    pub flow: Option<Flow>,
    /// An answer for a report that belongs to nothing open.
    pub answer: Option<Answer>,
    /// One clause for the heartbeat line.
    pub did: String,
}

impl Act {
    /// Returns the decision to carry a flow on.
    pub fn carry_on(flow: Flow, did: impl Into<String>) -> Decision {
        Decision::Act(Self {
            events: Vec::new(),
            flow: Some(flow),
            answer: None,
            did: did.into(),
        })
    }

    /// Returns the decision to write something down and carry a flow on.
    pub fn record(events: Vec<Event>, flow: Option<Flow>, did: impl Into<String>) -> Decision {
        Decision::Act(Self {
            events,
            flow,
            answer: None,
            did: did.into(),
        })
    }
}

/// Where every candidate stands.
pub type Standing = BTreeMap<IssueNumber, Hold>;

/// Decides one cycle.
pub fn decide(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    now: Timestamp,
) -> (Decision, Standing) {
    let mut standing = open_standing(state, seen);
    note_faults(state, memory, &mut standing, now);
    note_stuck(state, memory, &mut standing);
    status::note_unmarked(rules, state, memory, &mut standing);
    let ranked = ranked(rules, state, seen, now);
    let held_by_project = project_hold(rules, state, seen, ranked.pausing, now);
    let candidates = candidates(ranked.candidates, rules, state, &mut standing);
    let mut first: Option<Decision> = schedule::noted(rules, state);
    if first.is_none() {
        first = finish_open(rules, state, memory, seen, now);
    }
    if first.is_none() {
        first = walks::walks(rules, state, memory, seen);
    }
    let mut leader = None;
    let mut questions = Questions::default();
    let cheap = CheapHolds::new(rules, state, memory, seen, now);
    for candidate in &candidates {
        let (head, stage) = (candidate.head, candidate.stage);
        let hold = match &held_by_project {
            Some(hold) => Some(hold.clone()),
            None => cheap.of(candidate),
        };
        if let Some(hold) = hold {
            standing.insert(head.number, hold);
            continue;
        }
        if let Some(leader) = leader {
            standing.insert(head.number, Hold::Behind { first: leader });
            continue;
        }
        match open::open(rules, state, seen, head, stage, now) {
            Chosen::Unknown => {
                if first.is_some() {
                    standing.insert(head.number, Hold::NextCycle);
                }
                questions.issues.push(head.number);
                leader = Some(head.number);
            }
            Chosen::Held(hold) => {
                standing.insert(head.number, memory.dated(head.number, hold, now));
            }
            Chosen::Open(act) => {
                leader = Some(head.number);
                if first.is_none() {
                    first = Some(Decision::Act(act));
                } else {
                    standing.insert(head.number, Hold::NextCycle);
                }
            }
        }
    }
    if first.is_none() && !questions.issues.is_empty() {
        first = Some(Decision::Look(questions));
    }
    let first = first.or_else(|| schedule::due(rules, state, seen, held_by_project.as_ref(), now));
    let told = status::Edits::new(rules, state, memory, seen, &standing);
    let first = first.or_else(|| told.first(now));
    let wait = || {
        let moments = [
            next_moment(state, memory, seen, &standing, now),
            told.moment(now),
        ];
        Decision::Wait(moments.into_iter().flatten().min())
    };
    (first.unwrap_or_else(wait), standing)
}

/// Decides one cycle that begins nothing by itself: what is open goes on, and what a person asks for.
pub fn carry_on(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    now: Timestamp,
) -> Decision {
    finish_open(rules, state, memory, seen, now)
        .unwrap_or_else(|| Decision::Wait(next_moment(state, memory, seen, &Standing::new(), now)))
}

/// Issues that something of ours is open for stand where that is.
fn open_standing(state: &State, seen: &Observation) -> Standing {
    let mut standing = Standing::new();
    for dispatch in state
        .dispatches
        .values()
        .filter(|dispatch| dispatch.is_open())
    {
        if let Some(issue) = dispatch.issue() {
            standing.insert(issue, hold_of(state, dispatch, seen));
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
            },
        );
    }
    standing
}

/// A move, a park or a merge that failed a moment ago says so; one that fails again and again says so until it succeeds.
fn note_faults(state: &State, memory: &Memory, standing: &mut Standing, now: Timestamp) {
    for (flow, (times, why)) in &memory.faults {
        let (issue, wanted) = match flow {
            Flow::Transition(issue) => (issue, state.transitions.contains_key(issue)),
            Flow::Park(issue) => (issue, state.parks.contains_key(issue)),
            Flow::Merge(issue) => {
                let walk = state.walks.get(issue);
                (issue, walk.is_some_and(|walk| walk.approved.is_some()))
            }
            _ => continue,
        };
        let rests = memory.rests.get(flow).copied();
        if wanted && (rests.is_some() || *times >= stall::STALLS_TOLD) {
            let hold = stall::standing(*times, why, rests.unwrap_or(now));
            standing.insert(*issue, hold);
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

fn hold_of(state: &State, dispatch: &Dispatch, seen: &Observation) -> Hold {
    use crate::domain::{DeliveryStep, Verdict};
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
    let id = dispatch.id().clone();
    let last = state.last_delivery(dispatch).map(|last| &last.step);
    let phase = match (&dispatch.phase, last) {
        (
            Phase::Delivering | Phase::Working,
            Some(DeliveryStep::Settled {
                verdict: Verdict::NotDelivered,
                witness,
            }),
        ) if dispatch.undelivered >= flow::UNDELIVERED_TOLD => {
            return Hold::Undelivered {
                dispatch: id,
                times: dispatch.undelivered,
                why: witness.clone(),
            };
        }
        (
            Phase::Delivering,
            Some(DeliveryStep::Settled {
                verdict: Verdict::NotDelivered,
                witness,
            }),
        ) => {
            format!("to be delivered again ({witness})")
        }
        (
            Phase::Delivering,
            Some(DeliveryStep::Settled {
                verdict: Verdict::Queued,
                ..
            }),
        ) => "queued by the agent, behind what it does".to_owned(),
        (Phase::Delivering, Some(DeliveryStep::Settled { verdict, .. })) => {
            return Hold::Unknown {
                dispatch: id,
                verdict: verdict.as_str().to_owned(),
            };
        }
        (Phase::Delivering, _) => "being delivered".to_owned(),
        (Phase::Working, _) if dispatch.asked.is_some() => {
            "answered: the reply is on its way to the agent".to_owned()
        }
        (Phase::Working, _) => "with the agent".to_owned(),
        (Phase::Judging, _) => "being judged".to_owned(),
        (Phase::Closed { cause, .. }, _) => cause.word().to_owned(),
    };
    Hold::InHand {
        dispatch: id,
        phase,
    }
}

/// Reports, open dispatches, transitions, parks: whatever can go on goes on first.
fn finish_open(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    now: Timestamp,
) -> Option<Decision> {
    if let Some(decision) = watchdog::reports(state, memory, seen) {
        return Some(decision);
    }
    if let Some(decision) = post::posts(state, memory, seen) {
        return Some(decision);
    }
    if let Some(decision) = route::routes(rules, state, memory, seen, now) {
        return Some(decision);
    }
    for (issue, transition) in &state.transitions {
        let flow = Flow::Transition(*issue);
        let waits = transition
            .unchanged_since
            .is_some_and(|since| now < since + crate::machine::transition::UNSEEN_TWICE);
        if !memory.waits(&flow) && !waits && seen.gap.is_none() {
            return Some(Act::carry_on(
                flow,
                format!("moving {issue} to {}", transition.to),
            ));
        }
    }
    if let Some(decision) = status::marks(rules, state, memory, seen) {
        return Some(decision);
    }
    for issue in state.parks.keys() {
        let flow = Flow::Park(*issue);
        if !memory.waits(&flow) && seen.gap.is_none() {
            return Some(Act::carry_on(flow, format!("parking {issue}")));
        }
    }
    for dispatch in state.dispatches.values() {
        let flow = Flow::Dispatch(dispatch.id().clone());
        if memory.busy.contains(&flow) {
            continue;
        }
        if let Some(decision) = watchdog::watch(rules, state, memory, seen, dispatch, now) {
            return Some(decision);
        }
        let sample = watchdog::sample_for(dispatch, seen);
        if memory.rests.contains_key(&flow) {
            continue;
        }
        if flow::next(state, dispatch, rules, sample, now) != Step::Rest {
            return Some(Act::carry_on(
                flow,
                format!(
                    "going on with dispatch {} of {}",
                    dispatch.id(),
                    dispatch.about()
                ),
            ));
        }
    }
    None
}

/// The earliest moment at which time alone may change the decision.
fn next_moment(
    state: &State,
    memory: &Memory,
    seen: &Observation,
    standing: &Standing,
    now: Timestamp,
) -> Option<Timestamp> {
    let mut moments: Vec<Timestamp> = standing
        .values()
        .filter_map(|hold| match hold {
            Hold::BackOff { until, .. }
            | Hold::DailyCap { until, .. }
            | Hold::Stalled { until, .. }
            | Hold::Failing { until, .. } => Some(*until),
            _ => None,
        })
        .collect();
    for transition in state.transitions.values() {
        moments.extend(
            transition
                .unchanged_since
                .map(|since| since + crate::machine::transition::UNSEEN_TWICE),
        );
    }
    for dispatch in state.dispatches.values() {
        if memory.busy.contains(&Flow::Dispatch(dispatch.id().clone())) {
            continue;
        }
        moments.extend(watchdog::moments(state, dispatch, seen));
    }
    moments.extend(memory.rests.values().copied());
    moments.into_iter().filter(|at| *at > now).min()
}
