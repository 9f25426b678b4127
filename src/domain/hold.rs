//! Why nothing is done: every "no" has a typed reason and says what would end it.

mod words;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    Actor, CheckStep, DispatchId, Elsewhere, IssueNumber, Label, ProjectName, Role, Window,
};

/// What stops a dispatch for the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// What failed, or what is in the way.
    pub why: String,
    /// It is not tried again before.
    pub until: Timestamp,
    /// How often in a row it failed, or was refused; 0 for what is in the way.
    pub times: u32,
    /// What is in the way and is a person's to clear away.
    pub hold: Option<Hold>,
}

/// Work that is in the way of another issue's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collision {
    /// Whose work it is.
    pub issue: IssueNumber,
    /// What both would change: files that its branch changes, and paths that it declared.
    pub paths: Vec<String>,
    /// How many more there are.
    pub more: u32,
}

impl fmt::Display for Collision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}", self.issue, self.paths.join(", "))?;
        match self.more {
            0 => f.write_str(")"),
            more => write!(f, " and {more} more)"),
        }
    }
}

/// A typed reason not to act.
#[expect(missing_docs, reason = "each variant's sentence names its fields")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "hold")]
pub enum Hold {
    /// More than one routing label: nobody guesses.
    SeveralLabels { labels: Vec<Label> },
    /// A veto label wins over routing.
    Vetoed { label: Label },
    /// The park label: a person has it.
    Parked {
        label: Label,
        why: Option<String>,
        /// Who took the label off and may not start work: a person has it all the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stripped: Option<String>,
    },
    /// The project is paused.
    Paused { by: String },
    /// Labelled before the project was added.
    BeforeStart { added: Timestamp },
    /// Nobody is known to have set the label.
    Unattributed {
        since: Option<Timestamp>,
        /// Until then the event may be late, and is looked for again.
        until: Option<Timestamp>,
    },
    /// Who set it may not start work.
    Untrusted {
        actor: Actor,
        role: Role,
        /// Whether agents work as that account.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        agents: bool,
    },
    /// The text was changed after it was approved, by somebody who could not have approved it.
    NeedsReapproval { by: String },
    /// Other open issues go first: its text says so.
    WaitsFor {
        issues: Vec<IssueNumber>,
        /// The way back to itself, if they wait for it as well.
        ring: Vec<IssueNumber>,
    },
    /// Issues of other repositories go first, by its text.
    WaitsElsewhere {
        /// These are open there.
        open: Vec<Elsewhere>,
        /// These are of repositories that nobody here looks at.
        unseen: Vec<Elsewhere>,
        /// These are a project of ours', which has not read them yet.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        unread: Vec<Elsewhere>,
        /// Those of the open ones that wait for it as well.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        back: Vec<Elsewhere>,
    },
    /// Other open issues go first: the tracker's own dependencies say so.
    BlockedBy { count: u32 },
    /// Its own sub-issues go first.
    SubIssues { count: u32 },
    /// Its work would change what the work on others is changing.
    Collides { with: Vec<Collision> },
    /// The stage has its number of open dispatches.
    Wip { stage: Label, limit: u32 },
    /// What was begun is to be finished first: so many issues stand in the stages after it.
    Backlog {
        stage: Label,
        count: u32,
        limit: u32,
    },
    /// What was begun is a person's turn: so many issues wait for one, over all projects.
    Attention { waiting: u32, limit: u32 },
    /// Another issue has the stage's seat.
    Seat { stage: Label, holder: IssueNumber },
    /// The agent's account has its number of open dispatches.
    ActiveMax { account: String, limit: u32 },
    /// The account's allowance is used up, for every project that shares it.
    AccountLimit {
        account: String,
        until: Option<Timestamp>,
    },
    /// The day's dispatches are spent.
    DailyCap { limit: u32, until: Timestamp },
    /// The last dispatch, of this project or of any, was opened a moment ago.
    Gap { until: Timestamp },
    /// As many labellings of one account as an hour allows were taken up.
    Flood {
        by: String,
        limit: u32,
        until: Timestamp,
    },
    /// The issue's own dispatches of a day are spent.
    IssueCap { limit: u32, until: Timestamp },
    /// Outside of the hours in which work may start.
    Hours { from: u16, to: u16 },
    /// The last attempt failed a moment ago.
    BackOff { attempt: u32, until: Timestamp },
    /// Another dispatch has the session or the tree.
    Session {
        dispatch: DispatchId,
        issue: Option<IssueNumber>,
    },
    /// None of several agents is free.
    Sessions { taken: Vec<(Window, Hold)> },
    /// The agent's window is not there.
    NoAgent { window: String, hint: String },
    /// No brief can be put into the project's folder.
    NotWritable { path: String, hint: String },
    /// The agents have an account of their own, and the pane belongs to another tmux server.
    AdoptedApart { agents: String, hint: String },
    /// The agents have an account of their own, and its relay does not answer: nothing that they say is known.
    AgentsUnread { hint: String },
    /// The agent is not proven idle.
    AgentNotIdle { is: String, because: String },
    /// The agent wants a person.
    AgentAsks { what: String },
    /// A rehearsal showed that the agent cannot take a step of the stage without a person.
    AgentNotReady {
        project: ProjectName,
        step: CheckStep,
        why: String,
    },
    /// Files that no dispatch of ours changed.
    TreeDirty { files: Vec<String> },
    /// The issue's branch is checked out in another agent's tree, with changes that are not committed.
    BranchTaken { tree: String, files: Vec<String> },
    /// A person's tree does not stand on the branch that is needed, and is not switched.
    TreeElsewhere { switch: String },
    /// The tracker's state is not known well enough.
    Tracker { why: String, since: Timestamp },
    /// This one issue cannot be read; the tracker answers otherwise.
    Unreadable {
        why: String,
        /// Until then it may be late, and nobody has to come.
        until: Option<Timestamp>,
    },
    /// The gates hold; the last move is a person's.
    Yours { how: String },
    /// The agent waits for an answer.
    Asked { question: String },
    /// No fresh context can check what this session made.
    NoChecker { stage: Label },
    /// The stage's skill is not there.
    NoSkill { skill: String },
    /// The brief is with the agent.
    InHand { dispatch: DispatchId, phase: String },
    /// The brief could not be typed, again and again.
    Undelivered {
        dispatch: DispatchId,
        times: u32,
        why: String,
    },
    /// The agent is busy beyond the stage's time.
    Stuck { dispatch: DispatchId, minutes: u64 },
    /// A line of ours that is wanted no more is in the composer, with something else.
    LineLeft { dispatch: DispatchId, line: String },
    /// A delivery whose outcome is being found out.
    Unknown {
        dispatch: DispatchId,
        verdict: String,
    },
    /// The transition is being finished.
    Moving { to: String },
    /// The outside refuses a step; once a person has ended that, it goes on by itself.
    Blocked { why: String, hint: String },
    /// A step failed; it is tried again.
    Stalled { why: String, until: Timestamp },
    /// A step failed again and again.
    Failing {
        times: u32,
        why: String,
        until: Timestamp,
    },
    /// The tracker does not take the marker line, and without it nothing is delivered.
    Unmarked { why: String, until: Timestamp },
    /// Another ledger's marker line stands in the repository: another daemon may work here.
    OtherDaemon { ledger: String, issue: IssueNumber },
    /// The issue bears our own marker of a dispatch that the ledger lacks.
    LedgerBehind { dispatch: DispatchId },
    /// Set by our own account before the ledger was adopted: nobody's word.
    BeforeAdoption { adopted: Timestamp },
    /// Another issue goes first this cycle.
    Behind { first: IssueNumber },
    /// It was not looked at singly: that is for the next cycle.
    NextCycle,
    /// This labelling is done; a new one is needed to start again.
    Spent { how: String },
}

