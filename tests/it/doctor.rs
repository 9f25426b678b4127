//! `pointsman doctor`: the real binary's own words about a machine as it is, one page each in `doctor/`.

use std::os::unix::fs::{PermissionsExt as _, symlink};

use assert_cmd::Command;

use crate::bad_input::answer;
use crate::support::github::FakeGitHub;
use crate::support::home::Home;

/// Compares with the page of that name.
fn page(name: &str, home: &Home, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("doctor");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let varies = [
        (
            regex::escape(&home.folder().to_string_lossy()),
            "HOME".to_owned(),
        ),
        (r"has \d+ MB free".to_owned(), "has SPACE free".to_owned()),
        (r"\(uid \d+\)".to_owned(), "(uid UID)".to_owned()),
        (r"tmux-\d+/".to_owned(), "tmux-UID/".to_owned()),
        (
            r"machine is \d+ s (behind|ahead of)".to_owned(),
            "machine is SECONDS off".to_owned(),
        ),
        (
            regex::escape(env!("CARGO_BIN_EXE_pointsman")),
            "BINARY".to_owned(),
        ),
    ];
    let mut text = text.to_owned();
    for (pattern, word) in varies {
        let pattern = regex::Regex::new(&pattern).unwrap();
        text = pattern.replace_all(&text, word).into_owned();
    }
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Programs of these versions, the only ones on PATH.
fn programs(home: &Home, versions: &[(&str, &str)]) {
    std::fs::create_dir_all(home.path("bin")).unwrap();
    for (name, says) in versions {
        let path = home.path("bin").join(name);
        // Only what is asked for a version answers: a server is asked by other words, and there is none.
        let script = format!(
            "#!/bin/sh\ncase \"$1\" in -V|--version) echo '{says}' ;; *) echo 'no server running' >&2; exit 1 ;; esac\n"
        );
        std::fs::write(&path, script).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
}

fn doctor(home: &Home, words: &[&str]) -> Command {
    let mut command = home.command(&[&["doctor"], words].concat());
    command
        .env("PATH", home.path("bin"))
        .env("TMUX_TMPDIR", home.folder());
    command
}

fn told(home: &Home) -> String {
    home.told(&["doctor"], &mut doctor(home, &[]))
}

fn project(home: &Home, more: &str) {
    let path = home.path(".config/pointsman/projects/site.toml");
    let text = std::fs::read_to_string(&path).unwrap() + more;
    std::fs::write(path, text).unwrap();
}

/// Every path below a folder, without what `SQLite` puts beside a ledger that is read.
fn tree(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![];
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path.clone());
            }
            let name = path.to_string_lossy();
            if !name.ends_with("-shm") && !name.ends_with("-wal") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn a_healthy_machine_has_nothing_wrong_and_is_left_as_it_was() {
    let home = Home::with_project();
    programs(&home, &[("tmux", "tmux 3.5a")]);
    home.write("site/AGENTS.md", "# Rules\n");
    let before = tree(&home.folder());
    page("healthy", &home, &told(&home));
    assert_eq!(tree(&home.folder()), before, "it only looks");
    home.says(&["pause", "site"]);
    let before = tree(&home.folder());
    let text = told(&home);
    assert!(
        text.contains("2 events of 1 project: all whole"),
        "the ledger is read: {text}"
    );
    assert_eq!(tree(&home.folder()), before, "also with a ledger");
}

#[test]
fn what_a_machine_lacks_is_said_with_what_to_do() {
    let home = Home::with_project();
    project(&home, "stages = { draft-review = \"codex\" }\n");
    symlink(home.path("elsewhere"), home.path("site/.pointsman")).unwrap();
    std::fs::create_dir_all(home.path("bin")).unwrap();
    home.write(".config/pointsman/skills/draft.md", "Write it.\n");
    page("lacking", &home, &told(&home));
}

#[test]
fn an_old_tmux_and_an_agent_of_an_unknown_version_are_told_apart() {
    let home = Home::with_project();
    project(&home, "stages = { draft-review = \"codex\" }\n");
    programs(
        &home,
        &[("tmux", "tmux 3.2a"), ("codex", "codex-cli 0.200.1")],
    );
    let text = told(&home);
    assert!(
        text.contains("wrong  tmux           version 3.2a is too old\n")
            && text.contains(
                "note   agent          codex: `codex` 0.200.1, not in `>=0.169.0, <0.170`\n"
            ),
        "{text}"
    );
    programs(
        &home,
        &[("tmux", "tmux 3.3"), ("codex", "codex-cli 0.169.4")],
    );
    let text = told(&home);
    assert!(
        text.contains("ok     tmux           version 3.3\n")
            && text.contains("ok     agent          codex: `codex` 0.169.4\n"),
        "{text}"
    );
}

#[test]
fn a_file_with_mistakes_does_not_hide_the_other_findings() {
    let home = Home::with_project();
    programs(&home, &[("tmux", "tmux 3.5a")]);
    home.write(
        ".config/pointsman/pointsman.toml",
        "cylce = \"10m\"\nsweep = \"soon\"\n",
    );
    home.write(".config/pointsman/projects/blog.toml", "repo = me/blog\n");
    page("mistakes", &home, &told(&home));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_says_rights_labels_allowance_clock_and_who_is_who() {
    let fake = FakeGitHub::start().await;
    fake.model().add_repo("me/blog");
    fake.model().grant("me/blog", "reader", "read");
    let owner = fake.model().token_for("me");
    let reader = fake.model().token_for("reader");
    let home = Home::empty();
    programs(&home, &[("tmux", "tmux 3.5a")]);
    home.write(
        "blog/.github/ISSUE_TEMPLATE/bug.yml",
        "name: Bug\nlabels: [\"bug\", \"ready-for-draft\"]\n",
    );
    home.write(
        "blog/.github/ISSUE_TEMPLATE/idea.md",
        "---\nname: Idea\nlabels: idea, Ready-For-Research\n---\n\nSay it.\n",
    );
    home.write("blog/.github/ISSUE_TEMPLATE/plain.md", "Say it.\n");
    home.write(
        ".config/pointsman/projects/blog.toml",
        "repo = \"me/blog\"\npath = \"~/blog\"\nadded = \"2020-01-01T00:00:00Z\"\nagent = \"demo\"\nbuild = \"none\"\nworkflow = \"content.toml\"\n",
    );
    home.write(
        ".config/pointsman/pointsman.toml",
        &format!("[github]\nbase_url = {:?}\nreserve = 0\n", fake.url),
    );
    let with = |token: &str| {
        let mut command = doctor(&home, &["--project", "blog"]);
        command.env("GITHUB_TOKEN", token);
        home.told(&["doctor"], &mut command)
    };
    page("github", &home, &with(&owner));
    let text = with(&reader);
    assert!(
        text.contains("wrong  rights         `reader` is read here\n"),
        "{text}"
    );
    let text = with("ghp_unknown");
    assert!(
        text.contains("wrong  tracker        the tracker does not accept the token: ")
            && text.contains("hint: set GITHUB_TOKEN or GH_TOKEN"),
        "{text}"
    );
    let writes: Vec<String> = fake
        .take_log()
        .iter()
        .filter(|line| line.method != "GET")
        .map(|line| format!("{} {}", line.method, line.target))
        .collect();
    assert!(writes.is_empty(), "it only looks: {writes:?}");
}

#[test]
fn a_daemon_of_another_version_is_wrong() {
    let home = Home::with_project();
    programs(&home, &[("tmux", "tmux 3.5a")]);
    let socket = home.path("run/pointsman/control.sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let daemon = std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        answer(&stream, "0.0.9");
        answer(&stream, "0.0.9");
    });
    let text = told(&home);
    daemon.join().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!("wrong  daemon         runs version 0.0.9, this program is {version}\n");
    assert!(
        text.contains(&expected) && text.contains("hint: systemctl --user restart pointsman\n"),
        "{text}"
    );
}

#[test]
fn as_json_every_finding_has_its_project_and_its_mark() {
    let home = Home::with_project();
    programs(&home, &[("tmux", "tmux 3.5a")]);
    let output = doctor(&home, &["--json"]).output().unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let find = |about: &str| {
        let rows = rows.as_array().unwrap();
        let found = rows.iter().find(|row| row["about"] == about);
        found.unwrap_or_else(|| panic!("nothing about {about}"))
    };
    assert_eq!(
        *find("instructions"),
        serde_json::json!({
            "project": "site",
            "about": "instructions",
            "mark": "note",
            "says": "no CLAUDE.md or AGENTS.md",
            "hint": "write down there what holds for every task in this project: briefs do not repeat it",
        })
    );
    assert_eq!(find("tmux")["project"], "-");
    assert!(output.status.success());
}
