//! What must hold of a whole cycle and of a world at rest: every no has a reason, nobody waits for ever, nothing is lost.

use std::collections::{BTreeMap, BTreeSet};

use pointsman::domain::{Dispatch, DispatchId, Head, Hold, IssueNumber, Label, ReportId, Rules};
use pointsman::machine::engine::CycleReport;
use pointsman::machine::starting::schedule;
use pointsman::machine::state::State;

use super::laws::{Broken, Law};
use super::tracker::FOREIGN;
use super::world::World;

/// Judges a cycle's report: everything that waits has a reason.
pub(crate) fn reasons(
    rules: &Rules,
    state: &State,
    heads: &BTreeMap<IssueNumber, Head>,
    report: &CycleReport,
) -> Result<(), Broken> {
    for (issue, head) in heads {
        let routed = rules
            .workflow
            .stages
            .iter()
            .any(|stage| head.labels.contains(&stage.label));
        let in_hand = state.open_dispatch(*issue).is_some()
            || state.transitions.contains_key(issue)
            || state.parks.contains_key(issue);
        let acted = report.did.as_ref().is_some_and(|did| {
            did.split(|c: char| c != '#' && !c.is_ascii_digit())
                .any(|word| word == issue.to_string())
        });
        if head.open && routed && !in_hand && !acted && !report.standing.contains_key(issue) {
            return Law::EveryNo.broken(format!(
                "{issue} has no hold in the cycle that did {:?}",
                report.did
            ));
        }
    }
    Ok(())
}

/// Judges where everything stands: nobody waits for somebody who waits for them.
pub(crate) fn ring(report: &CycleReport, state: &State) -> Result<(), Broken> {
    let is_open = |id: &DispatchId| state.dispatches.get(id).is_some_and(Dispatch::is_open);
    let waits_for = |issue: &IssueNumber| -> Vec<IssueNumber> {
        let in_stage = |label: &Label| {
            let open = state.dispatches.values().filter(|one| one.is_open());
            let of_stage = open.filter(|one| one.opening.stage.label == *label);
            of_stage.filter_map(Dispatch::issue).collect()
        };
        match report.standing.get(issue) {
            Some(Hold::Behind { first }) => vec![*first],
            Some(Hold::Seat { holder, .. }) => vec![*holder],
            Some(Hold::Collides { with }) => with.iter().map(|other| other.issue).collect(),
            // What is over is cleared away without anybody's doing.
            Some(Hold::Session {
                dispatch,
                issue: Some(other),
            }) if other != issue && is_open(dispatch) => vec![*other],
            // It is over as soon as one of them is.
            Some(Hold::Wip { stage, .. }) => in_stage(stage),
            _ => Vec::new(),
        }
    };
    for first in report.standing.keys() {
        // Waits that end when any one ends are a ring only if all of them lead back.
        let mut at = *first;
        let mut path = vec![at];
        while let [next] = waits_for(&at).as_slice() {
            if path.contains(next) {
                return Law::NoRing.broken(format!("{path:?} wait for each other"));
            }
            at = *next;
            path.push(at);
        }
    }
    Ok(())
}

/// Judges the labels of a world at rest, and on the way: what is not ours is still there.
pub(crate) fn labels(world: &World, rests: bool) -> Result<(), Broken> {
    let foreign = Label::new(FOREIGN);
    for (number, issue) in &world.tracker.issues {
        if number.0 <= world.labelled && !issue.head.labels.contains(&foreign) {
            return Law::LabelsKept.broken(format!("{number} lost `{foreign}`"));
        }
        let stages = world.rules.workflow.stages.iter().map(|stage| &stage.label);
        let routing: Vec<&Label> = stages
            .filter(|label| issue.head.labels.contains(*label))
            .collect();
        let by_us = |label: &&&Label| {
            let set = issue
                .events
                .iter()
                .rfind(|event| event.set && event.label == ***label);
            set.is_some_and(|event| world.tracker.is_ours(event))
        };
        let ours = routing.iter().filter(by_us).count();
        if rests && issue.head.open && issue.gone.is_none() && ours > 1 {
            return Law::LabelsKept.broken(format!("we left {routing:?} on {number}"));
        }
    }
    Ok(())
}

