//! What one project's effects are done with.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::config::Config;
use crate::daemon::key::Key;
use crate::daemon::looking::elsewhere::Reads;
use crate::daemon::panes::fleet::Samples;
use crate::daemon::panes::hand::PaneLocks;
use crate::daemon::panes::samplers::Samplers;
use crate::daemon::places::Places;
use crate::domain::{
    Actor, Comment, CommentId, CommentMode, Details, FleetCaps, Head, IssueNumber, Outcome,
    ProfileName, Project, Rules, SingleRead, SkillName, Window,
};
use crate::ledger::Ledger;
use crate::machine::labels::trust;
use crate::machine::state::State;
use crate::repo::Mirror;
use crate::terminal::Tmux;
use crate::tracker::{Tracker, TrackerError};

/// How long a passing fault rests before it is tried again, unless the outside names a time.
pub const RETRY_AFTER: Duration = Duration::from_secs(15);

/// Authors of comments whose role is read at once.
pub(super) const AUTHORS_MAX: usize = 20;

/// Reads the wall clock: the one place of the daemon that does.
#[expect(clippy::disallowed_methods, reason = "the daemon is the edge")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// What one project's effects are done with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hands {
    /// Everything below.
    inner: Arc<Inner>,
}

/// What all projects of an installation share.
#[derive(Clone, Debug)]
pub struct Shared {
    /// Where everything lies.
    pub places: Places,
    /// The ledger.
    pub ledger: Ledger,
    /// Its id, a witness in every brief.
    pub ledger_id: String,
    /// One recogniser per profile, as the configuration in force has them.
    pub samplers: Samplers,
    /// What the watch saw last.
    pub samples: tokio::sync::watch::Receiver<Arc<Samples>>,
    /// The configuration in force.
    pub config: tokio::sync::watch::Receiver<Arc<Config>>,
    /// The installation's key.
    pub key: Key,
    /// What the projects read last, for the issues that wait for one of another's.
    pub reads: Reads,
}

/// What is one project's own.
#[derive(Debug)]
pub struct Own<'a> {
    /// The project's name.
    pub name: crate::domain::ProjectName,
    /// The project's tracker.
    pub tracker: Tracker,
    /// What the ledger says of it.
    pub state: &'a State,
    /// What the tracker said last of each issue we may need.
    pub heads: BTreeMap<IssueNumber, Head>,
    /// Whether the persistent agent is to be kept up; looking starts nothing.
    pub kept: bool,
}

/// The parts.
#[derive(Debug)]
pub struct Inner {
    shared: Shared,
    /// The project's tracker.
    pub tracker: Tracker,
    /// The tmux server of managed sessions and of gates.
    pub tmux: Tmux,
    /// What the tracker said last of each issue we may need.
    pub heads: Mutex<BTreeMap<IssueNumber, Head>>,
    /// Whether only invited people can read the repository, once the tracker said so.
    pub private: Mutex<Option<bool>>,
    /// Who we are on the tracker.
    pub us: tokio::sync::OnceCell<Actor>,
    /// The profile of the agent in the `check` window.
    pub checker: Mutex<Option<ProfileName>>,
    /// Whether the persistent agent is to be kept up.
    pub kept: std::sync::atomic::AtomicBool,
    /// The project's bare mirror: one, because its fetches go one after the other.
    pub mirror: tokio::sync::OnceCell<Mirror>,
    /// Whose panes are being typed into.
    pub panes: PaneLocks,
    /// The windows of dispatches that are not cleared away: the project may have fewer agents than it had.
    held: Mutex<BTreeSet<Window>>,
    /// Held by whoever works in the `gate` tree: two dispatches are measured at once, and there is one tree.
    pub gate_tree: tokio::sync::Mutex<()>,
    /// Held by whoever puts a persistent agent's tree: two of them may want one branch, and git's list of trees is the project's.
    pub agent_trees: tokio::sync::Mutex<()>,
    /// The project's name.
    pub name: crate::domain::ProjectName,
}

impl std::ops::Deref for Inner {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.shared
    }
}

impl std::ops::Deref for Hands {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.inner
    }
}

/// Which comments of an issue a read includes.
#[derive(Clone, Copy, Debug)]
pub enum Comments<'a> {
    /// None: they cost a request.
    Unread,
    /// Those after this one.
    After(&'a CommentId),
    /// All of them.
    All,
}

fn held_windows(state: &State) -> BTreeSet<Window> {
    let held = state.dispatches.values().filter(|one| !one.tidied);
    held.map(|one| one.opening.window).collect()
}

impl Hands {
    /// Returns what does not keep the project's hands alive.
    pub fn weak(&self) -> std::sync::Weak<Inner> {
        Arc::downgrade(&self.inner)
    }

