//! The fleet: one watch over one tmux server feeds every project; managed agents are kept up.

mod limits;
mod window;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::daemon::hands::{Hands, chain, now};
use crate::daemon::jobs::tree;
use crate::daemon::load::Load;
use crate::daemon::looking::looks::{Begin, LOOK_MAX, Looked, Looks, UNREAD};
use crate::daemon::panes::session;
use crate::daemon::panes::starts::{RESTARTS_MAX, Start, Starts};
use crate::daemon::runner::Message;
use crate::domain::{ProjectName, Rules, SessionChoice, Window};
use crate::terminal::{Seen, Snapshot, Tmux, TmuxError, Watch};

use limits::{Limits, Word};
pub use window::{Samples, WindowSample};

/// Between two looks while something is open, and while nothing is (DESIGN 3).
const BUSY_TICK: Duration = Duration::from_secs(1);
const IDLE_TICK: Duration = Duration::from_secs(5);
/// Between two looks for new reports while a dispatch is open: a stat per spool, so that an agent that waits for its answer
/// waits for the gates and not for us.
const REPORT_TICK: Duration = Duration::from_millis(200);
/// How long the end of a change that tmux announced is waited for.
const CHANGE_SETTLES: Duration = Duration::from_millis(100);

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
    /// One per server: ours, and those that adopted panes are on.
    watches: BTreeMap<PathBuf, Watch>,
    members: Members,
    starts: BTreeMap<(ProjectName, Window), Starts>,
    /// Trees of further agents that are being made.
    trees: BTreeMap<(ProjectName, Window), JoinHandle<Result<(), String>>>,
    samples: Samples,
    /// Whether our server was started, or found.
    has_server: bool,
    /// Whether a managed agent that should be there is not.
    reviving: bool,
    load: Arc<Load>,
    out: watch::Sender<Arc<Samples>>,
    spools: BTreeMap<ProjectName, SpoolTimes>,
    /// Each server, pane and spool is looked at by itself: one that hangs stops no other.
    servers: Looks<PathBuf, (Watch, Result<Snapshot, String>)>,
    panes: Looks<(ProjectName, Window), WindowSample>,
    folders: Looks<ProjectName, SpoolTimes>,
    limits: Limits,
}

/// When a project's spool folders changed last, as far as they are there.
type SpoolTimes = Vec<Option<std::time::SystemTime>>;

impl Fleet {
    /// Watches `tmux` for `members` and publishes what it sees.
    pub fn new(
        tmux: Tmux,
        members: Members,
        load: Arc<Load>,
        out: watch::Sender<Arc<Samples>>,
    ) -> Self {
        let ours = (tmux.socket().to_owned(), Watch::new(tmux.clone()));
        Self {
            tmux,
            watches: BTreeMap::from([ours]),
            members,
            starts: BTreeMap::new(),
            trees: BTreeMap::new(),
            samples: Samples::default(),
            has_server: false,
            reviving: false,
            load,
            out,
            spools: BTreeMap::new(),
            servers: Looks::default(),
            panes: Looks::default(),
            folders: Looks::default(),
            limits: Limits::default(),
        }
    }

