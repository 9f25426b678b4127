//! What we left in a project's repository: worktrees and branches. Git is run without the project's hooks and without its file monitor, as
//! the person who calls the verb; by the relay where the project is another account's, whose configuration git would follow.

use std::path::{Path, PathBuf};

use super::{Fate, Step, Trace};
use crate::cli::Failure;
use crate::daemon::places::Places;
use crate::domain::Window;
use crate::terminal::Relay;
use crate::terminal::relay::git_in;

/// Every branch of ours begins so, and goes on with the number.
const OURS: &str = "pointsman/";
/// The default branch's usual names, where no remote says it.
const DEFAULTS: [&str; 3] = ["main", "master", "trunk"];

/// What became of our worktrees.
#[derive(Default)]
pub(super) struct Worktrees {
    pub(super) traces: Vec<Trace>,
    /// The branches of those that stay.
    branches: Vec<String>,
    /// Whether any stays.
    pub(super) some_stay: bool,
}

/// Returns the trees of persistent agents below `trees`: what lies in them may be work.
pub(super) fn of_agents(trees: &Path) -> impl Iterator<Item = PathBuf> {
    let named = Window::agents(Window::AGENTS_MAX).map(Window::as_str);
    let paths: Vec<PathBuf> = named.map(|name| trees.join(name)).collect();
    paths.into_iter().filter(|tree| tree.is_dir())
}

/// Lists worktrees below `trees`. A persistent agent's stays while something in it is not committed.
pub(super) fn worktrees(hand: &Hand, project: &Path, trees: &Path) -> Worktrees {
    let mut found = Worktrees::default();
    let scratch = ["check", "gate"].map(|name| trees.join(name));
    let step = |tree: &Path| Step::Worktree {
        project: project.to_owned(),
        tree: tree.to_owned(),
    };
    for tree in scratch.iter().filter(|tree| tree.join(".git").exists()) {
        let what = format!("the worktree {}", tree.display());
        found.traces.push(Trace::goes(what, step(tree)));
    }
    for tree in of_agents(trees) {
        let what = format!("the worktree {}", tree.display());
        let Some(why) = work_in(hand, &tree) else {
            found.traces.push(Trace::goes(what, step(&tree)));
            continue;
        };
        let why = format!("{why}; `git worktree remove --force` drops it");
        found.traces.push(Trace::stays(what, why));
        found.some_stay = true;
        found
            .branches
            .extend(hand.git(&tree, &["symbolic-ref", "-q", "--short", "HEAD"]));
    }
    found
}

/// Says what of an agent's worktree would be lost with it.
fn work_in(hand: &Hand, tree: &Path) -> Option<&'static str> {
    let no_branch_has = [
        "rev-list",
        "-1",
        "HEAD",
        "--not",
        "--branches",
        "--remotes",
        "--tags",
    ];
    let changed = hand.git(tree, &["status", "--porcelain", "--untracked-files=all"]);
    match (changed, hand.git(tree, &no_branch_has)) {
        (Ok(changed), Ok(commits)) if changed.is_empty() && commits.is_empty() => None,
        (Ok(changed), Ok(_)) if changed.is_empty() => Some("commits lie in it that no branch has"),
        (Ok(_), Ok(_)) => Some("changes lie in it that are not committed"),
        _ => Some("git cannot say what lies in it"),
    }
}

/// Lists our branches, and where the person's tree stands.
pub(super) fn traces(
    hand: &Hand,
    project: &Path,
    worktrees: &Worktrees,
) -> Result<Vec<Trace>, Failure> {
    let mut traces = Vec::new();
    let listed = hand.git(
        project,
        &[
            "for-each-ref",
            "--format=%(refname) %(objectname)",
            "refs/heads/pointsman",
            "refs/remotes/origin/pointsman",
        ],
    )?;
    let default = default_branch(hand, project);
    let here = hand
        .git(project, &["rev-parse", "--abbrev-ref", "HEAD"])
        .unwrap_or_default();
    let stands = standing(hand, project, &here, default.as_deref())?;
    let stays_here = matches!(
        &stands,
        Some(Trace {
            fate: Fate::Stays { .. },
            ..
        })
    );
    traces.extend(stands);
    for line in listed.lines() {
        let (name, commit) = line.split_once(' ').unwrap_or((line, ""));
        let own = name.strip_prefix("refs/heads/");
        let is_in_use = |own: &str| {
            (stays_here && own == here) || worktrees.branches.iter().any(|branch| branch == own)
        };
        if own.is_some_and(is_in_use) {
            continue;
        }
        traces.extend(branch(hand, project, name, commit, default.as_deref()));
    }
    Ok(traces)
}

/// A tree that we left on a branch of ours, or detached, goes back to the default branch, unless something lies in it.
fn standing(
    hand: &Hand,
    project: &Path,
    here: &str,
    default: Option<&str>,
) -> Result<Option<Trace>, Failure> {
    let Some(default) = default else {
        return Ok(None);
    };
    if here != "HEAD" && !is_ours(here) {
        return Ok(None);
    }
    let what = format!(
        "{} stands on {}",
        project.display(),
        if here == "HEAD" { "no branch" } else { here }
    );
    // What is not tracked goes along, or git refuses the switch.
    let status = hand.git(project, &["status", "--porcelain", "--untracked-files=no"])?;
    let dirty = !status.is_empty();
    let is_merged = is_in(hand, project, "HEAD", default);
    Ok(Some(if dirty {
        Trace::stays(what, "changes lie in it that are not committed")
    } else if is_merged {
        Trace::goes(
            format!("{} to {default}", project.display()),
            Step::Switch {
                project: project.to_owned(),
                branch: default.to_owned(),
            },
        )
    } else {
        Trace::stays(what, not_merged(hand, project, default))
    }))
}

