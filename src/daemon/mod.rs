//! The daemon (layer 3): performs what the engine asks for and feeds back what came of it.
//!
//! One task per project ([`runner`]), one watch over the tmux server ([`panes::fleet`]), one writer of the ledger. Nothing here decides.
//!
//! | room | what is in it |
//! |---|---|
//! | [`runner`], [`perform`], [`hands`] | one project's loop; each effect by the room that does it; what it is done with |
//! | [`looking`] | one look at the world, with its gaps |
//! | [`panes`] | agents' sessions, and every byte that is typed into them |
//! | [`jobs`] | project code in windows of its own: gates, trees, merges; the branch on its way to the remote |
//! | [`posting`] | labels, comments and pull requests: each write done once, or found to be done |
//! | [`desk`] | verbs and people: the control socket, what surfaces show, notifications |
//! | [`schedule`], [`pace`], [`heartbeat`] | wake-ups by the clock, how fast cycles follow one another, a line per cycle |
//! | [`store`], [`load`], [`trackers`], [`places`], [`key`] | the ledger's rebuildable tables, what all projects have open, one allowance per identity, where everything lies, our own key |

pub mod desk;
pub mod hands;
pub mod heartbeat;
pub mod jobs;
pub mod key;
pub mod load;
pub mod looking;
pub mod pace;
pub mod panes;
pub mod perform;
pub mod places;
pub mod posting;
pub mod runner;
pub mod schedule;
pub mod store;
pub mod trackers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{self, Config};
use crate::daemon::desk::notify::{Notifier, Times};
use crate::daemon::hands::{Hands, Own, Shared, chain, now};
use crate::daemon::key::Key;
use crate::daemon::load::Load;
use crate::daemon::looking::elsewhere::Reads;
use crate::daemon::looking::observe::Observer;
use crate::daemon::panes::fleet::{Fleet, Member, Members, Samples};
use crate::daemon::panes::samplers::Samplers;
use crate::daemon::places::{Places, private_folder};
use crate::daemon::runner::{MAILBOX, Message, Runner, Shown};
use crate::daemon::trackers::Trackers;
use crate::domain::{Project, ProjectName, Request};
use crate::knife;
use crate::ledger::{Ledger, LedgerThread, Lock, Sqlite};
use crate::machine::engine::Scope;
use crate::machine::state::State;
use crate::terminal::Tmux;

pub use crate::daemon::trackers::{FindAuth, OpenTrackerError, open_local, open_tracker};

/// Between two looks at the configuration's files.
const CONFIG_TICK: Duration = Duration::from_secs(2);

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another daemon has the ledger.
    #[error(transparent)]
    Lock(#[from] crate::ledger::LockError),
    /// The ledger cannot be opened.
    #[error(transparent)]
    Ledger(#[from] crate::ledger::OpenError),
    /// The ledger cannot be replayed.
    #[error("the ledger cannot be replayed")]
    Replay(#[source] store::ReplayError),
    /// A folder or file of ours cannot be made.
    #[error("cannot use `{path}`")]
    Folder {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A profile's patterns.
    #[error(transparent)]
    Profile(#[from] crate::terminal::ProfileError),
}

impl StartError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Lock(error) => error.hint(),
            Self::Ledger(error) => error.hint(),
            Self::Replay(error) => error.hint(),
            Self::Folder { .. } => Some("check who owns it, and whether the disk is full".into()),
            Self::Profile(_) => Some("mend the pattern in agents/".into()),
        }
    }
}

/// Why a project's tracker could not be used, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// What failed, with its causes.
    pub why: String,
    /// What a person can do.
    pub hint: Option<String>,
}

