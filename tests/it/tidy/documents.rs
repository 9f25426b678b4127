//! The documents: their links, their commands and their tables are checked against the program.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;

use assert_cmd::Command;
use pointsman::config::Config;
use pointsman::domain::{Next, Stage};
use regex::Regex;

use super::{files, has_extension, none, read, root};

/// Documents whose links and commands are checked.
const DOCUMENTS: [&str; 3] = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"];

/// Home folders of nobody, as examples and tests name them.
const NOBODY: [&str; 4] = ["me", "you", "alice", "agents"];

/// Returns the project's own text files with their text; binary files have none.
fn texts() -> Vec<(String, String)> {
    let wanted = [
        "rs", "md", "toml", "service", "sh", "yml", "yaml", "py", "mjs", "json", "txt", "conf",
    ];
    files("")
        .into_iter()
        .filter(|path| path != "Cargo.lock" && !has_extension(path, "gz"))
        .filter(|path| {
            wanted
                .iter()
                .any(|extension| has_extension(path, extension))
                || !path.contains('.')
                || path.starts_with(".ci/")
        })
        .filter_map(|path| {
            Some((
                path.clone(),
                std::fs::read_to_string(root().join(&path)).ok()?,
            ))
        })
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").expect("a pattern");
    let mut broken = Vec::new();
    for document in DOCUMENTS.into_iter().chain(["SECURITY.md"]) {
        let text = read(document);
        for found in link.captures_iter(&text) {
            let target = &found[1];
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let path = if path.is_empty() { document } else { path };
            if !root().join(path).exists() {
                broken.push(format!("{document}: `{target}` leads nowhere"));
            } else if !anchor.is_empty() && !headings(&read(path)).contains(anchor) {
                broken.push(format!("{document}: `{path}` has no heading `#{anchor}`"));
            }
        }
    }
    none(&broken);
}

/// Returns the anchors of a document's headings, as forges make them.
fn headings(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| {
            let kept = |char: &char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_');
            line.trim_start_matches('#')
                .trim()
                .to_lowercase()
                .chars()
                .filter(kept)
                .collect::<String>()
                .replace(' ', "-")
        })
        .collect()
}

/// A command a document shows: its words up to the first that is neither verb nor option.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    document: &'static str,
    words: Vec<String>,
    options: Vec<String>,
}

/// Finds `pointsman <words>` in what a document sets as code.
fn shown(document: &'static str, text: &str) -> BTreeSet<Shown> {
    let command = Regex::new(r"(?:^|[\s`$(])pointsman ([^`|;&#\n]+)").expect("a pattern");
    let word = Regex::new(r"^[a-z][a-z-]*$").expect("a pattern");
    let mut found = BTreeSet::new();
    for code in codes(text) {
        let code = code.split(" #").next().unwrap_or_default();
        for line in command.captures_iter(code) {
            let all: Vec<&str> = line[1].split_whitespace().collect();
            let words = all.iter().take_while(|text| word.is_match(text)).take(2);
            let options = all
                .iter()
                .filter_map(|text| text.strip_prefix("--"))
                .map(|text| text.split('=').next().unwrap_or(text));
            found.insert(Shown {
                document,
                words: words.map(|word| (*word).to_owned()).collect(),
                options: options
                    .map(|option| format!("--{}", option.trim_end_matches([']', ','])))
                    .collect(),
            });
        }
    }
    found
}

/// Returns the code of a markdown text: fenced blocks and `spans`.
fn codes(text: &str) -> Vec<String> {
    let span = Regex::new(r"`([^`\n]+)`").expect("a pattern");
    let mut fenced = false;
    let mut found = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if fenced || line.starts_with("    ") {
            found.push(line.to_owned());
        } else {
            found.extend(span.captures_iter(line).map(|found| found[1].to_owned()));
        }
    }
    found
}