fn branch(
    hand: &Hand,
    project: &Path,
    name: &str,
    commit: &str,
    default: Option<&str>,
) -> Option<Trace> {
    let path = project.display();
    if let Some(remote) = name.strip_prefix("refs/remotes/origin/") {
        return is_ours(remote).then(|| {
            Trace::stays(
                format!("the branch {remote} on the remote of {path}"),
                format!("others may look at it; `git push origin --delete {remote}`"),
            )
        });
    }
    let own = name
        .strip_prefix("refs/heads/")
        .filter(|own| is_ours(own))?;
    let what = format!("the branch {own} in {path}");
    let is_merged = default.is_some_and(|default| is_in(hand, project, commit, default));
    Some(if is_merged {
        let step = Step::Branch {
            project: project.to_owned(),
            name: own.to_owned(),
            commit: commit.to_owned(),
        };
        Trace::goes(what, step)
    } else {
        Trace::stays(what, format!("not merged; `git branch -D {own}` drops it"))
    })
}

/// `pointsman/12-faq` and `pointsman/12-wip-ab12cd`; what else begins with the word is a person's.
fn is_ours(branch: &str) -> bool {
    let number = branch
        .strip_prefix(OURS)
        .and_then(|rest| rest.split('-').next());
    number.is_some_and(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn default_branch(hand: &Hand, project: &Path) -> Option<String> {
    let told = hand
        .git(
            project,
            &["symbolic-ref", "--short", "refs/remotes/origin/HEAD"],
        )
        .ok();
    let told = told.and_then(|text| text.strip_prefix("origin/").map(str::to_owned));
    let exists = |name: &String| {
        let full = format!("refs/heads/{name}");
        hand.git(project, &["show-ref", "--verify", "--quiet", &full])
            .is_ok()
    };
    let usual = DEFAULTS.map(str::to_owned);
    told.into_iter().chain(usual).find(exists)
}

/// Whether a commit is in the default branch, here or as it was fetched last.
fn is_in(hand: &Hand, project: &Path, commit: &str, default: &str) -> bool {
    is_ancestor(hand, project, commit, default)
        || is_ancestor(
            hand,
            project,
            commit,
            &format!("refs/remotes/origin/{default}"),
        )
}

/// A merge on the remote is not known here until somebody fetches.
fn not_merged(hand: &Hand, project: &Path, default: &str) -> String {
    let has_remote = hand.git(project, &["remote", "get-url", "origin"]).is_ok();
    if has_remote {
        format!(
            "not merged into {default} as git knows it here; after a merge on the remote: `git -C {} fetch`",
            project.display()
        )
    } else {
        format!("not merged into {default}")
    }
}

fn is_ancestor(hand: &Hand, project: &Path, commit: &str, of: &str) -> bool {
    hand.git(project, &["merge-base", "--is-ancestor", commit, of])
        .is_ok()
}

/// Removes a worktree of ours, whatever a checker left in it.
pub(super) fn remove_worktree(hand: &Hand, project: &Path, tree: &Path) -> Result<(), Failure> {
    hand.git(
        project,
        &["worktree", "remove", "--force", &tree.to_string_lossy()],
    )
    .map(drop)
}

/// Removes a branch if it is still what was seen.
pub(super) fn remove_branch(
    hand: &Hand,
    project: &Path,
    name: &str,
    commit: &str,
) -> Result<(), Failure> {
    let full = format!("refs/heads/{name}");
    hand.git(project, &["update-ref", "-d", &full, commit])
        .map(drop)
}

/// Puts the person's tree on a branch.
pub(super) fn switch(hand: &Hand, project: &Path, branch: &str) -> Result<(), Failure> {
    hand.git(project, &["switch", "--quiet", branch]).map(drop)
}

/// Who works in the folders of a project.
pub(super) struct Hand(Option<Relay>);

impl Hand {
    /// The caller, or under two users the relay.
    pub(super) fn of(places: &Places) -> Self {
        Self(places.relay())
    }

    /// Says why nobody works there now; `None` if somebody does.
    pub(super) fn missing(&self) -> Option<String> {
        self.0.as_ref()?.missing()
    }

    fn git(&self, project: &Path, words: &[&str]) -> Result<String, Failure> {
        let Some(relay) = &self.0 else {
            return git(project, words);
        };
        let asked = relay.git(project, words);
        asked.map_err(|said| failed(project, words, &said))
    }

    /// Removes a folder; what only its owner may remove is the relay's to remove.
    pub(super) fn remove(&self, folder: &Path, only_empty: bool) -> std::io::Result<()> {
        let done = if only_empty {
            std::fs::remove_dir(folder)
        } else {
            std::fs::remove_dir_all(folder)
        };
        match (done, &self.0) {
            (Err(error), Some(relay)) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                relay.remove(folder, only_empty)
            }
            (done, _) => done,
        }
    }
}

fn git(project: &Path, words: &[&str]) -> Result<String, Failure> {
    let output = git_in(project, words)
        .into_std()
        .output()
        .map_err(|error| anyhow::Error::new(error).context("cannot start `git`"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(failed(project, words, &said))
}

fn failed(project: &Path, words: &[&str], said: &str) -> Failure {
    let (words, project) = (words.join(" "), project.display());
    anyhow::anyhow!("`git {words}` in `{project}`: {said}").into()
}
