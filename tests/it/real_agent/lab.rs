//! A home, a project, a daemon, and everything that a test wants to see of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use pointsman::config;
use pointsman::daemon::desk::control;
use pointsman::daemon::hands::now;
use pointsman::daemon::places::{Offered, Places};
use pointsman::daemon::runner::Message;
use pointsman::daemon::{Daemon, OpenTrackerError, open_local, store};
use pointsman::domain::{
    Attention, Cause, DeliveryId, DispatchId, Event, GateName, IssueNumber, Label, ProjectName,
    Purpose, Request, Settled, Verdict, Window,
};
use pointsman::terminal::Tmux;
use pointsman::tracker::NewIssue;
use pointsman::view::timeline;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::homes::{Agent, Trust};

pub(super) const PROJECT: &str = "shop";
pub(super) const LOOK: Duration = Duration::from_millis(200);

/// A home, a project with a remote, a daemon, and what was seen so far.
pub(super) struct Lab {
    folder: TempDir,
    pub(super) daemon: Arc<Daemon>,
    listening: tokio::task::JoinHandle<std::io::Result<()>>,
    log: PathBuf,
    log_from: u64,
    seen: u64,
    records: Vec<(Timestamp, Event)>,
    labelled: BTreeMap<IssueNumber, Timestamp>,
    issues: BTreeMap<DispatchId, IssueNumber>,
    approved: Vec<IssueNumber>,
    pub(super) dialogs: Vec<String>,
}

pub(super) fn cause_of(event: &Event) -> Option<&Cause> {
    match event {
        Event::DispatchClosed { cause, .. } => Some(cause),
        _ => None,
    }
}

/// What `run.sh` tells.
pub(super) fn told(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/agentlab/run.sh"))
}

impl Lab {
    pub(super) async fn start(agent: Agent, trust: Trust) -> Self {
        Self::start_with(agent, trust, |_| {}).await
    }

    /// The same, and somebody changed a setting before: of the program below the home, or of its profile.
    pub(super) async fn start_with(agent: Agent, trust: Trust, change: impl Fn(&Path)) -> Self {
        let folder = TempDir::new().unwrap();
        let home = folder.path().canonicalize().unwrap();
        let places = places(&home, agent);
        make_project(&home, &places, agent);
        let trusted = match trust {
            Trust::Given => vec![
                home.join(PROJECT),
                places.state.join("trees").join(PROJECT).join("check"),
            ],
            Trust::Missing => Vec::new(),
        };
        agent.make_home(&home, &trusted, &told("AGENTLAB_URL"));
        change(&home);
        let config = config::load(&places.config, &places.home)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let log = PathBuf::from(told("AGENTLAB_LOG"));
        let log_from = std::fs::metadata(&log).map_or(0, |facts| facts.len());
        let no_auth = Arc::new(|_: &_| Err(OpenTrackerError::NoToken));
        let daemon = Daemon::start(places, config, no_auth).await.unwrap();
        let listening = tokio::spawn(control::serve(Arc::clone(&daemon)));
        Self {
            folder,
            daemon,
            listening,
            log,
            log_from,
            seen: 0,
            records: Vec::new(),
            labelled: BTreeMap::new(),
            issues: BTreeMap::new(),
            approved: Vec::new(),
            dialogs: Vec::new(),
        }
    }

    pub(super) async fn label(&mut self, title: &str, body: &str) -> IssueNumber {
        let tracker = open_local(&self.daemon.places, &ProjectName::new(PROJECT)).unwrap();
        let issue = NewIssue {
            title: title.to_owned(),
            body: body.to_owned(),
            labels: vec![Label::new("ready-for-prep")],
        };
        let number = tracker.create_issue(&issue).await.unwrap();
        self.labelled.insert(number, now());
        self.poll().await;
        number
    }

    pub(super) async fn poll(&self) {
        self.daemon
            .send(&ProjectName::new(PROJECT), Message::Poll)
            .await;
    }

