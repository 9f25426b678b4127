//! Watching what is open: reports that came in, labellings that no longer hold, sessions that died, time that ran out.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    Activity, Answer, Cause, Delivery, DeliveryStep, Dispatch, Event, Observation, PaneSample,
    Phase, Purpose, Questions, Report, ReportId, Rules, Verb, Verdict, Window,
};
use crate::machine::decide::{Act, Decision, Memory};
use crate::machine::state::State;
use crate::machine::step::Flow;
use crate::machine::{delivery, trust};

/// A pane that is missing in this many observations in a row is gone.
const MISSING_MAX: u32 = 3;

/// Returns the sample of the pane that a dispatch is in, or will be typed into.
pub fn sample_for<'a>(dispatch: &Dispatch, seen: &'a Observation) -> Option<&'a PaneSample> {
    seen.panes.get(&dispatch.opening.window)
}

/// Takes the oldest report that the ledger does not have.
pub fn reports(state: &State, memory: &Memory, seen: &Observation) -> Option<Decision> {
    for report in &seen.reports {
        let Some(dispatch) = state
            .dispatches
            .get(&report.dispatch)
            .filter(|dispatch| dispatch.is_open())
        else {
            return Some(ignored(state, report));
        };
        let flow = Flow::Dispatch(report.dispatch.clone());
        // While a gate or a guarded key is under way the report waits; the cycle after it takes it.
        if memory.busy.contains(&flow) && !waits_for_agent(state, dispatch) {
            continue;
        }
        let mut events = vec![Event::ReportReceived {
            report: Box::new(report.clone()),
        }];
        if let Some(delivery) = state.last_delivery(dispatch).filter(|last| proves(last)) {
            events.push(Event::DeliverySettled {
                delivery: delivery.id.clone(),
                verdict: Verdict::Confirmed,
                witness: format!("report {}", report.id),
            });
        }
        let did =
            format!("report of dispatch {}: {:?}", report.dispatch, report.verb).to_lowercase();
        return Some(Act::record(events, Some(flow), did));
    }
    None
}

fn waits_for_agent(state: &State, dispatch: &Dispatch) -> bool {
    matches!(
        state.last_delivery(dispatch).map(|last| &last.step),
        Some(DeliveryStep::Submitted { .. })
    )
}

/// Only the brief has the secret, so a report proves that the brief arrived.
fn proves(last: &Delivery) -> bool {
    let typed = matches!(
        last.step,
        DeliveryStep::PasteIntended
            | DeliveryStep::LaunchIntended
            | DeliveryStep::Pasted
            | DeliveryStep::EnterIntended { .. }
    );
    if typed {
        return last.purpose == Purpose::Brief;
    }
    matches!(
        last.step,
        DeliveryStep::Submitted { .. }
            | DeliveryStep::Settled {
                verdict: Verdict::Unconfirmed | Verdict::Queued | Verdict::TypedNotSubmitted,
                ..
            }
    )
}

fn ignored(state: &State, report: &Report) -> Decision {
    let text = match state
        .dispatches
        .get(&report.dispatch)
        .map(|dispatch| &dispatch.phase)
    {
        Some(Phase::Closed {
            cause: Cause::Withdrawn { by, why },
            at,
        }) => {
            format!("withdrawn by {by} at {at}: {why}. Stop; leave the tree as it is.")
        }
        _ => format!(
            "dispatch {} is not open. End your turn; leave the tree as it is.",
            report.dispatch
        ),
    };
    let answer = Answer {
        report: report.id.clone(),
        accepted: false,
        text,
    };
    Decision::Act(Act {
        events: vec![Event::ReportIgnored {
            answer: answer.clone(),
        }],
        flow: None,
        answer: Some(answer),
        did: format!("report {} belongs to nothing open", report.id),
    })
}

/// Looks after one open dispatch.
pub fn watch(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    dispatch: &Dispatch,
    now: Timestamp,
) -> Option<Decision> {
    if !dispatch.is_open() {
        return None;
    }
    if let Some(decision) = withdrawal(rules, state, seen, dispatch) {
        return Some(decision);
    }
    if dispatch.phase != Phase::Working {
        return None;
    }
    if memory.missing.get(dispatch.id()).copied().unwrap_or(0) >= MISSING_MAX {
        let why = "its session is gone".to_owned();
        return Some(end(dispatch, Cause::Lost { why }));
    }
    let sample =
        sample_for(dispatch, seen).filter(|sample| Some(&sample.pane) == dispatch.pane.as_ref())?;
    let idle_since = match sample.state.activity {
        Activity::Idle { since } if sample.state.takes_text() => Some(since),
        _ => None,
    };
    let observed = memory
        .observed
        .get(dispatch.id())
        .copied()
        .unwrap_or_default();
    let timeout =
        SignedDuration::try_from(dispatch.opening.stage.timeout).unwrap_or(SignedDuration::MAX);
    if observed >= timeout && idle_since.is_some() {
        return Some(end(dispatch, Cause::TimedOut));
    }
    let quiet = quiet_since(state, dispatch, idle_since?)?;
    let patience =
        SignedDuration::try_from(rules.idle_without_report).unwrap_or(SignedDuration::MAX);
    if now.duration_since(quiet) < patience {
        return None;
    }
    let report = unreported(state, dispatch, now);
    let did = format!(
        "dispatch {} is idle without a report: looking for its work",
        dispatch.id()
    );
    let flow = Flow::Dispatch(dispatch.id().clone());
    Some(Act::record(
        vec![Event::ReportReceived {
            report: Box::new(report),
        }],
        Some(flow),
        did,
    ))
}