    /// Returns the tmux server that a window of the project is on.
    pub fn terminal(&self, window: Window) -> Tmux {
        match self.project() {
            Some(project) => self.places.tmux_of(&project, window),
            None => self.tmux.clone(),
        }
    }

    /// Takes what all projects share and what is one project's own.
    pub fn new(shared: Shared, own: Own) -> Self {
        let checker = own
            .state
            .in_window(Window::Check)
            .map(|dispatch| dispatch.opening.profile.clone());
        let inner = Inner {
            tmux: shared.places.tmux(),
            panes: PaneLocks::new(&shared.places.runtime, &shared.places.state),
            shared,
            tracker: own.tracker,
            heads: Mutex::new(own.heads),
            private: Mutex::new(None),
            us: tokio::sync::OnceCell::new(),
            checker: Mutex::new(checker),
            kept: std::sync::atomic::AtomicBool::new(own.kept),
            mirror: tokio::sync::OnceCell::new(),
            held: Mutex::new(held_windows(own.state)),
            gate_tree: tokio::sync::Mutex::new(()),
            agent_trees: tokio::sync::Mutex::new(()),
            name: own.name,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Takes what the ledger says of windows now.
    pub fn hold_windows(&self, state: &State) {
        *self.held.lock().expect("no holder of this lock panics") = held_windows(state);
    }

    /// Returns the windows in which persistent agents are kept: the project's own, and those whose work is not over.
    pub fn agents(&self, project: &Project) -> Vec<Window> {
        let held = self.held.lock().expect("no holder of this lock panics");
        let is_kept = |window: &Window| {
            project.agents().any(|agent| agent == *window) || held.contains(window)
        };
        Window::all()
            .filter(|window| window.is_agent() && is_kept(window))
            .collect()
    }

    /// Returns the windows that are ours in the project's session.
    pub fn windows(&self, project: &Project) -> BTreeSet<Window> {
        let ours = self.places.windows(project).into_iter();
        ours.chain(self.agents(project)).collect()
    }

    /// Returns the project as it is configured now; `None` once it was removed.
    pub fn project(&self) -> Option<Project> {
        self.config.borrow().projects.get(&self.name).cloned()
    }

    /// Returns the rules in force.
    pub fn rules(&self) -> Option<Rules> {
        let mut rules = rules_of(&self.config.borrow(), &self.name)?;
        let private = *self.private.lock().expect("no holder of this lock panics");
        if rules.project.comment.is_none() && private == Some(true) {
            rules.comment = CommentMode::Full;
        }
        Some(rules)
    }

    /// Reads who can read the repository, and remembers it.
    pub async fn learn_readers(&self) {
        if let Ok(facts) = self.tracker.repo().await {
            let mut private = self.private.lock().expect("no holder of this lock panics");
            *private = Some(!facts.public);
        }
    }

    /// Returns whether it was read who can read the repository.
    pub fn knows_readers(&self) -> bool {
        let private = self.private.lock().expect("no holder of this lock panics");
        private.is_some()
    }

    /// Returns the newest sample of a window, with the witnesses and the screen.
    pub fn sampled(&self, window: Window) -> Option<crate::daemon::panes::fleet::WindowSample> {
        self.samples.borrow().of(&self.name, window).cloned()
    }

    /// Reads one issue singly and remembers its head.
    pub async fn details(
        &self,
        issue: IssueNumber,
        wanted: Comments<'_>,
    ) -> Result<Details, TrackerError> {
        let read = self.tracker.issue(issue).await?;
        let events = match &read {
            SingleRead::Found(_) => self.tracker.label_events(issue).await?,
            SingleRead::Transferred { .. } | SingleRead::Gone => Vec::new(),
        };
        let comments = match wanted {
            Comments::Unread => None,
            Comments::After(since) => Some(after(self.tracker.comments(issue).await?, since)),
            Comments::All => Some(self.tracker.comments(issue).await?),
        };
        let mut actors = self.actors_in_question(&read, &events);
        actors.extend(authors(comments.as_deref().unwrap_or_default()));
        actors.sort();
        actors.dedup();
        let mut roles = BTreeMap::new();
        for actor in actors {
            let role = self.tracker.role(&actor).await?;
            roles.insert(actor, role);
        }
        self.remember(issue, &read);
        Ok(Details {
            read,
            events,
            roles,
            comments,
            at: now(),
        })
    }

    /// The accounts whose role has to be known.
    fn actors_in_question(
        &self,
        read: &SingleRead,
        events: &[crate::domain::LabelEvent],
    ) -> Vec<Actor> {
        let SingleRead::Found(found) = read else {
            return Vec::new();
        };
        let rules = self.rules();
        rules.map_or_else(Vec::new, |rules| {
            trust::in_question(&rules.workflow, found, events)
        })
    }

    /// Keeps what a single read said of an issue: it is newer than any list.
    pub fn remember(&self, issue: IssueNumber, read: &SingleRead) {
        let mut heads = self.heads.lock().expect("no holder of this lock panics");
        match read {
            SingleRead::Found(found) => {
                heads.insert(issue, found.0.clone());
            }
            SingleRead::Transferred { .. } | SingleRead::Gone => {
                heads.remove(&issue);
            }
        }
    }

    /// Returns the profile of the agent in the `check` window, as far as one was opened.
    pub fn checker(&self) -> Option<ProfileName> {
        self.checker
            .lock()
            .expect("no holder of this lock panics")
            .clone()
    }

    /// Returns whether the persistent agent is to be kept up.
    pub fn wants_agent(&self) -> bool {
        self.kept.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Returns which account we write with. A no to that question is none about what is to be written.
    pub async fn us(&self) -> Result<Actor, TrackerError> {
        let us = self.us.get_or_try_init(|| self.tracker.whoami()).await;
        us.cloned().map_err(|error| match error {
            TrackerError::Forbidden { .. }
            | TrackerError::NotFound { .. }
            | TrackerError::Moved { .. }
            | TrackerError::Refused { .. } => TrackerError::Malformed {
                what: "our own account".to_owned(),
                source: Box::new(error),
            },
            passing => passing,
        })
    }
}

/// Returns the comments after one of them; none when it is not there any more.
fn after(comments: Vec<Comment>, since: &CommentId) -> Vec<Comment> {
    let mut rest = comments.into_iter().skip_while(|one| one.id != *since);
    rest.next();
    rest.collect()
}

/// The authors whose role matters, newest comment first: strangers can write many, and each costs a request.
pub(super) fn authors(comments: &[Comment]) -> BTreeSet<Actor> {
    let mut found = BTreeSet::new();
    let theirs = |comment: &&Comment| !crate::machine::text::is_marked(&comment.body);
    for comment in comments.iter().rev().filter(theirs) {
        if found.len() == AUTHORS_MAX {
            break;
        }
        found.extend(comment.author.clone());
    }
    found
}

/// Puts a project's rules together.
pub fn rules_of(config: &Config, name: &crate::domain::ProjectName) -> Option<Rules> {
    let project = config.projects.get(name)?.clone();
    // Nobody said who can read it: what would be too much for everybody is left out.
    let comment = project.comment.unwrap_or(CommentMode::Short);
    let mut workflow = config.workflow_of(&project)?.clone();
    let caps = &config.settings.limits;
    let limits = &mut workflow.limits;
    let smaller = |limit: &mut u32, cap: Option<u32>| *limit = cap.unwrap_or(*limit).min(*limit);
    smaller(&mut limits.rounds, caps.rounds);
    smaller(&mut limits.attempts, caps.attempts);
    smaller(&mut limits.dispatches_per_day, caps.dispatches_per_day);
    smaller(&mut limits.labellings_per_hour, caps.labellings_per_hour);
    smaller(&mut limits.dispatches_per_issue, caps.dispatches_per_issue);
    smaller(&mut limits.active_max, caps.active_max);
    Some(Rules {
        project,
        workflow,
        profiles: config.profiles.clone(),
        skills: config
            .skills
            .iter()
            .map(|(name, skill)| (name.clone(), skill.digest.clone()))
            .collect(),
        idle_without_report: config.settings.idle_without_report,
        looks_every: config.settings.cycle.min(config.settings.sweep),
        fleet: FleetCaps {
            gap: caps.gap.unwrap_or_default(),
            waiting_max: caps.waiting_max,
        },
        schedules: schedules_of(config, name),
        zone: TimeZone::system(),
        comment,
    })
}

fn schedules_of(config: &Config, name: &crate::domain::ProjectName) -> BTreeMap<SkillName, u16> {
    let schedules = &config.settings.schedules;
    let own = schedules
        .iter()
        .filter(|schedule| schedule.project == *name);
    own.map(|schedule| (schedule.skill.clone(), schedule.at))
        .collect()
}

/// Turns a tracker's fault into data: what failed, and when to look again.
pub fn tracker_failed(error: &TrackerError) -> Outcome {
    let until = match error {
        TrackerError::RateLimited { until, .. } => *until,
        _ => now() + RETRY_AFTER,
    };
    Outcome::Failed {
        why: chain(error),
        until,
    }
}

/// Says that what an effect needs is not there any more.
pub fn gone(what: &str) -> Outcome {
    Outcome::Failed {
        why: format!("{what} is gone"),
        until: now() + RETRY_AFTER,
    }
}

/// Says that the project is not configured any more.
pub fn unconfigured() -> Outcome {
    gone("the project's configuration")
}

/// Turns any fault into data.
pub fn failed(error: &dyn std::error::Error) -> Outcome {
    Outcome::Failed {
        why: chain(error),
        until: now() + RETRY_AFTER,
    }
}

/// Says an error with its causes in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
