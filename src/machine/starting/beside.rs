//! Work that goes on beside: an issue whose work would change what another one's already changes waits for that one.
//!
//! Who has begun goes on, and who waits for others holds nobody, so that these waits never lead back to who waits. What an issue
//! changes is what its text and its spec declare (`touches:`), as it was approved, and what its branch really changes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::domain::{Branch, Collision, Head, Hold, IssueNumber, Observation, Rules, Stage};
use crate::machine::starting::dependencies;
use crate::machine::state::{State, Walk};
use crate::machine::text::touches::{declared, meet};

/// A branch that cannot be read is tried again after so long.
const READ_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(1);
/// Paths that are told of one issue.
const PATHS_TOLD: usize = 3;

/// What is known of the work beside an issue.
pub(super) enum Beside {
    /// Nothing is in its way.
    Clear,
    /// What the others' branches change has to be read first.
    Unread,
    /// It waits.
    Held(Hold),
}

/// Returns what an issue's text and its recorded spec say that its work will change, if the stage changes anything.
pub(super) fn touches(rules: &Rules, state: &State, head: &Head, stage: &Stage) -> Vec<String> {
    if !rules.project.git || !stage.makes_commits() {
        return Vec::new();
    }
    let walk = state.walks.get(&head.number);
    let spec = walk.and_then(|walk| walk.spec.as_ref());
    let mut paths = head.touches.clone();
    paths.extend(spec.map_or_else(BTreeSet::new, |spec| declared(&spec.text)));
    paths.into_iter().collect()
}

/// Returns the branches whose changes matter for the start of an issue.
pub fn branches(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    head: &Head,
    stage: &Stage,
) -> BTreeMap<IssueNumber, Branch> {
    if has_begun(state, head.number) || touches(rules, state, head, stage).is_empty() {
        return BTreeMap::new();
    }
    let branch = |(number, walk): (IssueNumber, &Walk)| {
        let name = walk.branch.clone()?;
        let began = walk.began.clone();
        Some((number, Branch { name, began }))
    };
    others(state, seen, head.number)
        .filter_map(branch)
        .collect()
}

/// Holds an issue that has not begun against those that have.
pub(super) fn beside(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    head: &Head,
    stage: &Stage,
) -> Beside {
    let paths = touches(rules, state, head, stage);
    // Who has a seat goes on, or both might wait for each other: one for the files, the other for the seat.
    let seated = state.seats.values().any(|holder| *holder == head.number);
    if paths.is_empty() || seated || has_begun(state, head.number) {
        return Beside::Clear;
    }
    let mut with = Vec::new();
    for (number, walk) in others(state, seen, head.number) {
        let changed = match seen.changed.get(&number) {
            None => return Beside::Unread,
            Some(Err(why)) => {
                let why = format!("what the branch of {number} changes cannot be read: {why}");
                let until = seen.at + READ_AGAIN_AFTER;
                return Beside::Held(Hold::Stalled { why, until });
            }
            Some(Ok(changed)) => changed,
        };
        let common_with = |theirs: &[String]| -> Vec<String> {
            let meets = |theirs: &&String| paths.iter().any(|path| meet(path, theirs));
            theirs.iter().filter(meets).cloned().collect()
        };
        let mut common = common_with(changed);
        // What was really changed says more than what was announced, and what waits for a person announces nothing.
        let rests = walk.parked.is_some() || state.parks.contains_key(&number);
        if common.is_empty() && !rests {
            common = common_with(&walk.touches);
        }
        with.extend(collision(number, common));
    }
    if with.is_empty() {
        Beside::Clear
    } else {
        Beside::Held(Hold::Collides { with })
    }
}

fn collision(issue: IssueNumber, mut paths: Vec<String>) -> Option<Collision> {
    if paths.is_empty() {
        return None;
    }
    let more = u32::try_from(paths.len().saturating_sub(PATHS_TOLD)).unwrap_or(u32::MAX);
    paths.truncate(PATHS_TOLD);
    Some(Collision { issue, paths, more })
}

/// Returns whether a hold rests on work that is over: merged, closed, taken out of the workflow.
pub(super) fn is_over(hold: &Hold, state: &State, seen: &Observation, issue: IssueNumber) -> bool {
    let Hold::Collides { with } = hold else {
        return false;
    };
    let open: BTreeSet<IssueNumber> = others(state, seen, issue)
        .map(|(number, _)| number)
        .collect();
    with.iter().any(|other| !open.contains(&other.issue))
}

/// Returns whether an issue's work may have changed something: a stage that makes commits was begun for it.
fn has_begun(state: &State, issue: IssueNumber) -> bool {
    let walk = state.walks.get(&issue);
    walk.is_some_and(|walk| walk.branch.is_some())
}

/// The issues whose work has begun and is neither merged nor closed, but those that wait for others themselves.
fn others<'a>(
    state: &'a State,
    seen: &'a Observation,
    issue: IssueNumber,
) -> impl Iterator<Item = (IssueNumber, &'a Walk)> {
    let goes_on = move |number: IssueNumber, walk: &Walk| {
        let head = seen.heads.get(&number).filter(|head| head.open);
        number != issue
            && walk.branch.is_some()
            && walk.merged.is_none()
            && head.is_some_and(|head| dependencies::hold(head, seen).is_none())
    };
    let walks = state.walks.iter().map(|(number, walk)| (*number, walk));
    walks.filter(move |(number, walk)| goes_on(*number, walk))
}
