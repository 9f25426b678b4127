//! Writing on the tracker what an agent asked for, under our identity and with the name of its dispatch.

use crate::daemon::hands::{Hands, chain, tracker_failed};
use crate::daemon::posting::writes::comment_once;
use crate::domain::{Head, IssueNumber, Outcome, Post, Posting, SingleRead};
use crate::machine::telling::post::{BODY_BYTES_MAX, TITLE_CHARS_MAX};
use crate::machine::text::{mark, one_line, sanitise};
use crate::tracker::{NewIssue, TrackerError};

/// Issues of the same title that are read to find one whose number nobody heard.
const READ_MAX: usize = 10;

/// Writes a post. `again`: nobody knows what came of the last try, so it is looked for first.
pub async fn write(hands: &Hands, post: &Post, on: Option<IssueNumber>, again: bool) -> Outcome {
    let written = match (&post.what, on) {
        (Posting::Comment { .. }, None) => {
            return Outcome::NotPosted {
                why: "there is no issue to comment on".to_owned(),
            };
        }
        // A comment is always looked for: that is one request.
        (Posting::Comment { body }, Some(issue)) => {
            let mark = mark(&format!("comment {} {}", post.dispatch, post.id));
            let text = signed(post, body, on, &mark);
            let written = comment_once(hands, issue, &mark, &text).await;
            written.map(|_| None)
        }
        (Posting::Issue { title, body }, _) => {
            let mark = mark(&format!("issue {} {}", post.dispatch, post.id));
            let new = NewIssue {
                title: one_line(title, TITLE_CHARS_MAX),
                body: signed(post, body, on, &mark),
                labels: Vec::new(),
            };
            open_once(hands, &new, &mark, again).await.map(Some)
        }
    };
    match written {
        Ok(issue) => Outcome::Posted { issue },
        Err(
            error @ (TrackerError::Refused { .. }
            | TrackerError::Forbidden { .. }
            | TrackerError::NotFound { .. }
            | TrackerError::Moved { .. }),
        ) => Outcome::NotPosted { why: chain(&error) },
        Err(error) => tracker_failed(&error),
    }
}

/// The agent's words without what a reader would not see, who they are from, and the mark.
fn signed(post: &Post, body: &str, on: Option<IssueNumber>, mark: &str) -> String {
    let whose = match on {
        Some(issue) => format!("the agent that works on {issue}"),
        None => "an agent whose hour came".to_owned(),
    };
    format!(
        "{}\n\n---\nWritten by {whose} (dispatch `{}`), published by Pointsman.\n\n{mark}",
        sanitise(body, BODY_BYTES_MAX).trim(),
        post.dispatch
    )
}

async fn open_once(
    hands: &Hands,
    new: &NewIssue,
    mark: &str,
    again: bool,
) -> Result<IssueNumber, TrackerError> {
    if again && let Some(found) = find(hands, &new.title, mark).await? {
        return Ok(found);
    }
    hands.tracker.create_issue(new).await
}

/// Looks for an issue of ours with that mark among the open ones of that title, newest first.
async fn find(hands: &Hands, title: &str, mark: &str) -> Result<Option<IssueNumber>, TrackerError> {
    let us = hands.us().await?;
    let by_us = |head: &Head| head.author.as_ref().is_some_and(|by| by.id == us.id);
    let ours = |head: &&Head| head.title == title && by_us(head);
    let open = hands.tracker.sweep().await?.open;
    let mut numbers: Vec<IssueNumber> = open.iter().filter(ours).map(|head| head.number).collect();
    numbers.sort_unstable_by(|left, right| right.cmp(left));
    for number in numbers.into_iter().take(READ_MAX) {
        if let SingleRead::Found(found) = hands.tracker.issue(number).await?
            && found.1.body.contains(mark)
        {
            return Ok(Some(number));
        }
    }
    Ok(None)
}
