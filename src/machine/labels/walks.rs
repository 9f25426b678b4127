//! Issues between two dispatches: a person ended, resumed or approved their walk.

use jiff::Timestamp;

use crate::domain::{
    Actor, Details, Event, Head, IssueNumber, Label, LabelEventId, Observation, Questions, Rules,
    SingleRead, Transition, TransitionStep,
};
use crate::machine::labels::trust;
use crate::machine::memory::Memory;
use crate::machine::pull;
use crate::machine::starting::decide::{Act, Decision};
use crate::machine::state::{State, Walk};
use crate::machine::step::{Flow, Step};

/// Issues whose walk a person ended, resumed or finished.
pub(in crate::machine) fn walks(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    now: Timestamp,
) -> Option<Decision> {
    if seen.gap.is_some() {
        return None;
    }
    for (issue, walk) in &state.walks {
        if seen.unread.contains_key(issue)
            || state.open_dispatch(*issue).is_some()
            || state.transitions.contains_key(issue)
            || state.routes.contains_key(issue)
            || state.parks.contains_key(issue)
            // A merge of ours may close the issue before it is known what came of it.
            || memory.busy.contains(&Flow::Merge(*issue))
        {
            continue;
        }
        let head = seen.heads.get(issue);
        if let (Some(by), Some(label)) = (&walk.approved, &walk.yours)
            && (is_merged(walk) || head.is_some_and(|head| still_stands(rules, head, label)))
            && let Some(decision) =
                finish_approved(rules, state, memory, *issue, by, label, seen.at)
        {
            return Some(decision);
        }
        // What was parked after it had left can still be asked for anew.
        if walk.left && walk.parked.is_none() {
            continue;
        }
        // A closed issue is not listed: a single read says so before its seat is given away.
        let routed = head.is_some_and(|head| {
            let mut stages = rules.workflow.stages.iter();
            head.open && stages.any(|stage| head.labels.contains(&stage.label))
        });
        let parked = head.is_none_or(|head| head.labels.contains(&rules.workflow.labels.park));
        if !routed {
            // A merge closes the issue too, perhaps between two reads of ours: then it is the pull request that says what happened,
            // read no earlier than the issue.
            let kept = walk.pull.as_ref().filter(|kept| kept.stands());
            let number = kept.map(|kept| kept.pull.number);
            let is_unread = number.is_some_and(|number| !seen.pull_reads.contains_key(&number));
            let Some(details) = seen.details.get(issue).filter(|_| !is_unread) else {
                if memory.was_read(*issue, seen, now) && !seen.details.contains_key(issue) {
                    continue;
                }
                return Some(look(*issue, number));
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
        } else if walk.parked.is_some() && !parked && !memory.is_refused(*issue, head) {
            let Some(details) = seen.details.get(issue) else {
                if memory.was_read(*issue, seen, now) {
                    continue;
                }
                return Some(look(*issue, None));
            };
            if let Park::Off(event) = Park::of(rules, details) {
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

fn look(issue: IssueNumber, pull: Option<IssueNumber>) -> Decision {
    Decision::Look(Questions {
        issues: vec![issue],
        pulls: pull.into_iter().collect(),
        ..Questions::default()
    })
}

fn left(rules: &Rules, details: &Details) -> Option<String> {
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

/// What became of the park label that is not on a parked issue.
pub(in crate::machine) enum Park {
    /// Somebody who may start work took it off, and so asks anew: by which event.
    Off(LabelEventId),
    /// Somebody took it off who may not.
    Stripped(String),
    /// It is gone without a trace.
    Lost,
}

impl Park {
    pub(in crate::machine) fn of(rules: &Rules, details: &Details) -> Self {
        let Some(event) = trust::park_taken_off(&rules.workflow, &details.events) else {
            return Self::Lost;
        };
        let actor = event.actor.as_ref();
        let may = |actor: &&Actor| trust::is_trusted(&rules.project, actor, &details.roles);
        match actor.filter(may) {
            Some(_) => Self::Off(event.id.clone()),
            None => Self::Stripped(
                actor.map_or_else(|| "somebody".to_owned(), |actor| actor.login.clone()),
            ),
        }
    }
}

/// What was begun is ended; before that, stopping is always honoured: a veto, another label and a closed issue outrank an approval.
fn still_stands(rules: &Rules, head: &Head, label: &Label) -> bool {
    head.open && head.labels.contains(label) && trust::vetoed(head, &rules.workflow).is_none()
}

fn is_merged(walk: &Walk) -> bool {
    walk.merged.is_some() && walk.merged == walk.subject
}

/// A merge that cannot be: the approval is used up, and a person gets the issue with the reason.
pub(in crate::machine) fn not_merged(
    state: &State,
    rules: &Rules,
    issue: IssueNumber,
    why: &str,
) -> Step {
    let approved = |walk: &Walk| walk.approved.is_some();
    if !state.walks.get(&issue).is_some_and(approved) {
        return Step::Rest;
    }
    let number = issue.0;
    Step::Record(vec![Event::ParkIntended {
        issue,
        label: rules.workflow.labels.park.clone(),
        why: format!(
            "not merged: {why}

Set the stage before it again for another round, or merge by hand and close the issue; `pointsman approve {number}` tries the same merge again"
        ),
    }])
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
    let walk = state.walks.get(&issue)?;
    let stage = rules.workflow.stage(label)?;
    if pull::merges(rules, stage) && walk.subject.is_some() && !is_merged(walk) {
        let flow = Flow::Merge(issue);
        return (!memory.waits(&flow))
            .then(|| Act::carry_on(flow, format!("merging {issue}, approved by {by}")));
    }
    let transition = Transition {
        issue,
        from: label.clone(),
        to: stage.next.clone(),
        dispatch: None,
        after: walk.newest_event().cloned(),
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
