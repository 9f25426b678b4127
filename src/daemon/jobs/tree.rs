//! Working trees: put where the stage needs them, by a job in the `_gate` session (PROTOCOLS 11: the daemon itself runs no git in
//! a project).

use std::path::Path;
use std::time::Duration;

use crate::daemon::hands::{Hands, chain, failed, now, unconfigured};
use crate::daemon::jobs::job::{self, Job, JobError, Ran};
use crate::domain::{
    Dispatch, Hold, IssueNumber, Outcome, Project, SessionChoice, Subject, Window,
};
use crate::machine::dispatch::check::is_rehearsal;
use crate::machine::text::sha256;
use crate::repo::Users;

/// The mode of folders in which two users put files for each other; the set group id hands their group on.
const SHARED: &str = "2770";
/// How long putting a tree may take: a fetch and a checkout of a large repository.
pub(super) const TREE_LIMIT: Duration = Duration::from_mins(2);
/// How long `prepare` may take (`npm ci` of a large project).
pub const PREPARE_LIMIT: Duration = Duration::from_mins(15);
/// A tree that belongs to a person is looked at again after that.
pub(super) const DIRTY_AGAIN: jiff::SignedDuration = jiff::SignedDuration::from_secs(30);
/// The largest file that a stage without git may be about.
const STAGE_FILE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Tips that are remembered at dispatch: 200 KB of the ledger.
const KNOWN_MAX: usize = 5_000;

/// Puts the persistent agent's tree on the issue's branch, or detached on the default branch's tip.
/// `$1` branch or empty, `$2` the issue's branch prefix, `$3` dispatch id, `$4` whose pane it is: a person's tree is not switched and
/// nothing is committed there; for a rehearsal nothing is committed anywhere. `$5` the project's folder, `$6` the folder of the trees of
/// further agents: one of these that has the branch lets go of it, if nothing lies in it. Prints `key value` lines; known is the tip, and every other tip that it does not have.
const AGENT_TREE: &str = r#"set -u
branch=$1 own=$2 dispatch=$3 whose=$4 project=$5 trees=$6
git rev-parse --git-dir >/dev/null || { echo "broken not a git repository"; exit 3; }
default=$(git symbolic-ref -q --short refs/remotes/origin/HEAD | sed 's#^origin/##')
if [ -z "$default" ]; then
  for name in main master trunk; do git show-ref -q --verify "refs/heads/$name" && default=$name && break; done
fi
[ -n "$default" ] || default=$(git symbolic-ref -q --short HEAD) || { echo "broken no default branch is known"; exit 3; }
if git remote get-url origin >/dev/null 2>&1; then timeout 30 git fetch -q origin "$default" 2>&1 | sed 's/^/note /'; fi
tip=$(git rev-parse -q --verify "refs/heads/$default^{commit}") || tip=$(git rev-parse -q --verify "refs/remotes/origin/$default^{commit}") || { echo "broken $default has no commit"; exit 3; }
remote=$(git rev-parse -q --verify "refs/remotes/origin/$default^{commit}") && git merge-base --is-ancestor "$tip" "$remote" && tip=$remote
here=$(git symbolic-ref -q --short HEAD || echo "")
dirty=$(git status --porcelain=v1 --untracked-files=all | head -n 20)
if [ "$whose" = adopted ]; then
  case $here in "$own"-*) ;; *) [ -z "$dirty" ] || { printf '%s\n' "$dirty" | sed 's/^.../dirty /'; exit 4; } ;; esac
  [ -z "$branch" ] || [ "$here" = "$branch" ] || { echo "elsewhere git switch -c $branch $default"; exit 4; }
