//! `pointsman agent check`: asks for the rehearsal, looks at what it left, clears it away, and says what came of it.

use std::fmt::Write as _;
use std::time::Duration;

use crate::daemon::Daemon;
use crate::daemon::desk::control::Reply;
use crate::daemon::desk::news::{LOOK, hear};
use crate::daemon::desk::trial::{FOLLOWED_MAX, open_errand};
use crate::daemon::hands::{Hands, failed, now, rules_of};
use crate::daemon::jobs::tree;
use crate::daemon::panes::session::READY_MAX;
use crate::domain::{Cause, Checked, Dispatch, DispatchId, Event, Outcome, ProjectName, Window};
use crate::machine::dispatch::check;
use crate::machine::text::one_line;

/// How long looking and clearing away may take.
const LIMIT: Duration = Duration::from_mins(1);
/// Rows above a dialog's question that are taken for its own.
const DIALOG_ROWS_MAX: usize = 8;
/// Characters of a dialog that are kept.
const DIALOG_CHARS_MAX: usize = 240;

/// Looks what of a rehearsal is there. `$1` branch or empty, `$2` file, `$3` what it holds, `$4` the agent's program.
const SURVEY: &str = r#"set -u
branch=$1 file=$2 word=$3 program=$4
[ -f "$file" ] && [ ! -L "$file" ] && grep -qF -- "$word" "$file" && echo "written yes"
if [ -n "$branch" ]; then git show "refs/heads/$branch:$file" 2>/dev/null | grep -qF -- "$word" && echo "committed yes"; fi
said=$(timeout 10 "$program" --version 2>/dev/null </dev/null | head -n 1)
[ -z "$said" ] || echo "version $said"
exit 0
"#;

/// Clears a rehearsal away: the file, the branch, and the tree stands where it stood before. `$1` branch or empty, `$2` file.
/// Where it stood is what the first switch to the branch came from, whatever was switched to since.
const CLEAR: &str = r#"set -u
branch=$1 file=$2
if [ -n "$branch" ]; then
  git reset -q -- "$file" >/dev/null 2>&1
  git ls-files --error-unmatch -- "$file" >/dev/null 2>&1 && git checkout -q -- "$file" >/dev/null 2>&1
fi
if [ -z "$branch" ] || ! git ls-files --error-unmatch -- "$file" >/dev/null 2>&1; then rm -f -- "$file"; fi
if [ -n "$branch" ] && git show-ref -q --verify "refs/heads/$branch"; then
  if [ "$(git symbolic-ref -q --short HEAD)" = "$branch" ]; then
    from=$(git reflog --format=%gs HEAD 2>/dev/null | sed -n "s#^checkout: moving from \(.*\) to $branch\$#\1#p" | tail -n 1)
    git checkout -q "${from:--}" || { echo "broken the tree cannot be put back from $branch"; exit 3; }
  fi
  git branch -q -D "$branch" || { echo "broken $branch cannot be removed"; exit 3; }
fi
[ ! -e "$file" ] || { echo "broken $file cannot be removed"; exit 3; }
exit 0
"#;

/// Looks at the tree and at the window.
pub async fn survey(hands: &Hands, dispatch: &Dispatch) -> Outcome {
    let Some(project) = hands.project() else {
        return crate::daemon::hands::unconfigured();
    };
    let id = dispatch.id();
    let profile = hands.samplers.get(&dispatch.opening.profile);
    let program = profile.and_then(|sampler| sampler.profile().start.first().cloned());
    let binary = hands.places.binary_text();
    let args = vec![
        dispatch.opening.branch.clone().unwrap_or_default(),
        check::file(id),
        check::word(&dispatch.opening),
        program.unwrap_or_default().replace("{pointsman}", &binary),
    ];
    let name = format!("check-{id}");
    match tree::run(hands, &project.path, &name, SURVEY, args, LIMIT).await {
        Ok(ran) => Outcome::Surveyed {
            written: tree::lines(&ran, "written ").next().is_some(),
            committed: tree::lines(&ran, "committed ").next().is_some(),
            dialog: dialog(hands, dispatch),
            version: tree::lines(&ran, "version ").find_map(version),
        },
        Err(error) => failed(&error),
    }
}

/// Finds the word that looks like a version.
fn version(said: &str) -> Option<String> {
    let is_version = |word: &&str| {
        let word = word.trim_start_matches('v');
        word.contains('.') && word.starts_with(|letter: char| letter.is_ascii_digit())
    };
    said.split_whitespace().find(is_version).map(str::to_owned)
}

