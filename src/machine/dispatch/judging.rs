//! Judging a report: gate after gate, then back to the agent, back to the maker, or on (PROTOCOLS 4 and 5; DESIGN 8).

use jiff::Timestamp;

use crate::domain::{
    Action, Answer, Cause, CommentMode, Dispatch, Event, Evidence, GateName, Labelling, Next, Note,
    Publish, Report, Rules, Spec, Subject, Transition, TransitionStep, Verb,
};
use crate::machine::dispatch::flow::{close, missing, park};
use crate::machine::dispatch::{claim, errand, gate};
use crate::machine::pull;
use crate::machine::state::State;
use crate::machine::step::Step;

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
            None => {
                let before = match gate {
                    GateName::Pr => shown(state, dispatch, labelling, rules),
                    GateName::Checks => pushed(state, dispatch, labelling),
                    _ => None,
                };
                return before.unwrap_or_else(|| measure(state, dispatch, gate, report));
            }
            Some(row) if !row.holds => {
                return red(state, dispatch, labelling, rules, report, row, now);
            }
            Some(_) => {}
        }
    }
    if gate::disagreement(&dispatch.evidence).is_some() {
        return match &report.moved {
            Some(moved) => claim::refused(dispatch, labelling, rules, moved, now),
            None => refuse(dispatch, report),
        };
    }
    green(state, dispatch, labelling, rules, report, now)
}

/// The verdict first: its findings go back to the maker, who mends what else is red. Who checks cannot mend a build. The pull request
/// after that: it is ours to open, and shows what was measured. GitHub checks what was pushed, so its checks come last. An approval is a
/// person's.
fn in_order(needs: &[GateName]) -> Vec<&GateName> {
    let is_measured = |gate: &&GateName| **gate != GateName::Approval;
    let mut order: Vec<&GateName> = needs.iter().filter(is_measured).collect();
    order.sort_by_key(|gate| match gate {
        GateName::Verdict => 0,
        GateName::Pr => 2,
        GateName::Checks => 3,
        _ => 1,
    });
    order
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
    if let Some(moved) = &report.moved {
        return claim::refused(dispatch, labelling, rules, moved, now);
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
    let (from, after) = claim::start(dispatch, labelling, &to);
    Transition {
        issue: labelling.issue,
        from,
        to,
        dispatch: Some(dispatch.id().clone()),
        after: Some(after),
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

/// The work is where a person can look at it: the branch on the remote, then its pull request.
fn shown(state: &State, dispatch: &Dispatch, labelling: &Labelling, rules: &Rules) -> Option<Step> {
    pushed(state, dispatch, labelling).or_else(|| pull::keep(state, dispatch, labelling, rules))
}

fn pushed(state: &State, dispatch: &Dispatch, labelling: &Labelling) -> Option<Step> {
    let walk = state.walks.get(&labelling.issue);
    let makes_commits = dispatch.opening.stage.makes_commits();
    if let (true, Some(branch), Some(subject)) =
        (makes_commits, &dispatch.opening.branch, subject(dispatch))
        && walk.and_then(|walk| walk.subject.as_ref()) != Some(&subject)
    {
        return Some(Step::Do(Action::Push {
            dispatch: Box::new(dispatch.clone()),
            branch: branch.clone(),
            subject,
        }));
    }
    None
}

/// All gates hold: push, publish, close, move on.
fn green(
    state: &State,
    dispatch: &Dispatch,
    labelling: &Labelling,
    rules: &Rules,
    report: &Report,
    now: Timestamp,
) -> Step {
    let walk = state.walks.get(&labelling.issue);
    let stage = &dispatch.opening.stage;
    let subject = subject(dispatch);
    if let (true, Some(moved)) = (pull::is_a_persons(stage), &report.moved) {
        return claim::refused(dispatch, labelling, rules, moved, now);
    }
    if let Some(step) = shown(state, dispatch, labelling, rules) {
        return step;
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
    let reported = !matches!(report.verb, Verb::Unreported | Verb::Moved);
    let mut events = vec![Event::DispatchClosed {
        dispatch: dispatch.id().clone(),
        cause: Cause::Verified { subject, reported },
    }];
    if pull::is_a_persons(stage) {
        let waits = walk.filter(|_| rules.comment != CommentMode::Off);
        events.extend(waits.map(|walk| Event::NoteIntended {
            note: Note {
                issue: labelling.issue,
                key: format!("yours {}", dispatch.id()),
                text: format!(
                    "All evidence of `{}` is there; the last move is yours: {}.",
                    stage.label,
                    pull::yours(walk, labelling.issue, stage, rules)
                ),
            },
        }));
    } else {
        events.push(Event::TransitionIntended {
            transition: transition(dispatch, labelling, stage.next.clone(), false, now),
        });
    }
    Step::Record(events)
}