elif [ -n "$dirty" ]; then
  case $here:$whose in
    *:rehearsed) printf '%s\n' "$dirty" | sed 's/^.../dirty /'; exit 4 ;;
    "$own"-*) echo "note took over the leftovers of an earlier dispatch" ;;
    pointsman/*) other=${here#pointsman/}; number=${other%%-*}
      git switch -q -c "pointsman/$number-wip-$dispatch" && git add -A && git -c user.name=pointsman -c user.email=pointsman@localhost commit -q --no-verify -m "wip: leftovers found before dispatch $dispatch" || { echo "broken the leftovers on $here cannot be committed"; exit 3; }
      echo "note kept the leftovers of $here on pointsman/$number-wip-$dispatch" ;;
    *) printf '%s\n' "$dirty" | sed 's/^.../dirty /'; exit 4 ;;
  esac
fi
real() { (cd "$1" 2>/dev/null && pwd -P); }
if [ "$whose" != adopted ] && [ -n "$branch" ]; then
  other=$(git worktree list --porcelain | while IFS= read -r line; do
    case $line in "worktree "*) at=${line#worktree } ;; "branch refs/heads/$branch") printf '%s\n' "$at" ;; esac
  done)
  [ -z "$other" ] || [ -e "$other" ] || git worktree prune
  other=$(real "$other") root=$(real "$project") ours=$(real "$trees" || echo none)
  case $other in "$(pwd -P)") other= ;; "$root") ;; "$ours"/agent-[2-9]) ;; *) other= ;; esac
  if [ -n "$other" ]; then
    left=$(git -C "$other" status --porcelain=v1 --untracked-files=all | head -n 20)
    [ -z "$left" ] || { echo "other $other"; printf '%s\n' "$left" | sed 's/^.../left /'; exit 4; }
    git -C "$other" switch -q --detach || { echo "broken $other does not let go of $branch"; exit 3; }
    echo "note $other let go of $branch"
  fi
fi
put() {
  if [ "$whose" = adopted ]; then :
  elif [ -n "$branch" ]; then
    if git show-ref -q --verify "refs/heads/$branch"; then
      # Without a commit of its own it begins where a new one would.
      git switch -q "$branch" && { git merge-base --is-ancestor HEAD "$tip" && git merge -q --ff-only "$tip" 2>/dev/null; true; }
    else git switch -q --no-track -c "$branch" "$tip"
    fi
  else
    case $here in "$own"-*) [ -n "$dirty" ] || git switch -q --detach "$tip" ;; *) git switch -q --detach "$tip" ;; esac
  fi
}
said=$(put 2>&1) || {
  said=$(printf '%s\n' "$said" | grep -m 1 -E '^(fatal|error): ')
  echo "broken the tree cannot be put on ${branch:-$default}${said:+: $said}"; exit 3
}
echo "head $(git rev-parse HEAD)"
echo "known $tip"
git for-each-ref --no-merged="$tip" --format='%(objectname) %(refname)' refs/heads refs/remotes refs/tags | grep -v -e " refs/heads/$own-" -e " refs/remotes/[^/]*/$own-" | cut -d' ' -f1 | sort -u | sed 's/^/known /'
"#;

/// Puts a worktree of ours detached on a commit. `$1` project, `$2` tree, `$3` commit or empty for the default branch's tip, `$4` the
/// mode of the folders in which briefs and reports lie, or empty where the daemon can make them itself, `$5` `keep` for a tree that
/// is left as it is once it is there: a persistent agent's.
/// A tree whose project was deleted and cloned anew belongs to nothing, and one whose project was moved to another repository's: it is
/// ours, so it is made anew as well, unless it is kept.
const OWN_TREE: &str = r#"set -u
project=$1 tree=$2 commit=$3 mode=$4 keep=$5
cd "$project" || exit 3
if [ -z "$commit" ]; then
  commit=$(git symbolic-ref -q refs/remotes/origin/HEAD) || for name in main master trunk; do git show-ref -q --verify "refs/heads/$name" && commit=refs/heads/$name && break; done
  [ -n "$commit" ] || commit=HEAD
fi
common() { git -C "$1" rev-parse --path-format=absolute --git-common-dir 2>/dev/null; }
if [ "$(common "$tree")" != "$(common .)" ]; then
  [ -z "$keep" ] || [ -z "$(ls -A "$tree" 2>/dev/null)" ] || { echo "broken $tree is no work tree of $project any more: save what you need of it, and remove it"; exit 3; }
  rm -rf "$tree" "$tree.prepared"
fi
if [ -e "$tree/.git" ] && [ -n "$keep" ]; then cd "$tree" || exit 3
elif [ -e "$tree/.git" ]; then
  cd "$tree" && git checkout -q --force --detach "$commit" && git clean -qffd || { echo "broken the work tree cannot be put on $commit"; exit 3; }
else
  mkdir -p "$(dirname "$tree")" && git worktree prune && git worktree add -q --force --detach "$tree" "$commit" || { echo "broken no work tree at $commit"; exit 3; }
  cd "$tree" || exit 3
  echo "new yes"
fi
if [ -n "$mode" ]; then
  mkdir -p .pointsman/briefs .pointsman/spool && chmod "$mode" .pointsman .pointsman/briefs .pointsman/spool || { echo "broken no folder for briefs in $tree"; exit 3; }