    /// Looks, until told to stop.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) {
        let mut changes = self.load.changes();
        loop {
            self.tick().await;
            let is_open = self.load.is_anything_open();
            let pause = if is_open || self.settling() {
                BUSY_TICK
            } else {
                IDLE_TICK
            };
            let next = tokio::time::Instant::now() + pause;
            let stopped = loop {
                tokio::select! {
                    () = tokio::time::sleep_until(next) => break false,
                    () = tokio::time::sleep(REPORT_TICK), if is_open => self.tell_of_reports().await,
                    Ok(()) = changes.changed() => if is_open != self.load.is_anything_open() { break false },
                    () = woken(&mut self.watches) => {
                        tokio::time::sleep(CHANGE_SETTLES).await;
                        break false;
                    }
                    _ = stop.changed() => break true,
                }
            };
            if stopped {
                break;
            }
        }
        for watch in self.watches.into_values() {
            watch.close().await;
        }
    }

    async fn tell_of_reports(&mut self) {
        let members = self.members();
        for name in self.new_reports(&members).await {
            tell(&members, &name);
        }
    }

    /// Something is starting, busy or was idle for one sample only: the next one should come soon.
    fn settling(&self) -> bool {
        self.samples
            .windows
            .values()
            .any(|window| !window.sample.state.takes_text())
            || self.reviving
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
        let snapshots = self.look(&members).await;
        self.sample(&members, &snapshots).await;
        let words: Vec<Word<'_>> = self.samples.windows.iter().map(Word::of).collect();
        self.limits.note(&words, now());
        self.samples.limits = self.limits.told(&limits::accounts(&self.members));
        self.samples.looked.extend(members.keys().cloned());
        self.out.send_replace(Arc::new(self.samples.clone()));
        let mut wake: Vec<ProjectName> = Vec::new();
        for name in members.keys() {
            if changed(&before, &self.samples, name) {
                wake.push(name.clone());
            }
        }
        wake.extend(self.new_reports(&members).await);
        for name in wake {
            tell(&members, &name);
        }
    }

    /// Looks at every server that has a pane of ours, and at no other.
    async fn look(
        &mut self,
        members: &BTreeMap<ProjectName, Member>,
    ) -> BTreeMap<PathBuf, Result<Snapshot, String>> {
        let ours = self.tmux.socket().to_owned();
        let mut wanted = BTreeMap::from([(ours, self.tmux.clone())]);
        for member in members.values() {
            if let Some(project) = member.hands.project() {
                let server = member.hands.places.tmux_of(&project, Window::AGENT);
                wanted.insert(server.socket().to_owned(), server);
            }
        }
        let gone: Vec<PathBuf> = self
            .watches
            .keys()
            .filter(|socket| !wanted.contains_key(*socket))
            .cloned()
            .collect();
        for watch in gone.iter().filter_map(|socket| self.watches.remove(socket)) {
            watch.close().await;
        }
        let mut begin: Vec<(PathBuf, Begin<_>)> = Vec::new();
        for (socket, server) in &wanted {
            let known = self.watches.remove(socket);
            let server = server.clone();
            let look = move || {
                let mut watch = known.unwrap_or_else(|| Watch::new(server));
                tokio::spawn(async move {
                    let looked = watch.tick(now()).await.map_err(|error| chain(&error));
                    (watch, looked)
                })
            };
            begin.push((socket.clone(), Box::new(look)));
        }
        let watches = &mut self.watches;
        let looked = self.servers.all(begin, |socket, (watch, _)| {
            watches.insert(socket.clone(), watch);
        });
        let mut snapshots = BTreeMap::new();
        for (socket, looked) in looked.await {
            let snapshot = match looked {
                Looked::Back((watch, snapshot)) => {
                    self.watches.insert(socket.clone(), watch);
                    snapshot
                }
                Looked::Out => Err(format!(
                    "the tmux server `{}` does not answer within {} s",
                    socket.display(),
                    LOOK_MAX.as_secs()
                )),
            };
            snapshots.insert(socket, snapshot);
        }
        snapshots
    }

    /// Samples every window that is there. A sample reads files and may ask the agent's own server, so none waits for another's.
    async fn sample(
        &mut self,
        members: &BTreeMap<ProjectName, Member>,
        snapshots: &BTreeMap<PathBuf, Result<Snapshot, String>>,
    ) {
        let ours = snapshots.get(self.tmux.socket());
        self.samples.blind = ours.and_then(|looked| looked.as_ref().err().cloned());
        let mut windows = BTreeMap::new();
        let mut seen_now = BTreeMap::new();
        let mut begin: Vec<(_, Begin<WindowSample>)> = Vec::new();
        for (name, member) in members {
            let Some(rules) = member.hands.rules() else {
                continue;
            };
            for window in member.hands.windows(&rules.project) {
                let place = (name, window, &rules.project.session);
                let socket = member.hands.places.socket_of(&rules.project, window);
                let snapshot = match snapshots.get(socket) {
                    Some(Ok(snapshot)) => snapshot,
                    failed => {
                        // What was known stays for as long as a slow look may take; then nobody knows.
                        let key = (name.clone(), window);
                        let kept = self.samples.windows.remove(&key);
                        let why = failed.and_then(|failed| failed.as_ref().err());
                        let why = why.map_or("its tmux server was not looked at", |why| why);
                        windows.extend(kept.map(|kept| (key, kept.aged(why, now()))));
                        continue;
                    }
                };
                let Some(seen) = find(snapshot, place).cloned() else {
                    continue;
                };
                let profile = match window {
                    Window::Agent(_) => rules.project.agent.clone(),
                    Window::Check => member
                        .hands
                        .checker()
                        .unwrap_or_else(|| rules.project.agent.clone()),
                };
                let Some(sampler) = member.hands.samplers.get(&profile) else {
                    continue;
                };
                let key = (name.clone(), window);
                let previous = self.samples.windows.remove(&key);
                let same_pane = previous.filter(|previous| previous.sample.pane == seen.row.pane);
                let resolved = same_pane.as_ref().map(|previous| previous.resolved.clone());
                let station = session::station(&member.hands, window);
                let left = same_pane.unwrap_or_else(|| {
                    WindowSample::unread(sampler.profile(), station.managed, Arc::clone(&seen))
                });
                seen_now.insert(key.clone(), left);
                let look = move || {
                    tokio::task::spawn_blocking(move || {
                        let sampled = sampler.sample(&seen, &station, resolved.as_ref(), now());
                        let profile = sampler.profile().clone();
                        WindowSample::new(sampled, profile, seen)
                    })
                };
                begin.push((key, Box::new(look)));
            }
        }
        for (key, looked) in self.panes.all(begin, |_, _| {}).await {
            let left = seen_now.remove(&key);
            let sampled = match looked {
                Looked::Back(sampled) => Some(sampled),
                Looked::Out => left.map(|left| left.unheard(UNREAD, now())),
            };
            windows.extend(sampled.map(|sampled| (key, sampled)));
        }
        self.samples.windows = windows;
        for (name, member) in members {
            self.miss_adopted(name, member, snapshots);
        }
    }

    /// Without a relay nobody reads what agents of another account say: their projects wait, and it is said.
    async fn is_unread(members: &BTreeMap<ProjectName, Member>) -> Option<String> {
        let home = members.values().next()?.hands.places.agents_home();
        let asked = tokio::task::spawn_blocking(move || home.unread());
        // No word that it is read is none.
        asked.await.unwrap_or_else(|error| Some(error.to_string()))
    }

    /// An adopted pane is never started by us: that it is missing is said, and that is all.
    fn miss_adopted(
        &mut self,
        name: &ProjectName,
        member: &Member,
        snapshots: &BTreeMap<PathBuf, Result<Snapshot, String>>,
    ) {
        let Some(project) = member.hands.project() else {
            return;
        };
        let SessionChoice::Adopted { target, .. } = &project.session else {
            return;
        };
        let socket = member.hands.places.socket_of(&project, Window::AGENT);
        let why = match snapshots.get(socket) {
            Some(Ok(_)) if self.samples.of(name, Window::AGENT).is_some() => None,
            Some(Ok(_)) => Some(format!(
                "there is no pane `{target}` on the tmux server `{}`",
                socket.display()
            )),
            Some(Err(why)) => Some(why.clone()),
            None => None,
        };
        match why {
            Some(why) => self.samples.down.insert((name.clone(), Window::AGENT), why),
            None => self.samples.down.remove(&(name.clone(), Window::AGENT)),
        };
    }

    /// Our own server is there for gates and checkers too, so it is started whoever's panes the agents are in.
    async fn keep_server(
        &mut self,
        members: &BTreeMap<ProjectName, Member>,
    ) -> Result<(), TmuxError> {
        let is_wanted = members.values().any(|member| member.hands.wants_agent());
        if is_wanted && (!self.has_server || self.samples.blind.is_some()) {
            self.tmux.start_server().await?;
            self.has_server = true;
        }
        Ok(())
    }

    /// Managed agents are ours to keep: started at start, again when they end, three times an hour at most.
    async fn keep_agents(&mut self, members: &BTreeMap<ProjectName, Member>) {
        self.reviving = false;
        self.samples.unread = Self::is_unread(members).await;
        if self.samples.unread.is_some() {
            return;
        }
        if let Err(error) = self.keep_server(members).await {
            self.samples.blind = Some(chain(&error));
            return;
        }
        for (name, member) in members {
            let Some(rules) = member.hands.rules() else {
                continue;
            };
            let project = &rules.project;
            let agents = member.hands.agents(project);
            let is_ours =
                |(of, window): &(ProjectName, Window)| of != name || agents.contains(window);
            self.samples.down.retain(|key, _| is_ours(key));
            if project.session != SessionChoice::Managed || !member.hands.wants_agent() {
                continue;
            }
            for window in agents {
                self.keep_one((name, window), &member.hands, &rules).await;
            }
        }
    }

    async fn keep_one(
        &mut self,
        (name, window): (&ProjectName, Window),
        hands: &Hands,
        rules: &Rules,
    ) {
        let key = (name.clone(), window);
        let sampled = self.samples.of(name, window);
        let is_up = sampled.is_some_and(|sampled| !sampled.seen.row.dead);
        let starts = self.starts.entry(key.clone()).or_default();
        if is_up && self.samples.blind.is_none() {
            if sampled.is_some_and(|sampled| sampled.sample.state.has_begun()) {
                starts.proven();
            }
            self.samples.down.remove(&key);
            return;
        }
        self.reviving = true;
        let Some(sampler) = hands.samplers.get(&rules.project.agent) else {
            return;
        };
        let profile = sampler.profile();
        let at = tokio::time::Instant::now();
        let Some(start) = starts.next(at, profile.resume.is_some()) else {
            // Why it could not even be started says more.
            let why = || format!("its agent ended {RESTARTS_MAX} times within an hour");
            self.samples.down.entry(key).or_insert_with(why);
            return;
        };
        let kept = match self.has_tree(&key, hands).await {
            Some(Ok(())) => {
                session::keep_agent(hands, window, profile, start == Start::Resumed).await
            }
            Some(Err(why)) => Err(why),
            None => return,
        };
        if !matches!(kept, Ok(false)) {
            let starts = self.starts.entry(key.clone()).or_default();
            starts.began(start, at);
        }
        match kept {
            Ok(true) => {
                let window = window.as_str();
                tracing::info!(project = %name, window, ?start, "the agent was started");
            }
            Ok(false) => {}
            Err(why) => drop(self.samples.down.insert(key, why)),
        }
    }

    /// The tree of a further agent is made by a job, and nobody waits for it: `None` until it has ended.
    async fn has_tree(
        &mut self,
        key: &(ProjectName, Window),
        hands: &Hands,
    ) -> Option<Result<(), String>> {
        let (own, window) = (hands.clone(), key.1);
        if window == Window::AGENT {
            return Some(Ok(()));
        }
        let Some(making) = self.trees.get(key) else {
            let making = tokio::spawn(async move { tree::make(&own, window).await });
            self.trees.insert(key.clone(), making);
            return None;
        };
        if !making.is_finished() {
            return None;
        }
        let made = self.trees.remove(key)?.await;
        Some(made.unwrap_or_else(|error| Err(error.to_string())))
    }

    /// Projects whose spool folders changed since the last look.
    async fn new_reports(&mut self, members: &BTreeMap<ProjectName, Member>) -> Vec<ProjectName> {
        let mut begin: Vec<(ProjectName, Begin<SpoolTimes>)> = Vec::new();
        for (name, member) in members {
            let Some(project) = member.hands.project() else {
                continue;
            };
            let trees = member.hands.places.agents_trees(&project);
            let folders: Vec<PathBuf> = trees
                .into_iter()
                .map(|(_, tree)| tree.join(".pointsman/spool"))
                .collect();
            let changed = |folder: &PathBuf| {
                let facts = std::fs::metadata(folder);
                facts.and_then(|facts| facts.modified()).ok()
            };
            let look =
                move || tokio::task::spawn_blocking(move || folders.iter().map(changed).collect());
            begin.push((name.clone(), Box::new(look)));
        }
        let mut news = Vec::new();
        for (name, looked) in self.folders.all(begin, |_, _| {}).await {
            if let Looked::Back(times) = looked
                && self.spools.get(&name) != Some(&times)
            {
                self.spools.insert(name.clone(), times);
                news.push(name);
            }
        }
        news
    }
}