/// A running daemon.
pub struct Daemon {
    /// Where everything lies.
    pub places: Places,
    ledger: Ledger,
    _thread: LedgerThread,
    ledger_id: String,
    key: Key,
    tmux: Tmux,
    config: watch::Sender<Arc<Config>>,
    config_fault: Mutex<Option<String>>,
    samples: watch::Receiver<Arc<Samples>>,
    samplers: Samplers,
    members: Members,
    runners: Mutex<BTreeMap<ProjectName, tokio::task::JoinHandle<()>>>,
    load: Arc<Load>,
    reads: Reads,
    stop: watch::Sender<bool>,
    notifier: Arc<Notifier>,
    /// The watch and the notifier: what has to end before the daemon does.
    tasks: Mutex<Vec<tokio::task::JoinHandle<()>>>,
    trackers: Arc<Trackers>,
    waiting: Mutex<BTreeMap<ProjectName, Waiting>>,
    scope: Scope,
    starting: tokio::sync::Mutex<()>,
    _lock: Lock,
}

impl std::fmt::Debug for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Daemon")
            .field("state", &self.places.state)
            .finish_non_exhaustive()
    }
}

impl Daemon {
    /// Takes the ledger's lock, replays, and starts a runner per project.
    pub async fn start(
        places: Places,
        config: Config,
        find_auth: FindAuth,
    ) -> Result<Arc<Self>, StartError> {
        Self::start_within(Scope::Everything, places, config, find_auth).await
    }

    /// The same, and says what it may begin: a verb without a daemon is one for a single request.
    pub async fn start_within(
        scope: Scope,
        places: Places,
        config: Config,
        find_auth: FindAuth,
    ) -> Result<Arc<Self>, StartError> {
        for folder in [&places.state, &places.runtime] {
            private_folder(folder).map_err(|source| StartError::Folder {
                path: folder.clone(),
                source,
            })?;
        }
        if let Some(folder) = places.socket.parent() {
            private_folder(folder).map_err(|source| StartError::Folder {
                path: folder.to_owned(),
                source,
            })?;
        }
        let lock = Lock::take(&places.state)?;
        knife::point(|| "starts: locked".to_owned());
        let store = Sqlite::open_whole(&places.ledger())?;
        knife::point(|| "starts: the ledger is there".to_owned());
        let key_path = places.state.join("key");
        let key = Key::open(&key_path).map_err(|source| StartError::Folder {
            path: key_path,
            source,
        })?;
        let (ledger, thread) =
            Ledger::start(Box::new(store)).map_err(|source| StartError::Folder {
                path: places.ledger(),
                source,
            })?;
        let ledger_id = ledger
            .ledger_id()
            .await
            .map_err(|error| StartError::Replay(error.into()))?;
        let samplers = Samplers::new(&config.profiles, places.agents_home())?;
        let tmux = places.tmux();
        let (samples_out, samples) = watch::channel(Arc::new(Samples::default()));
        let members = Members::default();
        let (stop, stopped) = watch::channel(false);
        let config = watch::channel(Arc::new(config)).0;
        let notifier = Notifier::open(places.clone(), config.subscribe(), Times::default());
        let daemon = Arc::new(Self {
            ledger_id,
            key,
            _thread: thread,
            ledger,
            config,
            config_fault: Mutex::new(None),
            samples,
            samplers,
            members: members.clone(),
            runners: Mutex::default(),
            load: Arc::default(),
            reads: Reads::default(),
            stop,
            notifier: Arc::clone(&notifier),
            tasks: Mutex::default(),
            trackers: Arc::new(Trackers::new(find_auth)),
            waiting: Mutex::default(),
            scope,
            starting: tokio::sync::Mutex::default(),
            _lock: lock,
            tmux: tmux.clone(),
            places,
        });
        daemon.start_projects().await?;
        let fleet = Fleet::new(tmux, members, Arc::clone(&daemon.load), samples_out);
        *daemon.tasks.lock().expect("no holder of this lock panics") = vec![
            tokio::spawn(fleet.run(stopped.clone())),
            tokio::spawn(notifier.run(stopped)),
        ];
        Ok(daemon)
    }

    /// Returns why a project that is configured does not run.
    pub fn waiting(&self, name: &ProjectName) -> Option<Waiting> {
        self.waiting
            .lock()
            .expect("no holder of this lock panics")
            .get(name)
            .cloned()
    }