fi
echo "head $(git rev-parse HEAD)"
echo "locks $(cat package-lock.json pnpm-lock.yaml yarn.lock Cargo.lock poetry.lock uv.lock requirements.txt go.sum Gemfile.lock 2>/dev/null | sha256sum | cut -d' ' -f1)"
"#;

/// Runs what the project prepares a tree with (`$1`) and notes beside the tree (`$3`) what it is prepared for (`$2`).
const PREPARE: &str = r#"sh -c "$1" || exit; printf %s "$2" >"$3" || echo "the note $3 cannot be written: it will run again""#;

/// Puts the window's tree where the stage needs it.
pub async fn prepare(hands: &Hands, dispatch: &Dispatch) -> Outcome {
    let Some(project) = hands.project() else {
        return unconfigured();
    };
    if !project.git {
        let base = stage_file(&project, dispatch).map(|path| digest_of(&project, &path));
        return Outcome::Prepared {
            base: base.map(Subject::new),
            known: Vec::new(),
        };
    }
    match dispatch.opening.window {
        Window::AGENT => agent_tree(hands, &project, dispatch).await,
        window @ Window::Agent(_) => further_tree(hands, &project, dispatch, window).await,
        Window::Check => {
            let tree = hands.places.tree(&project, Window::Check);
            match own_tree(
                hands,
                &project,
                &tree,
                "check",
                dispatch.opening.subject.as_ref(),
            )
            .await
            {
                Ok(head) => Outcome::Prepared {
                    base: Some(head),
                    known: Vec::new(),
                },
                Err(outcome) => outcome,
            }
        }
    }
}

/// Returns the one path of a stage without git that the `file` gate looks at.
pub fn stage_file(project: &Project, dispatch: &Dispatch) -> Option<std::path::PathBuf> {
    let file = dispatch.opening.stage.file.as_ref()?;
    let IssueNumber(number) = dispatch.issue()?;
    Some(project.path.join(file.replace("{n}", &number.to_string())))
}

/// Returns the subject of a stage's file: `files:` and its digest, or of nothing.
pub fn digest_of(project: &Project, path: &Path) -> String {
    format!(
        "files:{}",
        sha256(&read_plain(&project.path, path).unwrap_or_default())
    )
}

/// Reads a stage's file. No part of its path below the project's folder may be a link: an agent makes it, the daemon opens it.
pub fn read_plain(root: &Path, path: &Path) -> Option<Vec<u8>> {
    let mut here = root.to_owned();
    for part in path.strip_prefix(root).ok()?.components() {
        here.push(part);
        if std::fs::symlink_metadata(&here).ok()?.is_symlink() {
            return None;
        }
    }
    let fits = std::fs::metadata(&here)
        .is_ok_and(|facts| facts.is_file() && facts.len() <= STAGE_FILE_BYTES_MAX);
    fits.then(|| std::fs::read(&here).ok()).flatten()
}

/// Makes the work tree of a further agent; one that is there is left as it is.
pub async fn make(hands: &Hands, window: Window) -> Result<(), String> {
    let project = hands
        .project()
        .ok_or("the project's configuration is gone")?;
    let made = keep(hands, &project, window).await;
    made.map(drop).map_err(|outcome| match outcome {
        Outcome::Failed { why, .. } => why,
        other => format!("its work tree was not made: {other:?}"),
    })
}

/// The tree of a further agent is ours: it is there before the branch is, and prepared for what stands in it afterwards.
async fn further_tree(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    window: Window,
) -> Outcome {
    if let Err(outcome) = keep(hands, project, window).await {
        return outcome;
    }
    let outcome = agent_tree(hands, project, dispatch).await;
    if !matches!(outcome, Outcome::Prepared { .. }) || project.prepare.is_none() {
        return outcome;
    }
    let tree = hands.places.tree(project, window);
    let readied = match keep(hands, project, window).await {
        Ok(stands) => ready(hands, project, &tree, window.as_str(), &stands.locks).await,
        Err(outcome) => Err(outcome),
    };
    readied.err().unwrap_or(outcome)
}