    /// Reads what was written down since, tells it, plays the person who approves, and notes dialogs.
    pub(super) async fn look(&mut self) {
        for record in self.daemon.ledger().read(self.seen, 500).await.unwrap() {
            self.seen = record.seq;
            let event = store::event_of(&record).unwrap();
            if let Event::DispatchOpened { opening } = &event {
                self.issues
                    .extend(opening.issue().map(|issue| (opening.id.clone(), issue)));
            }
            eprintln!(
                "  {} {}",
                record.at.strftime("%H:%M:%S%.3f"),
                timeline::sentence(&event)
            );
            self.records.push((record.at, event));
        }
        let name = ProjectName::new(PROJECT);
        let Some(shown) = self.daemon.show(&name).await else {
            return;
        };
        for (issue, hold) in &shown.report.standing {
            if hold.word() == "yours" && !self.approved.contains(issue) {
                self.approved.push(*issue);
                self.daemon
                    .ask(
                        &name,
                        Request::Approve {
                            issue: *issue,
                            by: "you".to_owned(),
                        },
                    )
                    .await;
            }
        }
        for window in [Window::AGENT, Window::Check] {
            if let attention @ (Attention::Permission | Attention::Question | Attention::Dialog) =
                self.attention(window)
            {
                self.dialogs.push(format!(
                    "{} {attention:?}\n{}",
                    window.as_str(),
                    self.screen(window)
                ));
            }
        }
    }

