//! The life of a dispatch, step by step: prepare, deliver, judge, finish, clear away (PROTOCOLS 2, 4, 5; DESIGN 8).

use jiff::Timestamp;

use crate::domain::{
    Action, Cause, Delivery, DeliveryStep, Dispatch, Errand, Event, Evidence, FirstLine, Outcome,
    PaneSample, Phase, Publish, Purpose, Rules, Verb, Verdict, Via, Window,
};
use crate::machine::dispatch::stall::Failure;
use crate::machine::dispatch::{
    check, delivery, ending, errand, gate, judging, question, recovery, stall,
};
use crate::machine::evolve::delivery_id;
use crate::machine::labels::route;
use crate::machine::pull;
use crate::machine::pull::reserved;
use crate::machine::state::State;
use crate::machine::step::Step;
use crate::machine::telling::status;
use crate::machine::text::anchor;

/// Deliveries that were not typed, in a row, after which a person is told (PROTOCOLS 2).
pub const UNDELIVERED_TOLD: u32 = 5;
/// And after which the issue is a person's: three quarters of an hour of refusals.
const UNDELIVERED_MAX: u32 = 20;

/// Says what a dispatch needs next.
pub fn next(
    state: &State,
    dispatch: &Dispatch,
    rules: &Rules,
    sample: Option<&PaneSample>,
    now: Timestamp,
) -> Step {
    let stalled = dispatch.stalled.as_ref();
    if route::awaits(state, dispatch) || stalled.is_some_and(|stall| stall.until > now) {
        return Step::Rest;
    }
    if let Some(step) = question::take_label_off(dispatch, rules) {
        return step;
    }
    if has_it(state, dispatch)
        && let Some(step) = errand::at_work(state, dispatch, sample)
    {
        return step;
    }
    match &dispatch.phase {
        Phase::Delivering => deliver(state, dispatch, rules, sample, now),
        Phase::Working => work(state, dispatch, rules, sample, now),
        Phase::Judging => judging::judge(state, dispatch, rules, now),
        Phase::Closed { cause, .. } => ending::clear_away(state, dispatch, cause, sample, now),
    }
}

