//! Folding what agents have written on the tracker.

use super::report::{take_answer, take_report};
use super::{dispatch, open_one, replace_none};
use crate::domain::{Answer, DispatchId, Post, Posted};
use crate::machine::state::State;

/// An agent wants something on the tracker.
pub(super) fn intended(state: &mut State, post: &Post) -> Result<(), String> {
    if state.has_report(&post.id) {
        return Err(format!("report {} was taken before", post.id));
    }
    open_one(state, &post.dispatch)?.posts.push(Posted {
        post: post.clone(),
        answer: None,
    });
    take_report(state, &post.id);
    Ok(())
}

/// It is there, or is not taken.
pub(super) fn settled(state: &mut State, id: &DispatchId, answer: &Answer) -> Result<(), String> {
    let posts = &mut dispatch(state, id)?.posts;
    let found = posts
        .iter_mut()
        .find(|posted| posted.post.id == answer.report);
    match found {
        Some(Posted { answer: slot, .. }) => {
            replace_none(slot, answer.clone(), "it was settled before")?;
        }
        None => return Err(format!("dispatch {id} posts no {}", answer.report)),
    }
    take_answer(state, answer.clone());
    Ok(())
}