impl Hold {
    /// Returns the stable word that tests assert and metrics count.
    pub fn word(&self) -> &'static str {
        match self {
            Self::SeveralLabels { .. } => "several-labels",
            Self::Vetoed { .. } => "vetoed",
            Self::Parked { .. } => "parked",
            Self::Paused { .. } => "paused",
            Self::BeforeStart { .. } => "before-start",
            Self::Unattributed { .. } => "unattributed",
            Self::Untrusted { .. } => "untrusted",
            Self::NeedsReapproval { .. } => "needs-reapproval",
            Self::WaitsFor { .. } => "waits-for",
            Self::WaitsElsewhere { .. } => "waits-elsewhere",
            Self::BlockedBy { .. } => "blocked-by",
            Self::SubIssues { .. } => "sub-issues",
            Self::Collides { .. } => "collides",
            Self::Wip { .. } => "wip",
            Self::Backlog { .. } => "backlog",
            Self::Seat { .. } => "seat",
            Self::ActiveMax { .. } => "active-max",
            Self::AccountLimit { .. } => "account-limit",
            Self::Attention { .. } => "attention",
            Self::DailyCap { .. } => "daily-cap",
            Self::Gap { .. } => "gap",
            Self::Flood { .. } => "flood",
            Self::IssueCap { .. } => "issue-cap",
            Self::Hours { .. } => "hours",
            Self::BackOff { .. } => "back-off",
            Self::Session { .. } | Self::Sessions { .. } => "session-taken",
            Self::NoAgent { .. } => "no-agent",
            Self::NotWritable { .. } => "not-writable",
            Self::AdoptedApart { .. } => "adopted-apart",
            Self::AgentsUnread { .. } => "agents-unread",
            Self::AgentNotIdle { .. } => "agent-not-idle",
            Self::AgentAsks { .. } => "agent-asks",
            Self::AgentNotReady { .. } => "agent-not-ready",
            Self::TreeDirty { .. } => "tree-dirty",
            Self::BranchTaken { .. } => "branch-taken",
            Self::TreeElsewhere { .. } => "tree-elsewhere",
            Self::Tracker { .. } => "tracker",
            Self::Unreadable { .. } => "unreadable",
            Self::Yours { .. } => "yours",
            Self::Asked { .. } => "asked",
            Self::NoChecker { .. } => "no-checker",
            Self::NoSkill { .. } => "no-skill",
            Self::InHand { .. } => "in-hand",
            Self::Undelivered { .. } => "undelivered",
            Self::Stuck { .. } => "stuck",
            Self::LineLeft { .. } => "line-left",
            Self::Unknown { .. } => "unknown-delivery",
            Self::Moving { .. } => "moving",
            Self::Blocked { .. } => "blocked",
            Self::Stalled { .. } => "stalled",
            Self::Failing { .. } => "failing",
            Self::Unmarked { .. } => "unmarked",
            Self::OtherDaemon { .. } => "other-daemon",
            Self::LedgerBehind { .. } => "ledger-behind",
            Self::BeforeAdoption { .. } => "before-adoption",
            Self::Behind { .. } => "behind",
            Self::NextCycle => "next-cycle",
            Self::Spent { .. } => "spent",
        }
    }
}