/// Since when an agent that has the last word of ours says nothing; `None` while something is still to be delivered.
fn quiet_since(state: &State, dispatch: &Dispatch, idle_since: Timestamp) -> Option<Timestamp> {
    if dispatch.asked.is_some() {
        return None;
    }
    let last = state.last_delivery(dispatch)?;
    if !delivery::is_over(last) {
        return None;
    }
    let silent = dispatch
        .report
        .as_ref()
        .filter(|report| report.verb == Verb::Unreported);
    // A silent round was judged; nothing is looked at again before the nudge it leads to was taken.
    if silent.is_some_and(|report| report.at >= last.since) {
        return None;
    }
    let said = dispatch
        .report
        .as_ref()
        .map_or(last.since, |report| report.at);
    Some(idle_since.max(last.since).max(said))
}

fn unreported(state: &State, dispatch: &Dispatch, now: Timestamp) -> Report {
    let said = dispatch.report.clone();
    Report {
        id: ReportId::new(format!("unreported-{}-{}", dispatch.id(), state.version)),
        dispatch: dispatch.id().clone(),
        verb: Verb::Unreported,
        head: None,
        branch: None,
        spec: said.as_ref().and_then(|report| report.spec.clone()),
        verdict: said.as_ref().and_then(|report| report.verdict.clone()),
        note: None,
        proven: said.as_ref().is_some_and(|report| report.proven),
        at: now,
    }
}

fn end(dispatch: &Dispatch, cause: Cause) -> Decision {
    let did = format!(
        "dispatch {} of {}: {}",
        dispatch.id(),
        dispatch.issue(),
        cause.word()
    );
    let flow = Flow::Dispatch(dispatch.id().clone());
    Act::record(
        vec![Event::DispatchClosed {
            dispatch: dispatch.id().clone(),
            cause,
        }],
        Some(flow),
        did,
    )
}

/// Stopping is always honoured: the list raises the suspicion, a single read confirms it.
fn withdrawal(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    dispatch: &Dispatch,
) -> Option<Decision> {
    if seen.gap.is_some() {
        return None;
    }
    let issue = dispatch.issue();
    let suspicious = match seen.heads.get(&issue) {
        None => true,
        Some(head) => {
            !head.open
                || !head.labels.contains(&dispatch.opening.labelling.label)
                || trust::refused_by_labels(head, &rules.workflow).is_some()
        }
    };
    if !suspicious {
        return None;
    }
    let Some(details) = seen.details.get(&issue) else {
        return Some(Decision::Look(Questions {
            issues: vec![issue],
            comments: Vec::new(),
        }));
    };
    let (by, why) = trust::still_wanted(dispatch, &rules.workflow, details).err()?;
    let mut events = Vec::new();
    if let Some(last) = state.last_delivery(dispatch) {
        let verdict = match last.step {
            DeliveryStep::Settled { .. } => None,
            DeliveryStep::Planned | DeliveryStep::Staged => Some(Verdict::NotDelivered),
            _ => Some(Verdict::Unconfirmed),
        };
        if let Some(verdict) = verdict {
            let witness = format!("no longer wanted: {why}");
            events.push(Event::DeliverySettled {
                delivery: last.id.clone(),
                verdict,
                witness,
            });
        }
    }
    let did = format!(
        "dispatch {} of {issue} withdrawn by {by}: {why}",
        dispatch.id()
    );
    events.push(Event::DispatchClosed {
        dispatch: dispatch.id().clone(),
        cause: Cause::Withdrawn { by, why },
    });
    Some(Act::record(
        events,
        Some(Flow::Dispatch(dispatch.id().clone())),
        did,
    ))
}

/// Updates what is remembered of a dispatch's pane: how long it was watched, and whether it is there.
pub fn remember(memory: &mut Memory, state: &State, seen: &Observation, elapsed: SignedDuration) {
    for dispatch in state
        .dispatches
        .values()
        .filter(|dispatch| dispatch.phase == Phase::Working)
    {
        let here = sample_for(dispatch, seen)
            .is_some_and(|sample| Some(&sample.pane) == dispatch.pane.as_ref());
        let id = dispatch.id().clone();
        if here {
            memory.missing.remove(&id);
            *memory.observed.entry(id).or_default() += elapsed;
        } else {
            *memory.missing.entry(id).or_default() += 1;
        }
    }
    memory
        .observed
        .retain(|id, _| state.dispatches.contains_key(id));
    memory
        .missing
        .retain(|id, _| state.dispatches.contains_key(id));
}

/// Moments at which time alone may change what an open dispatch needs.
pub fn moments(state: &State, dispatch: &Dispatch, seen: &Observation) -> Vec<Timestamp> {
    let mut moments = Vec::new();
    if let Some((_, until)) = &dispatch.stalled {
        moments.push(*until);
    }
    if let Some(last) = state.last_delivery(dispatch) {
        if matches!(last.step, DeliveryStep::Settled { verdict, .. } if verdict != Verdict::Confirmed)
        {
            moments.push(seen.at + delivery::LOOK_AGAIN);
        }
    }
    if dispatch.phase == Phase::Working && dispatch.opening.window == Window::Agent {
        moments.push(seen.at + SignedDuration::from_secs(5));
    }
    moments
}
