//! What agents have written on the tracker: a comment on their issue, a new issue (PROTOCOLS 4).
//!
//! It happens under our identity, hence in bounds: by the dispatch's own secret, so many a dispatch, so large, the same once,
//! and never with a label: what is worked on is a person's choice.

use crate::domain::{
    Action, Answer, Dispatch, Event, IssueNumber, Observation, Outcome, Post, Posted, Posting,
    ReportId,
};
use crate::machine::dispatch::watchdog;
use crate::machine::starting::decide::{Act, Decision, Memory};
use crate::machine::state::State;
use crate::machine::step::{Flow, Step};

/// Issues that one dispatch may open: a scout files three at most.
pub const ISSUES_MAX: usize = 5;
/// Comments that one dispatch may write.
pub const COMMENTS_MAX: usize = 10;
/// Characters of a new issue's title: GitHub takes 256.
pub const TITLE_CHARS_MAX: usize = 200;
/// Bytes of a text: GitHub takes 65,536 characters, and our own lines come to it.
pub const BODY_BYTES_MAX: usize = 48 * 1024;

/// Takes the oldest post that the ledger does not have, or goes on with one that it has.
pub fn posts(state: &State, memory: &Memory, seen: &Observation) -> Option<Decision> {
    let mut posts = seen.posts.iter();
    let new = posts.find_map(|post| take(state, memory, post));
    new.or_else(|| go_on(state, memory))
}

/// One that was taken and is not known to be there.
fn go_on(state: &State, memory: &Memory) -> Option<Decision> {
    let mut taken = state.dispatches.values().flat_map(pending);
    taken.find_map(|post| {
        let flow = Flow::Post(post.dispatch.clone(), post.id.clone());
        let did = format!("dispatch {} writes on the tracker", post.dispatch);
        (!memory.waits(&flow)).then(|| Act::carry_on(flow, did))
    })
}

fn take(state: &State, memory: &Memory, post: &Post) -> Option<Decision> {
    if state.has_report(&post.id) {
        let waits = memory.waits(&Flow::Answer(post.id.clone()))
            || memory.waits(&Flow::Post(post.dispatch.clone(), post.id.clone()));
        let told = state.answer(&post.id).filter(|_| !waits);
        return told.map(|answer| watchdog::again(answer.clone()));
    }
    let owner = state.dispatches.get(&post.dispatch);
    let Some(dispatch) = owner.filter(|dispatch| dispatch.is_open()) else {
        return Some(watchdog::ignored(state, &post.id, &post.dispatch));
    };
    if let Err(why) = allowed(dispatch, post) {
        return Some(answered(post, false, why));
    }
    let same = |posted: &&Posted| posted.post.what == post.what;
    if let Some(twin) = dispatch.posts.iter().find(same) {
        // Its own answer, once there is one.
        let told = twin.answer.as_ref();
        return told.map(|told| answered(post, told.accepted, told.text.clone()));
    }
    if let Err(why) = within_limits(dispatch, post) {
        return Some(answered(post, false, why));
    }
    let event = Event::PostIntended {
        post: Box::new(post.clone()),
    };
    let flow = Flow::Post(post.dispatch.clone(), post.id.clone());
    let did = format!("dispatch {} writes on the tracker", post.dispatch);
    Some(Act::record(vec![event], Some(flow), did))
}

fn answered(post: &Post, accepted: bool, text: String) -> Decision {
    let answer = Answer {
        report: post.id.clone(),
        accepted,
        text,
    };
    Decision::Act(Act {
        events: vec![Event::ReportIgnored {
            answer: answer.clone(),
        }],
        flow: Some(Flow::Answer(post.id.clone())),
        answer: Some(answer),
        did: format!("the answer to report {}", post.id),
    })
}

fn allowed(dispatch: &Dispatch, post: &Post) -> Result<(), String> {
    if !post.proven {
        return Err("not written: the id is not this dispatch's. Use the line as your brief prints it, in the folder it was delivered in.".to_owned());
    }
    if dispatch.issue().is_none() && matches!(post.what, Posting::Comment { .. }) {
        return Err("not written: this dispatch has no issue to comment on. Open one, or put it into the note of your report.".to_owned());
    }
    let (title, body) = match &post.what {
        Posting::Issue { title, body } => (title.as_str(), body),
        Posting::Comment { body } => ("", body),
    };
    if title.chars().count() > TITLE_CHARS_MAX {
        return Err(format!(
            "not written: the title has more than {TITLE_CHARS_MAX} characters. Shorten it; the rest belongs into the text."
        ));
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(format!(
            "not written: the text has more than {BODY_BYTES_MAX} bytes. Shorten it: people read it."
        ));
    }
    Ok(())
}

fn within_limits(dispatch: &Dispatch, post: &Post) -> Result<(), String> {
    let (max, kind) = match &post.what {
        Posting::Issue { .. } => (ISSUES_MAX, "issues"),
        Posting::Comment { .. } => (COMMENTS_MAX, "comments"),
    };
    let kind_of = |what: &Posting| std::mem::discriminant(what);
    let same = |posted: &&Posted| kind_of(&posted.post.what) == kind_of(&post.what);
    if dispatch.posts.iter().filter(same).count() < max {
        return Ok(());
    }
    Err(format!(
        "not written: this dispatch has written {max} {kind}, which is all it may. Put the rest into the note of your report."
    ))
}

/// Returns the posts of a dispatch that are not known to be there.
pub fn pending(dispatch: &Dispatch) -> impl Iterator<Item = &Post> {
    let open = |posted: &&Posted| posted.answer.is_none();
    dispatch
        .posts
        .iter()
        .filter(open)
        .map(|posted| &posted.post)
}

/// Says what a post needs next. `again`: nobody knows what came of the last try, so it may be there.
pub fn next(dispatch: &Dispatch, post: &ReportId, again: bool) -> Step {
    match pending(dispatch).find(|pending| pending.id == *post) {
        Some(post) => Step::Do(Action::Post {
            post: Box::new(post.clone()),
            issue: dispatch.issue(),
            again,
        }),
        None => Step::Rest,
    }
}

/// Turns what came of it into what is written down, and the answer that follows.
pub fn settle(dispatch: &Dispatch, post: &Post, outcome: &Outcome) -> Step {
    let (accepted, text) = match outcome {
        Outcome::Posted { issue: Some(issue) } => (true, opened(*issue)),
        Outcome::Posted { issue: None } => (
            true,
            format!("the comment is on {}. Go on.", dispatch.about()),
        ),
        Outcome::NotPosted { why } => (
            false,
            format!("not written: {why}. Put it into the note of your report."),
        ),
        _ => return Step::Rest,
    };
    let answer = Answer {
        report: post.id.clone(),
        accepted,
        text,
    };
    Step::Intend(
        vec![Event::PostSettled {
            dispatch: dispatch.id().clone(),
            answer: answer.clone(),
        }],
        Action::Answer {
            answer,
            window: dispatch.opening.window,
        },
    )
}

fn opened(issue: IssueNumber) -> String {
    format!("{issue} is opened. It has no label: a person decides whether it is worked on. Go on.")
}
