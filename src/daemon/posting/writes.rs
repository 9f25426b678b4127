//! Writes to the tracker: labels, comments, the end of an issue. Each is done once, or found to be done already.

use crate::daemon::hands::{Comments, Hands, now, tracker_failed};
use crate::domain::{
    CommentId, CommentMode, DispatchId, IssueNumber, Label, Note, Outcome, Publish, SingleRead,
};
use crate::machine::text::quote::reason;
use crate::machine::text::{self, one_line, unmarked};
use crate::tracker::{TrackerError, Written};

/// Characters of a question that go on the issue.
const QUESTION_CHARS_MAX: usize = 2_000;

/// Sets a label.
pub async fn add_label(hands: &Hands, issue: IssueNumber, label: &Label) -> Outcome {
    done(hands.tracker.add_label(issue, label).await)
}

/// Removes a label; gone already is fine, also together with its issue.
pub async fn remove_label(hands: &Hands, issue: IssueNumber, label: &Label) -> Outcome {
    match hands.tracker.remove_label(issue, label).await {
        Ok(Written::Changed | Written::Already) => {
            let mut heads = hands.heads.lock().expect("no holder of this lock panics");
            if let Some(head) = heads.get_mut(&issue) {
                head.labels.remove(label);
            }
            Outcome::Done
        }
        Err(TrackerError::NotFound { .. } | TrackerError::Moved { .. }) => Outcome::Done,
        Err(error) => tracker_failed(&error),
    }
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
    match hands.details(issue, Comments::Unread).await {
        Ok(details) => match details.read {
            SingleRead::Found(found) => Outcome::Labels {
                labels: found.0.labels.iter().cloned().collect(),
                open: found.0.open,
                events: details.events,
                roles: details.roles,
            },
            SingleRead::Transferred { .. } | SingleRead::Gone => Outcome::Labels {
                labels: Vec::new(),
                open: false,
                events: details.events,
                roles: details.roles,
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
            let mark = text::mark(&format!("spec {dispatch}"));
            let body = format!(
                "**Spec** (sha256 `{}`)\n\n{}\n\n{mark}",
                &spec.digest[..12],
                unmarked(spec.text.trim())
            );
            (mark, body)
        }
        Publish::Question {
            report,
            text,
            label,
        } => {
            let mark = text::mark(&format!("question {dispatch} {report}"));
            let body = format!(
                "{}**The agent asks:** {}\n\nReply in a comment: what people with write access say goes to the agent, which waits for it; `{label}` goes away by itself then. Setting another routing label ends this work instead.\n\n{mark}",
                mentions(hands),
                unmarked(&one_line(text, QUESTION_CHARS_MAX))
            );
            (mark, body)
        }
    };
    let comment = match comment_once(hands, issue, &mark, &body).await {
        Ok(comment) => comment,
        Err(error) => return tracker_failed(&error),
    };
    if let Publish::Question { label, .. } = what
        && let outcome @ Outcome::Failed { .. } = add_label(hands, issue, label).await
    {
        return outcome;
    }
    Outcome::Commented {
        comment: Some(comment),
    }
}

/// Names the people who are to be told, if any are configured.
fn mentions(hands: &Hands) -> String {
    let people = hands.config.borrow().settings.notify.people.clone();
    people.iter().fold(String::new(), |mut text, login| {
        text.push('@');
        text.push_str(login);
        text.push(' ');
        text
    })
}

/// Writes a comment, unless one of ours with that mark is there. Nothing is written while nobody says who we are.
pub async fn comment_once(
    hands: &Hands,
    issue: IssueNumber,
    mark: &str,
    body: &str,
) -> Result<CommentId, TrackerError> {
    let us = hands.us().await?;
    let by_us = |comment: &crate::domain::Comment| {
        let author = comment.author.as_ref();
        author.is_some_and(|author| author.id == us.id)
    };
    let ours = |comment: &crate::domain::Comment| comment.body.contains(mark) && by_us(comment);
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
    let mention = mentions(hands);
    let events = match hands.tracker.label_events(issue).await {
        Ok(events) => events,
        // There is nothing left to hand over: the next single read ends its walk.
        Err(TrackerError::NotFound { .. } | TrackerError::Moved { .. }) => return Outcome::Done,
        Err(error) => return tracker_failed(&error),
    };
    // Parked again after a person took the label off is another call for a person, also for the same reason.
    let removed = events
        .iter()
        .rev()
        .find(|event| event.label == *label && !event.set);
    let removed = removed.map_or_else(String::new, |event| event.id.to_string());
    let digest = text::sha256(format!("{why} {removed}").as_bytes());
    let mark = text::mark(&format!("park {issue} {}", &digest[..12]));
    let mode = hands
        .rules()
        .map_or(CommentMode::Short, |rules| rules.comment);
    let reason = reason(mode, issue, why);
    let body = format!(
        "{mention}a person is needed: {reason}\n\nRemove `{label}` to try again, or set another routing label.\n\n{mark}"
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

/// Tells a person something, unless it is there: its mark is looked for first.
pub async fn tell(hands: &Hands, note: &Note) -> Outcome {
    let digest = text::sha256(note.key.as_bytes());
    let mark = text::mark(&format!("note {} {}", note.issue, &digest[..12]));
    let body = format!("{}{}\n\n{mark}", mentions(hands), unmarked(&note.text));
    match comment_once(hands, note.issue, &mark, &body).await {
        Ok(_) => Outcome::Done,
        // Whoever locked or removed the issue does not want to be told on it.
        Err(
            error @ (TrackerError::Refused { .. }
            | TrackerError::NotFound { .. }
            | TrackerError::Moved { .. }),
        ) => {
            tracing::warn!(issue = %note.issue, %error, "a person could not be told");
            Outcome::Done
        }
        Err(error) => tracker_failed(&error),
    }
}