async fn agent_tree(hands: &Hands, project: &Project, dispatch: &Dispatch) -> Outcome {
    let own = match dispatch.issue() {
        Some(IssueNumber(number)) => format!("pointsman/{number}"),
        // No branch has this name: no leftover in the tree is taken over.
        None => format!("pointsman/errand-{}", dispatch.id()),
    };
    let args = vec![
        dispatch.opening.branch.clone().unwrap_or_default(),
        own,
        dispatch.id().to_string(),
        match project.session {
            SessionChoice::Managed if is_rehearsal(dispatch) => "rehearsed",
            SessionChoice::Managed => "managed",
            SessionChoice::Adopted { .. } => "adopted",
        }
        .to_owned(),
        project.path.to_string_lossy().into_owned(),
        hands
            .places
            .trees(&project.name)
            .to_string_lossy()
            .into_owned(),
    ];
    // Who has the branch, that it lets go of it, and who takes it: nobody else's in between.
    let one = hands.agent_trees.lock().await;
    let ran = match run(
        hands,
        &hands.places.tree(project, dispatch.opening.window),
        &format!("tree-{}", dispatch.id()),
        AGENT_TREE,
        args,
        TREE_LIMIT,
    )
    .await
    {
        Ok(ran) => ran,
        Err(error) => return failed(&error),
    };
    drop(one);
    for note in lines(&ran, "note ") {
        tracing::info!(project = %project.name, dispatch = %dispatch.id(), note, "tree");
    }
    if let Some(hold) = in_the_way(&ran) {
        let until = now() + DIRTY_AGAIN;
        return Outcome::Held { hold, until };
    }
    let Some(head) = lines(&ran, "head ").next().filter(|_| ran.succeeded()) else {
        return Outcome::Failed {
            why: said(&ran, "the tree cannot be prepared"),
            until: now() + DIRTY_AGAIN,
        };
    };
    let known: Vec<Subject> = lines(&ran, "known ").map(Subject::new).collect();
    if known.len() > KNOWN_MAX {
        // One left out would make somebody's commits this dispatch's work.
        return Outcome::Failed {
            why: format!(
                "more than {KNOWN_MAX} branches and tags have commits that the default branch lacks, so nobody could say whose work is whose: delete those that are stale (`git fetch --prune`, `git branch -r --no-merged`)"
            ),
            until: now() + DIRTY_AGAIN,
        };
    }
    Outcome::Prepared {
        base: Some(Subject::new(head)),
        known,
    }
}

/// What a person has to clear away before the tree can be put where it is needed.
fn in_the_way(ran: &Ran) -> Option<Hold> {
    let all = |key| lines(ran, key).map(str::to_owned).collect::<Vec<_>>();
    let files = all("dirty ");
    if !files.is_empty() {
        return Some(Hold::TreeDirty { files });
    }
    if let Some(tree) = all("other ").pop() {
        let files = all("left ");
        return Some(Hold::BranchTaken { tree, files });
    }
    let switch = all("elsewhere ").pop()?;
    Some(Hold::TreeElsewhere { switch })
}

/// Where one of our own work trees stands.
#[derive(Debug)]
pub struct Stands {
    head: Subject,
    /// The lock files' digest: what it has to be prepared for.
    locks: String,
}

/// Puts one of our own work trees on a commit, and runs `prepare` when it is new or its lock files changed.
pub async fn own_tree(
    hands: &Hands,
    project: &Project,
    tree: &Path,
    name: &str,
    commit: Option<&Subject>,
) -> Result<Subject, Outcome> {
    let Stands { head, locks } = stand(hands, project, tree, name, commit).await?;
    ready(hands, project, tree, name, &locks).await?;
    Ok(head)
}

/// Runs `prepare` in a tree of ours that was not prepared for these lock files.
async fn ready(
    hands: &Hands,
    project: &Project,
    tree: &Path,
    name: &str,
    locks: &str,
) -> Result<(), Outcome> {
    let Some(command) = &project.prepare else {
        return Ok(());
    };
    let mark = tree.with_extension("prepared");
    // The job writes it, in a folder of the agents'.
    let writer = hands.places.apart.as_ref().map(|apart| apart.uid);
    if job::note(&mark, writer).unwrap_or_default() != locks {
        let job = format!("prepare-{}-{name}", project.name);
        let args = vec![
            command.clone(),
            locks.to_owned(),
            mark.to_string_lossy().into_owned(),
        ];
        let prepared = run(hands, tree, &job, PREPARE, args, PREPARE_LIMIT)
            .await
            .map_err(|error| failed(&error))?;
        if !prepared.succeeded() {
            let why = format!(
                "`{command}` failed in the {name} tree: {}",
                prepared.tail().trim()
            );
            return Err(Outcome::Failed {
                why,
                until: now() + DIRTY_AGAIN,
            });
        }
    }
    Ok(())
}

