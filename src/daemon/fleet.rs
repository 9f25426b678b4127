//! The fleet: one watch over one tmux server feeds every project; managed agents are kept up.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::daemon::hands::{Hands, chain, now};
use crate::daemon::runner::Message;
use crate::daemon::session;
use crate::daemon::starts::{RESTARTS_MAX, Start, Starts};
use crate::domain::{PaneSample, ProjectName, SessionChoice, Window};
use crate::machine::resolve::{Evidence, Resolved};
use crate::terminal::{Process, Sampled, Seen, Snapshot, Tmux, Watch};

/// Between two looks while something is open, and while nothing is (DESIGN 3).
const BUSY_TICK: Duration = Duration::from_secs(1);
const IDLE_TICK: Duration = Duration::from_secs(5);

/// One window, as the watch saw it last.
#[derive(Clone, Debug)]
pub struct WindowSample {
    /// The resolved state.
    pub sample: PaneSample,
    /// What the next sample of the same pane needs.
    pub resolved: Resolved,
    /// Every witness.
    pub evidence: Vec<Evidence>,
    /// The agent's process.
    pub agent: Option<Process>,
    /// The agent's own id of its conversation.
    pub session: Option<String>,
    /// Row and screen.
    pub seen: Arc<Seen>,
}

impl WindowSample {
    fn new(sampled: Sampled, seen: Arc<Seen>) -> Self {
        Self {
            sample: sampled.sample,
            resolved: sampled.resolved,
            evidence: sampled.evidence,
            agent: sampled.agent,
            session: sampled.session,
            seen,
        }
    }
}

/// All windows of all projects.
#[derive(Clone, Debug, Default)]
pub struct Samples {
    windows: BTreeMap<(ProjectName, Window), WindowSample>,
    /// Why nothing is known now.
    pub blind: Option<String>,
    /// Why a project's agent is not there.
    pub down: BTreeMap<ProjectName, String>,
}

impl Samples {
    /// Returns a project's window.
    pub fn of(&self, project: &ProjectName, window: Window) -> Option<&WindowSample> {
        self.windows.get(&(project.clone(), window))
    }
}

/// The projects that run, by name. Projects come and go with their files.
pub type Members = Arc<std::sync::Mutex<BTreeMap<ProjectName, Member>>>;

/// A project the fleet looks after.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its hands.
    pub hands: Hands,
    /// Its runner's mailbox.
    pub mailbox: mpsc::Sender<Message>,
}

/// The fleet's own task.
#[derive(Debug)]
pub struct Fleet {
    tmux: Tmux,
    watch: Watch,
    members: Members,
    starts: BTreeMap<ProjectName, Starts>,
    samples: Samples,
    out: watch::Sender<Arc<Samples>>,
    spools: BTreeMap<ProjectName, Vec<Option<std::time::SystemTime>>>,
}

impl Fleet {
    /// Watches `tmux` for `members` and publishes what it sees.
    pub fn new(tmux: Tmux, members: Members, out: watch::Sender<Arc<Samples>>) -> Self {
        let watch = Watch::new(tmux.clone());
        Self {
            tmux,
            watch,
            members,
            starts: BTreeMap::new(),
            samples: Samples::default(),
            out,
            spools: BTreeMap::new(),
        }
    }

