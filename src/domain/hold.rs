//! Why nothing is done: every "no" has a typed reason and says what would end it.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    Actor, ActorKind, CheckStep, DispatchId, IssueNumber, Label, ProjectName, Role,
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
    /// Other open issues go first: the tracker's own dependencies say so.
    BlockedBy { count: u32 },
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
    /// One account labelled more in an hour than is taken up.
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
            Self::BlockedBy { .. } => "blocked-by",
            Self::Collides { .. } => "collides",
            Self::Wip { .. } => "wip",
            Self::Backlog { .. } => "backlog",
            Self::Seat { .. } => "seat",
            Self::ActiveMax { .. } => "active-max",
            Self::AccountLimit { .. } => "account-limit",
            Self::DailyCap { .. } => "daily-cap",
            Self::Flood { .. } => "flood",
            Self::IssueCap { .. } => "issue-cap",
            Self::Hours { .. } => "hours",
            Self::BackOff { .. } => "back-off",
            Self::Session { .. } => "session-taken",
            Self::NoAgent { .. } => "no-agent",
            Self::NotWritable { .. } => "not-writable",
            Self::AdoptedApart { .. } => "adopted-apart",
            Self::AgentsUnread { .. } => "agents-unread",
            Self::AgentNotIdle { .. } => "agent-not-idle",
            Self::AgentAsks { .. } => "agent-asks",
            Self::AgentNotReady { .. } => "agent-not-ready",
            Self::TreeDirty { .. } => "tree-dirty",
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

    /// Returns what a person can do to end it in that project, if it does not end by itself.
    #[expect(clippy::too_many_lines, reason = "a table, one row a hold")]
    pub fn hint(&self, project: &ProjectName) -> Option<String> {
        match self {
            Self::SeveralLabels { .. } => {
                Some("leave exactly one routing label; `pointsman labels fix` proposes".into())
            }
            Self::Vetoed { label } => Some(format!("remove `{label}`")),
            Self::Parked {
                label,
                stripped: Some(_),
                ..
            } => Some(format!(
                "somebody with write access sets `{label}` and removes it to try again, or sets another routing label; or `pointsman route`"
            )),
            Self::Parked { label, .. } => Some(format!(
                "remove `{label}` to try again, or set another routing label"
            )),
            Self::Paused { .. } => Some(format!("pointsman resume {project}")),
            Self::BeforeStart { .. } | Self::BeforeAdoption { .. } => {
                Some("remove the label and set it again".into())
            }
            Self::OtherDaemon { .. } => Some(format!(
                "stop the other daemon; then `pointsman ledger adopt {project}`"
            )),
            Self::LedgerBehind { .. } => Some(format!(
                "look at the issue and its branch for what was done; then `pointsman ledger adopt {project}`"
            )),
            Self::Unattributed { until: Some(_), .. }
            | Self::Unreadable { until: Some(_), .. } => None,
            Self::Unreadable { until: None, .. } => Some(
                "it is tried again every five minutes; if its page shows it as it is now, remove the label and set it again"
                    .into(),
            ),
            Self::Unattributed { until: None, .. } => {
                Some("remove the label and set it again".into())
            }
            Self::Undelivered { .. } => Some(format!(
                "`pointsman attach {project}`, and look what is in the way"
            )),
            Self::Stuck { .. } => Some(format!(
                "`pointsman attach {project}` and look; `pointsman restart {project}` ends it"
            )),
            Self::LineLeft { .. } => {
                Some(format!("`pointsman attach {project}`, and clear the line"))
            }
            Self::Untrusted { agents: true, .. } => {
                Some("a person with write access sets the label".into())
            }
            Self::Untrusted { actor, .. } if actor.kind == ActorKind::App => Some(format!(
                "somebody with write access sets the label, or add its id {} to `allow`",
                actor.id
            )),
            Self::Untrusted { .. } => Some(
                "somebody with write access sets the label, or add the account to `allow`".into(),
            ),
            Self::NeedsReapproval { .. } => {
                Some("read the text again, then remove and set the label".into())
            }
            Self::WaitsFor { ring, .. } if !ring.is_empty() => {
                Some("take one of these dependencies out of the issues' texts".into())
            }
            Self::WaitsFor { .. } => {
                Some("it goes on once they are closed, or its text says it no more".into())
            }
            Self::BlockedBy { .. } => Some(
                "it goes on once they are closed, or the dependency is removed on its page".into(),
            ),
            Self::Collides { .. } => Some(
                "it goes on once they are merged or closed, or once its `touches:` names other paths"
                    .into(),
            ),
            Self::Backlog { limit, .. } => Some(format!(
                "it goes on once fewer than {limit} are left: `pointsman inbox` has those that wait for you"
            )),
            Self::NoAgent { hint, .. }
            | Self::NotWritable { hint, .. }
            | Self::AdoptedApart { hint, .. }
            | Self::AgentsUnread { hint } => Some(hint.clone()),
            Self::AgentAsks { .. } => Some(format!("`pointsman attach {project}`, and answer it")),
            Self::Flood { by, .. } => Some(format!(
                "if {by} meant it, wait, or raise `labellings_per_hour` in `[limits]`; else take the labels off"
            )),
            Self::IssueCap { .. } => Some(
                "look why it comes back so often; `dispatches_per_issue` in `[limits]` is the cap".into(),
            ),
            Self::AgentNotReady { .. } => Some(format!(
                "`pointsman agent check {project}` says what mends it, and lets it go on"
            )),
            Self::TreeDirty { .. } => Some("commit or stash them".into()),
            Self::TreeElsewhere { switch } => Some(switch.clone()),
            Self::Failing { .. } => Some("mend what it names; it is tried again by itself".into()),
            Self::Yours { how } => Some(how.clone()),
            Self::Blocked { hint, .. } => Some(hint.clone()),
            Self::Asked { .. } => Some(
                "reply in a comment on the issue, or set another routing label to end this work"
                    .into(),
            ),
            Self::NoChecker { .. } => {
                Some("give the stage another agent: `stages = { QA = \"codex\" }`".into())
            }
            Self::NoSkill { skill } => Some(format!("pointsman skill new {skill}")),
            Self::Unknown { .. } => Some(format!(
                "`pointsman attach {project}`, look whether the agent has it, then relabel"
            )),
            Self::Spent { .. } => Some("set the routing label again".into()),
            _ => None,
        }
    }
}

