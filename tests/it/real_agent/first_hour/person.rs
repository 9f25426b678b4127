//! A person with a repository on GitHub, a shell, a terminal and patience.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use pointsman::daemon::store;
use pointsman::domain::{Event, Verdict};
use pointsman::ledger::{Sqlite, Store as _};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::super::homes::Agent;
use super::super::lab::{git, told};
use crate::support::github::{FakeGitHub, RepoLabel};

pub(super) const REPO: &str = "me/blog";
pub(super) const ISSUE: u64 = 12;
const BINARY: &str = env!("CARGO_BIN_EXE_pointsman");
/// Between two looks of somebody who waits.
const LOOK: Duration = Duration::from_millis(500);
/// How long a command may take: a rehearsal is a start and a turn of a real program.
const COMMAND_MAX: Duration = Duration::from_mins(6);

/// What a command printed, stdout first.
pub(super) struct Said {
    command: String,
    text: String,
}

impl Said {
    /// The person reads this in it.
    #[track_caller]
    pub(super) fn has(&self, part: &str) {
        let Self { command, text } = self;
        assert!(
            text.contains(part),
            "`{part}` is missing:\n$ {command}\n{text}"
        );
    }
}

/// Ends what it started when dropped.
pub(super) struct Person {
    pub(super) home: PathBuf,
    pub(super) fake: Arc<FakeGitHub>,
    /// What had to be typed or pressed; looks are not counted.
    pub(super) commands: usize,
    token: String,
    daemon: Option<Child>,
    clock: tokio::task::JoinHandle<()>,
    folder: TempDir,
}