    /// Starts a runner for every project that has none; also those whose tracker could not be used before.
    pub async fn start_projects(&self) -> Result<(), StartError> {
        // The tick of the configuration, SIGHUP and the sweep may come at once: two runners of one project would each believe the ledger theirs.
        let _one_at_a_time = self.starting.lock().await;
        let config = self.config.borrow().clone();
        self.load
            .retain(|project| config.projects.contains_key(project));
        let mut starting = Vec::new();
        for project in config.projects.values() {
            let running = self
                .runners
                .lock()
                .expect("no holder of this lock panics")
                .contains_key(&project.name);
            if !running {
                let state = store::replay(&self.ledger, &project.name)
                    .await
                    .map_err(StartError::Replay)?;
                // Before the first of them decides, what the others have open is known.
                self.load.put(&project.name, state.load());
                starting.push((project, state));
            }
        }
        for (project, state) in starting {
            self.start_project(project, state, &config).await?;
            if self.waiting(&project.name).is_some() {
                let matter = desk::surface::does_not_run(self, &project.name);
                self.notifier.hear(project.name.as_str(), vec![matter]);
            }
        }
        Ok(())
    }

    async fn start_project(
        &self,
        project: &Project,
        state: State,
        config: &Config,
    ) -> Result<(), StartError> {
        let (mark, heads) = store::load(&self.ledger, &project.name).await;
        // It may ask `gh`, which may ask a keyring.
        let opening = {
            let trackers = Arc::clone(&self.trackers);
            let (places, config, project) = (self.places.clone(), config.clone(), project.clone());
            move || trackers.open(&places, &config, &project)
        };
        let tracker = tokio::task::spawn_blocking(opening)
            .await
            .expect("opening a tracker does not panic");
        let mut waiting = self.waiting.lock().expect("no holder of this lock panics");
        let tracker = match tracker {
            Ok(tracker) => tracker,
            Err(error) => {
                let why = chain(&error);
                tracing::error!(project = %project.name, why, "the project's tracker cannot be used: the project waits");
                let hint = error.hint();
                waiting.insert(project.name.clone(), Waiting { why, hint });
                return Ok(());
            }
        };
        waiting.remove(&project.name);
        drop(waiting);
        let known = !heads.is_empty() || mark.etag.is_some();
        knife::point(|| "starts: a project's tracker is there".to_owned());
        let shared = Shared {
            places: self.places.clone(),
            ledger: self.ledger.clone(),
            ledger_id: self.ledger_id.clone(),
            samplers: self.samplers.clone(),
            samples: self.samples.clone(),
            config: self.config.subscribe(),
            key: self.key.clone(),
            reads: self.reads.clone(),
        };
        let own = Own {
            name: project.name.clone(),
            tracker,
            state: &state,
            heads,
            kept: true,
        };
        let hands = Hands::new(shared, own);
        let (mailbox, inbox) = mpsc::channel(MAILBOX);
        let observer = Observer::new(mark, known);
        let runner = Runner::new(
            hands.clone(),
            state,
            observer,
            (mailbox.clone(), inbox),
            Arc::clone(&self.load),
            Arc::clone(&self.notifier),
        )
        .within(self.scope);
        self.members
            .lock()
            .expect("no holder of this lock panics")
            .insert(project.name.clone(), Member { hands, mailbox });
        let task = tokio::spawn(runner.run());
        self.runners
            .lock()
            .expect("no holder of this lock panics")
            .insert(project.name.clone(), task);
        Ok(())
    }

    /// Reads the configuration again; what has mistakes stays as it was, and it is said.
    pub async fn reload(&self) -> Option<String> {
        let before = self.config.borrow().clone();
        let reload = config::reload(&before, &self.places.config, &self.places.home);
        let fault = reload.problems.as_ref().map(ToString::to_string);
        if let Some(fault) = &fault {
            tracing::error!(%fault, "the configuration has mistakes: the last good one stays in force");
        }
        if reload.config != *before {
            if let Err(error) = self
                .samplers
                .replace(&reload.config.profiles, self.places.agents_home())
            {
                // `config` compiles the same patterns, so this is a mistake of ours; the compiled ones stay.
                tracing::error!(error = chain(&error), "a profile does not compile");
            }
            self.config.send_replace(Arc::new(reload.config));
            for name in self.projects() {
                self.send(&name, Message::Poll).await;
            }
            tracing::info!("the configuration was read again");
        }
        if let Err(error) = self.start_projects().await {
            tracing::error!(error = chain(&error), "a new project cannot be started");
        }
        let matter = fault.as_deref().map(desk::surface::config_fault);
        self.notifier
            .hear(desk::surface::INSTALLATION, matter.into_iter().collect());
        self.config_fault
            .lock()
            .expect("no holder of this lock panics")
            .clone_from(&fault);
        fault
    }

