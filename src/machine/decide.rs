//! The decision of one cycle, as a value: what is looked at, what is started, and why everything else waits.
//!
//! Order, first match acts (DESIGN 3): finish what is open, then candidates by rank, then what is due by the clock. This module never reads a clock, and
//! every candidate that is not chosen carries a typed reason.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::domain::{
    Answer, Dispatch, Event, Head, Hold, IssueNumber, Label, LabelEventId, Observation, Phase,
    Questions, Rules, SingleRead, Stage,
};
use crate::machine::open::{self, Chosen};
use crate::machine::rank::{Rank, rank};
use crate::machine::state::State;
use crate::machine::step::{Flow, Step};
use crate::machine::{flow, post, route, schedule, trust, watchdog};

/// How often one cycle may look before it decides.
pub const LOOKS_MAX: u8 = 3;

/// What the engine remembers between cycles and may lose: nothing here is truth.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Flows with an effect in flight, or an append on its way.
    pub busy: BTreeSet<Flow>,
    /// Flows that rest until then: a fault that passes, or a look that found nothing new.
    pub rests: BTreeMap<Flow, Timestamp>,
    /// Why a flow without a dispatch rests, for `explain`.
    pub faults: BTreeMap<Flow, String>,
    /// Refusals on detail, valid while the issue's head is unchanged.
    pub refused: BTreeMap<IssueNumber, (Head, Hold)>,
    /// For how long a dispatch's pane was observed since its receipt.
    pub observed: BTreeMap<crate::domain::DispatchId, jiff::SignedDuration>,
    /// The head of a dispatch's issue when it was last read singly and found to be wanted.
    pub checked: BTreeMap<crate::domain::DispatchId, Head>,
    /// How often in a row a dispatch's pane was missing.
    pub missing: BTreeMap<crate::domain::DispatchId, u32>,
}

