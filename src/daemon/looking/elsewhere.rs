//! What other projects of ours know of the issues that an issue here waits for. No tracker is asked: a project reads its own, and
//! what it read is looked up where it has it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, Weak};

use jiff::{SignedDuration, Timestamp};

use crate::daemon::hands::{Hands, Inner};
use crate::domain::{
    Elsewhere, Head, IssueNumber, Label, OtherIssue, Project, ProjectName, TrackerChoice,
};
use crate::machine::state::State;

/// How much newer than a text a list has to be that lacks an issue the text names: for two clocks, and for a list that is late.
const NEWER_BY: SignedDuration = SignedDuration::from_mins(1);

/// What the daemon's projects have read well since it started.
#[derive(Clone, Debug, Default)]
pub struct Reads(Arc<Mutex<BTreeMap<ProjectName, Read>>>);

/// A project's last good read of its tracker.
#[derive(Clone, Debug)]
struct Read {
    /// Whose; it is gone when the project runs no more.
    project: Weak<Inner>,
    lists: Lists,
}

/// What a project's lists said besides its heads.
#[derive(Clone, Debug)]
pub(super) struct Lists {
    /// When the newest good one was asked for.
    pub(super) at: Timestamp,
    /// Whether everything that is open was read in this process: only then is an issue that is not known closed.
    pub(super) swept: bool,
    /// The pull requests that are open, as far as a list named them.
    pub(super) pulls: BTreeSet<IssueNumber>,
}

/// Takes note of a good read.
pub(super) fn was_read(hands: &Hands, lists: Lists) {
    let mut reads = hands.reads.0.lock().expect("no holder of this lock panics");
    reads.retain(|_, read| read.project.strong_count() > 0);
    let read = Read {
        project: hands.weak(),
        lists,
    };
    reads.insert(hands.name.clone(), read);
}

/// Returns how those stand that are a project of ours'; the others are left out, for nobody looks at them. Issues that are in no stage
/// and that nothing was begun for wait for nothing that matters: anybody may write them.
pub(super) fn known(
    hands: &Hands,
    state: &State,
    heads: &BTreeMap<IssueNumber, Head>,
) -> BTreeMap<Elsewhere, OtherIssue> {
    let waiting = heads
        .values()
        .filter(|head| head.open && !head.waits_elsewhere.is_empty());
    let waiting: Vec<&Head> = waiting.collect();
    if waiting.is_empty() {
        return BTreeMap::new();
    }
    let labels = stages(hands);
    let mut wanted: BTreeMap<&Elsewhere, Timestamp> = BTreeMap::new();
    for head in waiting {
        let counts = !head.labels.is_disjoint(&labels) || state.walks.contains_key(&head.number);
        for other in head.waits_elsewhere.iter().filter(|_| counts) {
            let newest = wanted.entry(other).or_insert(head.updated_at);
            *newest = head.updated_at.max(*newest);
        }
    }
    let own = hands.project().and_then(|own| repo_of(&own));
    let found = wanted.into_iter().filter_map(|(other, named_at)| {
        let projects = projects_of(hands, other);
        let mut reads = projects
            .iter()
            .filter_map(|project| read_of(hands, project));
        let seen = match reads.next() {
            Some((project, lists)) => {
                let heads = project.heads.lock().expect("no holder of this lock panics");
                stands(other.number, named_at, own.as_deref(), &heads, &lists)
            }
            None if projects.is_empty() => return None,
            None => OtherIssue::Unread,
        };
        Some((other.clone(), seen))
    });
    found.collect()
}

