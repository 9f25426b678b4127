//! `pointsman init`: a project is one file, written from what lies in the folder.

use std::process::Output;

use crate::support::world::World;

fn text(output: &Output) -> String {
    let [out, talk] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{talk}")
}

impl World {
    fn verb(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("it runs")
    }

    fn project_file(&self, name: &str) -> std::path::PathBuf {
        self.places.config.join(format!("projects/{name}.toml"))
    }
}

// The fake GitHub answers on another thread while the binary is waited for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repository_is_added_as_it_is_and_old_labels_do_not_start() {
    let world = World::on_github().await;
    world.github_project("shop");
    std::fs::remove_file(world.project_file("shop")).expect("it was there");
    let port_free = "http://127.0.0.1/me/shop.git";
    world.git("shop", &["remote", "set-url", "origin", port_free]);
    let tree = world.home().join("shop");
    std::fs::write(tree.join("Makefile"), "test:\n\tsh tests/run.sh\n").expect("it is written");
    // More than a cycle reads at once, and one for an agent that is not up: none of them is said to start.
    for label in ["review", "review", "review", "review", "ready-for-prep"] {
        world.issue("shop", "Old", "Labelled before.", label).await;
    }

    // Half a minute later by everybody's clock, as far as the file can tell.
    let added = world.verb(&["init", "shop/tests", "--agent", "demo"]);
    let said = text(&added);
    assert!(added.status.success(), "{said}");
    for line in [
        "repo     me/shop   from `git remote`; me may write, so labels of `me` count",
        "build    make test   from Makefile; change it or say \"none\"",
        "\"review\" exists on 4 issues: left alone, not started",
        "phone    personal token: you, Pointsman and its agents are all `me`",
        "shop: would start nothing\n",
        "#1  held: before-start",
        "#4  held: before-start",
        "#5  held: before-start",
        "pointsman labels sync",
        "pointsman agent check shop",
    ] {
        assert!(said.contains(line), "`{line}` is missing:\n{said}");
    }
    assert!(
        world
            .git("shop", &["status", "--porcelain"])
            .contains("Makefile"),
        "and nothing else is new in the repository"
    );
    assert_eq!(
        world
            .git("shop", &["status", "--porcelain"])
            .lines()
            .count(),
        1
    );

    // Once is enough.
    let before = std::fs::read_to_string(world.project_file("shop")).expect("it was written");
    let again = world.verb(&["init", "shop"]);
    assert_eq!(again.status.code(), Some(1));
    insta::assert_snapshot!(text(&again).replace(&world.home().display().to_string(), "~"), @r"
    Error: `~/shop` is a project already: `shop`
    Hint: edit shop.toml, or delete it and call this again
    ");
    let after = std::fs::read_to_string(world.project_file("shop")).expect("it is there");
    assert_eq!(after, before);
    world.end().await;
}

#[tokio::test]
async fn what_cannot_be_added_is_said_and_stops_nothing_else() {
    let world = World::new();
    for name in ["one", "two"] {
        world.project(name);
        std::fs::remove_file(world.project_file(name)).expect("it was there");
    }
    std::fs::create_dir_all(world.home().join("one/inner")).expect("a folder");
    let said = |args: &[&str]| {
        let output = world.verb(args);
        let text = text(&output).replace(&world.home().display().to_string(), "~");
        (output.status.code(), text)
    };
    let (code, text) = said(&["init", "nowhere", "one", "two.git", "--agent", "demo"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Error: cannot find `nowhere`"), "{text}");
    assert!(
        text.contains("Error: `~/two.git` is a bare repository: an agent has no files there"),
        "{text}"
    );
    assert!(
        text.contains("repo     local   no remote on GitHub: issues live on this machine"),
        "{text}"
    );
    assert!(world.project_file("one").exists(), "{text}");

    let (code, text) = said(&["init", "two", "--agent", "clod"]);
    assert_eq!(code, Some(78), "{text}");
    assert!(
        text.contains("`clod`") && text.contains("claude-code"),
        "{text}"
    );
    assert!(
        !world.project_file("two").exists(),
        "a file with a mistake is taken away again"
    );

    let (_, text) = said(&["init", "two", "--agent", "demo", "--dry-run"]);
    assert!(
        text.contains("tracker = \"local\"") && !world.project_file("two").exists(),
        "{text}"
    );

    // What git does not read is no folder without git, and neither is a folder on a machine without git.
    std::fs::create_dir_all(world.home().join("damaged/.git")).expect("a folder");
    std::fs::write(world.home().join("damaged/.git/HEAD"), "?").expect("it is written");
    let (_, text) = said(&["init", "damaged", "--agent", "demo"]);
    assert!(
        text.contains("Error: git does not read the repository `~/damaged`")
            && text.contains("Caused by: fatal: not a git repository"),
        "{text}"
    );
    let mut no_git = world.command(&["init", "two", "--agent", "demo"]);
    let no_git = no_git.env("PATH", "/nowhere").output().expect("it runs");
    assert!(
        self::text(&no_git).contains("Error: git is not on PATH"),
        "{}",
        self::text(&no_git)
    );
    for name in ["damaged", "two"] {
        assert!(!world.project_file(name).exists(), "{name}");
    }

    let mut bare = world.command(&["init", "two"]);
    let bare = bare.env("PATH", "/usr/bin:/bin").output().expect("it runs");
    insta::assert_snapshot!(self::text(&bare), @r"
    Error: none of these agents is on PATH: claude, codex, opencode, gemini, aider
    Hint: install one and log in, or name a profile of yours: `--agent <PROFILE>`
    ");
    world.end().await;
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn the_demo_ends_with_the_last_words_of_an_agent_that_does_not_stay_up() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let home = folder.path();
    let codex = home.join("bin/codex");
    std::fs::create_dir_all(home.join("bin")).expect("a folder");
    std::fs::create_dir_all(home.join("t")).expect("a folder");
    // tmux scrolls one row away when it writes that the pane is dead, and may miss what a program says that ends at once.
    std::fs::write(
        &codex,
        "#!/bin/sh\nfor row in 1 2 3 4 5 6 7; do echo '*** ***'; done\necho 'No account: log in first'\nsleep 1\nexit 1\n",
    )
    .expect("it is written");
    std::fs::set_permissions(&codex, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("it may run");
    let ended = std::process::Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .args(["demo", "--agent", "codex"])
        .env_clear()
        .env(
            "PATH",
            format!(
                "{}:/usr/local/bin:/usr/bin:/bin",
                home.join("bin").display()
            ),
        )
        .env("HOME", home)
        .env("TMPDIR", home.join("t"))
        .output()
        .expect("it runs");
    let said = text(&ended);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    for line in [
        "codex ended in ",
        "Caused by: its last words were: ",
        "No account: log in first",
        "Hint: start it once yourself",
    ] {
        assert!(said.contains(line), "`{line}` is missing:\n{said}");
    }
    assert!(!said.contains("[demo:"), "{said}");
    let left = std::fs::read_dir(home.join("t")).expect("it is there");
    assert_eq!(left.count(), 0, "nothing is left behind");
}