impl Person {
    /// Twelve issues, some of them labelled long ago; a clone at `~/src/blog` that `npm test` builds; Claude Code with an account.
    pub(super) async fn with_a_repository() -> Self {
        let folder = tempfile::Builder::new().prefix("pm-").tempdir().unwrap();
        let home = folder.path().canonicalize().unwrap();
        Agent::ClaudeCode.make_home(&home, &[], &told("AGENTLAB_URL"));
        let fake = Arc::new(FakeGitHub::start().await);
        let token = {
            let mut model = fake.model();
            model.add_repo(REPO);
            model.serve_git(REPO, &home.join("github/blog.git"));
            for number in 1..=ISSUE {
                let title = match number {
                    9 => "Archive by year",
                    ISSUE => "Add a FAQ",
                    _ => "Something old",
                };
                // Each stage takes so long that somebody can look at it.
                let text = "Please. [[mock:sleep 12]]";
                assert_eq!(model.open_issue(REPO, "me", title, text), number);
            }
            for name in ["review", "ready-for-prep"] {
                let (name, color, description) =
                    (name.to_owned(), "c0ffee".to_owned(), String::new());
                model.repo(REPO).labels.push(RepoLabel {
                    name,
                    color,
                    description,
                });
            }
            for (number, label) in [
                (3, "review"),
                (4, "review"),
                (5, "review"),
                (6, "review"),
                (9, "ready-for-prep"),
            ] {
                model.label(REPO, number, label, "me");
            }
            model.token_for("me")
        };
        make_repository(&home, &fake.url);
        // GitHub's clock goes as everybody's.
        let served = Arc::clone(&fake);
        let clock = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                served.model().now = Timestamp::now();
            }
        });
        tokio::time::sleep(Duration::from_secs(2)).await;
        Self {
            home,
            fake,
            commands: 0,
            token,
            daemon: None,
            clock,
            folder,
        }
    }

    /// The person's shell: nothing of this process but what is named here.
    fn shell(&self, program: &str, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(words)
            .env_clear()
            .env(
                "PATH",
                format!("{}:/usr/local/bin:/usr/bin:/bin", told("AGENTLAB_BIN")),
            )
            .env("HOME", &self.home)
            .env("TMUX_TMPDIR", &self.home)
            .env("USER", "me")
            .env("LANG", "C.UTF-8")
            .env("SHELL", "/bin/bash")
            .env("TERM", "xterm-256color")
            .env("GITHUB_TOKEN", &self.token)
            .envs(Agent::ClaudeCode.offered(&told("AGENTLAB_URL")))
            .current_dir(&self.home)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    /// A command that has to work.
    pub(super) async fn runs(&mut self, words: &[&str]) -> Said {
        self.commands += 1;
        let (done, said) = self.asks(words).await;
        assert!(done, "$ {}\n{}", said.command, said.text);
        said
    }

    /// A look at how things stand, which is not needed to get on.
    pub(super) async fn looks(&self, words: &[&str]) -> Said {
        let (done, said) = self.asks(words).await;
        assert!(done, "$ {}\n{}", said.command, said.text);
        said
    }

    /// A command that must be refused, with a reason.
    pub(super) async fn tries(&mut self, words: &[&str]) -> Said {
        self.commands += 1;
        let (done, said) = self.asks(words).await;
        assert!(!done, "$ {}\n{}", said.command, said.text);
        said
    }

    async fn asks(&self, words: &[&str]) -> (bool, Said) {
        let home = format!("{}/", self.home.display());
        let spelled: Vec<String> = words
            .iter()
            .map(|word| {
                word.strip_prefix("~/")
                    .map_or_else(|| (*word).to_owned(), |below| format!("{home}{below}"))
            })
            .collect();
        let spelled: Vec<&str> = spelled.iter().map(String::as_str).collect();
        let began = Instant::now();
        let output = self.shell(BINARY, &spelled).output();
        let output = tokio::time::timeout(COMMAND_MAX, output)
            .await
            .expect("it ends")
            .expect("it starts");
        let [out, err] = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let command = format!("pointsman {}", words.join(" "));
        let text = format!("{out}{err}");
        eprintln!("  $ {command}   ({} ms)", began.elapsed().as_millis());
        for line in text.lines() {
            eprintln!("  | {}", line.replace(&home, "~/"));
        }
        (output.status.success(), Said { command, text })
    }

    /// Sets a label on GitHub.
    pub(super) fn labels(&mut self, issue: u64, label: &str) {
        self.commands += 1;
        self.fake.model().label(REPO, issue, label, "me");
    }

    /// Presses the button on GitHub.
    pub(super) fn merges(&mut self, pull: u64) {
        self.commands += 1;
        self.fake.model().merge(REPO, pull, "me");
    }

    /// A command of the person's own.
    pub(super) fn types_git(&mut self, args: &[&str]) {
        self.commands += 1;
        self.git(args);
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        git(&self.home, &self.home.join("src/blog"), args)
    }

    /// Runs an attach in a terminal, chooses yes, looks that it is chosen before Enter, and detaches.
    pub(super) async fn accepts_the_folder(&mut self, words: &[&str]) {
        self.commands += 1;
        let attach = format!("env -u TMUX -u TMUX_PANE {BINARY} {}", words.join(" "));
        self.terminal(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "150",
            "-y",
            "45",
            &attach,
        ])
        .await;
        let deadline = Instant::now() + Duration::from_mins(2);
        let mut answered = false;
        loop {
            let screen = self.terminal(&["capture-pane", "-p"]).await;
            let row = screen
                .lines()
                .find(|line| line.trim_start().starts_with('❯'));
            match row {
                Some(row) if !answered && row.contains("Yes, I trust") => {
                    self.terminal(&["send-keys", "Enter"]).await;
                    answered = true;
                }
                Some(row) if !answered && row.contains("exit") => {
                    self.terminal(&["send-keys", "Down"]).await;
                }
                Some(row) if answered && !row.contains("Yes") => break,
                _ => {}
            }
            assert!(
                Instant::now() < deadline && !screen.contains("Pane is dead"),
                "the folder is never accepted:\n{screen}"
            );
            tokio::time::sleep(LOOK).await;
        }
        self.terminal(&["send-keys", "C-b", "d"]).await;
    }

    async fn terminal(&self, words: &[&str]) -> String {
        let socket = self.home.join("terminal").display().to_string();
        let words = [&["-S", socket.as_str()], words].concat();
        let output = self.shell("tmux", &words).output().await.unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// `pointsman run` in a terminal of its own.
    pub(super) async fn starts_the_daemon(&mut self) {
        self.commands += 1;
        let log = std::fs::File::create(self.home.join("run.log")).unwrap();
        let daemon = self
            .shell(BINARY, &["run"])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.daemon = Some(daemon);
        self.until("the daemon runs", Duration::from_mins(1), |me| {
            me.log().contains("running")
        })
        .await;
    }

    /// Control-c.
    pub(super) async fn ends_the_daemon(&mut self) {
        self.commands += 1;
        let mut daemon = self.daemon.take().expect("it runs");
        let pid = daemon.id().expect("it runs").to_string();
        self.shell("kill", &["-INT", &pid]).status().await.unwrap();
        let ended = tokio::time::timeout(Duration::from_mins(2), daemon.wait()).await;
        let status = ended.expect("it ends").unwrap();
        assert!(status.success(), "{status}\n{}", self.log());
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.home.join("run.log")).unwrap_or_default()
    }

    /// Waits for something; what is in the way of it is in the failure.
    pub(super) async fn until(&self, what: &str, limit: Duration, holds: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + limit;
        while !holds(self) {
            if Instant::now() > deadline {
                for words in [&["status"][..], &["inbox"], &["explain", "12"]] {
                    self.asks(words).await;
                }
                panic!("{what}: not within {limit:?}\n{}", self.log());
            }
            tokio::time::sleep(LOOK).await;
        }
        eprintln!("  {what}");
    }

    /// Looks again until it says all that: what the fake knows the daemon hears of a moment later.
    pub(super) async fn looks_until(&self, words: &[&str], parts: &[&str]) {
        let deadline = Instant::now() + Duration::from_mins(3);
        loop {
            let (_, said) = self.asks(words).await;
            if parts.iter().all(|part| said.text.contains(part)) {
                return;
            }
            if Instant::now() > deadline {
                for part in parts {
                    said.has(part);
                }
            }
            tokio::time::sleep(LOOK * 4).await;
        }
    }

    /// Waits until worktrees and briefs of what is done are gone.
    pub(super) async fn until_tidy(&self) {
        let tidy = |me: &Self| {
            let events = me.events();
            let opened = events
                .iter()
                .filter(|event| matches!(event, Event::DispatchOpened { .. }));
            let tidied = events
                .iter()
                .filter(|event| matches!(event, Event::DispatchTidied { .. }));
            opened.count() == tidied.count()
        };
        self.until("everything is tidied up", Duration::from_mins(3), tidy)
            .await;
    }

    fn events(&self) -> Vec<Event> {
        let ledger = self.home.join(".local/state/pointsman/ledger.sqlite");
        let records = Sqlite::open_read_only(&ledger)
            .ok()
            .and_then(|ledger| ledger.read(0, 100_000).ok());
        records
            .unwrap_or_default()
            .iter()
            .map(|record| store::event_of(record).unwrap())
            .collect()
    }

    /// Whether the brief of a stage is confirmed.
    pub(super) fn delivered(&self, stage: &str) -> bool {
        let events = self.events();
        let dispatch = events.iter().find_map(|event| match event {
            Event::DispatchOpened { opening }
                if opening.issue().is_some() && opening.stage.label.as_str() == stage =>
            {
                Some(&opening.id)
            }
            _ => None,
        });
        let Some(dispatch) = dispatch else {
            return false;
        };
        let confirmed = |id| {
            events.iter().any(|event| matches!(event, Event::DeliverySettled { delivery, verdict: Verdict::Confirmed, .. } if delivery == id))
        };
        events.iter().any(|event| {
            matches!(event, Event::DeliveryPlanned { delivery } if delivery.dispatch == *dispatch && confirmed(&delivery.id))
        })
    }

    /// The issue's pull request, and whether it is a draft.
    pub(super) fn pull(&self) -> Option<(u64, bool)> {
        let mut model = self.fake.model();
        let mut pulls = model.repo(REPO).pulls.iter();
        pulls.next().map(|(number, facts)| (*number, facts.draft))
    }

    /// One dispatch a stage, every delivery confirmed, and the merge is in the repository.
    pub(super) fn assert_walked(&self) {
        let events = self.events();
        let stages: Vec<&str> = events
            .iter()
            .filter_map(|event| match event {
                Event::DispatchOpened { opening } if opening.issue().is_some() => {
                    assert_eq!(opening.issue().map(|issue| issue.0), Some(ISSUE));
                    Some(opening.stage.label.as_str())
                }
                _ => None,
            })
            .collect();
        assert_eq!(stages, ["ready-for-prep", "ready-for-dev", "QA", "review"]);
        for event in &events {
            if let Event::DeliverySettled {
                verdict, witness, ..
            } = event
            {
                assert!(
                    matches!(verdict, Verdict::Confirmed | Verdict::NotDelivered),
                    "{verdict:?}: {witness}"
                );
            }
        }
        let log = git(
            &self.home,
            &self.home.join("github/blog.git"),
            &["log", "--format=%s", "main"],
        );
        assert!(log.contains("Greet by name (#12)"), "merged: {log}");
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        self.clock.abort();
        if let Some(daemon) = &mut self.daemon {
            // It ends here or is gone.
            let _gone = daemon.start_kill();
        }
        let agents = ".local/state/pointsman/run/pointsman-tmux/sock";
        for socket in [agents, "terminal"] {
            let socket = self.home.join(socket);
            let _gone = std::process::Command::new("tmux")
                .arg("-S")
                .arg(socket)
                .arg("kill-server")
                .output();
        }
        if std::thread::panicking() {
            eprintln!(
                "the person's home was {}\n{}",
                self.folder.path().display(),
                self.log()
            );
        }
    }
}