    /// Returns what is wrong with the configuration's files, whose last good version is in force.
    pub fn config_fault(&self) -> Option<String> {
        self.config_fault
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }

    /// Watches the configuration's files by stat, until the daemon stops.
    pub async fn watch_config(self: Arc<Self>) {
        let mut stop = self.stop.subscribe();
        // What changed between the load and now is read at the first tick.
        let mut stamp = None;
        loop {
            tokio::select! {
                () = tokio::time::sleep(CONFIG_TICK) => {}
                _ = stop.changed() => return,
            }
            let now = Some(config::stamp(&self.places.config));
            if now != stamp {
                stamp = now;
                self.reload().await;
            }
        }
    }

    /// Returns the projects that run.
    pub fn projects(&self) -> Vec<ProjectName> {
        self.members
            .lock()
            .expect("no holder of this lock panics")
            .keys()
            .cloned()
            .collect()
    }

    /// Returns a project's hands.
    pub fn hands(&self, name: &ProjectName) -> Option<Hands> {
        self.members
            .lock()
            .expect("no holder of this lock panics")
            .get(name)
            .map(|member| member.hands.clone())
    }

    /// Returns the configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.borrow().clone()
    }

    /// Returns the ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Returns the tmux client of managed sessions.
    pub fn tmux(&self) -> &Tmux {
        &self.tmux
    }

    /// Waits until every runner has answered, and returns whether all did: the watchdog's witness.
    ///
    /// A runner is asked, not watched: one with nothing to do may not turn for ten minutes, and one that turns hides none that hangs.
    pub async fn is_turning(&self) -> bool {
        for name in self.projects() {
            if self.show(&name).await.is_none() {
                return false;
            }
        }
        true
    }

    /// Tells a project's runner something; `false` if there is no such runner.
    pub async fn send(&self, name: &ProjectName, message: Message) -> bool {
        let mailbox = self
            .members
            .lock()
            .expect("no holder of this lock panics")
            .get(name)
            .map(|member| member.mailbox.clone());
        match mailbox {
            Some(mailbox) => mailbox.send(message).await.is_ok(),
            None => false,
        }
    }

    /// Asks a project's engine for something a person wants.
    pub async fn ask(&self, name: &ProjectName, request: Request) -> bool {
        let (done, answer) = oneshot::channel();
        self.send(name, Message::Ask(request, done)).await && answer.await.is_ok()
    }

    /// Returns what is known of a project now.
    pub async fn show(&self, name: &ProjectName) -> Option<Box<Shown>> {
        let (reply, answer) = oneshot::channel();
        if !self.send(name, Message::Show(reply)).await {
            return None;
        }
        answer.await.ok()
    }

    /// Lets what is under way end, then stops; what does not end in time is found again at the next start.
    pub async fn drain(&self, patience: Duration) {
        let started = now();
        let mut waits = Vec::new();
        for name in self.projects() {
            let (done, drained) = oneshot::channel();
            if self.send(&name, Message::Drain(done)).await {
                waits.push((name, drained));
            }
        }
        let deadline = tokio::time::Instant::now() + patience;
        for (name, drained) in waits {
            if tokio::time::timeout_at(deadline, drained).await.is_err() {
                tracing::warn!(project = %name, "something is still under way: the next start resolves it");
            }
        }
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().expect("no holder of this lock panics"));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::warn!(%error, "a task of the daemon ended badly");
            }
        }
        tracing::info!(took = ?now().duration_since(started), "drained");
    }

    /// Waits until the daemon is told to stop.
    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }
}
