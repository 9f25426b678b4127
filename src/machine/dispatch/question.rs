//! A question of an agent's: on the issue, answered by a trusted person, and the answer back with the agent (PROTOCOLS 8).
//!
//! Who may answer is who may start work. Nothing here reads a comment that was written before the question.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::domain::{
    Action, CommentId, Delivery, DeliveryStep, Details, Dispatch, Event, Note, Observation,
    PaneSample, Publish, Purpose, Question, Questions, Reply, Rules, Verdict,
};
use crate::machine::dispatch::{delivery, flow};
use crate::machine::labels::trust;
use crate::machine::starting::decide::{Act, Decision};
use crate::machine::state::State;
use crate::machine::step::{Flow, Step};
use crate::machine::text::{self, sanitise};

/// Replies that are taken to one question, and remembered of one dispatch; what is said beyond them stays on the issue.
pub(in crate::machine) const REPLIES_MAX: usize = 20;
/// Bytes of one reply that are taken: a comment of the tracker is 64 KB at most, an answer is shorter.
const REPLY_BYTES_MAX: usize = 8 * 1024;

/// Says what to read of a dispatch's issue: its comments matter while a question of the dispatch stands there, and those that were
/// taken may be edited.
pub fn questions(dispatch: &Dispatch) -> Questions {
    let asked = dispatch
        .asked
        .as_ref()
        .and_then(|asked| asked.comment.clone());
    let oldest = dispatch.taken.first().map(|taken| taken.question.clone());
    Questions {
        issues: dispatch.issue().into_iter().collect(),
        comments: dispatch.issue().zip(oldest.or(asked)).into_iter().collect(),
        ..Questions::default()
    }
}

/// Takes the replies that are new.
pub fn answered(rules: &Rules, seen: &Observation, dispatch: &Dispatch) -> Option<Decision> {
    let asked = dispatch.asked.as_ref()?;
    let question = asked.comment.as_ref()?;
    let details = seen.details.get(&dispatch.issue()?)?;
    let replies = replies(rules, asked, question, details);
    if replies.is_empty() {
        return None;
    }
    let by: Vec<&str> = replies
        .iter()
        .map(|reply| reply.by.login.as_str())
        .collect();
    let did = format!(
        "the question of dispatch {} is answered by {}",
        dispatch.id(),
        by.join(", ")
    );
    let event = Event::QuestionAnswered {
        dispatch: dispatch.id().clone(),
        replies,
    };
    let flow = Flow::Dispatch(dispatch.id().clone());
    Some(Act::record(vec![event], Some(flow), did))
}

/// Says that a reply was edited after it was taken: the agent has the words as they were, and whoever changed them would believe
/// otherwise. Seen when something changed on the issue while the dispatch is open.
pub fn edited(state: &State, seen: &Observation, dispatch: &Dispatch) -> Option<Decision> {
    let issue = dispatch.issue()?;
    let comments = seen.details.get(&issue)?.comments.as_ref()?;
    let note = dispatch.taken.iter().find_map(|taken| {
        let now = comments.iter().find(|it| it.id == taken.comment)?;
        let digest = text::sha256(sanitise(&now.body, REPLY_BYTES_MAX).as_bytes());
        let key = format!("edited: {} {digest}", taken.comment);
        let is_news = digest != taken.digest && !state.is_told(issue, &key);
        is_news.then(|| Note {
            issue,
            key,
            text: format!(
                "A reply of {} was edited after it was taken: the agent has it as it was. If the new words matter, take the stage's label \
                 off and set it again; the comments are read anew.",
                taken.by.login
            ),
        })
    })?;
    let did = format!("telling a person that a reply on {issue} was edited too late");
    let flow = Some(Flow::Note(issue));
    Some(Act::record(vec![Event::NoteIntended { note }], flow, did))
}

fn replies(rules: &Rules, asked: &Question, question: &CommentId, details: &Details) -> Vec<Reply> {
    let known = |id: &CommentId| asked.replies.iter().any(|reply| reply.comment == *id);
    details
        .comments
        .iter()
        .flatten()
        .filter(|comment| comment.id != *question && !known(&comment.id))
        // With a personal token we share the person's account: our own comments are known by their mark, not by their author.
        .filter(|comment| !text::is_marked(&comment.body) && !comment.body.trim().is_empty())
        .filter_map(|comment| {
            let by = comment.author.clone()?;
            trust::is_trusted(&rules.project, &by, &details.roles).then(|| Reply {
                comment: comment.id.clone(),
                by,
                at: comment.created_at,
                body: sanitise(&comment.body, REPLY_BYTES_MAX),
            })
        })
        .take(REPLIES_MAX.saturating_sub(asked.replies.len()))
        .collect()
}

/// Says what an open question needs next: its comment, a reply, the agent's ear.
pub fn next(
    state: &State,
    dispatch: &Dispatch,
    asked: &Question,
    rules: &Rules,
    sample: Option<&PaneSample>,
    now: Timestamp,
) -> Step {
    // The fold takes no question of what has no issue to put it on.
    let Some(issue) = dispatch.issue() else {
        return Step::Rest;
    };
    if asked.comment.is_none() {
        return Step::Do(Action::Publish {
            dispatch: dispatch.id().clone(),
            issue,
            what: Publish::Question {
                report: asked.report.clone(),
                text: asked.text.clone(),
                label: rules.workflow.labels.park.clone(),
            },
        });
    }
    let mine = sample.filter(|sample| Some(&sample.pane) == dispatch.pane.as_ref());
    let last = state.last_delivery(dispatch);
    if asked.replies.is_empty()
        || !mine.is_some_and(|mine| mine.state.takes_text())
        || last.is_some_and(|last| rests(dispatch, last, now))
    {
        return Step::Rest;
    }
    flow::compose(state, dispatch, Purpose::Answer, Some(words(asked)))
}

fn rests(dispatch: &Dispatch, last: &Delivery, now: Timestamp) -> bool {
    let untyped = matches!(
        last.step,
        DeliveryStep::Settled {
            verdict: Verdict::NotDelivered,
            ..
        }
    );
    untyped && now < delivery::again_at(dispatch, last)
}

/// The question and what was said to it, as the agent reads it inside a fence.
fn words(asked: &Question) -> String {
    let mut said = format!("You asked: {}", asked.text.trim());
    for reply in &asked.replies {
        let _ = write!(
            said,
            "\n\n{} ({}):\n{}",
            reply.by.login,
            reply.at,
            reply.body.trim()
        );
    }
    said
}

/// The park label that a question set comes off once the question is over, however that was.
pub fn take_label_off(dispatch: &Dispatch, rules: &Rules) -> Option<Step> {
    let issue = dispatch.issue()?;
    (dispatch.park_label && dispatch.asked.is_none()).then(|| {
        Step::Do(Action::RemoveLabel {
            issue,
            label: rules.workflow.labels.park.clone(),
        })
    })
}