/// Puts one of our own work trees on a commit. Nothing of ours may run in it.
pub async fn stand(
    hands: &Hands,
    project: &Project,
    tree: &Path,
    name: &str,
    commit: Option<&Subject>,
) -> Result<Stands, Outcome> {
    job::end_in(&hands.tmux, tree)
        .await
        .map_err(|error| failed(&error))?;
    let at = commit.map(ToString::to_string).unwrap_or_default();
    let Stands { head, locks } = own(hands, project, (tree, name), at, "").await?;
    // A job of that name from before a restart may have been joined: it was told another commit.
    let is_at = |commit: &&Subject| head.as_str().starts_with(commit.as_str());
    if let Some(commit) = commit.filter(|commit| !is_at(commit)) {
        return Err(Outcome::Failed {
            why: format!("the {name} tree stands at {head} and not at {commit}"),
            until: now() + DIRTY_AGAIN,
        });
    }
    Ok(Stands { head, locks })
}

/// Has the tree of a further agent there, and says how it stands.
async fn keep(hands: &Hands, project: &Project, window: Window) -> Result<Stands, Outcome> {
    let tree = hands.places.tree(project, window);
    let _one = hands.agent_trees.lock().await;
    own(
        hands,
        project,
        (&tree, window.as_str()),
        String::new(),
        "keep",
    )
    .await
}

async fn own(
    hands: &Hands,
    project: &Project,
    (tree, name): (&Path, &str),
    commit: String,
    left: &str,
) -> Result<Stands, Outcome> {
    let args = vec![
        project.path.to_string_lossy().into_owned(),
        tree.to_string_lossy().into_owned(),
        commit,
        match hands.places.users() {
            Users::One => String::new(),
            Users::Two => SHARED.to_owned(),
        },
        left.to_owned(),
    ];
    let job = format!("tree-{}-{name}", project.name);
    let ran = run(hands, &project.path, &job, OWN_TREE, args, TREE_LIMIT)
        .await
        .map_err(|error| failed(&error))?;
    let Some(head) = lines(&ran, "head ").next().filter(|_| ran.succeeded()) else {
        return Err(Outcome::Failed {
            why: said(&ran, "no work tree"),
            until: now() + DIRTY_AGAIN,
        });
    };
    Ok(Stands {
        head: Subject::new(head),
        locks: lines(&ran, "locks ").next().unwrap_or_default().to_owned(),
    })
}

/// Runs a script of ours in the `_gate` session.
pub async fn run(
    hands: &Hands,
    cwd: &Path,
    name: &str,
    script: &str,
    args: Vec<String>,
    limit: Duration,
) -> Result<Ran, JobError> {
    let job = job_of(hands, cwd, name, script, args, limit);
    job::run(&hands.tmux, &job).await
}

/// Waits for a script of that name that outlived its daemon, and clears its window away.
pub async fn clear(hands: &Hands, cwd: &Path, name: &str, limit: Duration) -> Result<(), JobError> {
    let job = job_of(hands, cwd, name, "", Vec::new(), limit);
    job::clear(&hands.tmux, &job).await
}

/// Runs a command of the project's there that measures a commit; `name` says which.
pub async fn measure(
    hands: &Hands,
    cwd: &Path,
    name: &str,
    command: &str,
    limit: Duration,
) -> Result<Ran, JobError> {
    let job = job_of(hands, cwd, name, command, Vec::new(), limit);
    job::measure(&hands.tmux, &job).await
}

fn job_of(
    hands: &Hands,
    cwd: &Path,
    name: &str,
    script: &str,
    args: Vec<String>,
    limit: Duration,
) -> Job {
    Job {
        name: name.to_owned(),
        cwd: cwd.to_owned(),
        env: hands.places.env.clone(),
        script: script.to_owned(),
        args,
        limit,
        log: hands.places.gate_log(&hands.name, name),
        writer: hands.places.apart.as_ref().map(|apart| apart.uid),
    }
}

pub(in crate::daemon) fn lines<'a>(ran: &'a Ran, key: &'a str) -> impl Iterator<Item = &'a str> {
    ran.output
        .lines()
        .filter_map(move |line| line.strip_prefix(key))
}

pub(in crate::daemon) fn said(ran: &Ran, otherwise: &str) -> String {
    lines(ran, "broken ").next().map_or_else(
        || format!("{otherwise}: {}", ran.tail().trim()),
        str::to_owned,
    )
}

/// Removes what a closed dispatch left in the window's tree.
pub fn remove_briefs(
    hands: &Hands,
    window: Window,
    deliveries: &[crate::domain::DeliveryId],
) -> Result<(), String> {
    let Some(project) = hands.project() else {
        return Ok(());
    };
    let tree = hands.places.tree(&project, window);
    for id in deliveries {
        crate::repo::brief::remove(&tree, id).map_err(|error| chain(&error))?;
    }
    Ok(())
}
