//! The fold: one exhaustive table of what may follow what, the same for live appends and for replay.
//!
//! It never sees the rules: events carry what was decided.

mod ask;
mod delivery;
mod errand;
mod issue;
mod post;
mod pull;
mod report;
mod stall;
mod status;
mod steps;

use jiff::Timestamp;

use crate::domain::{
    Approval, Basis, Cause, DeliveryId, Dispatch, DispatchId, Errand, Event, Hold, Labelling,
    Opening, Phase,
};
use crate::machine::state::{OPENINGS_MAX, Opened, State};
use crate::machine::telling::note;
use issue::{free_seat, intend, transit, walk};
use report::{take_answer, take_report};

/// An event that cannot follow what the ledger says: a bug of ours, or a ledger that was changed by another hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{kind}` cannot follow: {why}")]
pub struct Illegal {
    /// The event's kind.
    pub kind: String,
    /// What contradicts it.
    pub why: String,
}

/// Applies one event that happened at `at`.
pub fn evolve(state: &mut State, at: Timestamp, event: &Event) -> Result<(), Illegal> {
    apply(state, at, event).map_err(|why| Illegal {
        kind: event.kind(),
        why,
    })?;
    stall::over(state, event);
    state.version += 1;
    Ok(())
}

#[expect(clippy::too_many_lines, reason = "a table, one row an event")]
fn apply(state: &mut State, at: Timestamp, event: &Event) -> Result<(), String> {
    match event {
        Event::ProjectAdded { added } => {
            replace_none(&mut state.added, *added, "the project was added before")
        }
        Event::ProjectPaused { by } => {
            state.paused = Some(by.clone());
            Ok(())
        }
        Event::ProjectResumed { .. } => {
            state.paused = None;
            Ok(())
        }
        Event::AgentChecked { dispatch, checked } => errand::checked(state, dispatch, checked),
        // What a person does to a pane changes nothing that is open: the watch sees what comes of it.
        Event::InterruptIntended { .. } | Event::InterruptSettled { .. } => Ok(()),
        Event::HoldsChanged { holds } => {
            state.holds = holds.clone();
            Ok(())
        }
        Event::SchedulesChanged { schedules } => errand::scheduled(state, at, schedules),
        Event::DispatchOpened { opening } => open(state, at, opening),
        Event::DeliveryPlanned { delivery } => delivery::plan(state, delivery),
        Event::ReportReceived { report } => report::receive(state, report),
        Event::ReportIgnored { answer } => {
            take_report(state, &answer.report);
            take_answer(state, answer.clone());
            Ok(())
        }
        Event::PostIntended { post } => post::intended(state, post),
        Event::PostSettled {
            dispatch: id,
            answer,
        } => post::settled(state, id, answer),
        Event::TransitionIntended { transition } => intend(state, transition),
        Event::NoteIntended { .. } | Event::NoteWritten { .. } => note::write(state, event),
        Event::StatusIntended { .. }
        | Event::StatusWritten { .. }
        | Event::LedgerSighted { .. }
        | Event::LedgerAdopted { .. } => status::write(state, at, event),
        Event::BriefStaged { .. }
        | Event::PasteIntended { .. }
        | Event::LinePasted { .. }
        | Event::LaunchIntended { .. }
        | Event::LineLaunched { .. }
        | Event::EnterIntended { .. }
        | Event::LineSubmitted { .. }
        | Event::LineCleared { .. }
        | Event::ReceiptMissed { .. }
        | Event::DeliverySettled { .. } => delivery::deliver(state, at, event),
        Event::TreePrepared { .. }
        | Event::DispatchStalled { .. }
        | Event::WindowOpened { .. }
        | Event::GateStarted { .. }
        | Event::GateFinished { .. }
        | Event::ReportRefused { .. }
        | Event::BranchPushed { .. }
        | Event::SpecPublished { .. }
        | Event::DispatchObserved { .. }
        | Event::DispatchClosed { .. }
        | Event::DispatchTidied { .. } => advance(state, at, event),
        Event::PullKept { .. }
        | Event::PullMoved { .. }
        | Event::PullEnded { .. }
        | Event::ReworkWanted { .. } => pull::pull(state, event),
        Event::QuestionPublished { .. }
        | Event::QuestionAnswered { .. }
        | Event::ParkLabelRemoved { .. } => ask::question(state, event),
        Event::TransitionStepped { .. }
        | Event::TransitionUnseen { .. }
        | Event::TransitionSettled { .. } => transit(state, at, event),
        Event::Overridden { .. }
        | Event::Routed { .. }
        | Event::RouteDropped { .. }
        | Event::Approved { .. }
        | Event::Merged { .. }
        | Event::ParkIntended { .. }
        | Event::IssueParked { .. }
        | Event::IssueUnparked { .. }
        | Event::IssueLeft { .. }
        | Event::WalkApproved { .. } => walk(state, event),
    }
}

