//! Judging a report: gate after gate, then back to the agent, back to the maker, or on (PROTOCOLS 4 and 5; DESIGN 8).

use jiff::Timestamp;

use crate::domain::{
    Action, Advance, Answer, Cause, Dispatch, Event, Evidence, GateName, Labelling, Next, Publish,
    Report, Rules, Spec, Subject, Transition, TransitionStep, Verb,
};
use crate::machine::flow::{close, missing, park};
use crate::machine::state::State;
use crate::machine::step::Step;
use crate::machine::{errand, gate};

/// Says what a report that is being judged needs next.
pub(super) fn judge(state: &State, dispatch: &Dispatch, rules: &Rules, now: Timestamp) -> Step {
    let Some(report) = dispatch.report.as_ref() else {
        return Step::Rest;
    };
    let Some(labelling) = dispatch.opening.labelling() else {
        return errand::judge(dispatch, report);
    };
    if report.verb == Verb::Fail {
        return close(
            dispatch,
            Cause::Failed {
                why: report
                    .note
                    .clone()
                    .unwrap_or_else(|| "no reason given".to_owned()),
            },
        );
    }
    for gate in in_order(&dispatch.opening.stage.needs) {
        match dispatch.evidence.iter().rev().find(|row| row.gate == *gate) {
            None => return measure(state, dispatch, gate, report),
            Some(row) if !row.holds => {
                return red(state, dispatch, labelling, rules, report, row, now);
            }
            Some(_) => {}
        }
    }
    if gate::disagreement(&dispatch.evidence).is_some() {
        return refuse(dispatch, report);
    }
    green(state, dispatch, labelling, report, now)
}

/// The verdict first: its findings go back to the maker, who mends what else is red. Who checks cannot mend a build.
fn in_order(needs: &[GateName]) -> impl Iterator<Item = &GateName> {
    let is_verdict = |gate: &&GateName| **gate == GateName::Verdict;
    let verdict = needs.iter().filter(is_verdict);
    let rest = needs.iter().filter(move |gate| !is_verdict(gate));
    verdict.chain(rest.filter(|gate| **gate != GateName::Approval))
}

fn measure(state: &State, dispatch: &Dispatch, gate: &GateName, report: &Report) -> Step {
    let action = Action::Gate {
        dispatch: Box::new(dispatch.clone()),
        gate: gate.clone(),
        report: Box::new(report.clone()),
        ground: Box::new(state.ground(dispatch)),
    };
    // Gates are the one effect that may be repeated: a started one without a result runs again.
    if dispatch.running.as_deref() == Some(gate.as_str()) {
        return Step::Do(action);
    }
    Step::Intend(
        vec![Event::GateStarted {
            dispatch: dispatch.id().clone(),
            gate: gate.clone(),
        }],
        action,
    )
}

fn red(
    state: &State,
    dispatch: &Dispatch,
    labelling: &Labelling,
    rules: &Rules,
    report: &Report,
    row: &Evidence,
    now: Timestamp,
) -> Step {
    if let Some(findings) = &row.findings {
        return rework(state, dispatch, labelling, rules, findings, now);
    }
    refuse(dispatch, report)
}

/// Tells the agent what is missing; the work stays with it.
fn refuse(dispatch: &Dispatch, report: &Report) -> Step {
    let answer = Answer {
        report: report.id.clone(),
        accepted: false,
        text: format!(
            "not accepted. Missing:\n{}\nDo that, then report again.",
            missing(&dispatch.evidence)
        ),
    };
    let event = Event::ReportRefused {
        dispatch: dispatch.id().clone(),
        answer: answer.clone(),
    };
    if report.verb == Verb::Unreported {
        return Step::Record(vec![event]);
    }
    Step::Intend(
        vec![event],
        Action::Answer {
            answer,
            window: dispatch.opening.window,
        },
    )
}

/// A failing verdict: back to the maker, or to a person when the rounds are spent.
fn rework(
    state: &State,
    dispatch: &Dispatch,
    labelling: &Labelling,
    rules: &Rules,
    findings: &str,
    now: Timestamp,
) -> Step {
    let rounds = state
        .walks
        .get(&labelling.issue)
        .map_or(0, |walk| walk.rounds);
    let closed = |cause| Event::DispatchClosed {
        dispatch: dispatch.id().clone(),
        cause,
    };
    let limit = rules.workflow.limits.rounds;
    match &dispatch.opening.stage.back {
        Some(back) if rounds < limit => Step::Record(vec![
            closed(Cause::Rework {
                findings: findings.to_owned(),
            }),
            Event::TransitionIntended {
                transition: transition(dispatch, labelling, Next::Stage(back.clone()), true, now),
            },
        ]),
        Some(_) => {
            let why = format!("{limit} rounds of rework are spent. The last verdict: {findings}");
            park(dispatch, rules, why)
        }
        None => close(
            dispatch,
            Cause::Failed {
                why: findings.to_owned(),
            },
        ),
    }
}

fn transition(
    dispatch: &Dispatch,
    labelling: &Labelling,
    to: Next,
    rework: bool,
    now: Timestamp,
) -> Transition {
    Transition {
        issue: labelling.issue,
        from: dispatch.opening.stage.label.clone(),
        to,
        dispatch: Some(dispatch.id().clone()),
        after: Some(labelling.event.clone()),
        rework,
        at: now,
        unchanged_since: None,
        step: TransitionStep::Intended,
    }
}

/// Returns what the evidence was measured on.
fn subject(dispatch: &Dispatch) -> Option<Subject> {
    let measured = dispatch
        .evidence
        .iter()
        .rev()
        .find_map(|row| row.subject.clone());
    measured.or_else(|| dispatch.opening.subject.clone())
}

/// All gates hold: push, publish, close, move on.
fn green(
    state: &State,
    dispatch: &Dispatch,
    labelling: &Labelling,
    report: &Report,
    now: Timestamp,
) -> Step {
    let walk = state.walks.get(&labelling.issue);
    let stage = &dispatch.opening.stage;
    let subject = subject(dispatch);
    if let (true, Some(branch), Some(subject)) =
        (stage.makes_commits(), &dispatch.opening.branch, &subject)
        && walk.and_then(|walk| walk.subject.as_ref()) != Some(subject)
    {
        return Step::Do(Action::Push {
            dispatch: Box::new(dispatch.clone()),
            branch: branch.clone(),
            subject: subject.clone(),
        });
    }
    if let (true, Some(text)) = (stage.needs.contains(&GateName::Spec), &report.spec) {
        let digest = crate::machine::text::sha256(text.as_bytes());
        if walk
            .and_then(|walk| walk.spec.as_ref())
            .map(|spec| &spec.digest)
            != Some(&digest)
        {
            let spec = Spec {
                issue: labelling.issue,
                text: text.clone(),
                digest,
            };
            return Step::Do(Action::Publish {
                dispatch: dispatch.id().clone(),
                issue: labelling.issue,
                what: Publish::Spec(spec),
            });
        }
    }
    let reported = report.verb != Verb::Unreported;
    let mut events = vec![Event::DispatchClosed {
        dispatch: dispatch.id().clone(),
        cause: Cause::Verified { subject, reported },
    }];
    let person = stage.advance == Advance::Human || stage.needs.contains(&GateName::Approval);
    if !person {
        events.push(Event::TransitionIntended {
            transition: transition(dispatch, labelling, stage.next.clone(), false, now),
        });
    }
    Step::Record(events)
}