/// Finds a window's pane: an adopted one where its person said, any other by the names we gave it.
fn find<'a>(
    snapshot: &'a Snapshot,
    (project, window, session): (&ProjectName, Window, &SessionChoice),
) -> Option<&'a Arc<Seen>> {
    match session {
        SessionChoice::Adopted { target, .. } if window == Window::AGENT => snapshot.at(target),
        SessionChoice::Adopted { .. } | SessionChoice::Managed => {
            snapshot.find(project.as_str(), window.as_str())
        }
    }
}

/// Waits until one of the servers says that something came or went. One whose look is not back says nothing, and it may be the only one.
async fn woken(watches: &mut BTreeMap<PathBuf, Watch>) {
    if watches.is_empty() {
        return std::future::pending().await;
    }
    let waits = watches.values_mut().map(|watch| Box::pin(watch.woken()));
    futures_util::future::select_all(waits).await;
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
    let is_down = |samples: &Samples, window| {
        let why = samples.down.get(&(name.clone(), window));
        why.cloned()
    };
    Window::all().any(|window| {
        shape(before, window) != shape(after, window)
            || is_down(before, window) != is_down(after, window)
    }) || before.blind.is_some() != after.blind.is_some()
        || before.unread.is_some() != after.unread.is_some()
        || before.limits != after.limits
}
