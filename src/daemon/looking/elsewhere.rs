//! What other projects of ours know of the issues that an issue here waits for. No tracker is asked: a project reads its own.

use std::collections::{BTreeMap, BTreeSet};

use crate::daemon::hands::Hands;
use crate::daemon::store;
use crate::domain::{Elsewhere, Head, IssueNumber, ProjectName, TrackerChoice};
use crate::tracker::PollMark;

/// Returns whether those of a project of ours are open; the others are left out, for nobody looks at them.
pub(super) async fn known(
    hands: &Hands,
    heads: &BTreeMap<IssueNumber, Head>,
) -> BTreeMap<Elsewhere, bool> {
    let open = heads.values().filter(|head| head.open);
    let wanted: BTreeSet<&Elsewhere> = open.flat_map(|head| &head.waits_elsewhere).collect();
    let mut by_project: BTreeMap<ProjectName, Vec<&Elsewhere>> = BTreeMap::new();
    for other in wanted {
        if let Some(project) = project_of(hands, other) {
            by_project.entry(project).or_default().push(other);
        }
    }
    let mut known = BTreeMap::new();
    for (project, others) in by_project {
        let (mark, heads) = store::load(&hands.ledger, &project).await;
        // Not read yet: what is not there may be open.
        if mark == PollMark::default() {
            continue;
        }
        for other in others {
            let is_open = heads.get(&other.number).is_some_and(|head| head.open);
            known.insert(other.clone(), is_open);
        }
    }
    known
}

fn project_of(hands: &Hands, other: &Elsewhere) -> Option<ProjectName> {
    let config = hands.config.borrow();
    let mut projects = config.projects.values();
    let is_its = |tracker: &TrackerChoice| match tracker {
        TrackerChoice::GitHub { owner, repo } => {
            format!("{owner}/{repo}").eq_ignore_ascii_case(&other.repo)
        }
        TrackerChoice::Local => false,
    };
    let project = projects.find(|project| is_its(&project.tracker));
    project.map(|project| project.name.clone())
}
