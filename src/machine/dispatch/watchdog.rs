//! Watching what is open: reports that came in, labellings that no longer hold, sessions that died, time that ran out.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    Activity, Answer, Cause, Delivery, DeliveryStep, Dispatch, DispatchId, Event, Observation,
    PaneSample, Phase, Purpose, Report, ReportId, Rules, Verb, Verdict, Via, Window,
};
use crate::machine::dispatch::claim::{self, Claim};
use crate::machine::dispatch::{delivery, gate, question, repeat};
use crate::machine::labels::trust;
use crate::machine::memory::Memory;
use crate::machine::starting::decide::{Act, Decision};
use crate::machine::starting::schedule;
use crate::machine::state::State;
use crate::machine::step::Flow;

/// Watched time is written down this often before a stage's time is over: a restart forgets at most that much of it.
const MARKS: i32 = 4;
/// Looks that are no further apart than this are no gap in the watch, however often is looked.
const WATCH_GAP_MIN: SignedDuration = SignedDuration::from_mins(15);
/// A pane that is missing in this many observations in a row is gone.
const MISSING_MAX: u32 = 3;

/// Returns the sample of the pane that a dispatch is in, or will be typed into.
pub fn sample_for<'a>(dispatch: &Dispatch, seen: &'a Observation) -> Option<&'a PaneSample> {
    seen.panes.get(&dispatch.opening.window)
}