impl Memory {
    /// Returns whether a flow has something under way, or rests for a moment.
    pub fn waits(&self, flow: &Flow) -> bool {
        self.busy.contains(flow) || self.rests.contains_key(flow)
    }
}

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
    note_faults(memory, &mut standing);
    let candidates = candidates(rules, state, seen, &mut standing, now);
    let held_by_project = project_hold(rules, state, seen, now);
    let mut first: Option<Decision> = schedule::noted(rules, state);
    if first.is_none() {
        first = finish_open(rules, state, memory, seen, now);
    }
    if first.is_none() {
        first = walks(rules, state, memory, seen);
    }
    let mut leader = None;
    let mut questions = Questions::default();
    for (_, head, stage) in &candidates {
        let hold = match &held_by_project {
            Some(hold) => Some(hold.clone()),
            None => cheap_hold(rules, state, memory, seen, head, stage, now),
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
                standing.insert(head.number, hold);
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
    let first = first.or_else(|| schedule::due(rules, state, seen, now));
    (
        first.unwrap_or_else(|| Decision::Wait(next_moment(state, memory, seen, &standing, now))),
        standing,
    )
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

/// A move, a park or a merge that failed a moment ago says so.
fn note_faults(memory: &Memory, standing: &mut Standing) {
    for (flow, why) in &memory.faults {
        let (Flow::Transition(issue) | Flow::Park(issue) | Flow::Merge(issue)) = flow else {
            continue;
        };
        if let Some(until) = memory.rests.get(flow) {
            let why = why.clone();
            standing.insert(*issue, Hold::Stalled { why, until: *until });
        }
    }
}

fn hold_of(state: &State, dispatch: &Dispatch, seen: &Observation) -> Hold {
    use crate::domain::{DeliveryStep, Verdict};
    if let Some((why, until)) = &dispatch.stalled
        && *until > seen.at
    {
        return Hold::Stalled {
            why: why.clone(),
            until: *until,
        };
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
            Phase::Delivering,
            Some(DeliveryStep::Settled {
                verdict: Verdict::NotDelivered,
                witness,
            }),
        ) => {
            format!("to be delivered again ({witness})")
        }
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

/// Issues whose walk a person ended, resumed or finished.
fn walks(rules: &Rules, state: &State, memory: &Memory, seen: &Observation) -> Option<Decision> {
    if seen.gap.is_some() {
        return None;
    }
    for (issue, walk) in &state.walks {
        if state.open_dispatch(*issue).is_some()
            || state.transitions.contains_key(issue)
            || state.routes.contains_key(issue)
            || state.parks.contains_key(issue)
        {
            continue;
        }
        if let (Some(by), Some(label)) = (&walk.approved, &walk.yours)
            && let Some(decision) =
                finish_approved(rules, state, memory, *issue, by, label, seen.at)
        {
            return Some(decision);
        }
        if walk.left {
            continue;
        }
        // A closed issue is not listed: a single read says so before its seat is given away.
        let head = seen.heads.get(issue);
        let routed = head.is_some_and(|head| {
            let mut stages = rules.workflow.stages.iter();
            head.open && stages.any(|stage| head.labels.contains(&stage.label))
        });
        let parked = head.is_none_or(|head| head.labels.contains(&rules.workflow.labels.park));
        if !routed {
            let Some(details) = seen.details.get(issue) else {
                return Some(Decision::Look(Questions {
                    issues: vec![*issue],
                    comments: Vec::new(),
                }));
            };
            if let Some(how) = left(rules, details) {
                return Some(Act::record(
                    vec![Event::IssueLeft {
                        issue: *issue,
                        how: how.clone(),
                    }],
                    None,
                    format!("{issue}: {how}"),
                ));
            }
        } else if walk.parked.is_some() && !parked {
            let Some(details) = seen.details.get(issue) else {
                return Some(Decision::Look(Questions {
                    issues: vec![*issue],
                    comments: Vec::new(),
                }));
            };
            if let Some(event) = unparked(rules, details) {
                return Some(Act::record(
                    vec![Event::IssueUnparked {
                        issue: *issue,
                        event,
                    }],
                    None,
                    format!("{issue} may be tried again"),
                ));
            }
        }
    }
    None
}

fn left(rules: &Rules, details: &crate::domain::Details) -> Option<String> {
    match &details.read {
        SingleRead::Gone => Some("the issue is gone".to_owned()),
        SingleRead::Transferred { to } => Some(format!("transferred to {to}")),
        SingleRead::Found(found) if !found.0.open => Some("closed".to_owned()),
        SingleRead::Found(found) => {
            let routed = rules
                .workflow
                .stages
                .iter()
                .any(|stage| found.0.labels.contains(&stage.label));
            (!routed).then(|| "left the workflow".to_owned())
        }
    }
}

fn unparked(rules: &Rules, details: &crate::domain::Details) -> Option<LabelEventId> {
    let park = &rules.workflow.labels.park;
    let last = details
        .events
        .iter()
        .rev()
        .find(|event| event.label == *park)?;
    (!last.set).then(|| last.id.clone())
}

/// A person approved what waited for them: merge if there is something to merge, then move.
fn finish_approved(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    issue: IssueNumber,
    by: &str,
    label: &Label,
    now: Timestamp,
) -> Option<Decision> {
    use crate::domain::{Merge, Next, Transition, TransitionStep};
    let walk = state.walks.get(&issue)?;
    let stage = rules.workflow.stage(label)?;
    let merges =
        rules.project.git && rules.project.merge == Merge::FastForward && stage.next == Next::Done;
    if merges && walk.subject.is_some() && walk.merged != walk.subject {
        let flow = Flow::Merge(issue);
        return (!memory.waits(&flow))
            .then(|| Act::carry_on(flow, format!("merging {issue}, approved by {by}")));
    }
    let transition = Transition {
        issue,
        from: label.clone(),
        to: stage.next.clone(),
        dispatch: None,
        after: walk.event.clone(),
        rework: false,
        at: now,
        unchanged_since: None,
        step: TransitionStep::Intended,
    };
    let did = format!("{issue} moves to {}, approved by {by}", stage.next);
    Some(Act::record(
        vec![Event::TransitionIntended { transition }],
        Some(Flow::Transition(issue)),
        did,
    ))
}

/// Open issues with exactly one routing label and nothing of ours open, best first; the rest is held.
fn candidates<'a>(
    rules: &'a Rules,
    state: &State,
    seen: &'a Observation,
    standing: &mut Standing,
    now: Timestamp,
) -> Vec<(Rank, &'a Head, &'a Stage)> {
    let mut found = Vec::new();
    for head in seen.heads.values() {
        if !head.open || standing.contains_key(&head.number) {
            continue;
        }
        let mut routing = rules
            .workflow
            .stages
            .iter()
            .enumerate()
            .filter(|(_, stage)| head.labels.contains(&stage.label));
        let Some((position, stage)) = routing.next() else {
            continue;
        };
        if let Some(mut hold) = trust::refused_by_labels(head, &rules.workflow) {
            if let Hold::Parked { why, .. } = &mut hold {
                *why = state
                    .walks
                    .get(&head.number)
                    .and_then(|walk| walk.parked.clone());
            }
            standing.insert(head.number, hold);
            continue;
        }
        found.push((
            rank(head, position, &rules.workflow, state, now),
            head,
            stage,
        ));
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found
}

/// A reason that stops every candidate of the project.
pub(crate) fn project_hold(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    now: Timestamp,
) -> Option<Hold> {
    let limits = &rules.workflow.limits;
    if let Some(by) = &state.paused {
        return Some(Hold::Paused { by: by.clone() });
    }
    if let Some((why, since)) = &seen.gap {
        return Some(Hold::Tracker {
            why: why.clone(),
            since: *since,
        });
    }
    let pause = seen
        .heads
        .values()
        .find(|head| head.open && head.labels.contains(&rules.workflow.labels.pause));
    if let Some(head) = pause {
        return Some(Hold::Paused {
            by: format!("{} ({})", rules.workflow.labels.pause, head.number),
        });
    }
    if let Some(hours) = limits
        .hours
        .filter(|hours| !hours.contains(seen.local_minute))
    {
        return Some(Hold::Hours {
            from: hours.from,
            to: hours.to,
        });
    }
    let day = jiff::SignedDuration::from_hours(24);
    let (opened, oldest) = state.opened_since(now - day);
    if opened >= limits.dispatches_per_day {
        let until = oldest.map_or(now, |at| at + day);
        return Some(Hold::DailyCap {
            limit: limits.dispatches_per_day,
            until,
        });
    }
    None
}

/// What can be said without reading the issue singly.
fn cheap_hold(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    head: &Head,
    stage: &Stage,
    now: Timestamp,
) -> Option<Hold> {
    if let Some((refused, hold)) = memory.refused.get(&head.number)
        && refused == head
    {
        return Some(hold.clone());
    }
    if let Some(holder) = state
        .seats
        .get(&stage.label)
        .filter(|holder| stage.seat && **holder != head.number)
        .filter(|holder| !waits_for_a_person(rules, state, memory, seen, **holder))
    {
        return Some(Hold::Seat {
            stage: stage.label.clone(),
            holder: *holder,
        });
    }
    let seated = state.seats.values().any(|holder| *holder == head.number);
    if !seated && state.open_in(&stage.label) >= stage.wip {
        return Some(Hold::Wip {
            stage: stage.label.clone(),
            limit: stage.wip,
        });
    }
    if let Some(walk) = state.walks.get(&head.number)
        && let Some((_, at)) = walk
            .ended
            .as_ref()
            .filter(|(cause, _)| cause.ends_the_attempt())
    {
        let until = *at + open::back_off(walk.attempts);
        if until > now && walk.attempts < rules.workflow.limits.attempts {
            return Some(Hold::BackOff {
                attempt: walk.attempts,
                until,
            });
        }
    }
    open::session_hold(rules, state, seen, stage)
}

/// Waiting for a person holds no seat: who comes next takes it over.
fn waits_for_a_person(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    holder: IssueNumber,
) -> bool {
    let in_hand = state
        .dispatches
        .values()
        .any(|dispatch| dispatch.issue() == Some(holder) && !dispatch.waits_for_a_person())
        || state.transitions.contains_key(&holder)
        || state.parks.contains_key(&holder);
    if in_hand {
        return false;
    }
    if state.open_dispatch(holder).is_some() {
        return true;
    }
    let Some(head) = seen.heads.get(&holder) else {
        return false;
    };
    let refused = memory
        .refused
        .get(&holder)
        .is_some_and(|(read, _)| read == head);
    refused || trust::refused_by_labels(head, &rules.workflow).is_some()
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
            | Hold::Stalled { until, .. } => Some(*until),
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
