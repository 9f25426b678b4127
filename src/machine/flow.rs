//! The life of a dispatch, step by step: prepare, deliver, judge, finish, clear away (PROTOCOLS 2, 4, 5; DESIGN 8).

use jiff::Timestamp;

use crate::domain::{
    Action, Advance, Answer, Cause, Delivery, DeliveryStep, Dispatch, Event, Evidence, FirstLine,
    GateName, Ground, Labelling, Next, Outcome, PaneSample, Phase, Publish, Purpose, Report, Rules,
    Spec, Subject, Transition, TransitionStep, Verb, Verdict, Via, Window,
};
use crate::machine::evolve::delivery_id;
use crate::machine::state::State;
use crate::machine::step::Step;
use crate::machine::{delivery, errand, post, question};

/// Says what a dispatch needs next.
pub fn next(
    state: &State,
    dispatch: &Dispatch,
    rules: &Rules,
    sample: Option<&PaneSample>,
    now: Timestamp,
) -> Step {
    if dispatch
        .stalled
        .as_ref()
        .is_some_and(|(_, until)| *until > now)
    {
        return Step::Rest;
    }
    if let Some(step) = question::take_label_off(dispatch, rules) {
        return step;
    }
    match &dispatch.phase {
        Phase::Delivering => deliver(state, dispatch, rules, sample, now),
        Phase::Working => work(state, dispatch, rules, sample, now),
        Phase::Judging => judge(state, dispatch, rules, now),
        Phase::Closed { cause, .. } => clear_away(state, dispatch, cause, sample, now),
    }
}

fn deliver(
    state: &State,
    dispatch: &Dispatch,
    rules: &Rules,
    sample: Option<&PaneSample>,
    now: Timestamp,
) -> Step {
    let last = state.last_delivery(dispatch);
    if let Some(last) = last {
        let failed = matches!(
            last.step,
            DeliveryStep::Settled {
                verdict: Verdict::NotDelivered,
                ..
            }
        );
        if !failed {
            return unknown_or_next(dispatch, rules, last, sample, now);
        }
        if now < delivery::again_at(dispatch, last) {
            return Step::Rest;
        }
    }
    if !dispatch.prepared {
        return Step::Do(Action::PrepareTree {
            dispatch: Box::new(dispatch.clone()),
        });
    }
    if dispatch.opening.window == Window::Check
        && dispatch.pane.is_none()
        && via(dispatch, rules) == Via::Paste
    {
        return Step::Do(Action::OpenWindow {
            dispatch: Box::new(dispatch.clone()),
        });
    }
    if dispatch.opening.window == Window::Agent
        && !sample.is_some_and(|sample| sample.state.takes_text())
    {
        return Step::Rest;
    }
    compose(state, dispatch, Purpose::Brief, None)
}

/// An unknown delivery is looked for at intervals, and after ten minutes a person gets it.
fn unknown_or_next(
    dispatch: &Dispatch,
    rules: &Rules,
    last: &Delivery,
    sample: Option<&PaneSample>,
    now: Timestamp,
) -> Step {
    if delivery::gave_up(last, now) {
        let DeliveryStep::Settled { verdict, witness } = &last.step else {
            return Step::Rest;
        };
        let what = if last.purpose == Purpose::Answer {
            "the answer to the agent's question"
        } else {
            "the brief"
        };
        let why = format!("{what} is {}: {witness}", verdict.as_str());
        return park(dispatch, rules, why);
    }
    delivery::next(dispatch, last, sample, now)
}

/// Asks for a text of that purpose to be written.
pub(crate) fn compose(
    state: &State,
    dispatch: &Dispatch,
    purpose: Purpose,
    message: Option<String>,
) -> Step {
    let mut ground = state.ground(dispatch);
    ground.purpose = Some(purpose);
    ground.message = message;
    Step::Do(Action::Compose {
        dispatch: Box::new(dispatch.clone()),
        delivery: delivery_id(dispatch, dispatch.deliveries.len()),
        ground: Box::new(ground),
    })
}

fn via(dispatch: &Dispatch, rules: &Rules) -> Via {
    let profile = rules.profiles.get(&dispatch.opening.profile);
    let argument = profile.is_some_and(|profile| profile.first_line == FirstLine::Argument);
    if dispatch.opening.window == Window::Check && argument && dispatch.pane.is_none() {
        Via::Launch
    } else {
        Via::Paste
    }
}