impl fmt::Display for Hold {
    #[expect(clippy::too_many_lines, reason = "a table, one row a reason")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SeveralLabels { labels } => {
                let names: Vec<_> = labels.iter().map(Label::as_str).collect();
                write!(f, "several routing labels: {}", names.join(", "))
            }
            Self::Vetoed { label } => write!(f, "`{label}` is set"),
            Self::Parked {
                label,
                stripped: Some(by),
                why,
            } => {
                let why = why.as_deref().unwrap_or("it was parked");
                write!(
                    f,
                    "a person is needed: {why} ({by} took `{label}` off and may not start work here)"
                )
            }
            Self::Parked { why: Some(why), .. } => write!(f, "a person is needed: {why}"),
            Self::Parked { label, .. } => write!(f, "`{label}` is set"),
            Self::Paused { by } => write!(f, "the project is paused by {by}"),
            Self::BeforeStart { added } => {
                write!(f, "labelled before you added this project ({added:.0})")
            }
            Self::Unattributed {
                until: Some(until), ..
            } => write!(
                f,
                "the tracker does not say yet who set the label; looked for until {until:.0}"
            ),
            Self::Unattributed { until: None, .. } => {
                f.write_str("nobody I can name asked for this")
            }
            Self::Undelivered {
                dispatch,
                times,
                why,
            } => write!(
                f,
                "dispatch {dispatch} could not be delivered {times} times: {why}"
            ),
            Self::Stuck { dispatch, minutes } => write!(
                f,
                "dispatch {dispatch} is busy beyond the stage's {minutes} min"
            ),
            Self::LineLeft { dispatch, line } => write!(
                f,
                "`{line}` of dispatch {dispatch} is wanted no more and is in the composer, not alone"
            ),
            Self::Untrusted {
                actor,
                agents: true,
                ..
            } => write!(
                f,
                "{0} set the label, and agents work as {0}: their word starts nothing",
                actor.login
            ),
            Self::Untrusted { actor, .. } if actor.kind == ActorKind::App => write!(
                f,
                "the App {} set the label, and no App may start work here by its name",
                actor.login
            ),
            Self::Untrusted { actor, role, .. } => {
                write!(f, "{} set the label and is {role:?} here", actor.login)
            }
            Self::NeedsReapproval { by } => {
                write!(f, "{by} changed the text as it was approved, or after")
            }
            Self::WaitsFor { issues, ring } if ring.is_empty() => {
                write!(
                    f,
                    "its text says that it waits for {}",
                    listed(issues, ", ")
                )
            }
            Self::WaitsFor { ring, .. } => write!(
                f,
                "these issues wait for one another, by their texts: {}",
                listed(ring, " -> ")
            ),
            Self::BlockedBy { count: 1 } => f.write_str("an open issue blocks it"),
            Self::BlockedBy { count } => write!(f, "{count} open issues block it"),
            Self::Collides { with } => {
                let with: Vec<String> = with.iter().map(ToString::to_string).collect();
                write!(
                    f,
                    "its work would change what others are changing: {}",
                    with.join(", ")
                )
            }
            Self::Wip { stage, limit } => write!(f, "{stage} has its {limit} open"),
            Self::Backlog {
                stage, count: 1, ..
            } => write!(f, "a begun issue stands in a stage after {stage}"),
            Self::Backlog { stage, count, .. } => {
                write!(f, "{count} begun issues stand in the stages after {stage}")
            }
            Self::Seat { stage, holder } => write!(f, "{holder} has the seat of {stage}"),
            Self::ActiveMax { account, limit } => {
                write!(f, "account {account} has its {limit} open")
            }
            Self::AccountLimit {
                account,
                until: Some(until),
            } => write!(f, "account {account} is at its limit until {until:.0}"),
            Self::AccountLimit {
                account,
                until: None,
            } => write!(f, "account {account} is at its limit"),
            Self::DailyCap { limit, until } => {
                write!(f, "{limit} dispatches in 24 h; again at {until:.0}")
            }
            Self::Flood { by, limit, until } => write!(
                f,
                "{by} set more labels within an hour than the {limit} that are taken up; again at {until:.0}"
            ),
            Self::IssueCap { limit, until } => {
                write!(f, "{limit} dispatches of it in 24 h; again at {until:.0}")
            }
            Self::Hours { from, to } => {
                write!(
                    f,
                    "only between {:02}:{:02} and {:02}:{:02}",
                    from / 60,
                    from % 60,
                    to / 60,
                    to % 60
                )
            }
            Self::BackOff { attempt, until } => {
                write!(f, "attempt {attempt} failed; again at {until:.0}")
            }
            Self::Session {
                dispatch,
                issue: Some(issue),
            } => {
                write!(f, "{issue} (dispatch {dispatch}) has the session")
            }
            Self::Session {
                dispatch,
                issue: None,
            } => {
                write!(f, "an errand (dispatch {dispatch}) has the session")
            }
            Self::NoAgent { window, .. } => write!(f, "the window `{window}` has no agent"),
            Self::NotWritable { path, .. } => write!(f, "the daemon may not write into `{path}`"),
            Self::AdoptedApart { agents, .. } => write!(
                f,
                "a pane is adopted, and agents of this installation run as `{agents}`: nothing is typed into another account's tmux"
            ),
            Self::AgentsUnread { .. } => {
                write!(
                    f,
                    "nobody reads what the agents say, so none is known to be idle"
                )
            }
            Self::AgentNotIdle { is, because } => write!(f, "the agent is {is} ({because})"),
            Self::AgentAsks { what } => write!(f, "the agent asks: {what}"),
            Self::AgentNotReady { step, why, .. } => {
                write!(f, "the agent cannot {step} without a person: {why}")
            }
            Self::TreeDirty { files } => write!(f, "{} changed, not by us", files.join(", ")),
            Self::TreeElsewhere { .. } => {
                f.write_str("the pane is yours, so its tree is not switched to the issue's branch")
            }
            Self::Tracker { why, since } => {
                write!(f, "the tracker is not known since {since:.0}: {why}")
            }
            Self::Unreadable { why, until: None } => write!(f, "the issue cannot be read: {why}"),
            Self::Unreadable {
                why,
                until: Some(until),
            } => write!(
                f,
                "the issue cannot be read yet: {why}; tried again until {until:.0}"
            ),
            Self::Yours { how } => write!(f, "yours: {how}"),
            Self::Asked { question } => write!(f, "the agent asked: {question}"),
            Self::NoChecker { stage } => write!(
                f,
                "{stage} needs a fresh agent, and its profile takes no text"
            ),
            Self::NoSkill { skill } => write!(f, "there is no skill `{skill}`"),
            Self::InHand { dispatch, phase } => write!(f, "dispatch {dispatch} is {phase}"),
            Self::Unknown { dispatch, verdict } => {
                write!(f, "dispatch {dispatch}: the delivery is {verdict}")
            }
            Self::Moving { to } => write!(f, "moving to {to}"),
            Self::Blocked { why, .. } => {
                write!(f, "{why}; nothing is lost, it is tried again by itself")
            }
            Self::Stalled { why, until } => write!(f, "{why}; again at {until:.0}"),
            Self::Failing { times, why, until } => {
                write!(
                    f,
                    "failed {times} times in a row: {why}; again at {until:.0}"
                )
            }
            Self::Unmarked { why, until } => {
                write!(
                    f,
                    "the status comment cannot be written: {why}; again at {until:.0}"
                )
            }
            Self::OtherDaemon { ledger, issue } => write!(
                f,
                "{issue} or a brief for it bears the mark of ledger {ledger}, which is not this one: another daemon may work here"
            ),
            Self::LedgerBehind { dispatch } => write!(
                f,
                "the issue or a brief bears the mark of dispatch {dispatch}, of which the ledger lacks a part: it was restored or damaged"
            ),
            Self::BeforeAdoption { adopted } => write!(
                f,
                "our own account set the label before the ledger was adopted ({adopted:.0}): that is nobody's word"
            ),
            Self::Behind { first } => write!(f, "{first} goes first"),
            Self::NextCycle => f.write_str("its turn is in the next cycle"),
            Self::Spent { how } => write!(f, "this labelling is used up: {how}"),
        }
    }
}

fn listed(issues: &[IssueNumber], between: &str) -> String {
    let numbers: Vec<String> = issues.iter().map(ToString::to_string).collect();
    numbers.join(between)
}
