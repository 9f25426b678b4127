//! After the end of a dispatch: nothing of ours stays behind in the session, the spool or the tree (PROTOCOLS 2 and 3).

use jiff::Timestamp;

use crate::domain::{
    Action, Activity, Advance, Answer, Cause, Delivery, Dispatch, Liveness, PaneSample, Purpose,
    Verb, Window,
};
use crate::machine::dispatch::flow::compose;
use crate::machine::dispatch::{check, delivery};
use crate::machine::state::State;
use crate::machine::step::Step;
use crate::machine::telling::post;

/// After the end: a withdrawn agent is told to stop, then brief, answer and window are cleared away.
pub(super) fn clear_away(
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
    if check::is_at_it(dispatch, mine, now) {
        return Step::Rest;
    }
    if let (Some(last), Some(mine), Window::Agent(_)) = (last, mine, dispatch.opening.window)
        && let Some(step) = take_back(dispatch, last, mine, now)
    {
        return step;
    }
    if let (Cause::Withdrawn { by, why }, Window::Agent(_), Some(mine)) =
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
    let open = state.dispatches.values().filter(|one| one.is_open());
    Step::Do(Action::Tidy {
        dispatch: Box::new(dispatch.clone()),
        answer: farewell(dispatch, cause),
        open: open.map(|one| one.id().clone()).collect(),
    })
}

/// A line that was typed and is wanted no more does not stay in the composer (PROTOCOLS 3): cleared if it is there alone,
/// else it waits for a person. With an agent at work it is looked for: who has taken the brief is told to stop.
fn take_back(
    dispatch: &Dispatch,
    last: &Delivery,
    mine: &PaneSample,
    now: Timestamp,
) -> Option<Step> {
    if !delivery::is_unknown(last) || mine.state.liveness == Liveness::Dead {
        return None;
    }
    // What was seen before the delivery ended says nothing of what it left behind; nor what a clock says that was put back since.
    if mine.at <= last.since || mine.at > now {
        return Some(Step::Rest);
    }
    if mine.state.takes_text() {
        return None;
    }
    let delivery = Box::new(last.clone());
    let pane = mine.pane.clone();
    Some(Step::Do(if mine.state.activity == Activity::Draft {
        Action::Clear {
            dispatch: Box::new(dispatch.clone()),
            delivery,
            pane,
        }
    } else {
        Action::Inspect {
            delivery,
            pane: Some(pane),
        }
    }))
}

/// The answer to the report that ended a dispatch, if a report did.
pub(in crate::machine) fn farewell(dispatch: &Dispatch, cause: &Cause) -> Option<Answer> {
    let report = dispatch
        .report
        .as_ref()
        .filter(|report| !matches!(report.verb, Verb::Unreported | Verb::Moved))?;
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