fn work(
    state: &State,
    dispatch: &Dispatch,
    rules: &Rules,
    sample: Option<&PaneSample>,
    now: Timestamp,
) -> Step {
    if let Some(last) = state
        .last_delivery(dispatch)
        .filter(|last| !delivery::is_over(last))
    {
        return unknown_or_next(dispatch, rules, last, sample, now);
    }
    if let Some(asked) = &dispatch.asked {
        return question::next(state, dispatch, asked, rules, sample, now);
    }
    let silent = dispatch
        .report
        .as_ref()
        .is_some_and(|report| report.verb == Verb::Unreported);
    if !silent {
        return Step::Rest;
    }
    let missing = match dispatch.opening.errand() {
        Some(_) => errand::MISSING.to_owned(),
        None => missing(&dispatch.evidence),
    };
    if dispatch.nudged {
        let nudge = state
            .last_delivery(dispatch)
            .filter(|last| last.purpose == Purpose::Nudge);
        let judged_after = nudge.is_some_and(|nudge| {
            dispatch
                .report
                .as_ref()
                .is_some_and(|report| report.at > nudge.since)
        });
        return if judged_after {
            close(dispatch, Cause::Failed { why: missing })
        } else {
            Step::Rest
        };
    }
    let mine = sample.filter(|sample| Some(&sample.pane) == dispatch.pane.as_ref());
    if !mine.is_some_and(|mine| mine.state.takes_text()) {
        return Step::Rest;
    }
    compose(state, dispatch, Purpose::Nudge, Some(missing))
}

/// Says in sentences what the evidence lacks.
pub fn missing(evidence: &[Evidence]) -> String {
    let red: Vec<String> = evidence
        .iter()
        .filter(|row| !row.holds)
        .map(|row| format!("{}: {}", row.gate, row.says))
        .collect();
    if red.is_empty() {
        "no report, and the gates were not measured".to_owned()
    } else {
        red.join("\n")
    }
}

