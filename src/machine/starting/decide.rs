//! The decision of one cycle, as a value: what is looked at, what is started, and why everything else waits.
//!
//! Order, first match acts (DESIGN 3): finish what is open, then candidates by rank, then what is due by the clock. This module
//! never reads a clock, and every candidate that is not chosen carries a typed reason.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::{Answer, Event, Hold, IssueNumber, Observation, Questions, Rules};
use crate::machine::dispatch::{flow, in_hand, watchdog};
use crate::machine::labels::{older, route, walks};
pub use crate::machine::memory::Memory;
use crate::machine::pull;
use crate::machine::resolve::RESET_SLACK;
use crate::machine::starting::candidates::{
    Candidate, CheapHolds, candidates, project_hold, ranked,
};
use crate::machine::starting::open::{self, Chosen};
use crate::machine::starting::{beside, schedule};
use crate::machine::state::State;
use crate::machine::step::{Flow, Step};
use crate::machine::telling::{note, post, status};

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
    let seen = &*memory.recall(older::set_aside(state, seen), now);
    let mut standing = in_hand::standing(rules, state, memory, seen, now);
    status::note_unmarked(rules, state, memory, &mut standing);
    let ranked = ranked(rules, state, seen, now);
    let held_by_project = project_hold(rules, state, seen, ranked.pausing, now);
    let candidates = candidates(ranked.candidates, rules, state, &mut standing);
    let mut first = schedule::noted(rules, state)
        .or_else(|| finish_open(rules, state, memory, seen, now))
        .or_else(|| walks::walks(rules, state, memory, seen, now));
    let mut leader = None;
    let mut questions = Questions::default();
    let cheap = CheapHolds::new(rules, state, memory, seen, now);
    let mut held = Vec::with_capacity(candidates.len());
    for candidate in &candidates {
        let (head, stage) = (candidate.head, candidate.stage);
        let hold = match &held_by_project {
            Some(hold) => Some(hold.clone()),
            None => cheap.of(candidate),
        };
        if let Some(hold) = hold {
            held.push((head.number, hold));
            continue;
        }
        if let Some(leader) = leader {
            held.push((head.number, Hold::Behind { first: leader }));
            continue;
        }
        match open::open(rules, state, seen, head, stage, now) {
            Chosen::Unknown => {
                if first.is_some() {
                    held.push((head.number, Hold::NextCycle));
                }
                questions.issues.push(head.number);
                questions
                    .branches
                    .append(&mut beside::branches(rules, state, seen, head, stage));
                leader = Some(head.number);
            }
            Chosen::Held(hold) => {
                held.push((head.number, memory.dated(head.number, hold, now)));
            }
            Chosen::Open(act) => {
                leader = Some(head.number);
                if first.is_none() {
                    first = Some(Decision::Act(act));
                } else {
                    held.push((head.number, Hold::NextCycle));
                }
            }
        }
    }
    // Made at once, which costs less than ten thousand insertions.
    held.extend(standing);
    let standing: Standing = held.into_iter().collect();
    if first.is_none() && !questions.issues.is_empty() {
        first = Some(Decision::Look(questions));
    }
    let first = first.or_else(|| note::several(rules, state, memory, seen, &standing));
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

/// What issues that were read say against their own start, whatever else holds them.
pub fn refusals(rules: &Rules, state: &State, seen: &Observation, now: Timestamp) -> Standing {
    let seen = &*older::set_aside(state, seen);
    let ranked = ranked(rules, state, seen, now).candidates;
    let refusal = |candidate: &Candidate| {
        let (head, stage) = (candidate.head, candidate.stage);
        match open::open(rules, state, seen, head, stage, now) {
            Chosen::Held(hold) => Some((head.number, hold)),
            Chosen::Unknown | Chosen::Open(_) => None,
        }
    };
    ranked.iter().filter_map(refusal).collect()
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
    if let Some(decision) = pull::watch(rules, state, memory, seen, now) {
        return Some(decision);
    }
    for (issue, transition) in &state.transitions {
        let flow = Flow::Transition(*issue);
        let waits = transition
            .unchanged_since
            .is_some_and(|since| now < since + crate::machine::labels::transition::UNSEEN_TWICE);
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
    if let Some(decision) = note::waiting(state, memory, seen) {
        return Some(decision);
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
            | Hold::Gap { until }
            | Hold::Flood { until, .. }
            | Hold::IssueCap { until, .. }
            | Hold::Stalled { until, .. }
            | Hold::Failing { until, .. } => Some(*until),
            Hold::AccountLimit { until, .. } => {
                until.and_then(|until| until.checked_add(RESET_SLACK).ok())
            }
            _ => None,
        })
        .collect();
    for transition in state.transitions.values() {
        moments.extend(
            transition
                .unchanged_since
                .map(|since| since + crate::machine::labels::transition::UNSEEN_TWICE),
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
