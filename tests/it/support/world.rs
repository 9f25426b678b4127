//! A whole installation in a temporary HOME: real git with a bare remote, real tmux on a socket of its own, the demo agent, the
//! local tracker or the fake GitHub, and the daemon in this process or as the real binary. A small language to tell stories in.
#![allow(
    dead_code,
    reason = "a language for all stories; not each of them uses all of it"
)]
#![expect(clippy::disallowed_methods, reason = "a test is an edge")]

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pointsman::config::{self, Config};
use pointsman::daemon::desk::control;
use pointsman::daemon::desk::control::{Call, Reply};
use pointsman::daemon::places::Places;
use pointsman::daemon::runner::{Message, Shown};
use pointsman::daemon::{Daemon, StartError, open_local, store};
use pointsman::domain::{
    Cause, Comment, DeliveryId, DispatchId, Event, Hold, IssueNumber, Label, ProjectName, Request,
    Settled, Verdict,
};
use pointsman::ledger::{Record, Sqlite, Store as _};
use pointsman::tracker::github::Auth;
use pointsman::tracker::{NewIssue, local};
use pointsman::view::timeline;
use secrecy::SecretString;
use tempfile::TempDir;

use super::github::FakeGitHub;
use super::patience::{LOOK, PATIENCE};

mod daemons;
mod hands;
mod people;
mod seen;

/// How long a status comment may take: its edits are a minute apart.
const SAID_MAX: Duration = Duration::from_mins(8);
/// The whole of `git`'s and our own binary's environment comes from here.
const BINARY: &str = env!("CARGO_BIN_EXE_pointsman");

/// One record of the ledger, read.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) seq: u64,
    pub(crate) project: String,
    pub(crate) at: Timestamp,
    pub(crate) event: Event,
}

/// One installation. Ends its daemon and its tmux server when dropped.
pub(crate) struct World {
    pub(crate) places: Places,
    pub(crate) fake: Option<FakeGitHub>,
    token: String,
    daemon: Option<Arc<Daemon>>,
    child: Option<Child>,
    dir: TempDir,
}

