//! An approved commit into the default branch: built first if the branch moved on, the remote's branch before the local one, never
//! by force. What is there already is not done twice, and a no that time does not change is said once.

use std::path::Path;
use std::time::Duration;

use crate::daemon::hands::{Hands, failed, now, unconfigured};
use crate::daemon::jobs::gates::BUILD_LIMIT;
use crate::daemon::jobs::job::{self, Ran};
use crate::daemon::jobs::push;
use crate::daemon::jobs::tree::{self, DIRTY_AGAIN, TREE_LIMIT, lines, said};
use crate::domain::{Build, IssueNumber, Outcome, Project, Subject};

/// How long it may take to find out how things stand: the remote is asked, fetched from, and tried.
const WAY_LIMIT: Duration = Duration::from_mins(4);

/// Says how the commit `$1` gets into the default branch: `into` (it is there), `forward`, or `merge` with the tip it is merged with.
/// What counts is the remote's branch, if there is a remote: what only the local one has, nobody else has. Whether a push is possible
/// at all is found out before something is built for it.
const WAY: &str = r#"set -u
commit=$1
default=$(git symbolic-ref -q --short refs/remotes/origin/HEAD | sed 's#^origin/##')
if [ -z "$default" ]; then
  for name in main master trunk; do git show-ref -q --verify "refs/heads/$name" && default=$name && break; done
fi
[ -n "$default" ] || { echo "broken no default branch is known"; exit 3; }
echo "default $default"
tip=$(git rev-parse -q --verify "refs/heads/$default^{commit}") || tip=
there=
if git remote get-url origin >/dev/null 2>&1; then
  there=$(timeout 60 git ls-remote origin "refs/heads/$default") || { echo "broken the remote cannot be asked for $default"; exit 3; }
  if [ -n "$there" ]; then
    timeout 90 git fetch -q origin "+refs/heads/$default:refs/remotes/origin/$default" || { echo "broken the remote's $default cannot be fetched"; exit 3; }
    tip=$(git rev-parse -q --verify "refs/remotes/origin/$default^{commit}") || exit 3
  else
    tip=
  fi
fi
if [ -z "$tip" ] || git merge-base --is-ancestor "$tip" "$commit"; then
  [ "$tip" = "$commit" ] && echo "into $default" || echo "forward $commit"
elif git merge-base --is-ancestor "$commit" "$tip"; then echo "into $default"
else
  [ -z "$there" ] || timeout 60 git push -q --dry-run --no-verify origin "$tip:refs/heads/$default" || { echo "broken nothing can be pushed to the remote"; exit 3; }
  echo "merge $tip"
fi
"#;

/// Merges the commit `$1` into what the tree stands on, with the message `$2`.
const MERGE: &str = r#"set -u
git -c user.name=pointsman -c user.email=pointsman@localhost merge -q --no-ff --no-verify -m "$2" "$1" || {
  git diff --name-only --diff-filter=U | head -n 20 | sed 's/^/conflict /'; git merge --abort; exit 4; }
echo "head $(git rev-parse HEAD)"
"#;

/// Moves the default branch `$2` to the commit `$1`: the remote's, then the local one, which may stay behind if it is in somebody's way.
/// `$3` seconds a push may take.
const LAND: &str = r#"set -u
commit=$1 default=$2 seconds=$3
remote=no
git remote get-url origin >/dev/null 2>&1 && remote=yes
if [ $remote = yes ]; then
  timeout "$seconds" git push --porcelain origin "$commit:refs/heads/$default" || { [ $? = 124 ] && echo "slow push"; exit 3; }
fi
if [ "$(git symbolic-ref -q --short HEAD)" = "$default" ]; then git merge -q --ff-only "$commit"; else git fetch -q . "$commit:refs/heads/$default"; fi || {
  [ $remote = yes ] || exit 4
  echo "note the remote has it, and the local $default stays where it is"; }
echo "into $default"
"#;

/// Puts an approved commit into the default branch.
pub async fn merge(hands: &Hands, issue: IssueNumber, subject: &Subject) -> Outcome {
    let Some(project) = hands.project() else {
        return unconfigured();
    };
    match merged(hands, &project, issue, subject).await {
        Ok(outcome) | Err(outcome) => outcome,
    }
}

