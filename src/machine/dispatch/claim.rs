//! A label that was moved on under an open dispatch, by an account that agents work as or share with us: a claim, and the gates decide
//! on it (PROTOCOLS 7). A personal token is the person, their agents and us; only the moves of ours are known by themselves.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::{
    Actor, ActorKind, Cause, Details, Dispatch, Event, Head, Label, LabelEventId, Labelling, Moved,
    Next, Note, Observation, Phase, Report, ReportId, Rules, SingleRead, Transition,
    TransitionStep, Verb, order,
};
use crate::machine::dispatch::flow::missing;
use crate::machine::dispatch::gate;
use crate::machine::labels::trust;
use crate::machine::state::State;
use crate::machine::step::Step;
use crate::machine::text::quote::quote;

/// What a routing label that is not the dispatch's own means for it.
pub(super) enum Claim {
    /// The work is there, says who moved it: a report.
    New(Box<Report>),
    /// It is being judged, or the move is not finished yet.
    UnderWay,
}

/// Says whether a changed label is a claim. A person's decision it is not only if that cannot be told from the agent's hand: the
/// account is ours, the move goes forward, the agent has its brief and asked nothing, and no such move was undone before.
pub(super) fn of(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    dispatch: &Dispatch,
    details: &Details,
    now: Timestamp,
) -> Option<Claim> {
    let labelling = dispatch.opening.labelling()?;
    let SingleRead::Found(found) = &details.read else {
        return None;
    };
    let head = &found.0;
    if !head.open || trust::vetoed(head, &rules.workflow).is_some() || dispatch.asked.is_some() {
        return None;
    }
    let to = forward(rules, labelling, &head.labels)?;
    let event = trust::standing_event(&details.events, to)?;
    let shared = seen.us.as_ref().filter(|us| us.kind == ActorKind::User);
    let is_an_agents = |by: &&Actor| {
        shared.is_some_and(|shared| by.id == shared.id) || trust::is_agents(&rules.project, by)
    };
    let by = event.actor.as_ref().filter(is_an_agents)?;
    if order(event.id.as_str()) <= order(labelling.event.as_str()) {
        return None;
    }
    let walk = state.walks.get(&labelling.issue)?;
    let said = dispatch.report.as_ref();
    let is_judged = said.is_some_and(|said| moved_by(said, &event.id));
    match dispatch.phase {
        Phase::Judging if is_judged => return Some(Claim::UnderWay),
        Phase::Judging | Phase::Working if !walk.reverted && !is_judged => {}
        _ => return None,
    }
    if head.labels.contains(&labelling.label) || dispatch.phase == Phase::Judging {
        return Some(Claim::UnderWay);
    }
    Some(Claim::New(Box::new(Report {
        id: unused(state, format!("moved-{}-{}", dispatch.id(), event.id)),
        dispatch: dispatch.id().clone(),
        verb: Verb::Moved,
        head: None,
        branch: None,
        spec: said.and_then(|said| said.spec.clone()),
        verdict: said.and_then(|said| said.verdict.clone()),
        note: None,
        proven: said.is_some_and(|said| said.proven),
        moved: Some(Moved {
            to: to.clone(),
            by: by.login.clone(),
            event: event.id.clone(),
        }),
        at: now,
    })))
}

/// Returns an id for the report. A move that was overtaken by a report of the agent's, which came to nothing, is judged once more.
fn unused(state: &State, id: String) -> ReportId {
    let first = ReportId::new(id);
    if state.has_report(&first) {
        ReportId::new(format!("{first}-{}", state.version))
    } else {
        first
    }
}

/// The one other routing label, if it stands further down in the workflow.
fn forward<'a>(
    rules: &'a Rules,
    labelling: &Labelling,
    labels: &BTreeSet<Label>,
) -> Option<&'a Label> {
    let stages = &rules.workflow.stages;
    let own = stages
        .iter()
        .position(|stage| stage.label == labelling.label)?;
    let mut others = stages
        .iter()
        .enumerate()
        .filter(|(index, stage)| *index != own && labels.contains(&stage.label));
    let (index, stage) = others.next()?;
    (index > own && others.next().is_none()).then_some(&stage.label)
}

fn moved_by(report: &Report, event: &LabelEventId) -> bool {
    report
        .moved
        .as_ref()
        .is_some_and(|moved| moved.event == *event)
}

/// The label a move of ours starts from: where it was moved to, unless that is where it belongs.
pub(super) fn start(
    dispatch: &Dispatch,
    labelling: &Labelling,
    to: &Next,
) -> (Label, LabelEventId) {
    let moved = dispatch
        .report
        .as_ref()
        .and_then(|report| report.moved.as_ref());
    match moved.filter(|moved| *to != Next::Stage(moved.to.clone())) {
        Some(moved) => (moved.to.clone(), moved.event.clone()),
        None => (
            dispatch.opening.stage.label.clone(),
            labelling.event.clone(),
        ),
    }
}

/// The claim does not hold: the label goes back once, with one comment that names the person's way, and another attempt follows.
pub(super) fn refused(
    dispatch: &Dispatch,
    labelling: &Labelling,
    rules: &Rules,
    moved: &Moved,
    now: Timestamp,
) -> Step {
    let (issue, stage) = (labelling.issue, &dispatch.opening.stage);
    let Moved { to, by, event } = moved;
    let (own, number) = (&stage.label, issue.0);
    let is_red = dispatch.evidence.iter().any(|row| !row.holds) || disagree(dispatch);
    let why = if is_red {
        missing(&dispatch.evidence)
    } else {
        "the last move out of this stage is a person's".to_owned()
    };
    // What gates say names paths and ends of logs.
    let shown = quote(rules.comment, &why);
    let shown = shown.map_or_else(|| ".".to_owned(), |quote| format!(":\n\n{quote}"));
    let note = Note {
        issue,
        key: format!("moved {event}"),
        text: format!(
            "`{to}` was set by {by} while an agent worked on `{own}`, and the work is not there{shown}\n\nAgents write as {by} too, so this was taken for an agent's claim: `{own}` is set again, and the work goes on. If it was you: `pointsman route {number} {to}` moves it without evidence, and so does setting `{to}` once more."
        ),
    };
    Step::Record(vec![
        Event::DispatchClosed {
            dispatch: dispatch.id().clone(),
            cause: Cause::Failed {
                why: format!("the label was moved to `{to}` and the work is not there: {why}"),
            },
        },
        Event::TransitionIntended {
            transition: Transition {
                issue,
                from: to.clone(),
                to: Next::Stage(own.clone()),
                dispatch: Some(dispatch.id().clone()),
                after: Some(event.clone()),
                rework: false,
                at: now,
                unchanged_since: None,
                step: TransitionStep::Intended,
            },
        },
        Event::NoteIntended { note },
    ])
}

fn disagree(dispatch: &Dispatch) -> bool {
    gate::disagreement(&dispatch.evidence).is_some()
}

/// Says that a single read found what is under way, and that nothing changed since: it is not read again.
pub(super) fn rests(rules: &Rules, dispatch: &Dispatch, head: &Head) -> bool {
    let Some(labelling) = dispatch.opening.labelling() else {
        return false;
    };
    let is_judged = dispatch.phase == Phase::Judging
        && dispatch
            .report
            .as_ref()
            .is_some_and(|report| report.moved.is_some());
    let is_half = head.labels.contains(&labelling.label);
    (is_judged || is_half) && head.open && forward(rules, labelling, &head.labels).is_some()
}