/// Judges the reports of a world at rest: each was written down, or its dispatch was over or nobody's.
pub(crate) fn reports(
    world: &World,
    known: &BTreeSet<ReportId>,
    closed: &BTreeSet<DispatchId>,
) -> Result<(), Broken> {
    let lost = world.spool.iter().find(|spooled| {
        let report = &spooled.report;
        let said_before = world.spool.iter().any(|other| {
            other.report.id != report.id
                && other.report.dispatch == report.dispatch
                && known.contains(&other.report.id)
        });
        !known.contains(&report.id) && !closed.contains(&report.dispatch) && !said_before
    });
    match lost {
        Some(spooled) => {
            Law::ReportsKept.broken(format!("report {} is in no ledger", spooled.report.id))
        }
        None => Ok(()),
    }
}

/// What a healed world may rest with: the next word is a person's.
pub(crate) const AT_REST: [&str; 10] = [
    "parked",
    "yours",
    "vetoed",
    "untrusted",
    "several-labels",
    "spent",
    "before-start",
    "before-adoption",
    "unattributed",
    "needs-reapproval",
];

/// Says what a healed world still owes; `None` when all is at rest.
pub(crate) fn owed(state: &State, world: &World, report: &CycleReport) -> Option<Broken> {
    let unanswered = || {
        let spooled = world
            .spool
            .iter()
            .find(|spooled| spooled.answer.is_none())?;
        let report = &spooled.report;
        let how = format!("report {} of {} has no answer", report.id, report.dispatch);
        Some((Law::ReportsKept, how))
    };
    let forgotten = || forgotten(world, report).map(|how| (Law::Fair, how));
    unfinished(state, world)
        .map(|how| (Law::Rest, how))
        .or_else(forgotten)
        .or_else(unanswered)
}

fn unfinished(state: &State, world: &World) -> Option<String> {
    if let Some(dispatch) = state.dispatches.values().next() {
        return Some(format!(
            "dispatch {} is {:?}",
            dispatch.id(),
            dispatch.phase
        ));
    }
    if let Some(transition) = state.transitions.values().next() {
        return Some(format!("{} is moving", transition.issue));
    }
    if let Some(issue) = state.parks.keys().next() {
        return Some(format!("{issue} is not parked yet"));
    }
    if let Some((issue, route)) = state.routes.iter().next() {
        return Some(format!("{issue} is not at {} yet", route.to));
    }
    let mut scheduled = world.rules.schedules.keys();
    if let Some(skill) =
        scheduled.find(|skill| schedule::owed(&world.rules, state, skill, world.now).is_some())
    {
        return Some(format!("`{skill}` is due"));
    }
    None
}

/// Whether something that a person has to do stands in a stage after this one.
fn rests_after(world: &World, report: &CycleReport, stage: &Label) -> bool {
    let stages = world.rules.workflow.stages.iter();
    let after = stages.skip_while(|other| other.label != *stage).skip(1);
    let after: Vec<&Label> = after.map(|stage| &stage.label).collect();
    world.tracker.issues.iter().any(|(number, issue)| {
        let hold = report.standing.get(number);
        hold.is_some_and(|hold| AT_REST.contains(&hold.word()))
            && after.iter().any(|label| issue.head.labels.contains(label))
    })
}

/// Who is routed and rests with nothing that a person has to do.
fn forgotten(world: &World, report: &CycleReport) -> Option<String> {
    for (number, issue) in &world.tracker.issues {
        let labels = &issue.head.labels;
        let routed = world
            .rules
            .workflow
            .stages
            .iter()
            .any(|stage| labels.contains(&stage.label));
        if !issue.head.open || !routed || issue.gone.is_some() {
            continue;
        }
        match report.standing.get(number) {
            Some(hold) if AT_REST.contains(&hold.word()) => {}
            // So may who waits for the work of one that rests so.
            Some(Hold::Collides { with })
                if with.iter().all(|other| {
                    let of_other = report.standing.get(&other.issue);
                    of_other.is_some_and(|hold| AT_REST.contains(&hold.word()))
                }) => {}
            // What was begun before it rests so.
            Some(Hold::Backlog { stage, .. }) if rests_after(world, report, stage) => {}
            Some(hold) => return Some(format!("{number} is held: {hold}")),
            None => return Some(format!("{number} has no hold")),
        }
    }
    None
}