fn replace_none<T>(slot: &mut Option<T>, value: T, why: &str) -> Result<(), String> {
    if slot.is_some() {
        return Err(why.to_owned());
    }
    *slot = Some(value);
    Ok(())
}

fn open(state: &mut State, at: Timestamp, opening: &Opening) -> Result<(), String> {
    if let Some(other) = opening.issue().and_then(|issue| state.open_dispatch(issue)) {
        let about = opening.about();
        return Err(format!("{about} has dispatch {} open", other.id()));
    }
    if let Some(other) = state.in_window(opening.window) {
        return Err(format!(
            "dispatch {} has the window `{}`",
            other.id(),
            opening.window.as_str()
        ));
    }
    let asked = match &opening.basis {
        Basis::Labelling {
            labelling,
            approval,
        } => {
            let walk = state.walks.get(&labelling.issue);
            let ours = walk.is_some_and(|walk| walk.own_event.as_ref() == Some(&labelling.event));
            begin(state, opening, labelling, approval)?;
            let is_new = opening.attempt == 1 && !ours;
            is_new.then(|| labelling.by.id.clone())
        }
        Basis::Errand(errand) => {
            errand::opened(state, opening, errand)?;
            None
        }
    };
    // What held it holds it no longer: the ledger alone must not go on saying so until the next cycle ends.
    let about = opening.issue();
    state
        .holds
        .retain(|issue, hold| Some(*issue) != about || matches!(hold, Hold::InHand { .. }));
    status::opened(state, opening);
    if opening.errand().is_none_or(Errand::is_counted) {
        let issue = opening.issue();
        state.openings.push_back(Opened { at, issue, asked });
    }
    if state.openings.len() > OPENINGS_MAX {
        state.openings.pop_front();
    }
    state
        .dispatches
        .insert(opening.id.clone(), new_dispatch(opening.clone(), at));
    Ok(())
}

/// Takes a step of an issue's walk.
fn begin(
    state: &mut State,
    opening: &Opening,
    labelling: &Labelling,
    approval: &Approval,
) -> Result<(), String> {
    let issue = labelling.issue;
    let holder = state.seats.get(&opening.stage.label).copied();
    if let Some(holder) = holder.filter(|holder| opening.stage.seat && *holder != issue)
        && state
            .open_dispatch(holder)
            .is_some_and(|other| !other.waits_for_a_person())
    {
        let label = &opening.stage.label;
        return Err(format!("{holder} has the seat of {label}"));
    }
    let walk = state.walks.entry(issue).or_default();
    let key = labelling.key();
    let attempts = if walk.labelling.as_deref() == Some(&key) {
        walk.attempts
    } else {
        0
    };
    if opening.attempt != attempts + 1 {
        return Err(format!(
            "attempt {} after {attempts} of this labelling",
            opening.attempt
        ));
    }
    walk.labelling = Some(key);
    walk.event = Some(labelling.event.clone());
    walk.left = false;
    walk.attempts = opening.attempt;
    walk.ended = None;
    walk.yours = None;
    walk.approved = None;
    walk.title.clone_from(&opening.title);
    walk.approval = Some(approval.clone());
    if opening.window.is_agent() {
        walk.window = Some(opening.window);
        walk.unsettled = walk.window;
    }
    if let Some(branch) = &opening.branch {
        walk.branch = Some(branch.clone());
        walk.touches.clone_from(&opening.touches);
    }
    if opening.stage.seat {
        // Taken over from a holder that waits for a person, if it was not free: that was decided before.
        state.seats.insert(opening.stage.label.clone(), issue);
    }
    Ok(())
}