/// Says how an issue stands by what its own project read. That one is absent proves that it is closed only by a list of everything
/// that is newer than the text that names it.
fn stands(
    number: IssueNumber,
    named_at: Timestamp,
    asks: Option<&str>,
    heads: &BTreeMap<IssueNumber, Head>,
    lists: &Lists,
) -> OtherIssue {
    let is_ours = |other: &&Elsewhere| Some(other.repo.as_str()) == asks;
    match heads.get(&number) {
        Some(head) if head.open => OtherIssue::Open {
            waits_for: head
                .waits_elsewhere
                .iter()
                .filter(is_ours)
                .map(|back| back.number)
                .collect(),
        },
        Some(_) => OtherIssue::Closed,
        None if lists.pulls.contains(&number) => OtherIssue::Open {
            waits_for: BTreeSet::new(),
        },
        None if lists.swept && lists.at >= named_at + NEWER_BY => OtherIssue::Closed,
        None => OtherIssue::Unread,
    }
}

fn stages(hands: &Hands) -> BTreeSet<Label> {
    let config = hands.config.borrow();
    let workflow = config
        .projects
        .get(&hands.name)
        .and_then(|project| config.workflow_of(project));
    let stages = workflow.iter().flat_map(|workflow| &workflow.stages);
    stages.map(|stage| stage.label.clone()).collect()
}

fn projects_of(hands: &Hands, other: &Elsewhere) -> Vec<ProjectName> {
    let config = hands.config.borrow();
    let projects = config.projects.values();
    let its = projects.filter(|project| repo_of(project).as_ref() == Some(&other.repo));
    its.map(|project| project.name.clone()).collect()
}

fn read_of(hands: &Hands, project: &ProjectName) -> Option<(Arc<Inner>, Lists)> {
    let reads = hands.reads.0.lock().expect("no holder of this lock panics");
    let read = reads.get(project)?;
    Some((read.project.upgrade()?, read.lists.clone()))
}

/// The repository of a project's tracker as [`Elsewhere`] spells it.
fn repo_of(project: &Project) -> Option<String> {
    match &project.tracker {
        TrackerChoice::GitHub { owner, repo } => {
            Some(format!("{owner}/{repo}").to_ascii_lowercase())
        }
        TrackerChoice::Local => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Actor, ActorId, ActorKind, IssueId, RepoId};

    fn head(number: u64, open: bool, waits: &[(&str, u64)]) -> (IssueNumber, Head) {
        let waits = waits.iter().map(|(repo, number)| Elsewhere {
            repo: (*repo).to_owned(),
            number: IssueNumber(*number),
        });
        let head = Head {
            repo: RepoId::new("1"),
            id: IssueId::new(number.to_string()),
            number: IssueNumber(number),
            title: "t".to_owned(),
            labels: BTreeSet::new(),
            open,
            author: Some(Actor {
                id: ActorId::new("1"),
                login: "alice".to_owned(),
                kind: ActorKind::User,
            }),
            milestone: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            url: String::new(),
            waits_for: BTreeSet::new(),
            blocked_by: 0,
            waits_elsewhere: waits.collect(),
            sub_issues: 0,
            touches: BTreeSet::new(),
        };
        (IssueNumber(number), head)
    }

    #[test]
    fn absent_is_closed_only_by_a_list_of_everything_that_is_newer_than_the_text() {
        let heads = BTreeMap::from([
            head(1, true, &[("me/blog", 7), ("me/shop", 8)]),
            head(2, false, &[]),
        ]);
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        let stands = |number, swept, named_at| {
            let lists = Lists {
                at: at(100),
                swept,
                pulls: BTreeSet::from([IssueNumber(3)]),
            };
            stands(
                IssueNumber(number),
                named_at,
                Some("me/blog"),
                &heads,
                &lists,
            )
        };
        let open = |waits_for: &[u64]| OtherIssue::Open {
            waits_for: waits_for.iter().copied().map(IssueNumber).collect(),
        };
        assert_eq!(stands(1, false, at(99)), open(&[7]));
        assert_eq!(stands(2, false, at(99)), OtherIssue::Closed);
        // A pull request has a number as well.
        assert_eq!(stands(3, true, at(0)), open(&[]));
        assert_eq!(stands(4, true, at(40)), OtherIssue::Closed);
        assert_eq!(stands(4, true, at(41)), OtherIssue::Unread);
        // What was stored before a restart may lack some.
        assert_eq!(stands(4, false, at(0)), OtherIssue::Unread);
    }
}
