//! Whose commits a branch has, and what they changed: facts from the bare mirror, judged in `machine::gate`.

use std::collections::BTreeSet;

use crate::domain::{Dispatch, Ground, Report, Subject};
use crate::machine::gate::BranchFacts;
use crate::repo::{Mirror, RepoError};

/// Commits of others on a branch that are named: a merge can bring thousands.
const FOREIGN_MAX: usize = 5;

/// Returns the files that a commit changed since it left the default branch; `None` when there is no default branch to hold it against.
pub async fn changed_files(
    mirror: &Mirror,
    subject: &Subject,
    began: Option<&Subject>,
) -> Result<Option<Vec<String>>, RepoError> {
    let Some(base) = mirror.base(began).await? else {
        return Ok(None);
    };
    let files = mirror.changed_files(&base, subject).await?.into_iter();
    let paths = files.map(|file| file.path.to_string_lossy().into_owned());
    Ok(Some(paths.collect()))
}

/// Gathers what the branch gate judges: `tip` is where the branch `expected` stands.
pub(super) async fn branch_facts(
    mirror: &Mirror,
    dispatch: &Dispatch,
    report: &Report,
    ground: &Ground,
    (expected, tip): (String, Option<Subject>),
) -> Result<BranchFacts, RepoError> {
    let default = mirror.default_branch().await?;
    let default = default.unwrap_or_else(|| "main".to_owned());
    let mut facts = BranchFacts {
        expected_branch: expected,
        reported_head: report.head.clone(),
        branch_tip: tip.clone(),
        is_on_default: report.branch.as_ref() == Some(&default),
        default_branch: default,
        ..BranchFacts::default()
    };
    let Some(tip) = tip else {
        return Ok(facts);
    };
    let mut old = mirror.present(&dispatch.known).await?;
    // What the issue had verified before is not new either, nor what others brought into the default branch meanwhile.
    old.extend(ground.verified.clone());
    let names = [
        format!("refs/project/remotes/origin/{}", facts.default_branch),
        format!("refs/project/heads/{}", facts.default_branch),
    ];
    for name in &names {
        if let Some(theirs) = mirror.resolve(name).await? {
            old.push(theirs);
            break;
        }
    }
    facts.new_commits = mirror.commits_only_reachable_from(&tip, &old).await?;
    let taken = ground.taken.iter();
    facts.taken = taken
        .filter(|(_, subject)| facts.new_commits.contains(subject))
        .cloned()
        .collect();
    if let Some(issue) = dispatch.issue() {
        let others = Others {
            default: &facts.default_branch,
            own: format!("pointsman/{}-", issue.0),
        };
        facts.foreign = others.among(mirror, &tip, &facts.new_commits, old).await?;
    }
    Ok(facts)
}

/// Branches that are neither the default one nor an issue's own.
struct Others<'a> {
    default: &'a str,
    own: String,
}

impl Others<'_> {
    /// Returns those of the new commits that somebody else's branch has, and which branch.
    async fn among(
        &self,
        mirror: &Mirror,
        tip: &Subject,
        new: &[Subject],
        mut not: Vec<Subject>,
    ) -> Result<Vec<(Subject, String)>, RepoError> {
        let refs = mirror.list_refs().await?.into_iter();
        not.extend(
            refs.filter(|one| self.name_of(&one.name).is_some())
                .map(|one| one.commit),
        );
        let left = mirror.commits_only_reachable_from(tip, &not).await?;
        let left: BTreeSet<&Subject> = left.iter().collect();
        let mut foreign = Vec::new();
        for commit in new.iter().filter(|commit| !left.contains(commit)) {
            if foreign.len() == FOREIGN_MAX {
                break;
            }
            let names = mirror.branches_with(commit).await?;
            let whose = names.iter().find_map(|name| self.name_of(name));
            foreign.push((commit.clone(), whose.unwrap_or_default().to_owned()));
        }
        Ok(foreign)
    }

    /// Returns the name of somebody else's branch as people write it. A tag is a name for a commit, and nobody's line of work.
    fn name_of<'a>(&self, name: &'a str) -> Option<&'a str> {
        let (shown, branch) = if let Some(branch) = name.strip_prefix("refs/project/heads/") {
            (branch, branch)
        } else {
            let shown = name.strip_prefix("refs/project/remotes/")?;
            (shown, shown.split_once('/')?.1)
        };
        let is_known = branch == self.default || branch == "HEAD" || branch.starts_with(&self.own);
        (!is_known).then_some(shown)
    }
}
