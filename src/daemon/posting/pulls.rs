//! Pull requests of our branches: opened once, kept up to date, read when they changed. What follows is `machine::pull`'s.

use std::collections::BTreeMap;

use crate::daemon::hands::{AUTHORS_MAX, Hands, RETRY_AFTER, authors, chain, now, tracker_failed};
use crate::daemon::posting::writes::comment_once;
use crate::domain::{
    Actor, Closing, Comment, Details, IssueNumber, Label, Outcome, Pull, PullEnd, PullPlan,
    PullRead, Role, SingleRead, Subject,
};
use crate::machine::labels::trust::standing_event;
use crate::machine::pull::{body, in_body};
use crate::machine::text::{mark, one_line, sha256};
use crate::tracker::TrackerError;
use crate::tracker::pulls::{FoundPull, MergeAnswer, NewPull};

/// Characters of a pull request's title: GitHub takes 256.
const TITLE_CHARS_MAX: usize = 200;

/// Opens a branch's pull request, or brings the one there is up to date.
pub async fn keep(hands: &Hands, plan: &PullPlan, known: Option<IssueNumber>) -> Outcome {
    let found = match known {
        Some(number) => hands.tracker.pull(number).await.map(Some),
        None => hands.tracker.find_pull(&plan.branch).await,
    };
    let kept = match found {
        // The next look sees it too, and that is what counts then.
        Ok(Some(closed)) if !closed.open => {
            return Outcome::Failed {
                why: format!("pull request {} is closed", closed.number),
                until: now() + RETRY_AFTER,
            };
        }
        Ok(Some(found)) => update(hands, plan, found).await,
        Ok(None) => open(hands, plan).await,
        Err(error) => Err(error),
    };
    match kept {
        Ok(pull) => Outcome::PullKept { pull },
        // The list was older than the pull request: the next look finds it.
        Err(TrackerError::Refused { why, .. }) if why.contains("already exists") => {
            Outcome::Failed {
                why,
                until: now() + RETRY_AFTER,
            }
        }
        Err(
            error @ (TrackerError::Refused { .. }
            | TrackerError::Forbidden { .. }
            | TrackerError::NotFound { .. }
            | TrackerError::Moved { .. }),
        ) => Outcome::Refused {
            why: format!("`{}` is pushed, but {}", plan.branch, chain(&error)),
            hint: hint(&error),
            until: now() + RETRY_AFTER,
        },
        Err(error) => tracker_failed(&error),
    }
}

fn hint(error: &TrackerError) -> String {
    match error {
        TrackerError::Refused { why, .. } if why.contains("head; invalid") => {
            "`origin` has to be the repository itself: a fork of it, or none, has no branch to open one of".to_owned()
        }
        other => other.hint().unwrap_or_default(),
    }
}

async fn open(hands: &Hands, plan: &PullPlan) -> Result<Pull, TrackerError> {
    let new = NewPull {
        title: one_line(&plan.title, TITLE_CHARS_MAX),
        body: body(plan.issue, &plan.evidence),
        branch: plan.branch.clone(),
        draft: !plan.ready,
    };
    let opened = hands.tracker.open_pull(&new).await?;
    Ok(pull_of(plan, &opened, opened.draft))
}

async fn update(hands: &Hands, plan: &PullPlan, found: FoundPull) -> Result<Pull, TrackerError> {
    // Where our marks are gone, or never were, the text is a person's.
    if let Some(text) = in_body(&found.body, &plan.evidence).filter(|text| *text != found.body) {
        hands.tracker.edit_pull(found.number, &text).await?;
    }
    if plan.ready {
        hands.tracker.ready_pull(&found).await?;
    }
    Ok(pull_of(plan, &found, found.draft && !plan.ready))
}

fn pull_of(plan: &PullPlan, found: &FoundPull, draft: bool) -> Pull {
    Pull {
        number: found.number,
        url: found.url.clone(),
        evidence: sha256(plan.evidence.as_bytes()),
        draft,
    }
}

