//! A project and the installation's settings, typed.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{CommentMode, Label, ProfileName, ProjectName, SkillName, Window};

/// One repository or folder, with its session and settings (`projects/<name>.toml`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Project {
    /// The file's stem; also the tmux session's name.
    pub name: ProjectName,
    /// Where its issues live.
    pub tracker: TrackerChoice,
    /// Absolute path of the working tree or folder, `~` expanded.
    pub path: PathBuf,
    /// Labels set before this moment do not start; `None` = the first cycle, from the ledger.
    pub added: Option<Timestamp>,
    /// The profile of its agents.
    pub agent: ProfileName,
    /// Another profile for a stage.
    pub stages: BTreeMap<Label, ProfileName>,
    /// The command that proves a commit.
    pub build: Build,
    /// Run in a new or changed tree before the build (`npm ci`).
    pub prepare: Option<String>,
    /// Commands whose answers stand among the facts of every brief.
    pub facts: Vec<FactCommand>,
    /// Managed session or an adopted pane.
    pub session: SessionChoice,
    /// How many persistent agents work on it: 1 to [`Window::AGENTS_MAX`].
    pub sessions: u8,
    /// The workflow file's name; `labels.toml` is the default.
    pub workflow: String,
    /// Accounts trusted beyond those with write access: logins, or numeric ids.
    pub allow: Vec<String>,
    /// Accounts of the tracker that agents work as, where they have their own: logins, or numeric ids. Nobody's word comes from them.
    pub agents: Vec<String>,
    /// Paths that are no agent's to change: `protected` first, then each `[[authority]]`.
    pub reserved: Vec<Reserved>,
    /// What `approve` does locally.
    pub merge: Merge,
    /// How much the status comment says; `None` = by who can read the repository.
    pub comment: Option<CommentMode>,
    /// Whether the folder is a git working tree. Found at load, not configured.
    pub git: bool,
}

impl Project {
    /// Returns the windows of its persistent agents.
    pub fn agents(&self) -> impl Iterator<Item = Window> {
        Window::agents(self.sessions)
    }
}

/// A command of a project whose answer stands among the facts of every brief.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FactCommand {
    /// What the brief calls it.
    pub name: String,
    /// A shell command, from the operator's file only.
    pub run: String,
}

/// Paths that an agent's diff may not touch without a person (DESIGN 8).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// Globs, from the tree's root.
    pub paths: Vec<String>,
    /// Logins of the people who decide on them; empty = any person.
    pub who: Vec<String>,
}

/// Where a project's issues live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TrackerChoice {
    /// A repository on GitHub or a server that speaks its API.
    GitHub {
        /// Account or organisation.
        owner: String,
        /// Repository.
        repo: String,
    },
    /// The embedded file tracker, one folder per project in the state folder.
    Local,
}

/// The command that proves a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Build {
    /// A shell command that must exit 0.
    Command(String),
    /// The word `none`: said in every surface.
    None,
}

/// Which pane a project's agent lives in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionChoice {
    /// A session of our own on our own socket, kept by the daemon.
    Managed,
    /// An existing pane of the user's: never created, restarted or reset by us.
    Adopted {
        /// A tmux socket's path, or [`SessionChoice::DEFAULT_SOCKET`].
        socket: String,
        /// `session:window.pane` or `%id`.
        target: String,
    },
}

impl SessionChoice {
    /// The word for the user's own tmux server.
    pub const DEFAULT_SOCKET: &str = "default";
}

/// What `approve` does with a local branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Merge {
    /// Fast-forwards the default branch.
    FastForward,
    /// Leaves the branch.
    Off,
}

/// `pointsman.toml`: the installation's own settings. Every key is optional.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Time between cycles when nothing wakes one.
    pub cycle: Duration,
    /// Time between unconditional sweeps.
    pub sweep: Duration,
    /// How long an agent may be idle without a report before its gates run once.
    pub idle_without_report: Duration,
    /// How GitHub is reached.
    pub github: GitHubSettings,
    /// Who is told, and how.
    pub notify: Notify,
    /// Caps that win over the workflow's where they are smaller.
    pub limits: PartialLimits,
    /// Work that is due by the clock.
    pub schedules: Vec<Schedule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cycle: Duration::from_mins(1),
            sweep: Duration::from_mins(5),
            idle_without_report: Duration::from_mins(1),
            github: GitHubSettings::default(),
            notify: Notify::default(),
            limits: PartialLimits::default(),
            schedules: Vec::new(),
        }
    }
}

/// How GitHub is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitHubSettings {
    /// `https://api.github.com`, a GHES address or a test double.
    pub base_url: String,
    /// The App's id, for App authentication.
    pub app_id: Option<u64>,
    /// The App's installation.
    pub installation_id: Option<u64>,
    /// Path of the App's private key (PEM).
    pub private_key: Option<PathBuf>,
    /// Requests of the hourly allowance that are left to the person.
    pub reserve: u64,
}

impl Default for GitHubSettings {
    fn default() -> Self {
        Self {
            base_url: "https://api.github.com".to_owned(),
            app_id: None,
            installation_id: None,
            private_key: None,
            reserve: 500,
        }
    }
}

/// Who is told when a person is needed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// Logins that are mentioned.
    pub people: Vec<String>,
    /// A command that gets the text on its standard input.
    pub command: Option<String>,
    /// An address that gets the text as JSON.
    pub webhook: Option<String>,
}

/// Caps of `pointsman.toml`; an absent one leaves the workflow's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartialLimits {
    /// See [`crate::domain::Limits::rounds`].
    pub rounds: Option<u32>,
    /// See [`crate::domain::Limits::attempts`].
    pub attempts: Option<u32>,
    /// See [`crate::domain::Limits::dispatches_per_day`].
    pub dispatches_per_day: Option<u32>,
    /// See [`crate::domain::Limits::labellings_per_hour`].
    pub labellings_per_hour: Option<u32>,
    /// See [`crate::domain::Limits::dispatches_per_issue`].
    pub dispatches_per_issue: Option<u32>,
    /// See [`crate::domain::Limits::active_max`].
    pub active_max: Option<u32>,
    /// See [`crate::domain::FleetCaps::gap`].
    pub gap: Option<Duration>,
    /// See [`crate::domain::FleetCaps::waiting_max`].
    pub waiting_max: Option<u32>,
}

/// Work that is due by the clock, in local time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// Which brief.
    pub skill: SkillName,
    /// For which project.
    pub project: ProjectName,
    /// Minutes after local midnight.
    pub at: u16,
}