/// Whether the agent has the brief, as far as anybody knows, and says nothing of it yet.
fn has_it(state: &State, dispatch: &Dispatch) -> bool {
    let submitted = |last: &Delivery| {
        matches!(last.step, DeliveryStep::Submitted { .. }) || delivery::is_unknown(last)
    };
    match dispatch.phase {
        Phase::Working => true,
        Phase::Delivering => state.last_delivery(dispatch).is_some_and(submitted),
        Phase::Judging | Phase::Closed { .. } => false,
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
    if let Some(step) = errand::refused(dispatch, last, sample, now) {
        return step;
    }
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
        if dispatch.undelivered >= UNDELIVERED_MAX {
            let why = format!("the brief could not be typed {UNDELIVERED_MAX} times");
            return park(dispatch, rules, why);
        }
        if now < delivery::again_at(dispatch, last) {
            return Step::Rest;
        }
    }
    // A person's words need no tree: it stays where it is.
    let words_only = matches!(dispatch.opening.errand(), Some(Errand::Said { .. }));
    if !dispatch.prepared && !words_only {
        return Step::Do(Action::PrepareTree {
            dispatch: Box::new(dispatch.clone()),
        });
    }
    if status::is_unmarked(state, dispatch, rules.comment) {
        return Step::Rest;
    }
    if dispatch.opening.window == Window::Check
        && dispatch.pane.is_none()
        && via(dispatch, rules) == Via::Paste
    {
        return Step::Do(Action::OpenWindow {
            dispatch: Box::new(dispatch.clone()),
        });
    }
    if dispatch.opening.window.is_agent() && !sample.is_some_and(|sample| sample.state.takes_text())
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
    if let Some(step) = recovery::next(state, dispatch, rules, sample, now) {
        return step;
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
        // Whatever was said last, also the answer to a question: silence after it was judged.
        let judged_after = state.last_delivery(dispatch).is_some_and(|last| {
            dispatch
                .report
                .as_ref()
                .is_some_and(|report| report.at > last.since)
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
    let untyped = state.last_delivery(dispatch).filter(|last| {
        matches!(
            last.step,
            DeliveryStep::Settled {
                verdict: Verdict::NotDelivered,
                ..
            }
        )
    });
    if let Some(last) = untyped {
        if dispatch.undelivered >= UNDELIVERED_MAX {
            let why = format!("what is missing could not be typed {UNDELIVERED_MAX} times");
            return park(dispatch, rules, why);
        }
        if now < delivery::again_at(dispatch, last) {
            return Step::Rest;
        }
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
    if !red.is_empty() {
        return red.join("\n");
    }
    gate::disagreement(evidence)
        .unwrap_or_else(|| "no report, and the gates were not measured".to_owned())
}

pub(super) fn close(dispatch: &Dispatch, cause: Cause) -> Step {
    Step::Record(vec![Event::DispatchClosed {
        dispatch: dispatch.id().clone(),
        cause,
    }])
}

/// Ends a dispatch and hands its issue to a person, in one append.
pub(super) fn park(dispatch: &Dispatch, rules: &Rules, why: String) -> Step {
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
        (Action::PrepareTree { .. } | Action::Compose { .. }, Outcome::Failed { why, .. })
            if let Some(step) = errand::given_up(dispatch, why) =>
        {
            step
        }
        (Action::PrepareTree { .. }, Outcome::Held { hold, .. })
            if let Some(step) =
                errand::given_up(dispatch, &errand::words(&rules.project.name, hold)) =>
        {
            step
        }
        (_, Outcome::Failed { why, until }) => {
            let (hint, until) = (None, *until);
            let failure = Failure { why, hint, until };
            stall::failed(state, dispatch, rules, action, failure, now)
        }
        (_, Outcome::Refused { why, hint, until }) => {
            let (hint, until) = (Some(hint.as_str()), *until);
            let failure = Failure { why, hint, until };
            stall::failed(state, dispatch, rules, action, failure, now)
        }
        (_, Outcome::Held { hold, until }) => stall::held(dispatch, hold, *until),
        (_, Outcome::NoLongerWanted { by, why }) => withdraw(state, dispatch, by, why),
        (_, Outcome::Unfounded { claims, at }) => {
            park(dispatch, rules, anchor::lost(claims, at, rules))
        }
        (_, Outcome::Reserved { found }) => park(dispatch, rules, reserved::why(found)),
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
                ms,
            },
        ) => Step::Record(vec![Event::DeliveryPlanned {
            delivery: Box::new(Delivery {
                id: delivery.clone(),
                dispatch: id(),
                purpose: ground.purpose.unwrap_or(Purpose::Brief),
                via: via(dispatch, rules),
                text: text.0.clone(),
                digest: digest.clone(),
                issue_text: issue_text.clone(),
                ms: *ms,
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
        (
            Action::Survey { ended, .. },
            Outcome::Surveyed {
                written,
                committed,
                dialog,
                version,
            },
        ) => check::settle(
            rules,
            state,
            dispatch,
            ended,
            check::Found {
                written: *written,
                committed: *committed,
                dialog: dialog.as_deref(),
                version: version.as_deref(),
            },
        ),
        (Action::RemoveLabel { .. }, Outcome::Done) => {
            Step::Record(vec![Event::ParkLabelRemoved { dispatch: id() }])
        }
        (Action::Tidy { .. }, Outcome::Done) => {
            Step::Record(vec![Event::DispatchTidied { dispatch: id() }])
        }
        _ => match (
            pull::settle(dispatch, action, outcome),
            state.last_delivery(dispatch),
        ) {
            (Some(step), _) => step,
            (None, Some(last)) => delivery::settle(dispatch, last, outcome, now),
            (None, None) => Step::Rest,
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
