//! The README's first hour, literally: a repository on the fake GitHub, Claude Code as a person has set it up, and the real binary,
//! one command after the other, from `init` to a merged pull request and `uninstall`.

mod person;

use std::time::{Duration, Instant};

use super::demo::left_of;
use person::{ISSUE, Person, REPO};

/// What one stage may take: a start of a real program, its turn, two cycles, gates, on two cores that others use as well.
const STAGE_MAX: Duration = Duration::from_mins(6);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs the agent and the mock model: tests/agentlab/run.sh"]
async fn the_first_hour_ends_with_a_merged_pull_request() {
    let mut me = Person::with_a_repository().await;
    let began = Instant::now();
    adds_the_project(&mut me).await;
    checks_and_rehearses(&mut me).await;
    starts(&mut me).await;
    let pull = watches(&mut me).await;
    merges(&mut me, pull).await;
    leaves(&mut me).await;
    eprintln!(
        "first hour: {} commands, {} seconds",
        me.commands,
        began.elapsed().as_secs()
    );
}

async fn adds_the_project(me: &mut Person) {
    let said = me.runs(&["init", "~/src/blog"]).await;
    for line in [
        "project  blog   ",
        "repo     me/blog   from `git remote`; me may write, so labels of `me` count",
        "agent    claude-code   2.1.328",
        "build    npm test   from package.json; change it or say \"none\"",
        "\"review\" exists on 4 issues: left alone, not started",
        "phone    personal token: you, Pointsman and its agents are all `me`",
        "blog: would start nothing",
        "#6  held: before-start",
        "#9  held: before-start",
        "pointsman labels sync",
        "pointsman up blog",
        "pointsman agent check blog",
        "pointsman run",
    ] {
        said.has(line);
    }
    let said = me.runs(&["labels", "sync"]).await;
    said.has("blog  create  ready-for-dev");
    said.has("blog  leave   review            -       has its own colour or text");
}

async fn checks_and_rehearses(me: &mut Person) {
    me.runs(&["up", "blog"])
        .await
        .has("the agent of blog was started");
    // Whoever rehearses before the dialog was answered is told about the dialog.
    let early = me.tries(&["agent", "check", "blog"]).await;
    early.has("`pointsman attach blog`, and answer it");
    me.accepts_the_folder(&["attach", "blog"]).await;
    me.runs(&["agent", "check", "blog"])
        .await
        .has("read ok   write ok   commit ok   report ok   ready");
}

async fn starts(me: &mut Person) {
    me.labels(ISSUE, "ready-for-prep");
    let said = me.runs(&["cycle", "--dry-run"]).await;
    said.has("#12  ");
    said.has("#9  held: before-start");
    me.starts_the_daemon().await;
}

/// Follows the issue through its stages; returns the number of its pull request.
async fn watches(me: &mut Person) -> u64 {
    for stage in ["ready-for-prep", "ready-for-dev", "QA", "review"] {
        me.until(&format!("an agent has it in {stage}"), STAGE_MAX, |me| {
            me.delivered(stage)
        })
        .await;
        let said = me.looks(&["status"]).await;
        said.has("1 in hand, 5 waiting, 0 for you");
        said.has(&format!("> #12  {stage}"));
        let said = me.looks(&["explain", "12"]).await;
        said.has("in hand: dispatch ");
        said.has(&format!("#12 \"Add a FAQ\", {stage}\n"));
        me.looks(&["inbox"]).await.has("nothing waits for you\n");
        if stage == "QA" {
            let (_, draft) = me.pull().expect("dev ends with a pull request");
            assert!(draft, "nobody has looked at it yet");
        }
    }
    me.until("it is the person's", STAGE_MAX, |me| {
        me.pull().is_some_and(|(_, draft)| !draft)
    })
    .await;
    let (pull, _) = me.pull().expect("it was just there");
    let merge = format!("merge https://github.test/me/blog/pull/{pull}, or pointsman approve 12");
    me.looks_until(&["inbox"], &[&merge]).await;
    let wanted = format!("merge pull request #{pull}");
    me.looks_until(&["explain", "12"], &["held: yours. ", &wanted])
        .await;
    pull
}

async fn merges(me: &mut Person, pull: u64) {
    me.merges(pull);
    me.until("the issue is done", STAGE_MAX, |me| {
        let mut model = me.fake.model();
        let issue = model.issue(REPO, ISSUE);
        !issue.open && issue.labels.is_empty()
    })
    .await;
    me.until_tidy().await;
    me.assert_walked();
    let closed = "closed: nothing is started for it\n";
    let merged = "#12: its pull request was merged by me\n";
    me.looks_until(&["explain", "12"], &[closed, merged]).await;
    me.looks_until(&["inbox"], &["nothing waits for you\n"])
        .await;
    let counted = "0 in hand, 5 waiting, 0 for you\n";
    me.looks_until(&["status"], &[counted]).await;
    let untouched = me.fake.model().issue(REPO, 9).labels.clone();
    assert_eq!(untouched, ["ready-for-prep"], "an old label starts nothing");
}

async fn leaves(me: &mut Person) {
    let said = me.runs(&["uninstall", "--dry-run"]).await;
    for line in [
        "end    the agent of blog\n",
        "/.config/pointsman/projects/blog.toml\n",
        "/src/blog/.pointsman/briefs\n",
        "(ledger, key, mirrors, worktrees, logs)\n",
        "keep   the branch pointsman/12-add-a-faq on the remote",
        // The clone does not know of the merge yet, and the list says how it gets to.
        "after a merge on the remote: `git -C ",
        "nothing was changed\n",
    ] {
        said.has(line);
    }
    me.types_git(&["fetch", "-q"]);
    let said = me.runs(&["uninstall", "--dry-run"]).await;
    said.has("remove the branch pointsman/12-add-a-faq in ");
    me.ends_the_daemon().await;
    me.runs(&["uninstall", "--yes"]).await;
    let deadline = Instant::now() + Duration::from_mins(1);
    while !left_of(&me.home).is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(left_of(&me.home), Vec::<String>::new());
    assert_eq!(me.git(&["status", "--porcelain", "--ignored"]), "");
    assert_eq!(me.git(&["branch", "--format=%(refname:short)"]), "main");
}
