//! What people do with a pull request of ours, and what follows. A change in the list asks for a single read; no change, for none.

use jiff::Timestamp;

use super::closed::{self, Word};
use super::known::Now;
use super::{Kept, back};
use crate::domain::{
    Action, ActorKind, Event, IssueNumber, Label, LabelEventId, Next, Note, Observation, PullEnd,
    PullRead, Questions, Review, Rules, SingleRead, Transition, TransitionStep,
};
use crate::machine::dispatch::watchdog;
use crate::machine::labels::trust;
use crate::machine::memory::Memory;
use crate::machine::starting::decide::{Act, Decision};
use crate::machine::starting::open::routing_labels;
use crate::machine::state::{State, Walk};
use crate::machine::step::{Flow, Step};
use crate::machine::text::sanitise;

/// Pull requests that one look reads.
const READS_MAX: usize = 10;
/// Bytes of a review that are kept for the next brief.
const REVIEW_BYTES_MAX: usize = 16 * 1024;

/// Takes up what a person did with one of our pull requests, or reads those that changed.
pub(in crate::machine) fn watch(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    now: Timestamp,
) -> Option<Decision> {
    if seen.gap.is_some() {
        return None;
    }
    let mut unread = Vec::new();
    for (issue, walk) in &state.walks {
        let Some(kept) = walk.pull.as_ref().filter(|kept| !kept.stale) else {
            continue;
        };
        // A merge of ours says itself what came of it.
        if memory.busy.contains(&Flow::Merge(*issue)) {
            continue;
        }
        if let Some(end) = &kept.end {
            // What `approve` merged is finished where it was begun.
            if walk.merged.is_none()
                && let Some(decision) = ended(rules, state, memory, seen, *issue, end, now)
            {
                return Some(decision);
            }
            continue;
        }
        let number = kept.pull.number;
        match memory.pulls.of(number, seen, now) {
            Now::Read(read) => {
                if let Some(decision) = changed(rules, state, seen, *issue, walk, kept, read, now) {
                    return Some(decision);
                }
            }
            Now::Unreadable => {}
            Now::Unread => unread.push(number),
        }
    }
    unread.truncate(READS_MAX);
    (!unread.is_empty()).then(|| {
        Decision::Look(Questions {
            pulls: unread,
            ..Questions::default()
        })
    })
}

#[expect(clippy::too_many_arguments, reason = "what is known of one issue")]
fn changed(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    issue: IssueNumber,
    walk: &Walk,
    kept: &Kept,
    read: &PullRead,
    now: Timestamp,
) -> Option<Decision> {
    let number = kept.pull.number;
    if let Some(end) = &read.end {
        let anew = match closed::last_word(rules, state, seen, issue, walk, end) {
            Word::Unread(questions) => return Some(Decision::Look(questions)),
            Word::Later => return None,
            Word::End => None,
            Word::Label(event) => Some(event),
        };
        let did = format!("pull request {number} of {issue} {}", end.words());
        let note = nobodys(rules, seen, walk, read).map(|why| Event::NoteIntended {
            note: Note {
                issue,
                key: format!("{NOBODYS_MERGE}{number}"),
                text: format!("Pull request {number} {}: {why}", end.words()),
            },
        });
        let end = end.clone();
        let ended = Event::PullEnded { issue, end, anew };
        let events = std::iter::once(ended).chain(note).collect();
        return Some(Act::record(events, None, did));
    }
    if is_under_way(state, issue) {
        return None;
    }
    if let Some(decision) = rework(rules, seen, issue, walk, read, now) {
        return Some(decision);
    }
    let head = read.head.as_ref()?;
    let moved = (walk.subject.as_ref() != Some(head)).then_some(head);
    if walk.yours.is_some() && kept.moved.as_ref() != moved {
        let did = format!("pull request {number} of {issue} is at {}", head.short());
        let head = head.clone();
        let event = Event::PullMoved { issue, head };
        return Some(Act::record(vec![event], None, did));
    }
    None
}

/// How the key of a note begins that tells of a merge which is no person's word.
pub const NOBODYS_MERGE: &str = "merged ";

/// Says why a merge is no person's approval: an account that agents work as made it, or our own App, and not by a move of ours. It cannot
/// be undone, so a person is told.
fn nobodys(rules: &Rules, seen: &Observation, walk: &Walk, read: &PullRead) -> Option<String> {
    let by = read.merged_by.as_ref()?;
    let is_ours = walk.merged.is_some() && walk.merged == walk.subject;
    if walk.approved.is_some() || is_ours {
        return None;
    }
    let us = seen.us.as_ref();
    let is_our_app = us.is_some_and(|us| us.kind == ActorKind::App && us.id == by.id);
    let whose = if trust::is_agents(&rules.project, by) {
        "an account that agents work as"
    } else if is_our_app {
        "our own App, and Pointsman did not do it"
    } else {
        return None;
    };
    Some(format!(
        "that is {whose}. Pointsman knows of no person's approval of this work, and it is in the default branch now: look at it, and revert what should not be there. A rule for that branch on GitHub, which lets only people merge, keeps it from happening again."
    ))
}

fn is_under_way(state: &State, issue: IssueNumber) -> bool {
    state.open_dispatch(issue).is_some()
        || state.transitions.contains_key(&issue)
        || state.routes.contains_key(&issue)
        || state.parks.contains_key(&issue)
}