fn new_dispatch(opening: Opening, at: Timestamp) -> Dispatch {
    Dispatch {
        opening,
        opened_at: at,
        phase: Phase::Delivering,
        prepared: false,
        base: None,
        known: Vec::new(),
        pane: None,
        context: None,
        deliveries: Vec::new(),
        undelivered: 0,
        confirmed_at: None,
        observed: jiff::SignedDuration::ZERO,
        report: None,
        evidence: Vec::new(),
        running: None,
        acked: false,
        nudged: false,
        asked: None,
        park_label: false,
        taken: Vec::new(),
        posts: Vec::new(),
        stalled: None,
        tidied: false,
    }
}

fn dispatch<'a>(state: &'a mut State, id: &DispatchId) -> Result<&'a mut Dispatch, String> {
    state
        .dispatches
        .get_mut(id)
        .ok_or_else(|| format!("there is no dispatch {id}"))
}

fn open_one<'a>(state: &'a mut State, id: &DispatchId) -> Result<&'a mut Dispatch, String> {
    let found = dispatch(state, id)?;
    if found.is_open() {
        Ok(found)
    } else {
        Err(format!("dispatch {id} is closed"))
    }
}

#[expect(clippy::too_many_lines, reason = "a table, one row an event")]
fn advance(state: &mut State, at: Timestamp, event: &Event) -> Result<(), String> {
    match event {
        Event::TreePrepared {
            dispatch: id,
            base,
            known,
        } => {
            let found = open_one(state, id)?;
            found.prepared = true;
            found.base.clone_from(base);
            if found.known.is_empty() {
                found.known.clone_from(known);
            }
        }
        Event::DispatchStalled {
            dispatch: id,
            why,
            until,
            hold,
        } => stall::stalled(state, id, why, *until, hold.as_ref())?,
        Event::WindowOpened {
            dispatch: id,
            pane,
            context,
        } => {
            let found = open_one(state, id)?;
            found.pane = Some(pane.clone());
            found.context = Some(context.clone());
        }
        Event::GateStarted { dispatch: id, gate } => {
            let found = judging(state, id)?;
            found.running = Some(gate.to_string());
        }
        Event::GateFinished {
            dispatch: id,
            evidence,
        } => {
            let found = judging(state, id)?;
            found.running = None;
            found.evidence.push(evidence.clone());
        }
        Event::ReportRefused {
            dispatch: id,
            answer,
        } => {
            judging(state, id)?.phase = Phase::Working;
            take_answer(state, answer.clone());
        }
        Event::BranchPushed {
            dispatch: id,
            branch,
            subject,
        } => {
            let found = judging(state, id)?;
            let issue = found.opening.labelling().map(|labelling| labelling.issue);
            let issue = issue.ok_or_else(|| format!("dispatch {id} is an errand"))?;
            let began = found.began().cloned();
            let walk = state.walks.entry(issue).or_default();
            walk.began = began;
            walk.branch = Some(branch.clone());
            walk.subject = Some(subject.clone());
        }
        Event::SpecPublished {
            dispatch: id, spec, ..
        } => {
            judging(state, id)?;
            state.walks.entry(spec.issue).or_default().spec = Some(spec.clone());
        }
        Event::DispatchObserved {
            dispatch: id,
            seconds,
        } => {
            let seconds = i64::try_from(*seconds).unwrap_or(i64::MAX);
            open_one(state, id)?.observed = jiff::SignedDuration::from_secs(seconds);
        }
        Event::DispatchClosed {
            dispatch: id,
            cause,
        } => close(state, at, id, cause)?,
        Event::DispatchTidied { dispatch: id } => {
            if dispatch(state, id)?.is_open() {
                return Err(format!("dispatch {id} is open"));
            }
            state
                .deliveries
                .retain(|_, delivery| delivery.dispatch != *id);
            let gone = state.dispatches.remove(id).expect("it was found above");
            report::remember(state, &gone);
            if let Some(labelling) = gone.opening.labelling()
                && gone.is_withdrawn()
                && state.open_dispatch(labelling.issue).is_none()
            {
                free_seat(state, labelling.issue, None);
            }
        }
        _ => return Err("not an event of a dispatch".to_owned()),
    }
    Ok(())
}

