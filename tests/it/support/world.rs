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
use pointsman::daemon::control::{Call, Reply};
use pointsman::daemon::places::Places;
use pointsman::daemon::runner::{Message, Shown};
use pointsman::daemon::{Daemon, StartError, control, open_local, store};
use pointsman::domain::{
    Cause, DeliveryId, DispatchId, Event, Hold, IssueNumber, Label, ProjectName, Request, Settled,
    Verdict,
};
use pointsman::ledger::{Record, Sqlite, Store as _};
use pointsman::tracker::github::Auth;
use pointsman::tracker::{NewIssue, local};
use pointsman::view::timeline;
use secrecy::SecretString;
use tempfile::TempDir;

use super::github::FakeGitHub;

/// How long a story waits for what must come: two cores, many tests at once.
const PATIENCE: Duration = Duration::from_mins(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);
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
        let shipped = include_str!("../../../agents/demo.toml");
        let text = shipped.replacen(
            "loosens = []",
            &format!("loosens = []\nenv = {{ POINTSMAN_DEMO_PACE_MS = \"{milliseconds}\" }}"),
            1,
        );
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
        self.fake().model().add_repo(&format!("me/{name}"));
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

    // --- The daemon ---

    pub(crate) fn load(&self) -> Config {
        config::load(&self.places.config, &self.places.home)
            .unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// Starts the daemon in this process.
    pub(crate) async fn start(&mut self) -> &Self {
        let daemon = self.try_start().await.expect("the daemon starts");
        tokio::spawn(control::serve(Arc::clone(&daemon)));
        tokio::spawn(Arc::clone(&daemon).watch_config());
        self.daemon = Some(daemon);
        self
    }

    /// Starts a daemon and hands it over.
    pub(crate) async fn try_start(&self) -> Result<Arc<Daemon>, StartError> {
        let token = self.token.clone();
        let auth = Arc::new(move |_: &_| Ok(Auth::Token(SecretString::from(token.clone()))));
        Daemon::start(self.places.clone(), self.load(), auth).await
    }

    pub(crate) fn daemon(&self) -> &Arc<Daemon> {
        self.daemon
            .as_ref()
            .expect("the daemon runs in this process")
    }

    /// Ends the daemon as SIGTERM does; the tmux server and its agents live on.
    pub(crate) async fn stop(&mut self) {
        let Some(daemon) = self.daemon.take() else {
            return;
        };
        daemon.drain(Duration::from_secs(30)).await;
        let lock = Arc::downgrade(&daemon);
        drop(daemon);
        let deadline = Instant::now() + Duration::from_secs(10);
        while lock.strong_count() > 0 {
            assert!(
                Instant::now() < deadline,
                "the daemon is held by {} after its end",
                lock.strong_count()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Starts the real binary.
    pub(crate) fn spawn(&mut self) {
        let log = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log_path())
            .expect("a log");
        let child = self
            .command(&["run", "-v"])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("it starts");
        self.child = Some(child);
    }

    /// The real binary with a verb, not yet started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(BINARY);
        command
            .args(args)
            .env_clear()
            .envs(self.places.env.iter().cloned())
            .stdin(Stdio::null())
            .current_dir(self.home());
        if !self.token.is_empty() {
            command.env("GITHUB_TOKEN", &self.token);
        }
        command
    }

    fn log_path(&self) -> PathBuf {
        self.home().join("daemon.log")
    }

    /// The real binary's log.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.log_path()).unwrap_or_default()
    }

    /// The real binary's process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("the binary runs").id()
    }

    /// Kills the real binary with SIGKILL.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().expect("the binary runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it is ours");
    }

    /// Ends the real binary with SIGTERM and returns whether it ended well.
    pub(crate) async fn terminate(&mut self) -> bool {
        let mut child = self.child.take().expect("the binary runs");
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is ours");
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = child.try_wait().expect("it is ours") {
                return status.success();
            }
            assert!(
                Instant::now() < deadline,
                "the daemon does not end:\n{}",
                self.log()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    // --- People ---

    pub(crate) fn tracker(&self, project: &str) -> local::Local {
        open_local(&self.places, &ProjectName::new(project)).expect("the local tracker opens")
    }

    fn on_fake(&self, project: &str) -> bool {
        self.fake.is_some() && !self.places.tracker(&ProjectName::new(project)).exists()
    }

    /// Opens an issue with a label.
    pub(crate) async fn issue(
        &self,
        project: &str,
        title: &str,
        body: &str,
        label: &str,
    ) -> IssueNumber {
        let number = if self.on_fake(project) {
            let fake = self.fake();
            let number = fake
                .model()
                .open_issue(&format!("me/{project}"), "me", title, body);
            fake.model()
                .label(&format!("me/{project}"), number, label, "me");
            fake.advance(5);
            IssueNumber(number)
        } else {
            let labels = if label.is_empty() {
                Vec::new()
            } else {
                vec![Label::new(label)]
            };
            let issue = NewIssue {
                title: title.to_owned(),
                body: body.to_owned(),
                labels,
            };
            self.tracker(project)
                .create_issue(&issue)
                .await
                .expect("it is opened")
        };
        self.poll(project).await;
        number
    }

    pub(crate) async fn label(&self, project: &str, issue: IssueNumber, label: &str) {
        self.tracker(project)
            .add_label(issue, &Label::new(label))
            .await
            .expect("it is set");
        self.poll(project).await;
    }

    pub(crate) async fn unlabel(&self, project: &str, issue: IssueNumber, label: &str) {
        self.tracker(project)
            .remove_label(issue, &Label::new(label))
            .await
            .expect("it is removed");
        self.poll(project).await;
    }

    pub(crate) async fn comment(&self, project: &str, issue: IssueNumber, body: &str) {
        self.tracker(project)
            .comment(issue, body)
            .await
            .expect("it is said");
        self.poll(project).await;
    }

    /// Says that the tracker changed, as `pointsman issue` does. Without a daemon nobody hears it.
    pub(crate) async fn poll(&self, project: &str) {
        let name = ProjectName::new(project);
        if let Some(daemon) = &self.daemon {
            daemon.send(&name, Message::Poll).await;
        } else if self.child.is_some() {
            let _unheard = self.call(&Call::Poll { project: name });
        }
    }

    pub(crate) async fn approve(&self, project: &str, issue: IssueNumber) {
        let request = Request::Approve {
            issue,
            by: "ann".to_owned(),
        };
        let name = ProjectName::new(project);
        match &self.daemon {
            Some(daemon) => {
                // The ledger has the gates' end a moment before the engine has it.
                let deadline = Instant::now() + PATIENCE;
                loop {
                    let reply = control::ask(daemon, &name, request.clone()).await;
                    if reply.done {
                        break;
                    }
                    assert!(Instant::now() < deadline, "{}", reply.text);
                    tokio::time::sleep(LOOK).await;
                }
            }
            None => drop(self.call(&Call::Ask {
                project: name,
                request,
            })),
        }
    }

    /// Speaks to the control socket of the real binary; `None` when nobody listens.
    pub(crate) fn call(&self, call: &Call) -> Option<Reply> {
        let mut stream = std::os::unix::net::UnixStream::connect(self.places.control()).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .ok()?;
        let body = serde_json::to_string(call).expect("it is plain data");
        write!(
            stream,
            "POST /call HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    // --- What is seen ---

    fn records(&self) -> Option<Vec<Record>> {
        Sqlite::open_read_only(&self.places.ledger())
            .ok()?
            .read(0, 100_000)
            .ok()
    }

    /// Returns everything in the ledger.
    pub(crate) async fn told(&self) -> Vec<Told> {
        let records = match &self.daemon {
            Some(daemon) => daemon
                .ledger()
                .read(0, 100_000)
                .await
                .expect("the ledger is read"),
            None => self.records().unwrap_or_default(),
        };
        let told = |record: Record| Told {
            seq: record.seq,
            event: store::event_of(&record).expect("it is understood"),
            project: record.stream,
            at: record.at,
        };
        records.into_iter().map(told).collect()
    }

    /// Waits until the ledger says something; what it found is returned.
    pub(crate) async fn until<T>(&self, what: &str, seen: impl Fn(&[Told]) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let told = self.told().await;
            if let Some(found) = seen(&told) {
                return found;
            }
            assert!(
                Instant::now() <= deadline,
                "never: {what}\n{}",
                self.account(&told).await
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until an event of a project is in the ledger.
    pub(crate) async fn until_event(
        &self,
        what: &str,
        project: &str,
        wanted: impl Fn(&Event) -> bool,
    ) -> Told {
        self.until(what, |told| {
            told.iter()
                .find(|told| told.project == project && wanted(&told.event))
                .cloned()
        })
        .await
    }

    /// Waits until an issue is held for a reason.
    pub(crate) async fn until_held(&self, project: &str, issue: IssueNumber, word: &str) -> Hold {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let held = self.hold(project, issue).await;
            match held {
                Some(hold) if hold.word() == word => return hold,
                other if Instant::now() > deadline => {
                    panic!(
                        "{project} {issue} is never {word} but {other:?}\n{}",
                        self.account(&self.told().await).await
                    )
                }
                _ => tokio::time::sleep(LOOK).await,
            }
        }
    }

    pub(crate) async fn shown(&self, project: &str) -> Box<Shown> {
        self.daemon()
            .show(&ProjectName::new(project))
            .await
            .expect("the project runs")
    }

    pub(crate) async fn hold(&self, project: &str, issue: IssueNumber) -> Option<Hold> {
        self.shown(project)
            .await
            .report
            .standing
            .get(&issue)
            .cloned()
    }

    /// Waits for `count` cycles more and returns the project's last report.
    pub(crate) async fn cycles(&self, project: &str, count: usize) -> Box<Shown> {
        for _ in 0..count {
            let before = self.shown(project).await.report.at;
            self.poll(project).await;
            let deadline = Instant::now() + PATIENCE;
            while self.shown(project).await.report.at == before {
                assert!(Instant::now() < deadline, "no cycle comes");
                tokio::time::sleep(LOOK).await;
            }
        }
        self.shown(project).await
    }

    /// Waits until the gates of the last stage hold, approves, and waits for the end.
    pub(crate) async fn walk_to_the_end(&self, project: &str, issue: IssueNumber) {
        self.until_yours(project, issue).await;
        self.approve(project, issue).await;
        self.until_done(project, issue).await;
    }

    /// Waits until the last move is a person's.
    pub(crate) async fn until_yours(&self, project: &str, issue: IssueNumber) {
        self.until("the last move is a person's", |told| {
            let mut last = BTreeMap::new();
            for told in told.iter().filter(|told| told.project == project) {
                if let Event::DispatchOpened { opening } = &told.event {
                    last.insert(opening.id.clone(), (opening.issue(), opening.stage.advance));
                }
                if let Event::DispatchClosed {
                    dispatch,
                    cause: Cause::Verified { .. },
                } = &told.event
                {
                    let (of, advance) = last.get(dispatch)?;
                    if *of == Some(issue) && *advance == pointsman::domain::Advance::Human {
                        return Some(());
                    }
                }
            }
            None
        })
        .await;
    }

    /// Waits until the walk of an issue ended.
    pub(crate) async fn until_done(&self, project: &str, issue: IssueNumber) {
        self.until_event(&format!("{issue} is done"), project, |event| {
            matches!(event, Event::TransitionSettled { issue: of, outcome: Settled::Moved { event: None } } if *of == issue)
        })
        .await;
    }

    /// Waits until everything that belongs to closed dispatches is cleared away.
    pub(crate) async fn until_tidy(&self, project: &str) {
        self.until("everything is tidied", |told| {
            let of = |wanted: fn(&Event) -> Option<&DispatchId>| {
                told.iter()
                    .filter(|told| told.project == project)
                    .filter_map(|told| wanted(&told.event))
                    .cloned()
                    .collect::<Vec<_>>()
            };
            let mut opened = of(|event| match event {
                Event::DispatchOpened { opening } => Some(&opening.id),
                _ => None,
            });
            let mut tidied = of(|event| match event {
                Event::DispatchTidied { dispatch } => Some(dispatch),
                _ => None,
            });
            opened.sort();
            tidied.sort();
            (opened == tidied).then_some(())
        })
        .await;
    }

    /// Every text the agents took, oldest first within a transcript.
    pub(crate) fn taken(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(self.home().join(".pointsman-demo")) else {
            return Vec::new();
        };
        let mut texts = Vec::new();
        for entry in folder.filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with("transcript-") {
                continue;
            }
            let lines = std::fs::read_to_string(entry.path()).unwrap_or_default();
            let turns = lines
                .lines()
                .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            texts.extend(
                turns
                    .filter(|turn| turn["type"] == "user")
                    .filter_map(|turn| turn["text"].as_str().map(str::to_owned)),
            );
        }
        texts
    }

    /// How often agents took each delivery's line.
    pub(crate) fn taken_by_delivery(&self) -> BTreeMap<DeliveryId, usize> {
        let mut counts = BTreeMap::new();
        for text in self.taken() {
            let id = text
                .strip_prefix("Task ")
                .and_then(|rest| rest.split_once(':'));
            let (id, _) =
                id.unwrap_or_else(|| panic!("an agent took a text that is no delivery: {text:?}"));
            *counts.entry(DeliveryId::new(id)).or_insert(0) += 1;
        }
        counts
    }

    /// Files in a folder of a project's `.pointsman`.
    #[expect(clippy::unused_self, reason = "reads as a sentence")]
    pub(crate) fn left_in(&self, tree: &Path, folder: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(tree.join(".pointsman").join(folder)) else {
            return Vec::new();
        };
        entries
            .filter_map(Result::ok)
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }

    /// The windows of the tmux server, as `session:window`.
    pub(crate) fn windows(&self) -> Vec<String> {
        self.tmux(&["list-windows", "-a", "-F", "#{session_name}:#{window_name}"])
            .lines()
            .map(str::to_owned)
            .collect()
    }

    pub(crate) fn screen(&self, target: &str) -> String {
        self.tmux(&["capture-pane", "-p", "-t", target])
    }

    /// All that is known, for a story that does not go on.
    async fn account(&self, told: &[Told]) -> String {
        let mut text = String::new();
        for told in told {
            text += &format!(
                "{:>4} {} {} {}\n",
                told.seq,
                told.at.strftime("%H:%M:%S%.3f"),
                told.project,
                timeline::sentence(&told.event)
            );
        }
        if let Some(daemon) = &self.daemon {
            text += &format!("config fault: {:?}\n", daemon.config_fault());
            for name in daemon.projects() {
                if let Some(shown) = daemon.show(&name).await {
                    text += &format!(
                        "{name}: did {:?}, standing {:?}\n",
                        shown.report.did, shown.report.standing
                    );
                }
            }
        }
        for window in self.windows() {
            text += &format!("--- {window}\n{}\n", self.screen(&window));
        }
        let log = self.log();
        let tail: Vec<&str> = log.lines().rev().take(60).collect();
        text += &tail.into_iter().rev().collect::<Vec<_>>().join("\n");
        text
    }

    /// Ends daemon and tmux server; no process of ours may be left.
    pub(crate) async fn end(mut self) {
        self.stop().await;
        if self.child.is_some() {
            assert!(self.terminate().await, "{}", self.log());
        }
        self.tmux_output(&["kill-server"]);
        // A report verb whose agent is gone waits for its answer, 45 s at most.
        let deadline = Instant::now() + Duration::from_mins(1);
        loop {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            assert!(Instant::now() < deadline, "these are left behind: {left:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Processes that have our home in their command line or environment.
    fn processes(&self) -> Vec<String> {
        let home = self.home().as_os_str().as_encoded_bytes();
        let has_home = |bytes: &[u8]| bytes.windows(home.len()).any(|part| part == home);
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc")
            .expect("this is Linux")
            .filter_map(Result::ok)
        {
            if !entry
                .file_name()
                .to_string_lossy()
                .bytes()
                .all(|byte| byte.is_ascii_digit())
            {
                continue;
            }
            let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
            let command = read("cmdline");
            if has_home(&command) || has_home(&read("environ")) {
                found.push(String::from_utf8_lossy(&command).replace('\0', " "));
            }
        }
        found
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

/// Every delivery ended confirmed, with a witness from an agent's transcript.
pub(crate) fn assert_confirmed(told: &[Told]) {
    for told in told {
        if let Event::DeliverySettled {
            delivery,
            verdict,
            witness,
        } = &told.event
        {
            assert_eq!(*verdict, Verdict::Confirmed, "{delivery}: {witness}");
            assert!(
                witness.starts_with("transcript-") && witness.contains(".jsonl at "),
                "{delivery}: {witness}"
            );
        }
    }
}