/// A trusted review that asks for changes and was not served yet: back to where the work is made.
fn rework(
    rules: &Rules,
    seen: &Observation,
    issue: IssueNumber,
    walk: &Walk,
    read: &PullRead,
    now: Timestamp,
) -> Option<Decision> {
    let new = |review: &&Review| {
        review.id > walk.reviewed && trust::is_trusted(&rules.project, &review.by, &read.roles)
    };
    let wants: Vec<&Review> = read.wants.iter().filter(new).collect();
    let last = wants.last()?;
    let head = seen.heads.get(&issue).filter(|head| head.open)?;
    // Where a veto or a park holds the issue, the review waits with it.
    if walk.parked.is_some() || trust::refused_by_labels(head, &rules.workflow).is_some() {
        return None;
    }
    let stages = &rules.workflow.stages;
    let stage = stages
        .iter()
        .find(|stage| head.labels.contains(&stage.label))?;
    let to = back(rules, stage)?.label.clone();
    let said: Vec<String> = wants.iter().map(|review| words(review)).collect();
    let again = to == stage.label;
    let mut events = vec![Event::ReworkWanted {
        issue,
        by: last.by.clone(),
        review: wants.iter().map(|review| review.id).max()?,
        findings: said.join("\n\n"),
        again,
    }];
    if !again {
        let transition = Transition {
            rework: true,
            ..transition(
                issue,
                stage.label.clone(),
                Next::Stage(to.clone()),
                walk,
                now,
            )
        };
        events.push(Event::TransitionIntended { transition });
    }
    let flow = (!again).then_some(Flow::Transition(issue));
    let did = format!("{} wants changes of {issue}: back to {to}", last.by.login);
    Some(Act::record(events, flow, did))
}

fn words(review: &Review) -> String {
    let said = sanitise(review.body.trim(), REVIEW_BYTES_MAX);
    let said = if said.is_empty() {
        "(no text; the comments on the lines say what)"
    } else {
        &said
    };
    format!(
        "{} requested changes on the pull request:\n\n{said}",
        review.by.login
    )
}

fn transition(
    issue: IssueNumber,
    from: Label,
    to: Next,
    walk: &Walk,
    now: Timestamp,
) -> Transition {
    Transition {
        issue,
        from,
        to,
        dispatch: None,
        after: walk.newest_event().cloned(),
        rework: false,
        at: now,
        unchanged_since: None,
        step: TransitionStep::Intended,
    }
}

/// A merged or closed pull request ends what is open, then the walk.
fn ended(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    issue: IssueNumber,
    end: &PullEnd,
    now: Timestamp,
) -> Option<Decision> {
    if let Some(dispatch) = state.open_dispatch(issue) {
        let (PullEnd::Merged { by } | PullEnd::Closed { by, .. }) = end;
        let busy = memory.busy.contains(&Flow::Dispatch(dispatch.id().clone()));
        let why = format!("the pull request {}", end.words());
        return (!busy).then(|| watchdog::withdraw(state, dispatch, by, &why));
    }
    let leave = Flow::Leave(issue);
    if is_under_way(state, issue) || memory.waits(&leave) || seen.unread.contains_key(&issue) {
        return None;
    }
    match end {
        PullEnd::Closed { .. } => Some(Act::carry_on(
            leave,
            format!(
                "{issue} leaves the workflow: its pull request {}",
                end.words()
            ),
        )),
        PullEnd::Merged { .. } => Some(finish(rules, state, seen, issue, end, now)),
    }
}

/// The person's merge was the last move: what is left is the label and the issue.
fn finish(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    issue: IssueNumber,
    end: &PullEnd,
    now: Timestamp,
) -> Decision {
    let Some(details) = seen.details.get(&issue) else {
        return Decision::Look(Questions {
            issues: vec![issue],
            ..Questions::default()
        });
    };
    let did = format!("the pull request of {issue} {}", end.words());
    let SingleRead::Found(found) = &details.read else {
        let how = did.clone();
        return Act::record(vec![Event::IssueLeft { issue, how }], None, did);
    };
    let walk = &state.walks[&issue];
    let stages = &rules.workflow.stages;
    let labels = &found.0.labels;
    let standing = stages.iter().find(|stage| labels.contains(&stage.label));
    // Without a routing label the one that may be there instead goes: a transition always takes one off.
    let park = &rules.workflow.labels.park;
    let from = standing.map_or(park, |stage| &stage.label).clone();
    let theirs = standing.filter(|stage| walk.yours.as_ref() == Some(&stage.label));
    let to = theirs.map_or(Next::Done, |stage| stage.next.clone());
    let transition = Transition {
        after: details.events.last().map(|event| event.id.clone()),
        ..transition(issue, from, to, walk, now)
    };
    let flow = Some(Flow::Transition(issue));
    Act::record(vec![Event::TransitionIntended { transition }], flow, did)
}

/// Says what an issue needs whose pull request was closed: it is told so, once, and its labels go.
pub fn next(state: &State, rules: &Rules, issue: IssueNumber) -> Step {
    let walk = state.walks.get(&issue);
    let Some((walk, kept)) = walk.and_then(|walk| Some((walk, walk.pull.as_ref()?))) else {
        return Step::Rest;
    };
    let Some(end @ PullEnd::Closed { at, .. }) = &kept.end else {
        return Step::Rest;
    };
    Step::Do(Action::Leave {
        issue,
        labels: routing_labels(rules),
        why: format!("pull request {} {}", kept.pull.number, end.words()),
        closing: closed::closing(walk, *at),
    })
}

/// The key of a request to do the same stage once more, in the place of a label's event.
pub(in crate::machine) fn once_more(review: u64) -> LabelEventId {
    LabelEventId::new(format!("review-{review}"))
}