/// What the window asks a person, in the screen's own words: its question and the rows around it, without the report's secret.
fn dialog(hands: &Hands, dispatch: &Dispatch) -> Option<String> {
    let sampled = hands.sampled(dispatch.opening.window)?;
    if !sampled.sample.state.attention.is_open()
        || Some(&sampled.sample.pane) != dispatch.pane.as_ref()
    {
        return None;
    }
    let frame = |letter: char| letter.is_whitespace() || "│┃║╭╮╰╯─━═".contains(letter);
    let rows: Vec<&str> = sampled
        .seen
        .capture
        .rows
        .iter()
        .map(|row| row.text.as_str())
        .collect();
    let is_rule = |row: &str| !row.trim().is_empty() && row.trim_matches(frame).is_empty();
    let last = rows.iter().rposition(|row| row.contains('?'));
    let last = last.or_else(|| rows.iter().rposition(|row| !row.trim().is_empty()))?;
    // Upwards to the dialog's edge: a line of its frame, or the gap above its first words.
    let mut block: Vec<&str> = vec![rows[last].trim_matches(frame)];
    for row in rows[..last].iter().rev().take(DIALOG_ROWS_MAX) {
        let words = row.trim_matches(frame);
        if is_rule(row) || (words.is_empty() && block.len() > 1) {
            break;
        }
        if !words.is_empty() {
            block.push(words);
        }
    }
    block.reverse();
    let said = block.join(" | ");
    let said = said.replace(&hands.key.secret(dispatch.id()), "[secret]");
    Some(one_line(&said, DIALOG_CHARS_MAX))
}

/// Clears away what a rehearsal left; of any other dispatch there is nothing.
pub async fn clear_away(hands: &Hands, dispatch: &Dispatch) -> Result<(), Outcome> {
    let Some(project) = hands.project().filter(|_| check::is_rehearsal(dispatch)) else {
        return Ok(());
    };
    let id = dispatch.id();
    let args = vec![
        dispatch.opening.branch.clone().unwrap_or_default(),
        check::file(id),
    ];
    let name = format!("uncheck-{id}");
    match tree::run(hands, &project.path, &name, CLEAR, args, LIMIT).await {
        Ok(ran) if ran.succeeded() => Ok(()),
        Ok(ran) => Err(Outcome::Failed {
            why: tree::said(&ran, "the rehearsal cannot be cleared away"),
            until: now() + crate::daemon::hands::RETRY_AFTER,
        }),
        Err(error) => Err(failed(&error)),
    }
}

/// Runs one rehearsal and follows it to its end.
pub async fn run(daemon: &Daemon, project: &ProjectName, by: &str) -> Reply {
    let opened = open_errand(daemon, project, READY_MAX, |rules, state, seen, fresh| {
        check::opening(rules, state, seen, by, fresh)
    });
    let (id, version) = match opened.await {
        Ok(opened) => opened,
        Err(reply) => return reply,
    };
    match follow(daemon, project, &id, version).await {
        End::Rehearsed(checked) => {
            let rules = rules_of(&daemon.config(), project);
            let profile = rules.and_then(|rules| rules.profiles.get(&checked.profile).cloned());
            let mut table = check::table(&checked, profile.as_ref());
            if checked.stopped_at().is_none() {
                wait_until_cleared(daemon, project, &id).await;
                return Reply::done(table);
            }
            let asks = daemon.hands(project).is_some_and(|hands| {
                hands
                    .sampled(Window::AGENT)
                    .is_some_and(|sampled| sampled.sample.state.attention.is_open())
            });
            let _ = write!(
                table,
                "\nOnce that is mended: `pointsman restart {project}`, and `pointsman agent check {project}` again."
            );
            if !asks {
                wait_until_cleared(daemon, project, &id).await;
                return Reply::refused(table);
            }
            Reply::refused(format!(
                "{table}\nThe dialog is still open: `pointsman attach {project}`, and answer it. The file and the branch go once the agent is idle, at the latest when Pointsman runs again."
            ))
        }
        End::Otherwise(why) => Reply::refused(format!("nothing was rehearsed: {why}")),
    }
}

/// How a rehearsal ended for whoever waits for it.
enum End {
    Rehearsed(Checked),
    Otherwise(String),
}

async fn follow(daemon: &Daemon, project: &ProjectName, id: &DispatchId, after: u64) -> End {
    let heard = hear(daemon, project, after, FOLLOWED_MAX, |event| match event {
        Event::AgentChecked { dispatch, checked } if dispatch == *id => {
            Some(End::Rehearsed(*checked))
        }
        Event::DispatchClosed { dispatch, cause } if dispatch == *id => {
            Some(End::Otherwise(match cause {
                Cause::Failed { why }
                | Cause::Lost { why }
                | Cause::Withdrawn { why, .. }
                | Cause::Parked { why } => why,
                Cause::TimedOut => "it took too long".to_owned(),
                Cause::Verified { .. } | Cause::Rework { .. } => "it ended".to_owned(),
            }))
        }
        _ => None,
    });
    let unheard =
        |_| End::Otherwise("it is still at work, and nobody waits here any more".to_owned());
    heard.await.unwrap_or_else(unheard)
}

/// Waits until file, branch and brief are gone: the person's tree is theirs again when the verb ends.
async fn wait_until_cleared(daemon: &Daemon, project: &ProjectName, id: &DispatchId) {
    let deadline = tokio::time::Instant::now() + LIMIT;
    while tokio::time::Instant::now() < deadline {
        let shown = daemon.show(project).await;
        if !shown.is_some_and(|shown| shown.state.dispatches.contains_key(id)) {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}
