//! The branch on its way to the remote: never by force, never the default branch, never what only a person may change.

use std::time::Duration;

use crate::daemon::hands::{Hands, failed, now, unconfigured};
use crate::daemon::jobs::gates;
use crate::daemon::jobs::tree::{DIRTY_AGAIN, lines, run, said};
use crate::daemon::looking::commits;
use crate::domain::{Dispatch, Outcome, Project, Reserved, Subject};
use crate::machine::pull::reserved;

/// Minutes that a push may take, with the project's own `pre-push` hook: some run all the tests.
pub(super) const PUSH_MINUTES_MAX: u64 = 10;
/// How long a script may take that pushes, with the look before it.
pub(super) const PUSH_LIMIT: Duration = Duration::from_mins(PUSH_MINUTES_MAX + 2);

/// Pushes a branch with the project's own credentials. No remote: not needed. What a remote says when it refuses is sorted by who
/// can end it; the rest passes, and is tried again. `$1` branch, `$2` commit, `$3` seconds a push may take.
const PUSH: &str = r#"set -u
export LC_ALL=C
branch=$1 commit=$2 seconds=$3
git remote get-url origin >/dev/null 2>&1 || { echo "none no remote"; exit 0; }
case $branch in pointsman/*) ;; *) echo "broken only branches of ours are pushed"; exit 3 ;; esac
there=$(timeout 60 git ls-remote origin "refs/heads/$branch" | cut -f1)
[ "$there" = "$commit" ] && { echo "already there"; exit 0; }
out=$(timeout "$seconds" git push -q origin "$commit:refs/heads/$branch" 2>&1); code=$?
[ $code = 0 ] && { echo "pushed $commit"; exit 0; }
printf '%s\n' "$out"
[ $code = 124 ] && { echo "slow push"; exit 3; }
line=$(printf '%s\n' "$out" | grep -v -e '^hint:' -e '^To ' -e '^remote: *$' | head -n 1)
case $out in
  *"non-fast-forward"*|*"fetch first"*) echo "other $there" ;;
  *"rotected branch"*|*"hook declined"*|*GH006*|*GH013*|*"ule violations"*) echo "rule $line" ;;
  *enied*|*"error: 403"*|*"error: 401"*|*"uthentication failed"*|*"could not read Username"*|*"Repository not found"*) echo "right $line" ;;
  *) echo "broken the push of $branch failed: $line" ;;
esac
exit 3
"#;

/// Pushes the dispatch's branch.
pub async fn push(hands: &Hands, dispatch: &Dispatch, branch: &str, subject: &Subject) -> Outcome {
    let Some(project) = hands.project() else {
        return unconfigured();
    };
    match touched(hands, &project, subject, dispatch.began()).await {
        Ok(found) if found.is_empty() => {}
        Ok(found) => return Outcome::Reserved { found },
        Err(outcome) => return outcome,
    }
    let name = format!("push-{}", subject.short());
    let args = vec![branch.to_owned(), subject.to_string(), seconds_max()];
    let ran = match run(hands, &project.path, &name, PUSH, args, PUSH_LIMIT).await {
        Ok(ran) if ran.succeeded() => return Outcome::Done,
        Ok(ran) => ran,
        Err(error) => return failed(&error),
    };
    let found = |key: &'static str| lines(&ran, key).next();
    let refused = |why, hint| Outcome::Refused {
        why,
        hint,
        until: now() + DIRTY_AGAIN,
    };
    let place = project.path.display();
    if let Some(there) = found("other ") {
        return refused(
            format!(
                "the remote's `{branch}` is at {} and has commits that this work has not: it was not overwritten",
                Subject::new(there).short()
            ),
            format!(
                "in {place}, look at origin/{branch}: bring its commits into the branch, or delete it on the remote"
            ),
        );
    }
    if found("slow ").is_some() {
        return refused(
            slow(branch),
            format!(
                "try `git push origin {branch}` in {place}: a `pre-push` hook that takes longer or waits for an answer, or a remote that does not answer"
            ),
        );
    }
    if let Some(line) = found("rule ") {
        return refused(
            format!("a rule of the remote refuses `{branch}`: {line}"),
            "allow pushes to `pointsman/*` in the repository's rules, or push the branch yourself"
                .to_owned(),
        );
    }
    if let Some(line) = found("right ") {
        return refused(
            format!("the remote refuses the push of `{branch}`: {line}"),
            format!("git in {place} needs write access: try `git push origin {branch}` there"),
        );
    }
    Outcome::Failed {
        why: said(&ran, "the push failed"),
        until: now() + DIRTY_AGAIN,
    }
}

/// What a script is told of [`PUSH_MINUTES_MAX`].
pub(super) fn seconds_max() -> String {
    (PUSH_MINUTES_MAX * 60).to_string()
}

/// Says that a push did not end in time.
pub(super) fn slow(branch: &str) -> String {
    format!("the push of `{branch}` took longer than {PUSH_MINUTES_MAX} minutes and was stopped")
}

/// Returns the changed files that are not an agent's to change. Where nobody can say what changed, nothing is pushed.
async fn touched(
    hands: &Hands,
    project: &Project,
    subject: &Subject,
    began: Option<&Subject>,
) -> Result<Vec<Reserved>, Outcome> {
    if project.reserved.is_empty() {
        return Ok(Vec::new());
    }
    let mirror = gates::mirror(hands, project).await?;
    let changed = commits::changed_files(&mirror, subject, began).await;
    match changed.map_err(|error| failed(&error))? {
        Some(changed) => Ok(reserved::touched(&project.reserved, &changed)),
        None => Err(Outcome::Refused {
            why: "no default branch is known, so nobody can say whether the work changes what only a person may: it was not pushed".to_owned(),
            hint: format!(
                "run `git remote set-head origin --auto` in {}",
                project.path.display()
            ),
            until: now() + DIRTY_AGAIN,
        }),
    }
}
