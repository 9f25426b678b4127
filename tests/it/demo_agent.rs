//! The demo agent in a real tmux on a socket of its own, typed to as Pointsman types to it.

#![expect(
    clippy::disallowed_methods,
    reason = "a test starts processes and waits for them"
)]

mod tasks;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use pointsman::domain::Said;
use serde_json::Value;
use tempfile::TempDir;

use crate::report_verbs::{git, reports, wait_for};

const BINARY: &str = env!("CARGO_BIN_EXE_pointsman");
const TOKEN: &str = "d12345.abcDEF_0123456789-x";

/// One agent in one pane. Its server ends with it.
struct Agent {
    folder: TempDir,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

impl Agent {
    /// Makes a project with a commit on `main`, and the branch of issue 7.
    fn project() -> Self {
        let agent = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let project = agent.path("project");
        for folder in [
            "home",
            "project/src",
            "project/.pointsman/briefs",
            "project/.pointsman/spool",
        ] {
            fs::create_dir_all(agent.path(folder)).unwrap();
        }
        fs::write(
            project.join(".pointsman/.gitignore"),
            "/.gitignore\n/briefs/\n/spool/\n",
        )
        .unwrap();
        fs::write(
            project.join("src/app.sh"),
            "#!/bin/sh\necho this is the app\n",
        )
        .unwrap();
        git(&project, &["init", "-q", "-b", "main"]);
        git(&project, &["add", "src"]);
        git(&project, &["commit", "-q", "-m", "start"]);
        git(&project, &["checkout", "-q", "-b", "pointsman/7-greet"]);
        agent
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().canonicalize().unwrap().join(name)
    }

    fn start(&self, line: Option<&str>, pace_ms: u32) {
        let home = format!("HOME={}", self.path("home").display());
        let pace = format!("POINTSMAN_DEMO_PACE_MS={pace_ms}");
        let project = self.path("project");
        let mut arguments = vec![
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "30",
            "-c",
            project.to_str().unwrap(),
        ];
        arguments.extend([
            "-e",
            &home,
            "-e",
            &pace,
            "-e",
            "POINTSMAN_REPORT_WAIT=100ms",
            BINARY,
            "demo-agent",
        ]);
        arguments.extend(line);
        self.tmux(&arguments);
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command
            .arg("-S")
            .arg(self.path("tmux.sock"))
            .args(arguments)
            .env_remove("TMUX");
        command
            .env("TMUX_TMPDIR", self.path(""))
            .env("HOME", self.path("home"))
            .stdin(Stdio::null());
        String::from_utf8(command.output().unwrap().stdout).unwrap()
    }

    fn paste(&self, text: &str) {
        let mut command = Command::new("tmux");
        command
            .arg("-S")
            .arg(self.path("tmux.sock"))
            .args(["load-buffer", "-b", "t", "-"])
            .env_remove("TMUX");
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        child
            .stdin
            .take()
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
        assert!(child.wait().unwrap().success());
        self.tmux(&["paste-buffer", "-p", "-d", "-b", "t"]);
    }