/// Returns the help of a verb, or nothing if there is no such verb.
fn help(words: &[String]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_pointsman"))
        .args(words)
        .arg("--help")
        .output()
        .expect("the binary starts");
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn every_command_shown_exists() {
    let mut broken = Vec::new();
    for document in DOCUMENTS {
        for shown in shown(document, &read(document)) {
            let Some(verb) = shown.words.first() else {
                continue;
            };
            let Some(mut text) = help(std::slice::from_ref(verb)) else {
                broken.push(format!(
                    "{}: there is no `pointsman {verb}`",
                    shown.document
                ));
                continue;
            };
            // Below a verb without verbs of its own, the second word is an argument.
            if let (Some(second), true) = (shown.words.get(1), text.contains("\nCommands:")) {
                let Some(below) = help(&shown.words) else {
                    broken.push(format!(
                        "{}: there is no `pointsman {verb} {second}`",
                        shown.document
                    ));
                    continue;
                };
                text = below;
            }
            let unknown = shown
                .options
                .iter()
                .filter(|option| !text.contains(option.as_str()));
            broken.extend(
                unknown.map(|option| {
                    format!("{}: `pointsman {verb}` has no `{option}`", shown.document)
                }),
            );
        }
    }
    broken.dedup();
    none(&broken);
}

#[test]
fn commands_are_found_where_they_are_shown() {
    let text = "Run `pointsman labels graph`. The pointsman run is over.\n\n    $ pointsman status --json  # pointsman nonsense\n\n```\npointsman up blog && pointsman attach blog\n```\n";
    let words: Vec<String> = shown("README.md", text)
        .into_iter()
        .map(|shown| [shown.words, shown.options].concat().join(" "))
        .collect();
    assert_eq!(
        words,
        ["attach blog", "labels graph", "status --json", "up blog"]
    );
}

/// A row of the stage table, as the README prints it.
fn row(stage: &Stage) -> String {
    let back = stage
        .back
        .as_ref()
        .map_or(String::new(), |back| format!(", or back to `{back}`"));
    let next = match &stage.next {
        Next::Stage(label) => format!("`{label}`"),
        Next::Done => "done".to_owned(),
    };
    let needs: Vec<String> = stage.needs.iter().map(ToString::to_string).collect();
    format!(
        "| `{}` | {} | `{}` | {} | {next}{back} |",
        stage.label,
        stage.role,
        stage.skill,
        needs.join(", ")
    )
}

#[test]
fn the_readme_shows_the_shipped_stages() {
    let readme = read("README.md");
    let table: Vec<&str> = readme
        .lines()
        .skip_while(|line| !line.starts_with("| label | role | skill |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'))
        .collect();
    let shipped = Config::shipped();
    let rows: Vec<String> = shipped.workflows["labels.toml"]
        .stages
        .iter()
        .map(row)
        .collect();
    assert_eq!(table, rows);
}

#[test]
fn nothing_names_the_machine_it_was_written_on() {
    let path = Regex::new(concat!(
        r"(?:^|[^A-Za-z0-9._~}-])(?:/wo",
        r"rk/|/ro",
        r"ot/|/ho",
        r"me/([a-z_][a-z0-9_-]*))"
    ))
    .expect("a pattern");
    let mut broken = Vec::new();
    for (file, text) in texts() {
        for (number, line) in text.lines().enumerate() {
            let named = path.captures_iter(line).any(|found| {
                found
                    .get(1)
                    .is_none_or(|home| !NOBODY.contains(&home.as_str()))
            });
            if named {
                broken.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    none(&broken);
}

#[test]
fn what_is_left_to_do_has_an_issue() {
    let left =
        Regex::new(concat!(r"\b(TO", r"DO|FIX", r"ME|XX", r"X)\b(\(#\d+\))?")).expect("a pattern");
    let mut broken = Vec::new();
    for (file, text) in texts()
        .into_iter()
        .filter(|(file, _)| has_extension(file, "rs") || has_extension(file, "toml"))
    {
        for (number, line) in text.lines().enumerate() {
            if left.captures_iter(line).any(|found| found.get(2).is_none()) {
                broken.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    none(&broken);
}

#[test]
fn the_units_name_the_binary_and_the_socket_alike() {
    for pair in ["systemd", "systemd/user"] {
        let server = read(Path::new(pair).join("pointsman-tmux.service"));
        let daemon = read(Path::new(pair).join("pointsman.service"));
        assert!(
            server.contains("tmux -D -S %t/pointsman-tmux/sock"),
            "{pair}: another socket than the daemon looks for"
        );
        assert!(
            daemon.contains("Wants=pointsman-tmux.service"),
            "{pair}: the daemon does not want the server"
        );
        for bond in ["BindsTo=", "PartOf=", "Requires=", "Requisite="] {
            let bound = [&server, &daemon]
                .iter()
                .any(|unit| unit.lines().any(|line| line.starts_with(bond)));
            assert!(!bound, "{pair}: `{bond}` would let one end the other");
        }
        let needed = [
            "Type=notify",
            "RestartPreventExitStatus=78",
            "StartLimitIntervalSec=0",
            "KillMode=mixed",
            "WatchdogSec=",
        ];
        for line in needed {
            assert!(
                daemon.lines().any(|text| text.starts_with(line)),
                "{pair}: the daemon's unit lacks `{line}`"
            );
        }
        assert!(
            server.contains("\nOOMPolicy=continue"),
            "{pair}: one pane out of memory would end all agents"
        );
    }
}

/// `systemd-analyze verify` has nothing to say; where the tool is missing, this says so loudly.
#[test]
fn systemd_has_nothing_to_say_about_the_units() {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    // The program is not installed where the units look for it, and verify checks that.
    let program = Regex::new(r"(?m)^ExecStart=\S*pointsman ").expect("a pattern");
    for (pair, scope) in [("systemd", "--system"), ("systemd/user", "--user")] {
        let mut paths = Vec::new();
        let names = [
            "pointsman-tmux.service",
            "pointsman-relay.service",
            "pointsman.service",
        ];
        // Only the system's has a relay.
        let is_there = |name: &&&str| pair == "systemd" || !name.contains("relay");
        for name in names.iter().filter(is_there) {
            let text = read(Path::new(pair).join(name));
            let text = program.replace(
                &text,
                concat!("ExecStart=", env!("CARGO_BIN_EXE_pointsman"), " "),
            );
            let path = folder.path().join(name);
            std::fs::write(&path, text.as_ref()).expect("a writable folder");
            paths.push(path);
        }
        let output = Command::new("systemd-analyze")
            .args(["verify", "--man=no", scope])
            .args(&paths)
            .env("XDG_RUNTIME_DIR", folder.path())
            .output();
        match output {
            Ok(output) => {
                let said = String::from_utf8_lossy(&output.stderr);
                let ours: Vec<&str> = said
                    .lines()
                    .filter(|line| line.contains("pointsman"))
                    .collect();
                assert!(ours.is_empty(), "{pair}:\n{}", ours.join("\n"));
            }
            // Past the test harness, which would keep it to itself.
            Err(error) => writeln!(
                std::io::stderr(),
                "not verified: {pair} ({error}: systemd-analyze)"
            )
            .expect("stderr is open"),
        }
    }
}
