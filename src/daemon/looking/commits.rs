//! Whose commits a branch has, and what they changed: facts from the bare mirror, judged in `machine::dispatch::gate`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use crate::daemon::hands::{Hands, chain};
use crate::daemon::jobs::gates;
use crate::domain::{Branch, Dispatch, Ground, IssueNumber, Outcome, Report, Subject};
use crate::machine::dispatch::gate::{BranchFacts, Found, Search};
use crate::repo::{EntryKind, GrepLimits, Mirror, RepoError};

/// Commits of others on a branch that are named: a merge can bring thousands.
const FOREIGN_MAX: usize = 5;
/// Files of one branch that others' work is held against: one that changes more collides with everything sooner or later.
const FILES_MAX: usize = 5_000;
/// How long one search of a spec may take, in a tree of whatever size.
const SEARCH_MAX: Duration = Duration::from_secs(30);

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

/// Returns the files that branches change, each as the project has it and as its remote has it; or why that cannot be read. Nothing
/// is asked of git for no branch.
pub(super) async fn of_branches(
    hands: &Hands,
    branches: &BTreeMap<IssueNumber, Branch>,
) -> BTreeMap<IssueNumber, Result<Vec<String>, String>> {
    let Some(project) = hands.project().filter(|_| !branches.is_empty()) else {
        return BTreeMap::new();
    };
    let mirror = match gates::mirror(hands, &project).await {
        Ok(mirror) => Ok(mirror),
        Err(Outcome::Failed { why, .. }) => Err(why),
        Err(_) => Err("the project's repository cannot be read".to_owned()),
    };
    let mut all = BTreeMap::new();
    for (issue, branch) in branches {
        let changed = match &mirror {
            Ok(mirror) => of_branch(mirror, branch)
                .await
                .map_err(|error| chain(&error)),
            Err(why) => Err(why.clone()),
        };
        all.insert(*issue, changed);
    }
    all
}

async fn of_branch(mirror: &Mirror, branch: &Branch) -> Result<Vec<String>, RepoError> {
    let mut files = BTreeSet::new();
    for place in ["heads", "remotes/origin"] {
        let name = format!("refs/project/{place}/{}", branch.name);
        if let Some(tip) = mirror.resolve(&name).await? {
            let Some(base) = added_to(mirror, &tip, branch.began.as_ref()).await? else {
                continue;
            };
            let changed = mirror.changed_files(&base, &tip).await?.into_iter();
            files.extend(changed.map(|file| file.path.to_string_lossy().into_owned()));
        }
    }
    Ok(files.into_iter().take(FILES_MAX).collect())
}

/// Returns what a branch adds its work to: the default branch as the remote has it, or as the project itself had it when the work began,
/// whichever the branch has more of. What a person committed there and has not pushed is no work of the branch's; what an agent
/// committed there since is.
async fn added_to(
    mirror: &Mirror,
    tip: &Subject,
    began: Option<&Subject>,
) -> Result<Option<Subject>, RepoError> {
    let Some(base) = mirror.base(began).await? else {
        return Ok(None);
    };
    let Some(local) = began.filter(|local| **local != base) else {
        return Ok(Some(base));
    };
    if !mirror.has_commit(local).await? {
        return Ok(Some(base));
    }
    let Some(theirs) = mirror.fork(local, tip).await? else {
        return Ok(Some(base));
    };
    let is_newer = match mirror.fork(&base, tip).await? {
        Some(fork) => mirror.is_ancestor(&fork, &theirs).await?,
        None => true,
    };
    Ok(Some(if is_newer { local.clone() } else { base }))
}

/// Gathers what the branch gate judges: `tip` is where the branch `expected` stands.
pub(in crate::daemon) async fn branch_facts(
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

/// Looks for a spec's texts in a commit.
pub(in crate::daemon) async fn searched(
    mirror: &Mirror,
    commit: &Subject,
    searches: Vec<Search>,
) -> Result<Vec<(Search, Found)>, RepoError> {
    let mut results = Vec::new();
    for search in searches {
        let path = Path::new(search.path.strip_suffix('/').unwrap_or(&search.path));
        let entry = mirror.entry_at(commit, path).await?;
        // With or without a stroke at its end: a folder is searched, not taken for a file that is not there.
        let is_folder = entry.is_some_and(|entry| entry.kind == EntryKind::Folder);
        let found = if is_folder {
            below(mirror, commit, path, &search.text).await?
        } else {
            match mirror.file_at(commit, path).await {
                Ok(Some(bytes)) if holds(&bytes, search.text.as_bytes()) => Found::There,
                Ok(Some(_)) => Found::NotThere,
                Ok(None) => Found::NoFile,
                Err(error @ RepoError::TooMuch { .. }) => Found::Unknown(chain(&error)),
                Err(error) => return Err(error),
            }
        };
        results.push((search, found));
    }
    Ok(results)
}

async fn below(
    mirror: &Mirror,
    commit: &Subject,
    folder: &Path,
    text: &str,
) -> Result<Found, RepoError> {
    let limits = GrepLimits {
        matches_max: 1,
        time_max: SEARCH_MAX,
    };
    let places = mirror
        .grep_fixed(commit, text, Some(folder), limits)
        .await?;
    let found = !places.matches.is_empty() || places.more;
    Ok(if found { Found::There } else { Found::NotThere })
}

fn holds(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
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