/// Reads one pull request: how it ended, or what is wanted of it.
pub async fn read(hands: &Hands, number: IssueNumber) -> Result<PullRead, TrackerError> {
    // GitHub deletes none: one that is not found is not found yet, or not by us.
    let found = hands.tracker.pull(number).await?;
    let end = if found.merged {
        let by = name(found.merged_by.as_ref());
        Some(PullEnd::Merged { by })
    } else if found.open {
        None
    } else {
        let by = hands.tracker.closer(number).await?;
        let (by, at) = (name(by.as_ref()), found.closed_at);
        Some(PullEnd::Closed { by, at })
    };
    let wants = match end {
        Some(_) => Vec::new(),
        None => hands.tracker.wanted_changes(number).await?,
    };
    let mut roles = BTreeMap::new();
    // Anybody may review a public repository: the newest count, as of comments.
    for review in wants.iter().rev().take(AUTHORS_MAX) {
        let role = hands.tracker.role(&review.by).await?;
        roles.insert(review.by.clone(), role);
    }
    Ok(PullRead {
        end,
        merged_by: found.merged_by,
        head: Some(found.head),
        wants,
        roles,
    })
}

fn name(actor: Option<&Actor>) -> String {
    actor.map_or_else(|| "somebody".to_owned(), |actor| actor.login.clone())
}

/// Merges a pull request by a person's word, if it still is what was verified.
pub async fn merge(hands: &Hands, number: IssueNumber, subject: &Subject) -> Outcome {
    match hands.tracker.merge_pull(number, subject).await {
        Ok(MergeAnswer::Merged(into)) => Outcome::Merged { into },
        Ok(MergeAnswer::Later(why)) => Outcome::Refused {
            why: format!("the tracker does not merge pull request {number} yet: {why}"),
            hint: format!("if it stays so, merge pull request {number} there"),
            until: now() + RETRY_AFTER,
        },
        Ok(MergeAnswer::Refused(why)) => Outcome::NotMerged {
            why: format!("the tracker refuses pull request {number}: {why}"),
        },
        Err(error) => tracker_failed(&error),
    }
}

/// Takes an issue out of the workflow: says why, once, and takes its routing labels off.
pub async fn leave(
    hands: &Hands,
    issue: IssueNumber,
    labels: &[Label],
    why: &str,
    closing: &Closing,
) -> Outcome {
    match left(hands, issue, labels, why, closing).await {
        // There is nothing left to take out.
        Ok(()) | Err(TrackerError::NotFound { .. } | TrackerError::Moved { .. }) => Outcome::Done,
        Err(error) => tracker_failed(&error),
    }
}

async fn left(
    hands: &Hands,
    issue: IssueNumber,
    labels: &[Label],
    why: &str,
    closing: &Closing,
) -> Result<(), TrackerError> {
    let read = hands.tracker.issue(issue).await?;
    let SingleRead::Found(found) = &read else {
        return Ok(());
    };
    let digest = sha256(why.as_bytes());
    let mark = mark(&format!("left {issue} {}", &digest[..12]));
    let body = format!(
        "{why}, so this left the workflow. The branch stays as it is. Set a routing label to take it up again.\n\n{mark}"
    );
    comment_once(hands, issue, &mark, &body).await?;
    let events = hands.tracker.label_events(issue).await?;
    let is_over = |label: &&Label| {
        let event = standing_event(&events, label);
        found.0.labels.contains(label) && !event.is_some_and(|event| closing.is_before(event))
    };
    for label in labels.iter().filter(is_over) {
        hands.tracker.remove_label(issue, label).await?;
    }
    let read = hands.tracker.issue(issue).await?;
    hands.remember(issue, &read);
    Ok(())
}

/// Adds what was said on the pull request to what was said on the issue, oldest first.
pub async fn add_remarks(
    hands: &Hands,
    number: IssueNumber,
    details: &mut Details,
) -> Result<(), TrackerError> {
    let Some(said) = &mut details.comments else {
        return Ok(());
    };
    let mut more: Vec<Comment> = hands.tracker.comments(number).await?;
    more.extend(hands.tracker.pull_remarks(number).await?);
    let mut roles: BTreeMap<Actor, Role> = BTreeMap::new();
    for actor in authors(&more) {
        if !details.roles.contains_key(&actor) {
            let role = hands.tracker.role(&actor).await?;
            roles.insert(actor, role);
        }
    }
    details.roles.extend(roles);
    said.extend(more);
    said.sort_by_key(|comment| comment.created_at);
    Ok(())
}
