//! `pointsman remove` and `uninstall`: what was written is taken back, what a person made and what is not merged stays.

use std::path::Path;
use std::time::{Duration, Instant};

use pointsman::domain::{Event, IssueNumber};
use pointsman::ledger::{NewRecord, Sqlite, Store as _};
use regex::Regex;

use crate::support::home::Home;
use crate::support::patience::PATIENCE;
use crate::support::world::World;

fn run(world: &World, words: &[&str]) -> (i32, String, String) {
    let output = world.command(words).output().expect("it runs");
    let home = world.home().display().to_string();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&home, "HOME");
    (
        output.status.code().unwrap_or(-1),
        text(&output.stdout),
        text(&output.stderr),
    )
}

/// Everything below a folder that is no folder, but for git's own.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(here) = folders.pop() {
        for entry in std::fs::read_dir(here).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(
                    path.strip_prefix(folder)
                        .expect("below")
                        .display()
                        .to_string(),
                );
            }
        }
    }
    found.sort();
    found
}

/// A project whose issue went the whole way, with a branch that did not, and a person's own things between ours.
async fn a_finished_walk(world: &mut World) {
    world.project("blog");
    world
        .issue("blog", "Greet the world", "Say it.", "ready-for-dev")
        .await;
    world.spawn();
    world.until_yours("blog", IssueNumber(1)).await;
    // The ledger has the gates' end a moment before the engine has it.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (code, said, err) = run(world, &["approve", "1"]);
        if code == 0 {
            break;
        }
        assert!(Instant::now() < deadline, "{said}{err}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    world.until_done("blog", IssueNumber(1)).await;
    world.until_tidy("blog").await;
    let tip = world.git("blog", &["rev-parse", "main"]);
    let tree = world.git("blog", &["rev-parse", "main^{tree}"]);
    let commit = world.git(
        "blog",
        &["commit-tree", &tree, "-p", &tip, "-m", "not merged"],
    );
    world.git("blog", &["branch", "pointsman/99-not-merged", &commit]);
    world.git("blog", &["branch", "pointsman/mine", &tip]);
    let skills = world.home().join("blog/.pointsman/skills");
    std::fs::create_dir_all(&skills).expect("a folder");
    std::fs::write(skills.join("scout.md"), "# mine\n").expect("it is written");
}

/// A list without the ledger's length: the daemon that runs on may write into it between two lists.
fn without_counts(list: &str) -> String {
    let events = Regex::new(r"[0-9]+ events? of ").expect("a pattern");
    events.replace_all(list, "events of ").into_owned()
}

/// Rehearses, and returns the list: it is whole, and nothing was done.
fn rehearsed(world: &World) -> String {
    let before = files(world.home());
    let (code, listed, err) = run(world, &["remove", "blog", "--dry-run"]);
    assert_eq!((code, err.as_str()), (0, "nothing was changed\n"));
    let gone: Vec<String> = before
        .iter()
        .filter(|path| !path.ends_with("daemon.log"))
        .cloned()
        .collect();
    let after = files(world.home());
    assert!(
        gone.iter().all(|path| after.contains(path)
            || path.contains("sqlite")
            || path.contains("heartbeat")),
        "a rehearsal removes nothing"
    );
    for line in [
        "end    the agent of blog",
        "remove HOME/.config/pointsman/projects/blog.toml",
        "remove the worktree HOME/.local/state/pointsman/trees/blog/gate",
        "remove the branch pointsman/1-greet-the-world in HOME/blog",
        "keep   the branch pointsman/99-not-merged in HOME/blog   not merged; `git branch -D pointsman/99-not-merged` drops it",
        "remove HOME/blog/.pointsman/briefs",
        "remove HOME/blog/.pointsman/spool",
        "keep   HOME/blog/.pointsman/skills   the project's own skills: yours",
        "remove HOME/.local/state/pointsman/mirrors/blog.git",
        "keep   HOME/.local/state/pointsman/tracker/blog   the issues, which live on this machine: yours",
    ] {
        assert!(
            listed.lines().any(|listed| listed == line),
            "no `{line}`:\n{listed}"
        );
    }
    assert!(
        !listed.contains("pointsman/mine"),
        "a person's branch is no concern of ours:\n{listed}"
    );

    std::fs::write(world.home().join("blog/README.md"), "# changed\n").expect("it is written");
    let (_, with_changes, _) = run(world, &["remove", "blog", "--dry-run"]);
    assert!(
        with_changes.contains("keep   HOME/blog stands on pointsman/1-greet-the-world   changes lie in it that are not committed\n")
            && !with_changes.contains("remove the branch pointsman/1-"),
        "a tree with changes keeps its branch:\n{with_changes}"
    );
    world.git("blog", &["checkout", "-q", "--", "README.md"]);

    // A merge on the remote is known once it was fetched.
    let remote = "refs/remotes/origin/main";
    let fetched = world.git("blog", &["rev-parse", remote]);
    world.git("blog", &["commit", "-q", "--allow-empty", "-m", "more"]);
    let (_, ahead, _) = run(world, &["remove", "blog", "--dry-run"]);
    assert!(
        ahead.contains("   not merged into main as git knows it here; after a merge on the remote: `git -C HOME/blog fetch`\n"),
        "{ahead}"
    );
    world.git("blog", &["update-ref", remote, "HEAD"]);
    let (_, merged, _) = run(world, &["remove", "blog", "--dry-run"]);
    assert!(merged.contains("switch HOME/blog to main\n"), "{merged}");
    world.git("blog", &["update-ref", remote, &fetched]);
    world.git("blog", &["reset", "-q", "--hard", "HEAD~1"]);
    listed
}

#[tokio::test]
async fn a_project_leaves_with_what_was_written_for_it_and_nothing_else() {
    let mut world = World::new();
    a_finished_walk(&mut world).await;
    let trees = world.git("blog", &["worktree", "list"]).lines().count();
    assert!(trees > 1, "a worktree of ours is there to be removed");
    let branches = world.git("blog", &["branch", "--format=%(refname:short)"]);
    assert!(branches.contains("pointsman/1-"), "{branches}");
    let listed = rehearsed(&world);

    let asked = run(&world, &["remove", "blog"]);
    assert_eq!(
        (asked.0, asked.2.as_str()),
        (
            1,
            "Error: nobody can be asked: there is no terminal\nHint: pass --yes\n"
        )
    );
    let (code, said, err) = run(&world, &["remove", "blog", "--yes"]);
    assert_eq!((code, err.as_str()), (0, ""), "{said}");
    assert_eq!(
        without_counts(&said),
        without_counts(&listed),
        "what was done is what was listed"
    );

    // The daemon runs on: it brings nothing back.
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert_eq!(world.git("blog", &["worktree", "list"]).lines().count(), 1);
    let branches = world.git("blog", &["branch", "--format=%(refname:short)"]);
    assert_eq!(branches, "main\npointsman/99-not-merged\npointsman/mine");
    assert_eq!(
        world.git("blog", &["rev-parse", "--abbrev-ref", "HEAD"]),
        "main"
    );
    let blog = world.home().join("blog/.pointsman");
    assert_eq!(files(&blog), ["skills/scout.md"]);
    let state = &world.places.state;
    for folder in ["trees/blog", "mirrors/blog.git", "logs/blog"] {
        assert!(!state.join(folder).exists(), "{folder}");
    }
    assert!(state.join("tracker/blog").is_dir());
    assert!(
        !world
            .windows()
            .iter()
            .any(|window| window.starts_with("blog:")),
        "{:?}",
        world.windows()
    );
    world.end().await;
}

#[tokio::test]
async fn an_open_dispatch_keeps_its_project_and_the_installation() {
    let mut world = World::new();
    world.project("blog").agents_wait();
    world
        .issue("blog", "Greet the world", "Say it.", "ready-for-dev")
        .await;
    world.spawn();
    world
        .until_event("a dispatch is open", "blog", |event| {
            matches!(event, Event::DispatchOpened { .. })
        })
        .await;
    for words in [&["remove", "blog", "--yes"][..], &["uninstall", "--yes"]] {
        let (code, out, err) = run(&world, words);
        assert_eq!((code, out.as_str()), (1, ""));
        assert!(
            err.starts_with("Error: dispatch ")
                && err.contains(
                    " of #1 is open in blog\nHint: let it end, or take the routing label off #1"
                ),
            "{err}"
        );
    }
    assert!(world.places.config.join("projects/blog.toml").exists());
    world.kill();
    world.end().await;
}

#[tokio::test]
async fn an_installation_leaves_nothing_but_what_it_names() {
    let mut world = World::new();
    a_finished_walk(&mut world).await;
    let refused = run(&world, &["uninstall", "--yes"]);
    assert_eq!(refused.0, 1);
    assert_eq!(
        run(&world, &["uninstall", "--dry-run"]).0,
        0,
        "the list is there at any time"
    );
    assert!(
        refused.2.starts_with("Error: a daemon runs (process "),
        "{}",
        refused.2
    );
    assert!(world.terminate().await);
    let (code, listed, _) = run(&world, &["uninstall", "--dry-run"]);
    assert_eq!(code, 0);
    let (code, said, err) = run(&world, &["uninstall", "--yes"]);
    assert_eq!((code, err.as_str()), (0, ""), "{said}");
    assert_eq!(said, listed);
    assert!(
        !said.contains(" in the ledger   what happened stays told"),
        "the ledger goes, too:\n{said}"
    );
    let left: Vec<String> = files(world.home())
        .into_iter()
        .filter(|path| !path.starts_with("blog.git/") && !path.starts_with("blog/.git/"))
        .filter(|path| path.contains("pointsman") && !path.starts_with(".pointsman-demo"))
        .collect();
    for path in &left {
        let kept = said
            .lines()
            .filter(|line| line.starts_with("keep "))
            .any(|line| {
                let what = line[7..].split("   ").next().unwrap_or_default();
                what.strip_prefix("HOME/")
                    .is_some_and(|what| Path::new(path).starts_with(what))
            });
        assert!(kept, "`{path}` is left, and nothing says so:\n{said}");
    }
    assert_eq!(
        world.tmux(&["list-sessions"]),
        "",
        "no server of ours is left"
    );
    world.end().await;
}

/// What a ledger by a newer program does to an older one: both ways in which it can be newer.
#[test]
fn an_older_program_on_a_newer_ledger_ends_with_78_and_names_the_way_back() {
    let home = Home::with_project();
    home.says(&["pause", "site"]);
    let ledger = home.path(".local/state/pointsman/ledger.sqlite");
    let file = rusqlite::Connection::open(&ledger).unwrap();
    file.execute("UPDATE meta SET schema = 2", []).unwrap();
    drop(file);
    let said = home.run(&["run"]);
    assert_eq!(
        (said.code, said.err.as_str()),
        (
            78,
            "Error: the ledger `HOME/.local/state/pointsman/ledger.sqlite` has schema 2; this binary knows up to 1\n\
             Hint: use the newer binary; no back-up of the older schema lies beside it\n"
        )
    );
    std::fs::write(ledger.with_extension("sqlite.schema-1"), "a copy").unwrap();
    for verb in [&["run"][..], &["status"], &["pause", "site"]] {
        let said = home.run(verb);
        assert_eq!(said.code, 78, "{verb:?}: {}", said.err);
        let ledger = "HOME/.local/state/pointsman/ledger.sqlite";
        let hint = format!(
            "Hint: use the newer binary, or go back to the ledger as it was before schema 2: `rm -f {ledger}-wal {ledger}-shm; mv {ledger}.schema-1 {ledger}`\n"
        );
        assert!(said.err.ends_with(&hint), "{verb:?}: {}", said.err);
    }
}

#[test]
fn an_event_of_a_newer_program_ends_with_78() {
    let home = Home::with_project();
    home.says(&["pause", "site"]);
    let ledger = home.path(".local/state/pointsman/ledger.sqlite");
    let mut store = Sqlite::open(&ledger).unwrap();
    let version = store.version("site").unwrap();
    let news = NewRecord {
        at: jiff::Timestamp::from_second(1_763_640_000).unwrap(),
        kind: "from-the-future".to_owned(),
        v: 9,
        issue: None,
        dispatch: None,
        body: r#"{"kind":"from-the-future"}"#.to_owned(),
    };
    store
        .append("site", version, vec![news], Vec::new())
        .unwrap();
    drop(store);
    let said = home.run(&["run"]);
    assert_eq!(said.code, 78, "{}", said.err);
    assert!(
        said.err.contains("(`from-the-future` version 9) cannot be understood")
            && said.err.contains("\nHint: a newer pointsman wrote it: run that one, or restore the back-up made before\n"),
        "{}",
        said.err
    );
}
