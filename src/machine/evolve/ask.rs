//! Folding a question: asked, on the issue, replied to, with the agent.

use super::{dispatch, open_one};
use crate::domain::{Cause, Dispatch, Event, Question, Report, Taken, Verdict};
use crate::machine::dispatch::question::REPLIES_MAX;
use crate::machine::state::State;
use crate::machine::text::sha256;

/// An agent asks; what was said to an earlier question and is not yet with the agent goes to it all the same.
pub(super) fn asked(found: &mut Dispatch, report: &Report) {
    let replies = found.asked.take().map_or_else(Vec::new, |asked| {
        asked.replies.into_iter().skip(asked.told).collect()
    });
    found.asked = Some(Question {
        report: report.id.clone(),
        text: report.note.clone().unwrap_or_default(),
        comment: None,
        replies,
        told: 0,
    });
    found.park_label = true;
}

/// Applies one event of a question.
pub(super) fn question(state: &mut State, event: &Event) -> Result<(), String> {
    match event {
        Event::QuestionPublished {
            dispatch: id,
            comment,
        } => {
            let found = open_one(state, id)?;
            // It may be over by now: the agent went on by itself.
            if let Some(asked) = &mut found.asked {
                asked.comment.clone_from(comment);
            }
        }
        Event::QuestionAnswered {
            dispatch: id,
            replies,
        } => {
            let found = open_one(state, id)?;
            let asked = found.asked.as_mut();
            let asked = asked.ok_or_else(|| format!("dispatch {id} asks nothing"))?;
            asked.replies.extend(replies.iter().cloned());
            if let Some(question) = &asked.comment {
                found.taken.extend(replies.iter().map(|reply| Taken {
                    comment: reply.comment.clone(),
                    question: question.clone(),
                    by: reply.by.clone(),
                    digest: sha256(reply.body.as_bytes()),
                }));
                let surplus = found.taken.len().saturating_sub(REPLIES_MAX);
                found.taken.drain(..surplus);
            }
        }
        Event::ParkLabelRemoved { dispatch: id } => {
            let found = dispatch(state, id)?;
            if !found.park_label {
                return Err(format!("no question of dispatch {id} set the label"));
            }
            found.park_label = false;
        }
        _ => return Err("not an event of a question".to_owned()),
    }
    Ok(())
}

/// The question is over once every reply is with the agent; what was not typed is delivered anew.
pub(super) fn delivered(owner: &mut Dispatch, verdict: Verdict) {
    let Some(asked) = &mut owner.asked else {
        return;
    };
    match verdict {
        Verdict::Confirmed => {
            owner.undelivered = 0;
            asked.replies.drain(..asked.told.min(asked.replies.len()));
            asked.told = 0;
            if asked.replies.is_empty() {
                owner.asked = None;
            }
        }
        Verdict::NotDelivered => {
            owner.undelivered += 1;
            asked.told = 0;
        }
        Verdict::Queued | Verdict::Unconfirmed | Verdict::TypedNotSubmitted => {}
    }
}

/// With its dispatch a question is over; the park label is to come off, unless it stands for a park now.
pub(super) fn closed(found: &mut Dispatch, cause: &Cause) {
    found.asked = None;
    if matches!(cause, Cause::Parked { .. }) {
        found.park_label = false;
    }
}
