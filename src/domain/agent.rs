//! A pane and what the agent in it is doing.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{DeliveryId, Purpose, Subject};

/// The identity of a pane, pinned: a name can be reused, this cannot (PROTOCOLS 3, G1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pane {
    /// The tmux server's socket.
    pub socket: PathBuf,
    /// `#{pid}.#{start_time}` of the server: another one is another generation.
    pub generation: String,
    /// `%7`.
    pub id: String,
    /// The pane's first process; `respawn-pane` changes it and keeps the id.
    pub pid: u32,
}

/// Which window of a project's session; its name is what ledgers and surfaces call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
pub enum Window {
    /// A persistent agent, from 1. The first works in the project's own folder, each further one in a work tree of its own.
    Agent(u8),
    /// A fresh agent for one dispatch of a stage with `not_by`.
    Check,
}

/// The names of agents' windows, from the first.
const AGENTS: [&str; Window::AGENTS_MAX as usize] = [
    "agent", "agent-2", "agent-3", "agent-4", "agent-5", "agent-6", "agent-7", "agent-8", "agent-9",
];

impl Window {
    /// The first persistent agent.
    pub const AGENT: Self = Self::Agent(1);
    /// So many persistent agents a project may have.
    pub const AGENTS_MAX: u8 = 9;

    /// Returns the windows of that many persistent agents.
    pub fn agents(count: u8) -> impl Iterator<Item = Self> {
        (1..=count.min(Self::AGENTS_MAX)).map(Self::Agent)
    }

    /// Returns every window that a project can have.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::agents(Self::AGENTS_MAX).chain([Self::Check])
    }

    /// Returns the window of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|window| window.as_str() == name)
    }

    /// Returns the tmux window's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Agent(n) => AGENTS[usize::from(n.clamp(1, Self::AGENTS_MAX)) - 1],
            Self::Check => "check",
        }
    }

    /// Returns whether a persistent agent is in it.
    pub fn is_agent(self) -> bool {
        matches!(self, Self::Agent(_))
    }
}

impl From<Window> for &'static str {
    fn from(window: Window) -> Self {
        window.as_str()
    }
}

impl TryFrom<String> for Window {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name).ok_or_else(|| format!("there is no window `{name}`"))
    }
}

/// What is known of an agent now: three separate fields, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentState {
    /// Is the process there?
    pub liveness: Liveness,
    /// What is it doing?
    pub activity: Activity,
    /// Does it want a person?
    pub attention: Attention,
    /// What it wants of a person, if that is known: the question, the command it may not run, the name of the dialog's rule.
    #[serde(default)]
    pub words: Option<String>,
    /// The rule that decided and its witnesses, for `explain`.
    pub because: String,
}

impl AgentState {
    /// Returns the state of which nothing is known.
    pub fn unknown(because: impl Into<String>) -> Self {
        Self {
            liveness: Liveness::Unknown,
            activity: Activity::Unknown,
            attention: Attention::None,
            words: None,
            because: because.into(),
        }
    }

    /// Returns whether text may be typed: alive, proven idle, nobody asked. Unknown is not idle.
    pub fn takes_text(&self) -> bool {
        self.liveness == Liveness::Alive
            && matches!(self.activity, Activity::Idle { .. })
            && self.attention == Attention::None
    }

    /// Returns whether a text of that purpose may be typed: who stopped with an error takes the word to go on, and nothing else.
    pub fn takes(&self, purpose: Purpose) -> bool {
        self.takes_text() || (purpose == Purpose::Resume && self.stopped_since().is_some())
    }

    /// Returns since when it stands still after an error, with an empty composer and nobody at it.
    pub fn stopped_since(&self) -> Option<Timestamp> {
        match self.activity {
            Activity::Idle { since }
                if self.liveness == Liveness::Alive && self.attention == Attention::Error =>
            {
                Some(since)
            }
            _ => None,
        }
    }

    /// Returns whether it is there, and no more is known than that nothing wants a person.
    pub fn is_unknown(&self) -> bool {
        self.liveness == Liveness::Alive
            && self.activity == Activity::Unknown
            && self.attention == Attention::None
    }

    /// Returns whether it came up: it works, waits, or holds somebody's draft. A dialog before its first composer is none of these.
    pub fn has_begun(&self) -> bool {
        self.liveness == Liveness::Alive
            && matches!(
                self.activity,
                Activity::Idle { .. } | Activity::Busy | Activity::Draft
            )
    }
}

/// Whether the agent's process is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Liveness {
    /// Its process runs in the pane.
    Alive,
    /// The pane is dead, or a shell has it.
    Dead,
    /// Cannot tell.
    Unknown,
}

/// What the agent is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Activity {
    /// Started, not ready.
    Starting,
    /// Proven idle since then, with an empty composer.
    Idle {
        /// Since when two samples agree.
        since: Timestamp,
    },
    /// At work.
    Busy,
    /// A person's draft is in the composer.
    Draft,
    /// Copy mode, a viewer or a menu hides the composer.
    Obscured,
    /// Cannot tell.
    Unknown,
}

/// Whether a person is wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attention {
    /// No.
    None,
    /// A permission prompt is open.
    Permission,
    /// A question is open.
    Question,
    /// A trust or another dialog is open.
    Dialog,
    /// It has to be logged in.
    Login,
    /// It asks how it did.
    Survey,
    /// The account's allowance is used up.
    RateLimited {
        /// Until when, if it is known.
        until: Option<Timestamp>,
    },
    /// The agent stopped with an error, which may pass.
    Error,
    /// The agent stopped because its provider refused what it was sent. Told to go on, it would be refused again.
    Refused,
    /// Nobody can tell what it does, or it stands still.
    Stuck,
    /// A person typed in it a moment ago.
    HumanPresent,
}

impl Attention {
    /// Returns whether a person has to come; one who types in it is there already. Status, inbox and notifications ask this alone.
    pub fn wants_somebody(&self) -> bool {
        match self {
            Self::Permission
            | Self::Question
            | Self::Dialog
            | Self::Login
            | Self::Survey
            | Self::Error
            | Self::Refused
            | Self::Stuck => true,
            // A limit is the account's and is told once, however many agents show it (`AccountLimit`).
            Self::None | Self::HumanPresent | Self::RateLimited { .. } => false,
        }
    }

    /// Returns whether something stands open in its window that a key would answer.
    pub fn is_open(&self) -> bool {
        match self {
            Self::Permission | Self::Question | Self::Dialog | Self::Login | Self::Survey => true,
            Self::None
            | Self::RateLimited { .. }
            | Self::Error
            | Self::Refused
            | Self::Stuck
            | Self::HumanPresent => false,
        }
    }
}

/// One sample of one pane, as the watch saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaneSample {
    /// Which pane.
    pub pane: Pane,
    /// When it was sampled.
    pub at: Timestamp,
    /// The resolved state.
    pub state: AgentState,
    /// Whether the session is managed by us.
    pub managed: bool,
    /// Where the agent's conversation began: changes with every reset or new process.
    pub context: String,
    /// Traces our deliveries left in the pane's options.
    pub traces: Vec<(DeliveryId, String)>,
    /// The program's version, if the profile was not measured with it: `2.3.0, measured with >=2.1.300, <2.2`.
    #[serde(default)]
    pub other_version: Option<String>,
}

/// What lies in a working tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeFacts {
    /// The commit it stands on.
    pub head: Option<Subject>,
    /// The branch, unless detached.
    pub branch: Option<String>,
    /// Changed and untracked files, at most 20 names.
    pub dirty: Vec<String>,
}