    fn key(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Waits until the screen shows a text.
    fn shows(&self, text: &str) -> String {
        let look = || Some(self.screen()).filter(|screen| screen.contains(text));
        wait_for(look)
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until title and state file say a state.
    fn is(&self, title: &str, status: &str) {
        wait_for(|| {
            (self
                .tmux(&["display-message", "-p", "#{pane_title}"])
                .trim()
                == title)
                .then_some(())
        });
        wait_for(|| self.state().filter(|state| state["status"] == status));
    }

    fn state(&self) -> Option<Value> {
        let mut files = fs::read_dir(self.path("home/.pointsman-demo/sessions")).ok()?;
        let file = files.find_map(|file| {
            Some(file.ok()?.path()).filter(|path| path.extension().is_some_and(|end| end == "json"))
        })?;
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    /// Returns the texts of the transcript.
    fn received(&self) -> Vec<String> {
        let Ok(files) = fs::read_dir(self.path("home/.pointsman-demo")) else {
            return Vec::new();
        };
        let transcript = files
            .map(|file| file.unwrap().path())
            .find(|path| path.extension().is_some_and(|end| end == "jsonl"));
        let text = transcript
            .map(|path| fs::read_to_string(path).unwrap())
            .unwrap_or_default();
        let turns = text
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        turns
            .inspect(|turn| assert_eq!(turn["type"], "user"))
            .map(|turn| turn["text"].as_str().unwrap().to_owned())
            .collect()
    }

    /// Writes a delivery's file and types its line.
    fn deliver(&self, delivery: &str, text: &str) {
        fs::write(
            self.path(&format!("project/.pointsman/briefs/{delivery}.md")),
            text,
        )
        .unwrap();
        let line = format!("Task {delivery}: read .pointsman/briefs/{delivery}.md and follow it.");
        self.paste(&line);
        self.shows(&format!("> {line}"));
        self.key("Enter");
        wait_for(|| self.received().contains(&line).then_some(()));
    }

    /// Returns what was reported so far, oldest first.
    fn said(&self) -> Vec<Said> {
        let mut reports = reports(&self.path("project"));
        reports.sort_by(|a, b| a.0.cmp(&b.0));
        reports.into_iter().map(|(_, file)| file.said).collect()
    }

    fn commits(&self) -> usize {
        git(
            &self.path("project"),
            &["rev-list", "--count", "main..HEAD"],
        )
        .parse()
        .unwrap()
    }
}

#[test]
fn a_pasted_text_is_received_once_and_byte_for_byte() {
    let agent = Agent::project();
    agent.start(None, 20);
    agent.is("demo: idle", "idle");
    let text = "one \u{e4}\u{1f600}\ttab `x` \"y\" \\z\n\n  two\nthree  ";
    agent.paste(text);
    agent.shows("  three");
    assert!(
        agent.received().is_empty(),
        "a line's end in a paste is text"
    );
    agent.key("Enter");
    agent.shows("I am a scripted agent");
    agent.is("demo: idle", "idle");
    assert_eq!(agent.received(), [text]);
    agent.paste("\n");
    agent.key("x");
    agent.shows("  x");
    assert_eq!(agent.received().len(), 1);
}

#[test]
fn state_and_title_follow_the_work_and_end_with_it() {
    let agent = Agent::project();
    agent.start(None, 2000);
    agent.is("demo: idle", "idle");
    let state = agent.state().unwrap();
    assert_eq!(state["cwd"], agent.path("project").to_str().unwrap());
    assert_eq!(
        agent.tmux(&["display-message", "-p", "#{pane_pid}"]).trim(),
        state["pid"].to_string()
    );
    assert_eq!(
        agent
            .tmux(&["display-message", "-p", "#{alternate_on}"])
            .trim(),
        "1"
    );
    agent.deliver("aaaa1111", &tasks::dev("aaaa1111", "Please."));
    agent.is("demo: busy", "busy");
    agent.paste("and then this");
    agent.key("Enter");
    agent.shows("queued");
    assert_eq!(agent.received().len(), 2);
    agent.key("Escape");
    agent.shows("Interrupted");
    agent.is("demo: idle", "idle");
    agent.key("C-d");
    wait_for(|| agent.state().is_none().then_some(()));
}

#[test]
fn a_signal_ends_it_cleanly() {
    let agent = Agent::project();
    agent.start(Some("hello"), 20);
    wait_for(|| (agent.received() == ["hello"]).then_some(()));
    agent.is("demo: idle", "idle");
    let pid = agent.state().unwrap()["pid"].to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    wait_for(|| agent.state().is_none().then_some(()));
}

#[test]
fn it_ends_with_its_terminal() {
    let agent = Agent::project();
    agent.start(None, 20);
    agent.is("demo: idle", "idle");
    let pid = agent.state().unwrap()["pid"].to_string();
    let lives = || PathBuf::from(format!("/proc/{pid}")).exists();
    assert!(lives());
    agent.tmux(&["kill-server"]);
    wait_for(|| (!lives()).then_some(()));
}