async fn merged(
    hands: &Hands,
    project: &Project,
    issue: IssueNumber,
    subject: &Subject,
) -> Result<Outcome, Outcome> {
    let script = |name: &str| format!("{name}-{}", subject.short());
    // A landing that outlived its daemon comes to its end first: looked at before, it would be done twice or half.
    let land = script("merge-land");
    tree::clear(hands, &project.path, &land, push::PUSH_LIMIT)
        .await
        .map_err(|error| failed(&error))?;
    let args = vec![subject.to_string()];
    let name = script("merge-way");
    let way = run(hands, &project.path, &name, WAY, args, WAY_LIMIT).await?;
    let known = |key| lines(&way, key).next().filter(|_| way.succeeded());
    if let Some(into) = known("into ") {
        let into = into.to_owned();
        return Ok(Outcome::Merged { into });
    }
    let Some(default) = known("default ") else {
        return Err(again(said(&way, "the default branch cannot be read")));
    };
    let landing = match (known("forward "), known("merge ")) {
        (Some(_), _) => subject.clone(),
        (None, Some(tip)) => {
            let ours = Joining {
                hands,
                project,
                default,
                subject,
            };
            ours.join(&Subject::new(tip), issue).await?
        }
        (None, None) => return Err(again(said(&way, "the default branch cannot be read"))),
    };
    let args = vec![landing.to_string(), default.to_owned(), push::seconds_max()];
    let landed = run(hands, &project.path, &land, LAND, args, push::PUSH_LIMIT).await?;
    for note in lines(&landed, "note ") {
        tracing::warn!(project = %project.name, %issue, note, "merge");
    }
    match (landed.exit, lines(&landed, "into ").next()) {
        (Some(0), Some(into)) => Ok(Outcome::Merged {
            into: into.to_owned(),
        }),
        (Some(4), _) => Err(refused(format!(
            "{default} could not be moved: {}",
            landed.tail().trim()
        ))),
        // The remote's own no. A branch that moved on meanwhile, or a remote that is away, is another matter.
        _ if landed.output.contains("[remote rejected]") => Err(refused(format!(
            "the remote refuses the push to {default}: {}",
            landed.tail().trim()
        ))),
        _ if lines(&landed, "slow ").next().is_some() => Err(again(format!(
            "{}: a `pre-push` hook that takes longer or waits for an answer?",
            push::slow(default)
        ))),
        _ => Err(again(format!(
            "{default} could not be pushed: {}",
            landed.tail().trim()
        ))),
    }
}

/// One commit that does not follow the default branch's tip.
struct Joining<'a> {
    hands: &'a Hands,
    project: &'a Project,
    default: &'a str,
    subject: &'a Subject,
}

impl Joining<'_> {
    /// Merges it with the tip in a tree of ours, and builds what comes of it.
    async fn join(&self, tip: &Subject, issue: IssueNumber) -> Result<Subject, Outcome> {
        let (hands, project, default) = (self.hands, self.project, self.default);
        let tree = hands.places.gate_tree(project);
        let _ours = hands.gate_tree.lock().await;
        // The build of an earlier merge, from before a restart: it is overtaken, and it has the tree.
        let builds = format!("merge-build-{}-", self.subject.short());
        job::end_others(&hands.tmux, "", &builds)
            .await
            .map_err(|error| failed(&error))?;
        tree::stand(hands, project, &tree, "gate", Some(tip)).await?;
        let args = vec![self.subject.to_string(), format!("merge {issue}: approved")];
        let name = format!("merge-{}", self.subject.short());
        let ran = run(hands, &tree, &name, MERGE, args, TREE_LIMIT).await?;
        let Some(head) = lines(&ran, "head ").next().filter(|_| ran.succeeded()) else {
            let files: Vec<&str> = lines(&ran, "conflict ").collect();
            if files.is_empty() {
                return Err(again(said(&ran, "the merge failed")));
            }
            return Err(refused(format!(
                "{default} has moved on and conflicts with this work in {}",
                files.join(", ")
            )));
        };
        let head = Subject::new(head);
        // What others brought may need other packages than the work did.
        tree::own_tree(hands, project, &tree, "gate", Some(&head)).await?;
        let Build::Command(command) = &project.build else {
            return Ok(head);
        };
        let name = format!("{builds}{}", head.short());
        let built = tree::measure(hands, &tree, &name, command, BUILD_LIMIT).await;
        let built = built.map_err(|error| failed(&error))?;
        if built.succeeded() {
            return Ok(head);
        }
        Err(refused(format!(
            "merged into {default} it does not build: `{command}`: {}",
            built.tail().trim()
        )))
    }
}

async fn run(
    hands: &Hands,
    cwd: &Path,
    name: &str,
    script: &str,
    args: Vec<String>,
    limit: Duration,
) -> Result<Ran, Outcome> {
    tree::run(hands, cwd, name, script, args, limit)
        .await
        .map_err(|error| failed(&error))
}

fn again(why: String) -> Outcome {
    Outcome::Failed {
        why,
        until: now() + DIRTY_AGAIN,
    }
}

fn refused(why: String) -> Outcome {
    Outcome::NotMerged { why }
}
