//! Writes to the tracker: labels, comments, the end of an issue. Each is done once, or found to be done already.

use crate::daemon::hands::{Hands, now, tracker_failed};
use crate::domain::{CommentId, DispatchId, IssueNumber, Label, Outcome, Publish, SingleRead};
use crate::machine::text::one_line;
use crate::tracker::{TrackerError, Written};

/// Sets a label.
pub async fn add_label(hands: &Hands, issue: IssueNumber, label: &Label) -> Outcome {
    done(hands.tracker.add_label(issue, label).await)
}

/// Removes a label; gone already is fine.
pub async fn remove_label(hands: &Hands, issue: IssueNumber, label: &Label) -> Outcome {
    done(hands.tracker.remove_label(issue, label).await)
}

/// Closes an issue; closed already is fine.
pub async fn close(hands: &Hands, issue: IssueNumber) -> Outcome {
    done(hands.tracker.close(issue).await)
}

fn done(written: Result<Written, TrackerError>) -> Outcome {
    match written {
        Ok(Written::Changed | Written::Already) => Outcome::Done,
        Err(error) => tracker_failed(&error),
    }
}

/// Reads labels and label events of one issue.
pub async fn read_labels(hands: &Hands, issue: IssueNumber) -> Outcome {
    match hands.details(issue, false).await {
        Ok(details) => match details.read {
            SingleRead::Found(found) => Outcome::Labels {
                labels: found.0.labels.iter().cloned().collect(),
                open: found.0.open,
                events: details.events,
            },
            SingleRead::Transferred { .. } | SingleRead::Gone => Outcome::Labels {
                labels: Vec::new(),
                open: false,
                events: details.events,
            },
        },
        Err(error) => tracker_failed(&error),
    }
}

/// Puts something on the issue, unless it is there: its mark is looked for first.
pub async fn publish(
    hands: &Hands,
    dispatch: &DispatchId,
    issue: IssueNumber,
    what: &Publish,
) -> Outcome {
    let (mark, body) = match what {
        Publish::Spec(spec) => {
            let mark = mark(dispatch, "spec");
            let text = format!(
                "**Spec** (sha256 `{}`)\n\n{}\n\n{mark}",
                &spec.digest[..12],
                spec.text.trim()
            );
            (mark, text)
        }
        Publish::Question(question) => {
            let mark = mark(dispatch, "question");
            let text = format!(
                "**The agent asks:** {}\n\nReply here, or set another routing label.\n\n{mark}",
                one_line(question, 2_000)
            );
            (mark, text)
        }
    };
    match comment_once(hands, issue, &mark, &body).await {
        Ok(comment) => Outcome::Commented {
            comment: Some(comment),
        },
        Err(error) => tracker_failed(&error),
    }
}

/// Returns the hidden mark by which a comment of ours is found again.
fn mark(dispatch: &DispatchId, what: &str) -> String {
    format!("<!-- pointsman {what} {dispatch} -->")
}

async fn comment_once(
    hands: &Hands,
    issue: IssueNumber,
    mark: &str,
    body: &str,
) -> Result<CommentId, TrackerError> {
    let us = hands.us().await;
    let ours = |comment: &crate::domain::Comment| {
        comment.body.contains(mark)
            && comment.author.as_ref().map(|author| &author.id) == us.as_ref().map(|us| &us.id)
    };
    if let Some(found) = hands
        .tracker
        .comments(issue)
        .await?
        .iter()
        .find(|comment| ours(comment))
    {
        return Ok(found.id.clone());
    }
    hands.tracker.comment(issue, body).await
}

/// Hands an issue to a person: one comment that says what is needed, and the park label.
pub async fn park(hands: &Hands, issue: IssueNumber, label: &Label, why: &str) -> Outcome {
    let people = hands.config.borrow().settings.notify.people.clone();
    let mut mention = String::new();
    for login in &people {
        mention.push('@');
        mention.push_str(login);
        mention.push(' ');
    }
    let digest = crate::machine::text::sha256(why.as_bytes());
    let mark = format!("<!-- pointsman park {issue} {} -->", &digest[..12]);
    let body = format!(
        "{mention}a person is needed: {why}\n\nRemove `{label}` to try again, or set another routing label.\n\n{mark}"
    );
    match comment_once(hands, issue, &mark, &body).await {
        Ok(_) => {}
        // There is nothing left to hand over: the next single read ends its walk.
        Err(TrackerError::NotFound { .. } | TrackerError::Moved { .. }) => return Outcome::Done,
        Err(error) => return tracker_failed(&error),
    }
    let outcome = add_label(hands, issue, label).await;
    if outcome == Outcome::Done {
        if let Ok(read) = hands.tracker.issue(issue).await {
            hands.remember(issue, &read);
        }
        tracing::warn!(%issue, why, at = %now(), "parked: a person is needed");
    }
    outcome
}