fn judge(state: &State, dispatch: &Dispatch, rules: &Rules, now: Timestamp) -> Step {
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
    for gate in dispatch
        .opening
        .stage
        .needs
        .iter()
        .filter(|gate| **gate != GateName::Approval)
    {
        match dispatch.evidence.iter().rev().find(|row| row.gate == *gate) {
            None => return measure(state, dispatch, gate, report),
            Some(row) if !row.holds => {
                return red(state, dispatch, labelling, rules, report, row, now);
            }
            Some(_) => {}
        }
    }
    green(state, dispatch, labelling, report, now)
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
pub fn subject(dispatch: &Dispatch) -> Option<Subject> {
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

fn close(dispatch: &Dispatch, cause: Cause) -> Step {
    Step::Record(vec![Event::DispatchClosed {
        dispatch: dispatch.id().clone(),
        cause,
    }])
}

/// Ends a dispatch and hands its issue to a person, in one append.
fn park(dispatch: &Dispatch, rules: &Rules, why: String) -> Step {
    // An errand leaves its issue, if it has one, where it is.
    let Some(labelling) = dispatch.opening.labelling() else {
        return close(dispatch, Cause::Lost { why });
    };
    Step::Record(vec![
        Event::DispatchClosed {
            dispatch: dispatch.id().clone(),
            cause: Cause::Parked { why: why.clone() },
        },
        Event::ParkIntended {
            issue: labelling.issue,
            label: rules.workflow.labels.park.clone(),
            why,
        },
    ])
}

/// After the end: a withdrawn agent is told to stop, then brief, answer and window are cleared away.
fn clear_away(
    state: &State,
    dispatch: &Dispatch,
    cause: &Cause,
    sample: Option<&PaneSample>,
    now: Timestamp,
) -> Step {
    let last = state.last_delivery(dispatch);
    if post::pending(dispatch).next().is_some() {
        return Step::Rest;
    }
    if let Some(last) =
        last.filter(|last| !delivery::is_over(last) && last.purpose == Purpose::Stop)
    {
        return delivery::next(dispatch, last, sample, now);
    }
    let mine = sample.filter(|sample| Some(&sample.pane) == dispatch.pane.as_ref());
    if let (Cause::Withdrawn { by, why }, Window::Agent, Some(mine)) =
        (cause, dispatch.opening.window, mine)
    {
        let told = last.is_some_and(|last| last.purpose == Purpose::Stop);
        let has_it = dispatch.confirmed_at.is_some();
        if has_it && !told {
            if !mine.state.takes_text() {
                return Step::Rest;
            }
            let message = format!("{by} withdrew this: {why}. Stop; leave the tree as it is.");
            return compose(state, dispatch, Purpose::Stop, Some(message));
        }
    }
    Step::Do(Action::Tidy {
        dispatch: Box::new(dispatch.clone()),
        answer: farewell(dispatch, cause),
    })
}

/// The answer to the report that ended a dispatch, if a report did.
fn farewell(dispatch: &Dispatch, cause: &Cause) -> Option<Answer> {
    let report = dispatch
        .report
        .as_ref()
        .filter(|report| report.verb != Verb::Unreported)?;
    let stage = &dispatch.opening.stage;
    let (accepted, text) = match cause {
        Cause::Verified { .. } if dispatch.opening.errand().is_some() => (
            true,
            "recorded. Nothing moves: this was an errand. End your turn.".to_owned(),
        ),
        Cause::Verified { .. } if stage.advance == Advance::Human => (
            true,
            "accepted. A person makes the last move; end your turn.".to_owned(),
        ),
        Cause::Verified { .. } => (
            true,
            format!(
                "accepted: the issue moves to {}. End your turn.",
                stage.next
            ),
        ),
        Cause::Rework { .. } => {
            let back = stage
                .back
                .as_ref()
                .map_or("its maker", |label| label.as_str());
            (
                true,
                format!(
                    "recorded: the issue goes back to {back} with your findings. End your turn."
                ),
            )
        }
        Cause::Failed { .. } => (
            true,
            "recorded. End your turn; leave the tree as it is.".to_owned(),
        ),
        Cause::Withdrawn { by, why } => (
            false,
            format!("withdrawn by {by}: {why}. Stop; leave the tree as it is."),
        ),
        Cause::TimedOut | Cause::Lost { .. } | Cause::Parked { .. } => (
            false,
            "this dispatch is closed. End your turn; leave the tree as it is.".to_owned(),
        ),
    };
    Some(Answer {
        report: report.id.clone(),
        accepted,
        text,
    })
}

/// Turns what came of a dispatch's effect into what is written down, and what follows at once.
#[expect(clippy::too_many_lines, reason = "a table, one row an event")]
pub fn settle(
    state: &State,
    dispatch: &Dispatch,
    rules: &Rules,
    action: &Action,
    outcome: &Outcome,
    now: Timestamp,
) -> Step {
    let id = || dispatch.id().clone();
    match (action, outcome) {
        (_, Outcome::Failed { why, until }) => Step::Record(vec![Event::DispatchStalled {
            dispatch: id(),
            why: why.clone(),
            until: *until,
        }]),
        (_, Outcome::NoLongerWanted { by, why }) => withdraw(state, dispatch, by, why),
        (Action::PrepareTree { .. }, Outcome::Prepared { base, known }) => {
            Step::Record(vec![Event::TreePrepared {
                dispatch: id(),
                base: base.clone(),
                known: known.clone(),
            }])
        }
        (Action::OpenWindow { .. }, Outcome::Opened { pane, context, .. }) => {
            Step::Record(vec![Event::WindowOpened {
                dispatch: id(),
                pane: pane.clone(),
                context: context.clone(),
            }])
        }
        (
            Action::Compose {
                delivery, ground, ..
            },
            Outcome::Composed {
                text,
                digest,
                issue_text,
            },
        ) => Step::Record(vec![Event::DeliveryPlanned {
            delivery: Box::new(Delivery {
                id: delivery.clone(),
                dispatch: id(),
                purpose: ground.purpose.unwrap_or(Purpose::Brief),
                via: via(dispatch, rules),
                text: text.clone(),
                digest: digest.clone(),
                issue_text: issue_text.clone(),
                step: DeliveryStep::Planned,
                since: now,
                submitted_at: None,
                composer: None,
                baseline: String::new(),
            }),
        }]),
        (Action::Gate { .. }, Outcome::Measured(evidence)) => {
            Step::Record(vec![Event::GateFinished {
                dispatch: id(),
                evidence: evidence.clone(),
            }])
        }
        (
            Action::Push {
                branch, subject, ..
            },
            Outcome::Done,
        ) => Step::Record(vec![Event::BranchPushed {
            dispatch: id(),
            branch: branch.clone(),
            subject: subject.clone(),
        }]),
        (
            Action::Publish {
                what: Publish::Spec(spec),
                ..
            },
            Outcome::Commented { comment },
        ) => Step::Record(vec![Event::SpecPublished {
            dispatch: id(),
            comment: comment.clone(),
            spec: spec.clone(),
        }]),
        (
            Action::Publish {
                what: Publish::Question { .. },
                ..
            },
            Outcome::Commented { comment },
        ) => Step::Record(vec![Event::QuestionPublished {
            dispatch: id(),
            comment: comment.clone(),
        }]),
        (Action::RemoveLabel { .. }, Outcome::Done) => {
            Step::Record(vec![Event::ParkLabelRemoved { dispatch: id() }])
        }
        (Action::Tidy { .. }, Outcome::Done) => {
            Step::Record(vec![Event::DispatchTidied { dispatch: id() }])
        }
        _ => match state.last_delivery(dispatch) {
            Some(last) => delivery::settle(dispatch, last, outcome, now),
            None => Step::Rest,
        },
    }
}

fn withdraw(state: &State, dispatch: &Dispatch, by: &str, why: &str) -> Step {
    let mut events = Vec::new();
    if let Some(last) = state.last_delivery(dispatch) {
        let verdict = match last.step {
            DeliveryStep::Settled { .. } => None,
            DeliveryStep::Planned | DeliveryStep::Staged | DeliveryStep::PasteIntended => {
                Some(Verdict::NotDelivered)
            }
            _ => Some(Verdict::TypedNotSubmitted),
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
    let cause = Cause::Withdrawn {
        by: by.to_owned(),
        why: why.to_owned(),
    };
    events.push(Event::DispatchClosed {
        dispatch: dispatch.id().clone(),
        cause,
    });
    Step::Record(events)
}

/// Returns the ground of a dispatch's next text, for `explain` and `skill render`.
pub fn ground(state: &State, dispatch: &Dispatch) -> Ground {
    state.ground(dispatch)
}
