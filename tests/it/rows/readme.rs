//! S43: what the README shows is run as written, with the real binary, in a home of its own.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use pointsman::domain::IssueNumber;
use regex::Regex;

use crate::support::patience::PATIENCE;
use crate::support::world::World;

/// Commands that are not run here as they stand, and why.
const ELSEWHERE: [(&str, &str); 11] = [
    (
        "pointsman run",
        "started where it stands, ended by SIGTERM at the end",
    ),
    ("pointsman attach blog", "needs a terminal"),
    (
        "pointsman uninstall",
        "would end this test: `leave` runs it in homes of its own",
    ),
    (
        "pointsman service install",
        "needs a systemd of its own: `tests/systemd/run.sh` runs it",
    ),
    (
        "pointsman service uninstall",
        "needs a systemd of its own: `tests/systemd/run.sh` runs it",
    ),
    (
        "pointsman skill try prep 12",
        "needs an issue that nobody works on: `e2e::errands` tries one",
    ),
    (
        "pointsman deny 12 \"the list is not sorted\"",
        "needs work that waits, and here it is approved: `e2e::steering` sends some back",
    ),
    (
        "pointsman say blog \"the tests need node 22\"",
        "needs an agent without work: `e2e::words` says something",
    ),
    (
        "pointsman interrupt blog",
        "needs an agent at work: `e2e::words` stops one",
    ),
    (
        "pointsman route 12 ready-for-dev",
        "would send back what a quick agent has built by then: `e2e::steering` routes at a known stage",
    ),
    (
        "pointsman done",
        "the agent runs it, with the id of its brief",
    ),
];

/// Every `pointsman ..` that the README sets as code, once each, where it stands last: the first hour comes after the promise.
fn commands(readme: &str) -> Vec<String> {
    let span = Regex::new(r"`(pointsman [^`]+)`").expect("a pattern");
    let mut fenced = false;
    let mut all = Vec::new();
    for line in readme.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if fenced {
            if let Some(command) = line.strip_prefix("$ ") {
                let command = command.split(" #").next().unwrap_or_default();
                all.push(command.trim().to_owned());
            }
        } else {
            all.extend(span.captures_iter(line).map(|found| found[1].to_owned()));
        }
    }
    let mut seen = BTreeSet::new();
    let mut last: Vec<String> = all
        .into_iter()
        .rev()
        .filter(|command| seen.insert(command.clone()))
        .collect();
    last.reverse();
    last
}

/// The words of a command, as a shell splits them; the README uses nothing but double quotes.
fn words(command: &str) -> Vec<String> {
    command
        .split('"')
        .enumerate()
        .flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        })
        .collect()
}

#[tokio::test]
async fn every_command_of_the_readme_runs_as_written() {
    let commands = commands(include_str!("../../../README.md"));
    let mut world = World::new();
    a_machine_with_claude_and_a_blog(&mut world);
    // So that the README's issue is #12.
    for _ in 0..11 {
        world.issue("blog", "An old one", "", "").await;
    }
    let mut ran = Vec::new();
    for command in &commands {
        if command == "pointsman run" {
            world.spawn();
            until_it_listens(&world).await;
        }
        if ELSEWHERE.iter().any(|(known, _)| known == command) {
            continue;
        }
        if command.starts_with("pointsman approve ") {
            world.until_yours("blog", IssueNumber(12)).await;
        }
        let words: Vec<String> = words(command)
            .into_iter()
            .map(|word| match word.strip_prefix("~/") {
                Some(below) => world.home().join(below).display().to_string(),
                None => word,
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let deadline = Instant::now() + PATIENCE;
        let out = loop {
            let out = world.command(&words[1..]).output().expect("it runs");
            // The ledger has the gates' end a moment before the engine has it.
            let is_early = words[1] == "approve" && !out.status.success();
            if !is_early || Instant::now() > deadline {
                break out;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        };
        let (said, err) = (
            String::from_utf8_lossy(&out.stdout).into_owned(),
            String::from_utf8_lossy(&out.stderr).into_owned(),
        );
        assert!(out.status.success(), "$ {command}\n{said}{err}");
        if command.starts_with("pointsman init ") {
            with_the_scripted_agent(&world);
        }
        ran.push((command.as_str(), said));
    }
    let said = |start: &str| {
        let found = ran.iter().find(|(command, _)| command.starts_with(start));
        found
            .unwrap_or_else(|| panic!("the README shows no `{start}`"))
            .1
            .as_str()
    };
    let added = said("pointsman init");
    for line in ["project  blog", "agent    claude-code   2.1.328"] {
        assert!(added.contains(line), "no `{line}`:\n{added}");
    }
    assert_eq!(said("pointsman issue new"), "#12 opened in blog\n");
    assert!(said("pointsman status").contains("blog"));
    assert!(said("pointsman explain 12").contains("#12"));
    world.until_done("blog", IssueNumber(12)).await;
    world.end().await;
}

/// A verb asks two things on one connection: the daemon's version, then its own question. Neither may get lost.
#[tokio::test]
async fn a_running_daemon_answers_however_often_it_is_asked() {
    let mut world = World::new();
    world.project("blog");
    world.spawn();
    until_it_listens(&world).await;
    for time in 1..=30 {
        let out = world.command(&["status"]).output().expect("it runs");
        let err = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "the {time}. time: {err}");
    }
    world.end().await;
}

async fn until_it_listens(world: &World) {
    let deadline = Instant::now() + PATIENCE;
    while std::os::unix::net::UnixStream::connect(world.places.control()).is_err() {
        assert!(Instant::now() < deadline, "{}", world.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// A working tree at `~/src/blog`, and a program that says the version of Claude Code and nothing else.
fn a_machine_with_claude_and_a_blog(world: &mut World) {
    world.project("blog");
    std::fs::remove_file(world.places.config.join("projects/blog.toml")).unwrap();
    let (bin, src) = (world.home().join("bin"), world.home().join("src"));
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::create_dir_all(&src).unwrap();
    std::fs::rename(world.home().join("blog"), src.join("blog")).unwrap();
    let claude = bin.join("claude");
    std::fs::write(&claude, "#!/bin/sh\necho '2.1.328 (Claude Code)'\n").unwrap();
    std::fs::set_permissions(&claude, std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = world
        .places
        .env
        .iter_mut()
        .find(|(name, _)| name == "PATH")
        .expect("a world has a PATH");
    path.1 = format!("{}:{}", bin.display(), path.1);
}

/// Edits the file that `init` wrote, as a person may: from here on the scripted agent works.
fn with_the_scripted_agent(world: &World) {
    let file = world.places.config.join("projects/blog.toml");
    let text = std::fs::read_to_string(&file).expect("init wrote it");
    let lines = text.lines().map(
        |line| match line.split('=').next().unwrap_or_default().trim() {
            "agent" => "agent = \"demo\"",
            "build" => "build = \"sh tests/run.sh\"",
            _ => line,
        },
    );
    let changed = lines.collect::<Vec<_>>().join("\n") + "\n";
    assert_ne!(changed, text);
    std::fs::write(file, changed).unwrap();
}

#[test]
fn the_readmes_commands_are_found() {
    let text = "Say `pointsman explain 12`.\n```text\n$ pointsman issue new \"A b\" --label x  # why\n```\n`pointsman explain 12`";
    assert_eq!(
        commands(text),
        [
            "pointsman issue new \"A b\" --label x",
            "pointsman explain 12"
        ]
    );
    assert_eq!(
        words("pointsman issue new \"A b\""),
        ["pointsman", "issue", "new", "A b"]
    );
}