fn judging<'a>(state: &'a mut State, id: &DispatchId) -> Result<&'a mut Dispatch, String> {
    let found = open_one(state, id)?;
    if found.phase == Phase::Judging {
        Ok(found)
    } else {
        Err(format!("dispatch {id} has no report to judge"))
    }
}

fn close(state: &mut State, at: Timestamp, id: &DispatchId, cause: &Cause) -> Result<(), String> {
    let found = open_one(state, id)?;
    let issue = found.opening.labelling().map(|labelling| labelling.issue);
    let stage = found.opening.stage.clone();
    found.phase = Phase::Closed {
        cause: cause.clone(),
        at,
    };
    let done = found.clone();
    ask::closed(found, cause);
    let past = status::past(found, cause, at);
    let Some(issue) = issue else {
        return Ok(());
    };
    status::closed(state, issue, past);
    let walk = state.walks.entry(issue).or_default();
    walk.ended = Some((cause.clone(), at));
    match cause {
        Cause::Verified { subject, .. } => {
            if subject.is_some() {
                walk.subject.clone_from(subject);
            }
            walk.failed_on = None;
            if done.opening.window.is_agent() {
                walk.unsettled = None;
            }
            walk.proofs = crate::machine::pull::proofs(&walk.proofs, &done);
            walk.yours = Some(stage.label.clone());
            free_seat(state, issue, Some(&stage.label));
        }
        Cause::Rework { findings } => walk.failed_on = Some(findings.clone()),
        Cause::Failed { why } | Cause::Lost { why } => walk.failed_on = Some(why.clone()),
        Cause::TimedOut => walk.failed_on = Some("it took longer than the stage allows".to_owned()),
        // The seat of a withdrawn one is free once its session is idle or gone.
        Cause::Withdrawn { .. } => {}
        Cause::Parked { .. } => free_seat(state, issue, None),
    }
    Ok(())
}

/// Applies events to a copy of the touched state first: an illegal one never reaches the ledger.
pub fn try_all(state: &State, at: Timestamp, events: &[Event]) -> Result<State, Illegal> {
    let mut copy = state.clone();
    for event in events {
        evolve(&mut copy, at, event)?;
    }
    Ok(copy)
}

/// Returns the id of the nth delivery of a dispatch: 8 of `[a-z0-9]`, a function of its arguments.
pub fn delivery_id(dispatch: &Dispatch, n: usize) -> DeliveryId {
    use sha2::{Digest, Sha256};
    const LETTERS: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let digest = Sha256::digest(format!(
        "{}:{}:{n}",
        dispatch.id(),
        dispatch.opening.secret_hash
    ));
    let text = digest
        .iter()
        .take(8)
        .map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]))
        .collect::<String>();
    DeliveryId::new(text)
}