/// Takes the oldest report that the ledger does not have.
pub fn reports(state: &State, memory: &Memory, seen: &Observation) -> Option<Decision> {
    for report in &seen.reports {
        if state.has_report(&report.id) {
            if let Some(answer) = owed(state, memory, report) {
                return Some(again(answer));
            }
            continue;
        }
        let Some(dispatch) = state
            .dispatches
            .get(&report.dispatch)
            .filter(|dispatch| dispatch.is_open())
        else {
            let known = repeat::answer(state, report).map(|answer| repeated(report, answer));
            return Some(known.unwrap_or_else(|| ignored(state, &report.id, &report.dispatch)));
        };
        if !report.proven {
            match unproven(dispatch, report) {
                Unproven::Counts => {}
                Unproven::Waits => continue,
                Unproven::Refused(decision) => return Some(*decision),
            }
        }
        let flow = Flow::Dispatch(report.dispatch.clone());
        if let Some(judged) = dispatch
            .report
            .as_ref()
            .filter(|judged| repeat::is_the_same(judged, report))
        {
            // It joins what is being judged, and has the same answer then. Said again after the answer, it is judged again:
            // what was red may lie outside of the work.
            if dispatch.phase == Phase::Judging {
                continue;
            }
            let answer = state.answer(&judged.id).cloned();
            if let Some(answer) = answer.filter(|_| memory.joined.contains(&report.id)) {
                return Some(repeated(report, answer));
            }
        }
        // While a guarded key is under way the report waits; the cycle after it takes it. A gate measures what was said before:
        // it is over.
        let is_overtaken = dispatch.running.is_some() && report.verb != Verb::Ack;
        if memory.busy.contains(&flow) && !waits_for_agent(state, dispatch) && !is_overtaken {
            continue;
        }
        let last = state.last_delivery(dispatch);
        // Where it runs is found out first: nobody would see an agent end whose pane is not known.
        let launches = |last: &Delivery| last.step == DeliveryStep::LaunchIntended;
        if dispatch.pane.is_none() && last.is_some_and(launches) {
            continue;
        }
        let mut events = vec![Event::ReportReceived {
            report: Box::new(report.clone()),
        }];
        if let Some(delivery) = last.filter(|last| report.proven && proves(last)) {
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

/// What becomes of a report that may come from anybody: a dispatch's id is public, its secret is not.
enum Unproven {
    /// It only says that the work is there, which the gates find out.
    Counts,
    /// What is being judged is judged first.
    Waits,
    /// It proves no delivery, ends no attempt and asks nobody.
    Refused(Box<Decision>),
}

fn unproven(dispatch: &Dispatch, report: &Report) -> Unproven {
    match (report.verb, &dispatch.phase) {
        (Verb::Done, Phase::Working) => Unproven::Counts,
        (Verb::Done, Phase::Judging) => Unproven::Waits,
        _ => Unproven::Refused(Box::new(refused(&report.id, gate::unproven("report")))),
    }
}

/// Reports in the spool that say what is being judged.
pub fn joining<'a>(
    state: &'a State,
    seen: &'a Observation,
) -> impl Iterator<Item = &'a ReportId> + 'a {
    let judged = |report: &Report| {
        let dispatch = state.dispatches.get(&report.dispatch)?;
        let judging = dispatch.phase == Phase::Judging;
        dispatch.report.as_ref().filter(|_| judging)
    };
    seen.reports
        .iter()
        .filter(move |report| !state.has_report(&report.id))
        .filter(move |report| {
            judged(report).is_some_and(|judged| repeat::is_the_same(judged, report))
        })
        .map(|report| &report.id)
}

/// The same report has the same answer.
fn repeated(report: &Report, answer: Answer) -> Decision {
    let answer = Answer {
        report: report.id.clone(),
        ..answer
    };
    Decision::Act(Act {
        events: vec![Event::ReportIgnored {
            answer: answer.clone(),
        }],
        flow: Some(Flow::Answer(report.id.clone())),
        answer: Some(answer),
        did: format!("report {} says what was answered before", report.id),
    })
}

/// The answer to a report that was taken and still lies there: the one that was decided, or that a later report was.
fn owed(state: &State, memory: &Memory, report: &Report) -> Option<Answer> {
    let flow = Flow::Dispatch(report.dispatch.clone());
    if memory.busy.contains(&flow) || memory.waits(&Flow::Answer(report.id.clone())) {
        return None;
    }
    let judged = state
        .dispatches
        .get(&report.dispatch)
        .and_then(|dispatch| dispatch.report.as_ref());
    let decided = state.answer(&report.id).cloned();
    if decided.is_some() || judged.is_some_and(|judged| judged.id == report.id) {
        return decided;
    }
    Some(Answer {
        report: report.id.clone(),
        accepted: false,
        text: "recorded; what was said later, or found out, counts.".to_owned(),
    })
}

/// Gives an answer once more.
pub(crate) fn again(answer: Answer) -> Decision {
    let did = format!("the answer to report {}", answer.report);
    Decision::Act(Act {
        events: Vec::new(),
        flow: Some(Flow::Answer(answer.report.clone())),
        answer: Some(answer),
        did,
    })
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

/// Answers what names no open dispatch.
pub(crate) fn ignored(state: &State, report: &ReportId, dispatch: &DispatchId) -> Decision {
    let text = match state
        .dispatches
        .get(dispatch)
        .map(|dispatch| &dispatch.phase)
    {
        Some(Phase::Closed {
            cause: Cause::Withdrawn { by, why },
            at,
        }) => {
            format!("withdrawn by {by} at {at:.0}: {why}. Stop; leave the tree as it is.")
        }
        _ => format!("dispatch {dispatch} is not open. End your turn; leave the tree as it is."),
    };
    refused(report, text)
}

fn refused(report: &ReportId, text: String) -> Decision {
    let did = format!("report {report} is not taken: {text}");
    let answer = Answer {
        report: report.clone(),
        accepted: false,
        text,
    };
    Decision::Act(Act {
        events: vec![Event::ReportIgnored {
            answer: answer.clone(),
        }],
        flow: Some(Flow::Answer(report.clone())),
        answer: Some(answer),
        did,
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
    if let Some(decision) = unwanted(rules, state, memory, seen, dispatch, now) {
        return Some(decision);
    }
    if let Some(decision) = question::answered(rules, seen, dispatch) {
        return Some(decision);
    }
    if let Some(decision) = question::edited(state, seen, dispatch) {
        return Some(decision);
    }
    let missing = memory.missing.get(dispatch.id()).copied().unwrap_or(0);
    if missing >= MISSING_MAX && needs_its_pane(state, dispatch) {
        let why = "its session is gone".to_owned();
        let settled = settled_by(state, dispatch, &why);
        return Some(end(dispatch, settled, Cause::Lost { why }));
    }
    if dispatch.phase != Phase::Working {
        return None;
    }
    let sample =
        sample_for(dispatch, seen).filter(|sample| Some(&sample.pane) == dispatch.pane.as_ref())?;
    if let Some(mark) = mark(memory, dispatch) {
        return Some(mark);
    }
    let idle_since = match sample.state.activity {
        Activity::Idle { since } if sample.state.takes_text() => Some(since),
        _ => None,
    };
    if is_out_of_time(memory, dispatch) && idle_since.is_some() {
        return Some(end(dispatch, None, Cause::TimedOut));
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

/// Writes down for how long an agent was watched, now and then.
fn mark(memory: &Memory, dispatch: &Dispatch) -> Option<Decision> {
    let observed = *memory.observed.get(dispatch.id())?;
    let timeout = SignedDuration::try_from(dispatch.opening.stage.timeout).ok()?;
    if observed - dispatch.observed < timeout / MARKS || dispatch.observed >= timeout {
        return None;
    }
    let event = Event::DispatchObserved {
        dispatch: dispatch.id().clone(),
        seconds: observed.as_secs().unsigned_abs(),
    };
    let did = format!(
        "dispatch {} was watched for {} min",
        dispatch.id(),
        observed.as_mins()
    );
    Some(Act::record(vec![event], None, did))
}

/// Whether an agent was watched at its work for longer than the stage allows.
pub fn is_out_of_time(memory: &Memory, dispatch: &Dispatch) -> bool {
    let timeout =
        SignedDuration::try_from(dispatch.opening.stage.timeout).unwrap_or(SignedDuration::MAX);
    let observed = memory.observed.get(dispatch.id());
    dispatch.phase == Phase::Working && observed.is_some_and(|observed| *observed >= timeout)
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
        moved: None,
        proven: said.as_ref().is_some_and(|report| report.proven),
        at: now,
    }
}

/// Whether a dispatch ends with its pane. A brief that was not typed yet goes to the next agent of the window; a check has its own.
fn needs_its_pane(state: &State, dispatch: &Dispatch) -> bool {
    let typed = state
        .last_delivery(dispatch)
        .is_some_and(|last| !is_untyped(&last.step));
    match dispatch.phase {
        Phase::Delivering => typed || dispatch.opening.window == Window::Check,
        Phase::Working => true,
        Phase::Judging | Phase::Closed { .. } => false,
    }
}

pub(super) fn is_untyped(step: &DeliveryStep) -> bool {
    matches!(
        step,
        DeliveryStep::Planned
            | DeliveryStep::Staged
            | DeliveryStep::Settled {
                verdict: Verdict::NotDelivered,
                ..
            }
    )
}

/// Ends the delivery under way, if there is one.
pub(super) fn settled_by(state: &State, dispatch: &Dispatch, witness: &str) -> Option<Event> {
    let last = state.last_delivery(dispatch)?;
    if matches!(last.step, DeliveryStep::Settled { .. }) {
        return None;
    }
    let verdict = if is_untyped(&last.step) {
        Verdict::NotDelivered
    } else {
        Verdict::Unconfirmed
    };
    Some(Event::DeliverySettled {
        delivery: last.id.clone(),
        verdict,
        witness: witness.to_owned(),
    })
}

/// Ends the delivery under way of a dispatch that ends: what it left in the composer is taken back then.
pub(in crate::machine) fn with_settled(state: &State, mut events: Vec<Event>) -> Vec<Event> {
    let is_end = |event: &Event| matches!(event, Event::DispatchClosed { .. });
    let settles = |event: &Event| matches!(event, Event::DeliverySettled { .. });
    let Some(at) = events
        .iter()
        .position(is_end)
        .filter(|_| !events.iter().any(settles))
    else {
        return events;
    };
    let Event::DispatchClosed { dispatch, cause } = &events[at] else {
        return events;
    };
    let witness = format!("its dispatch ended: {}", cause.word());
    let found = state.dispatches.get(dispatch);
    if let Some(settled) = found.and_then(|found| settled_by(state, found, &witness)) {
        events.insert(at, settled);
    }
    events
}

fn end(dispatch: &Dispatch, settled: Option<Event>, cause: Cause) -> Decision {
    let did = format!(
        "dispatch {} of {}: {}",
        dispatch.id(),
        dispatch.about(),
        cause.word()
    );
    let flow = Flow::Dispatch(dispatch.id().clone());
    let closed = Event::DispatchClosed {
        dispatch: dispatch.id().clone(),
        cause,
    };
    let events = settled.into_iter().chain([closed]).collect();
    Act::record(events, Some(flow), did)
}

/// Stopping is always honoured: the list raises the suspicion, a single read confirms it.
pub(in crate::machine) fn unwanted(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    dispatch: &Dispatch,
    now: Timestamp,
) -> Option<Decision> {
    let Some(issue) = dispatch.issue() else {
        let (by, why) = schedule::unwanted(rules, state, dispatch)?;
        return Some(withdraw(state, dispatch, &by, &why));
    };
    if seen.gap.is_some() || seen.unread.contains_key(&issue) {
        return None;
    }
    let labelling = dispatch.opening.labelling();
    let (listed, read) = (seen.heads.get(&issue), memory.read.get(&issue));
    let suspicious = match listed {
        None => true,
        Some(head) => {
            // The same label set anew looks the same in a list; only that something changed is seen there.
            read.is_none_or(|read| read.head.as_ref() != listed)
                || (!claim::rests(rules, dispatch, head)
                    && (!head.open
                        || labelling.is_some_and(|asked| !head.labels.contains(&asked.label))
                        || trust::refused_while_open(dispatch, head, &rules.workflow).is_some()))
        }
    };
    if !suspicious {
        return None;
    }
    let Some(details) = seen.details.get(&issue) else {
        let is_new = !memory.was_read(issue, seen, now);
        return is_new.then(|| Decision::Look(question::questions(dispatch)));
    };
    let (by, why) =
        trust::still_wanted(dispatch, &rules.project, &rules.workflow, details).err()?;
    match claim::of(rules, state, seen, dispatch, details, now) {
        Some(Claim::UnderWay) => None,
        Some(Claim::New(report)) => {
            let did = format!(
                "{issue} was moved on: looking for the work of {}",
                dispatch.id()
            );
            let flow = Flow::Dispatch(dispatch.id().clone());
            Some(Act::record(
                vec![Event::ReportReceived { report }],
                Some(flow),
                did,
            ))
        }
        None => Some(withdraw(state, dispatch, &by, &why)),
    }
}

/// Ends a dispatch because it is no longer wanted.
pub(crate) fn withdraw(state: &State, dispatch: &Dispatch, by: &str, why: &str) -> Decision {
    let settled = settled_by(state, dispatch, &format!("no longer wanted: {why}"));
    let (by, why) = (by.to_owned(), why.to_owned());
    end(dispatch, settled, Cause::Withdrawn { by, why })
}

/// A launch whose agent nobody knows where to find: it counts as one that is not to be seen.
fn is_lost(state: &State, dispatch: &Dispatch) -> bool {
    let last = state.last_delivery(dispatch);
    last.is_some_and(|last| {
        let begun = last.step != DeliveryStep::LaunchIntended && !is_untyped(&last.step);
        last.via == Via::Launch && begun
    })
}

/// Returns how much of the time between two looks was watched: a gap in which nobody looked (suspend, a hung loop) adds nothing to
/// any time-out. An agent at work in its own window is looked at every few seconds, whatever the cycle; everything else once a cycle,
/// and looks may be half as long again apart as they are meant to be.
pub fn watched(rules: &Rules, window: Window, elapsed: SignedDuration) -> SignedDuration {
    let meant = match window {
        Window::Agent(_) => SignedDuration::ZERO,
        Window::Check => SignedDuration::try_from(rules.looks_every).unwrap_or(SignedDuration::MAX),
    };
    let longest = meant.saturating_add(meant / 2).max(WATCH_GAP_MIN);
    let seamless = SignedDuration::ZERO..=longest;
    let watched = seamless.contains(&elapsed).then_some(elapsed);
    watched.unwrap_or(SignedDuration::ZERO)
}

/// Updates what is remembered of a dispatch's pane: how long it was watched, and whether it is there.
pub fn remember(
    memory: &mut Memory,
    state: &State,
    seen: &Observation,
    rules: &Rules,
    elapsed: SignedDuration,
) {
    for dispatch in state.dispatches.values().filter(|dispatch| {
        dispatch.is_open() && (dispatch.pane.is_some() || is_lost(state, dispatch))
    }) {
        let here = sample_for(dispatch, seen)
            .is_some_and(|sample| Some(&sample.pane) == dispatch.pane.as_ref());
        let id = dispatch.id().clone();
        if here {
            memory.missing.remove(&id);
            // The time in which a person thinks is not the agent's.
            if dispatch.phase == Phase::Working && dispatch.asked.is_none() {
                let since_receipt = dispatch.confirmed_at.map(|at| seen.at.duration_since(at));
                let watched = watched(rules, dispatch.opening.window, elapsed);
                let watched = watched.min(since_receipt.unwrap_or_default());
                let known = memory.observed.entry(id).or_insert(dispatch.observed);
                *known += watched.max(SignedDuration::ZERO);
            }
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
    if let Some(stall) = &dispatch.stalled {
        moments.push(stall.until);
    }
    if let Some(last) = state.last_delivery(dispatch)
        && matches!(last.step, DeliveryStep::Settled { verdict, .. } if verdict != Verdict::Confirmed)
    {
        moments.push(seen.at + delivery::LOOK_AGAIN);
    }
    let stopped = sample_for(dispatch, seen).is_some_and(|it| it.state.stopped_since().is_some());
    if dispatch.phase == Phase::Working && (stopped || dispatch.opening.window.is_agent()) {
        moments.push(seen.at + SignedDuration::from_secs(5));
    }
    moments
}