impl World {
    /// An installation without projects; the agent works as fast as it can.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new()
            .prefix("pm-")
            .tempdir()
            .expect("a folder");
        let home = dir.path().canonicalize().expect("it is there");
        let state = home.join(".local/state/pointsman");
        let env = vec![
            (
                "PATH".to_owned(),
                std::env::var("PATH").unwrap_or_else(|_| "/usr/bin:/bin".to_owned()),
            ),
            ("HOME".to_owned(), home.display().to_string()),
        ];
        let places = Places {
            offered: pointsman::daemon::places::Offered::default(),
            config: home.join(".config/pointsman"),
            runtime: state.join("run/pointsman"),
            socket: state.join("run/pointsman-tmux/sock"),
            default_socket: home.join("their-tmux"),
            state,
            binary: PathBuf::from(BINARY),
            env,
            home,
            apart: None,
        };
        std::fs::create_dir_all(places.config.join("projects")).expect("a folder");
        std::fs::create_dir_all(places.config.join("agents")).expect("a folder");
        let world = Self {
            places,
            fake: None,
            token: String::new(),
            daemon: None,
            child: None,
            dir,
        };
        world.settings("");
        world.pace(0);
        world
    }

    /// One project on the local tracker, and the daemon runs.
    pub(crate) async fn running(name: &str) -> Self {
        let mut world = Self::new();
        world.project(name);
        world.start().await;
        world
    }

    /// The same, and the agent of an issue that is being planned asked a person.
    pub(crate) async fn asked(name: &str) -> (Self, IssueNumber) {
        let world = Self::running(name).await;
        let issue = world.asks(name).await;
        (world, issue)
    }

    /// Lets the agent of a new issue ask a person.
    pub(crate) async fn asks(&self, name: &str) -> IssueNumber {
        let issue = self
            .issue(name, "Greet by name", "[demo:ask]", "ready-for-prep")
            .await;
        self.until_held(name, issue, "asked").await;
        issue
    }

    /// The same with a fake GitHub behind it; person, daemon and agent share the account `me`.
    pub(crate) async fn on_github() -> Self {
        let mut world = Self::new();
        let fake = FakeGitHub::start().await;
        world.token = fake.model().token_for("me");
        world.settings(&format!(
            "[github]\nbase_url = {:?}\nreserve = 0\n",
            fake.url
        ));
        world.fake = Some(fake);
        world
    }

    /// Writes `pointsman.toml`: short times, then `more`.
    pub(crate) fn settings(&self, more: &str) {
        let text = format!("cycle = \"10s\"\nidle_without_report = \"10s\"\n{more}");
        std::fs::write(self.places.config.join("pointsman.toml"), text).expect("it is written");
    }

    /// Writes `pointsman.toml`: this and nothing else.
    pub(crate) fn settings_are(&self, text: &str) {
        std::fs::write(self.places.config.join("pointsman.toml"), text).expect("it is written");
    }

    /// Milliseconds between two lines of the agent, from its next start on.
    pub(crate) fn pace(&self, milliseconds: u64) -> &Self {
        self.agent_env(&format!("POINTSMAN_DEMO_PACE_MS = \"{milliseconds}\""))
    }

    /// From now on every agent waits after the line that it says, until [`World::agents_go_on`].
    pub(crate) fn agents_wait(&self) -> &Self {
        std::fs::write(self.wait_file(), "").expect("it is written");
        self
    }

    pub(crate) fn agents_go_on(&self) {
        std::fs::remove_file(self.wait_file()).expect("the agents waited");
    }

    fn wait_file(&self) -> PathBuf {
        self.home().join("agents-wait")
    }

    /// The step of a rehearsal that does not work, and how, from the agent's next start on: `commit=asks`.
    pub(crate) fn rehearses(&self, how: &str) -> &Self {
        self.agent_env(&format!(
            "POINTSMAN_DEMO_PACE_MS = \"0\", POINTSMAN_DEMO_REHEARSAL = {how:?}"
        ))
    }

    fn agent_env(&self, env: &str) -> &Self {
        let shipped = include_str!("../../../agents/demo.toml");
        let wait = self.wait_file();
        let env = format!(
            "loosens = []\nenv = {{ {env}, POINTSMAN_DEMO_WAIT_FILE = '{}' }}",
            wait.display()
        );
        let text = shipped.replacen("loosens = []", &env, 1);
        std::fs::write(self.places.config.join("agents/demo.toml"), text).expect("it is written");
        self
    }

    pub(crate) fn home(&self) -> &Path {
        &self.places.home
    }

    /// A small real repository with a build command and a bare remote, on the local tracker.
    pub(crate) fn project(&self, name: &str) -> &Self {
        self.repository(name);
        self.write_project(name, "tracker = \"local\"\nbuild = \"sh tests/run.sh\"\n")
    }

    /// The same on the fake GitHub, as `me/<name>`.
    pub(crate) fn github_project(&self, name: &str) -> &Self {
        self.repository(name);
        let (repo, remote) = (
            format!("me/{name}"),
            self.home().join(format!("{name}.git")),
        );
        self.fake().model().add_repo(&repo);
        self.fake().model().serve_git(&repo, &remote);
        self.write_project(
            name,
            &format!("repo = \"me/{name}\"\nbuild = \"sh tests/run.sh\"\n"),
        )
    }

    /// A folder without git that walks a workflow.
    pub(crate) fn folder(&self, name: &str, workflow: &str) -> &Self {
        std::fs::create_dir_all(self.home().join(name)).expect("a folder");
        self.write_project(
            name,
            &format!("tracker = \"local\"\nworkflow = {workflow:?}\n"),
        )
    }

    /// Writes a project's file: path, agent, and `more`.
    pub(crate) fn write_project(&self, name: &str, more: &str) -> &Self {
        let path = self.home().join(name);
        let text = format!(
            "path = {:?}\nadded = \"2020-01-01T00:00:00Z\"\nagent = \"demo\"\n{more}",
            path.display().to_string()
        );
        std::fs::write(
            self.places.config.join(format!("projects/{name}.toml")),
            text,
        )
        .expect("it is written");
        self
    }

    fn repository(&self, name: &str) {
        let tree = self.home().join(name);
        let remote = self
            .home()
            .join(format!("{name}.git"))
            .display()
            .to_string();
        std::fs::create_dir_all(tree.join("tests")).expect("a folder");
        let files = [
            ("README.md", format!("# {name}\n\nA small project.\n")),
            ("greet.sh", "#!/bin/sh\necho \"hello\"\n".to_owned()),
            ("tests/run.sh", "set -e\nfor script in *.sh tests/*.sh; do sh -n \"$script\"; done\nsh greet.sh | grep -q hello\n".to_owned()),
        ];
        for (path, text) in files {
            std::fs::write(tree.join(path), text).expect("it is written");
        }
        self.git(name, &["init", "-q", "--bare", "-b", "main", &remote]);
        self.git(name, &["init", "-q", "-b", "main"]);
        self.git(name, &["config", "user.name", "Ann"]);
        self.git(name, &["config", "user.email", "ann@localhost"]);
        self.git(name, &["add", "-A"]);
        self.git(name, &["commit", "-q", "-m", "a small project"]);
        self.git(name, &["remote", "add", "origin", &remote]);
        self.git(name, &["push", "-q", "-u", "origin", "main"]);
        self.git(name, &["remote", "set-head", "origin", "main"]);
    }

    /// Runs git in a project, as a person would, and returns what it printed.
    pub(crate) fn git(&self, project: &str, args: &[&str]) -> String {
        let out = Command::new("git")
            .args(args)
            .current_dir(self.home().join(project))
            .env("HOME", self.home())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .stdin(Stdio::null())
            .output()
            .expect("git runs");
        assert!(
            out.status.success(),
            "git {args:?}: {}",
            String::from_utf8_lossy(&out.stderr)
        );
        String::from_utf8_lossy(&out.stdout).trim().to_owned()
    }

    /// Runs tmux on our socket, as a person at another terminal would.
    pub(crate) fn tmux(&self, words: &[&str]) -> String {
        let out = self.tmux_output(words);
        String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
    }

    fn tmux_output(&self, words: &[&str]) -> Output {
        Command::new("tmux")
            .arg("-u")
            .arg("-S")
            .arg(&self.places.socket)
            .args(words)
            .env("HOME", self.home())
            .env("TMUX_TMPDIR", self.home())
            .env_remove("TMUX")
            .env_remove("TMUX_PANE")
            .stdin(Stdio::null())
            .output()
            .expect("tmux runs")
    }

    pub(crate) fn fake(&self) -> &FakeGitHub {
        self.fake.as_ref().expect("this world has a fake GitHub")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _gone = child.kill();
            let _gone = child.wait();
        }
        self.tmux_output(&["kill-server"]);
        if self.places.default_socket.exists() {
            let theirs = Command::new("tmux")
                .arg("-S")
                .arg(&self.places.default_socket)
                .arg("kill-server")
                .env_remove("TMUX")
                .output();
            drop(theirs);
        }
        if std::thread::panicking() {
            #[expect(
                clippy::print_stderr,
                reason = "a failed story says where its world was"
            )]
            {
                eprintln!("the world was in {}", self.dir.path().display());
            }
        }
    }
}

/// Every delivery ended confirmed, with a witness from the agent's side: its transcript, or its report if that was read first. One
/// that was proven not to be typed is made again under another id.
pub(crate) fn assert_confirmed(told: &[Told]) {
    let mut confirmed = 0;
    for told in told {
        if let Event::DeliverySettled {
            delivery,
            verdict,
            witness,
        } = &told.event
        {
            if *verdict == Verdict::NotDelivered {
                continue;
            }
            assert_eq!(*verdict, Verdict::Confirmed, "{delivery}: {witness}");
            confirmed += 1;
            let is_transcript =
                witness.starts_with("transcript-") && witness.contains(".jsonl at ");
            assert!(
                is_transcript || witness.starts_with("report "),
                "{delivery}: {witness}"
            );
        }
    }
    assert!(confirmed > 0, "nothing was delivered");
}