    /// Looks, until told to stop.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        loop {
            self.tick().await;
            let pause = if self.settling() {
                BUSY_TICK
            } else {
                IDLE_TICK
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.watch.woken() => tokio::time::sleep(Duration::from_millis(100)).await,
                _ = stop.changed() => break,
            }
        }
        self.watch.close().await;
    }

    /// Something is starting, busy or was idle for one sample only: the next one should come soon.
    fn settling(&self) -> bool {
        self.samples
            .windows
            .values()
            .any(|window| !window.sample.state.takes_text())
            || !self.samples.down.is_empty()
    }

    fn members(&self) -> BTreeMap<ProjectName, Member> {
        self.members
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }

    async fn tick(&mut self) {
        let members = self.members();
        self.keep_agents(&members).await;
        let before = self.samples.clone();
        match self.watch.tick(now()).await {
            Ok(snapshot) => self.sample(&members, &snapshot).await,
            Err(error) => self.samples.blind = Some(chain(&error)),
        }
        self.out.send_replace(Arc::new(self.samples.clone()));
        let mut wake: Vec<ProjectName> = Vec::new();
        for name in members.keys() {
            if changed(&before, &self.samples, name) {
                wake.push(name.clone());
            }
        }
        wake.extend(self.new_reports(&members));
        for name in wake {
            tell(&members, &name);
        }
    }

    /// Samples every window that is there. A sample reads files and may ask the agent's own server, so none waits for another's.
    async fn sample(&mut self, members: &BTreeMap<ProjectName, Member>, snapshot: &Snapshot) {
        let mut looks = tokio::task::JoinSet::new();
        for (name, member) in members {
            let Some(rules) = member.hands.rules() else {
                continue;
            };
            for window in [Window::Agent, Window::Check] {
                let Some(seen) = snapshot.find(name.as_str(), window.as_str()).cloned() else {
                    continue;
                };
                let profile = match window {
                    Window::Agent => rules.project.agent.clone(),
                    Window::Check => member
                        .hands
                        .checker()
                        .unwrap_or_else(|| rules.project.agent.clone()),
                };
                let previous = self.samples.of(name, window);
                let same_pane = previous.filter(|previous| previous.sample.pane == seen.row.pane);
                let resolved = same_pane.map(|previous| previous.resolved.clone());
                let (hands, key) = (member.hands.clone(), (name.clone(), window));
                looks.spawn_blocking(move || {
                    let sampler = hands.samplers.get(&profile)?;
                    let sampled = sampler.sample(&seen, true, resolved.as_ref(), now());
                    Some((key, WindowSample::new(sampled, seen)))
                });
            }
        }
        let mut windows = BTreeMap::new();
        while let Some(looked) = looks.join_next().await {
            match looked {
                Ok(found) => windows.extend(found),
                Err(error) => tracing::error!(%error, "a window could not be sampled"),
            }
        }
        self.samples.windows = windows;
        self.samples.blind = None;
    }

    /// Managed agents are ours to keep: started at start, again when they end, three times an hour at most.
    async fn keep_agents(&mut self, members: &BTreeMap<ProjectName, Member>) {
        for (name, member) in members {
            let Some(rules) = member.hands.rules() else {
                continue;
            };
            if rules.project.session != SessionChoice::Managed || !member.hands.wants_agent() {
                continue;
            }
            let window = self.samples.of(name, Window::Agent);
            let is_up = window.is_some_and(|window| !window.seen.row.dead);
            let starts = self.starts.entry(name.clone()).or_default();
            if is_up && self.samples.blind.is_none() {
                if window.is_some_and(|window| window.sample.state.has_begun()) {
                    starts.proven();
                }
                self.samples.down.remove(name);
                continue;
            }
            let Some(sampler) = member.hands.samplers.get(&rules.project.agent) else {
                continue;
            };
            if let Err(error) = self.tmux.start_server().await {
                self.samples.down.insert(name.clone(), chain(&error));
                continue;
            }
            let profile = sampler.profile();
            let at = tokio::time::Instant::now();
            let Some(start) = starts.next(at, profile.resume.is_some()) else {
                let why = format!("its agent ended {RESTARTS_MAX} times within an hour");
                self.samples.down.insert(name.clone(), why);
                continue;
            };
            match session::keep_agent(&member.hands, profile, start == Start::Resumed).await {
                Ok(true) => {
                    starts.began(start, at);
                    tracing::info!(project = %name, ?start, "the agent was started");
                }
                Ok(false) => {}
                Err(why) => {
                    starts.began(start, at);
                    self.samples.down.insert(name.clone(), why);
                }
            }
        }
    }

    /// Projects whose spool folders changed since the last look.
    fn new_reports(&mut self, members: &BTreeMap<ProjectName, Member>) -> Vec<ProjectName> {
        let mut news = Vec::new();
        for (name, member) in members {
            let Some(project) = member.hands.project() else {
                continue;
            };
            let times: Vec<_> = [Window::Agent, Window::Check]
                .into_iter()
                .map(|window| {
                    member
                        .hands
                        .places
                        .tree(&project, window)
                        .join(".pointsman/spool")
                })
                .map(|folder| {
                    std::fs::metadata(folder)
                        .and_then(|facts| facts.modified())
                        .ok()
                })
                .collect();
            if self.spools.get(name) != Some(&times) {
                self.spools.insert(name.clone(), times);
                news.push(name.clone());
            }
        }
        news
    }
}

fn tell(members: &BTreeMap<ProjectName, Member>, name: &ProjectName) {
    let Some(member) = members.get(name) else {
        return;
    };
    // A full mailbox means that the runner is about to look anyway.
    if member.mailbox.try_send(Message::Wake).is_err() {
        tracing::debug!(project = %name, "the runner has enough to do");
    }
}

/// Says whether something about a project's windows changed that a decision could depend on.
fn changed(before: &Samples, after: &Samples, name: &ProjectName) -> bool {
    let shape = |samples: &Samples, window| {
        samples.of(name, window).map(|window| {
            let state = &window.sample.state;
            (
                window.sample.pane.clone(),
                state.liveness,
                state.takes_text(),
                state.attention.clone(),
                state.activity,
            )
        })
    };
    [Window::Agent, Window::Check]
        .into_iter()
        .any(|window| shape(before, window) != shape(after, window))
        || before.down.get(name) != after.down.get(name)
        || before.blind.is_some() != after.blind.is_some()
}