    pub(super) async fn until(
        &mut self,
        what: &str,
        limit: Duration,
        holds: impl Fn(&Self) -> bool,
    ) {
        let deadline = tokio::time::Instant::now() + limit;
        loop {
            self.look().await;
            if holds(self) {
                return;
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "{what}: not within {limit:?}\n{}",
                self.state()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Says how everything stands, for a failure.
    fn state(&self) -> String {
        let mut said = String::new();
        for window in [Window::AGENT, Window::Check] {
            let because = self.sampled(window).map_or_else(
                || "not there".to_owned(),
                |sampled| {
                    format!(
                        "{:?} {:?}: {}",
                        sampled.sample.state.activity,
                        sampled.sample.state.attention,
                        sampled.sample.state.because
                    )
                },
            );
            said += &format!(
                "--- {}: {because}\n{}\n",
                window.as_str(),
                self.screen(window)
            );
        }
        said + &format!(
            "--- the model was asked: {:#?}\n--- dialogs: {:#?}",
            self.prompts(),
            self.dialogs.first()
        )
    }

    pub(super) fn events(&self) -> impl Iterator<Item = &Event> {
        self.records.iter().map(|(_, event)| event)
    }

    pub(super) fn opened(&self) -> impl Iterator<Item = &pointsman::domain::Opening> {
        self.events().filter_map(|event| match event {
            Event::DispatchOpened { opening } => Some(&**opening),
            _ => None,
        })
    }

    pub(super) fn has_ended(&self, wanted: IssueNumber) -> bool {
        self.events().any(|event| matches!(event, Event::TransitionSettled { issue, outcome: Settled::Moved { event: None } } if *issue == wanted))
    }

    pub(super) fn deliveries(&self) -> Vec<(DeliveryId, Purpose)> {
        let planned = self.events().filter_map(|event| match event {
            Event::DeliveryPlanned { delivery } => Some((delivery.id.clone(), delivery.purpose)),
            _ => None,
        });
        planned.collect()
    }

    /// Those that were typed, as far as is known: one that was proven not to be is made again under another id.
    pub(super) fn typed(&self) -> Vec<(DeliveryId, Purpose)> {
        let mut deliveries = self.deliveries();
        deliveries.retain(|(id, _)| {
            self.verdict_of(id)
                .is_none_or(|(verdict, _)| verdict != Verdict::NotDelivered)
        });
        deliveries
    }

    pub(super) fn verdict_of(&self, wanted: &DeliveryId) -> Option<(Verdict, &str)> {
        let settled = self.events().filter_map(|event| match event {
            Event::DeliverySettled {
                delivery,
                verdict,
                witness,
            } if delivery == wanted => Some((*verdict, witness.as_str())),
            _ => None,
        });
        settled.last()
    }

    pub(super) fn green(&self, wanted: &GateName) -> bool {
        self.events().any(|event| matches!(event, Event::GateFinished { evidence, .. } if evidence.gate == *wanted && evidence.holds))
    }

    fn sampled(&self, window: Window) -> Option<pointsman::daemon::panes::fleet::WindowSample> {
        self.daemon
            .hands(&ProjectName::new(PROJECT))?
            .sampled(window)
    }

    pub(super) fn attention(&self, window: Window) -> Attention {
        self.sampled(window)
            .map_or(Attention::None, |sampled| sampled.sample.state.attention)
    }

    /// What a person would see; looked at by us, not by the watch. It blinks and is redrawn: no two looks need be equal.
    pub(super) fn screen(&self, window: Window) -> String {
        let target = format!("={PROJECT}:={}", window.as_str());
        self.tmux(&["capture-pane", "-p", "-t", &target])
    }

    /// From now on the server notes whatever anybody types or pastes, into any pane.
    pub(super) fn note_keys(&self) {
        self.tmux(&["set-option", "-g", "@typed", ""]);
        for (hook, noted) in [
            ("after-send-keys", "keys "),
            ("after-paste-buffer", "text "),
        ] {
            let note = format!("set-option -ga @typed '{noted}'");
            self.tmux(&["set-hook", "-g", hook, &note]);
        }
    }

    /// What was noted since [`Lab::note_keys`].
    pub(super) fn noted(&self) -> String {
        let noted = self.tmux(&["show-options", "-gv", "@typed"]);
        noted.trim().to_owned()
    }

    pub(super) fn person_presses(&self, key: &str) {
        self.tmux(&["send-keys", "-t", &format!("={PROJECT}:=agent"), key]);
    }

    fn tmux(&self, words: &[&str]) -> String {
        Self::tmux_at(&self.daemon.places.socket, words)
    }

    fn tmux_at(socket: &Path, words: &[&str]) -> String {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(socket)
            .args(words)
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(super) fn tree(&self) -> PathBuf {
        self.daemon.places.home.join(PROJECT)
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        git(&self.daemon.places.home, &self.tree(), args)
    }

    /// First requests of every turn that this lab's agents made: what the agent handed to the model, once per prompt.
    pub(super) fn prompts(&self) -> Vec<String> {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        let ours = bytes
            .get(usize::try_from(self.log_from).unwrap()..)
            .unwrap_or_default();
        let lines = ours
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Value>(line).ok());
        let first = lines.filter(|line| line["main"] == json!(true) && line["rounds"] == json!(0));
        first
            .filter_map(|line| Some(line["user_text"].as_str()?.to_owned()))
            .collect()
    }

    pub(super) fn asked_about(&self, id: &DeliveryId) -> usize {
        self.prompts()
            .iter()
            .filter(|prompt| prompt.contains(id.as_str()))
            .count()
    }

    pub(super) fn prompt_of(&self, id: &DeliveryId) -> String {
        self.prompts()
            .into_iter()
            .find(|prompt| prompt.contains(id.as_str()))
            .unwrap_or_default()
    }

    pub(super) fn print_latencies(&self) {
        let at = |wanted: &dyn Fn(&Event) -> bool| {
            self.records
                .iter()
                .find(|(_, event)| wanted(event))
                .map(|(at, _)| *at)
        };
        for (id, _) in self.deliveries() {
            let planned = at(
                &|event| matches!(event, Event::DeliveryPlanned { delivery } if delivery.id == id),
            );
            let pasted =
                at(&|event| matches!(event, Event::LinePasted { delivery, .. } if *delivery == id));
            let entered = at(
                &|event| matches!(event, Event::LineSubmitted { delivery, .. } if *delivery == id),
            );
            let receipt = at(
                &|event| matches!(event, Event::DeliverySettled { delivery, verdict: Verdict::Confirmed, .. } if *delivery == id),
            );
            let opening = self.opened().find(|opening| self.records.iter().any(|(_, event)| matches!(event, Event::DeliveryPlanned { delivery } if delivery.id == id && delivery.dispatch == opening.id)));
            let Some(opening) = opening else { continue };
            let opened = at(
                &|event| matches!(event, Event::DispatchOpened { opening: other } if other.id == opening.id),
            );
            let labelled = opening.labelling().and_then(|labelling| {
                if opening.stage.label.as_str() == "ready-for-prep" {
                    self.labelled.get(&labelling.issue).copied()
                } else {
                    Some(labelling.at)
                }
            });
            let since = |from: Option<Timestamp>, to: Option<Timestamp>| match (from, to) {
                (Some(from), Some(to)) => format!("{:.2} s", to.duration_since(from).as_secs_f64()),
                _ => "-".to_owned(),
            };
            eprintln!(
                "latency {:<14} label->receipt {}  (label->open {}, open->brief {}, brief->paste {}, paste->enter {}, enter->receipt {})",
                opening.stage.label.as_str(),
                since(labelled, receipt),
                since(labelled, opened),
                since(opened, planned),
                since(planned, pasted),
                since(pasted, entered),
                since(entered, receipt)
            );
        }
    }

    /// Ends the daemon and then its tmux server, with everything in it.
    pub(super) async fn end(mut self) {
        self.daemon.drain(Duration::from_secs(20)).await;
        (&mut self.listening).await.unwrap().unwrap();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // After a failure the daemon still runs, and would start the server again: it no longer finds the socket's folder.
        let socket = &self.daemon.places.socket;
        let moved = self.folder.path().join("ended");
        if let Some(folder) = socket.parent()
            && std::fs::rename(folder, &moved).is_ok()
        {
            let ending = Tmux::new(moved.join("sock"));
            // A runtime of its own: the test's is in the middle of a drop.
            let ended = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()?;
                runtime
                    .block_on(ending.kill_server())
                    .map_err(std::io::Error::other)
            });
            if let Ok(Err(error)) = ended.join() {
                eprintln!("its tmux server does not end: {error}");
            }
        }
        if std::thread::panicking() {
            eprintln!("the walk's folder was {}", self.folder.path().display());
        }
    }
}

fn places(home: &Path, agent: Agent) -> Places {
    let bin = told("AGENTLAB_BIN");
    let env = [
        ("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin")),
        ("HOME", home.to_string_lossy().into_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("SHELL", "/bin/bash".to_owned()),
    ];
    let offered = agent.offered(&told("AGENTLAB_URL"));
    let token = ("GITHUB_TOKEN", "never-passed-on".to_owned());
    Places {
        config: home.join("config"),
        state: home.join("state"),
        runtime: home.join("run"),
        socket: home.join("tmux/sock"),
        default_socket: home.join("their-tmux"),
        home: home.to_owned(),
        binary: PathBuf::from(env!("CARGO_BIN_EXE_pointsman")),
        env: env.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        offered: Offered::new(
            offered
                .into_iter()
                .chain([token])
                .map(|(name, value)| (name.to_owned(), value)),
        ),
        apart: None,
    }
}

/// A small real repository with a build command and a bare remote.
fn make_project(home: &Path, places: &Places, agent: Agent) {
    let tree = home.join(PROJECT);
    let remote = home.join("shop.git");
    std::fs::create_dir_all(tree.join("tests")).unwrap();
    std::fs::write(tree.join("README.md"), "# The shop\n\nA small project.\n").unwrap();
    std::fs::write(tree.join("greet.sh"), "#!/bin/sh\necho \"hello\"\n").unwrap();
    std::fs::write(
        tree.join("tests/run.sh"),
        "set -e\nfor script in tests/mock-*.sh; do [ ! -e \"$script\" ] || sh \"$script\"; done\n",
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
            &remote.to_string_lossy(),
        ],
    );
    git(home, &tree, &["init", "-q", "-b", "main"]);
    git(home, &tree, &["add", "-A"]);
    git(
        home,
        &tree,
        &[
            "-c",
            "user.name=Lab",
            "-c",
            "user.email=lab@localhost",
            "commit",
            "-q",
            "-m",
            "a small project",
        ],
    );
    git(
        home,
        &tree,
        &["remote", "add", "origin", &remote.to_string_lossy()],
    );
    git(home, &tree, &["push", "-q", "-u", "origin", "main"]);
    git(home, &tree, &["remote", "set-head", "origin", "main"]);
    std::fs::create_dir_all(places.config.join("projects")).unwrap();
    let project = format!(
        "tracker = \"local\"\npath = {:?}\nadded = \"2020-01-01T00:00:00Z\"\nagent = {:?}\nbuild = \"sh tests/run.sh\"\n",
        tree.to_string_lossy(),
        agent.name()
    );
    std::fs::write(places.config.join("projects/shop.toml"), project).unwrap();
    std::fs::write(places.config.join("pointsman.toml"), "cycle = \"10s\"\n").unwrap();
}

pub(super) fn git(home: &Path, at: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .args(args)
        .current_dir(at)
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "git {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