/// The repository as GitHub has it, and a clone. Its address is GitHub's; git finds it on this machine all the same.
fn make_repository(home: &Path, url: &str) {
    let (tree, bare) = (home.join("src/blog"), home.join("github/blog.git"));
    let host = url.rsplit_once(':').map_or(url, |(host, _)| host);
    let address = format!("{host}/me/blog.git");
    std::fs::create_dir_all(tree.join("tests")).unwrap();
    let package = r#"{ "name": "blog", "version": "1.0.0", "private": true, "scripts": { "test": "sh tests/run.sh" } }"#;
    for (path, text) in [
        ("README.md", "# The blog\n\nA small project.\n"),
        ("package.json", package),
        ("greet.sh", "#!/bin/sh\necho \"hello\"\n"),
        (
            "tests/run.sh",
            "set -e\nfor script in tests/mock-*.sh; do [ ! -e \"$script\" ] || sh \"$script\"; done\n",
        ),
    ] {
        std::fs::write(tree.join(path), text).unwrap();
    }
    let config = format!(
        "[user]\n\tname = Me\n\temail = me@localhost\n[url \"{}\"]\n\tinsteadOf = {address}\n",
        bare.display()
    );
    std::fs::write(home.join(".gitconfig"), config).unwrap();
    std::fs::write(home.join(".npmrc"), "update-notifier=false\n").unwrap();
    std::fs::create_dir_all(home.join(".config/pointsman")).unwrap();
    // The one line that a person with a repository on github.com does not write.
    std::fs::write(
        home.join(".config/pointsman/pointsman.toml"),
        format!("[github]\nbase_url = {url:?}\n"),
    )
    .unwrap();
    git(
        home,
        home,
        &[
            "init",
            "-q",
            "--bare",
            "-b",
            "main",
            &bare.display().to_string(),
        ],
    );
    git(home, &tree, &["init", "-q", "-b", "main"]);
    git(home, &tree, &["add", "-A"]);
    git(home, &tree, &["commit", "-q", "-m", "a small project"]);
    git(home, &tree, &["remote", "add", "origin", &address]);
    git(home, &tree, &["push", "-q", "-u", "origin", "main"]);
    git(home, &tree, &["remote", "set-head", "origin", "main"]);
}
