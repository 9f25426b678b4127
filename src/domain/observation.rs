//! All that one cycle saw, with times and gaps; and what may still be asked.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::domain::{
    Actor, Comment, CommentId, CommentMode, DispatchId, Elsewhere, Head, Hold, IssueNumber,
    LabelEvent, OtherIssue, PaneSample, Post, Profile, Project, ProjectName, PullHead, PullRead,
    Report, Role, SingleRead, SkillName, Subject, Window, Workflow,
};

/// What rules a project: its configuration as it stands now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The project's file.
    pub project: Project,
    /// Its workflow, with the installation's caps applied.
    pub workflow: Workflow,
    /// The profiles its stages name.
    pub profiles: BTreeMap<crate::domain::ProfileName, Profile>,
    /// Digests of the skills that are there.
    pub skills: BTreeMap<SkillName, String>,
    /// How long an agent may be idle without a report before its gates run once.
    pub idle_without_report: std::time::Duration,
    /// Time between two looks when nothing wakes one.
    pub looks_every: std::time::Duration,
    /// Caps over all projects.
    pub fleet: FleetCaps,
    /// When which skill is due for the project, in minutes after local midnight.
    pub schedules: BTreeMap<SkillName, u16>,
    /// What is local.
    pub zone: TimeZone,
    /// How much the status comments say.
    pub comment: CommentMode,
}

/// All that one cycle saw of one project.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When it was put together.
    pub at: Timestamp,
    /// Every open issue, and closed ones we still have something open for.
    pub heads: BTreeMap<IssueNumber, Head>,
    /// A reason why `heads` cannot be trusted enough to start anything, with the time of the last good read.
    pub gap: Option<(String, Timestamp)>,
    /// The account we write with, when the tracker said so.
    pub us: Option<Actor>,
    /// What was asked for singly.
    pub details: BTreeMap<IssueNumber, Details>,
    /// Pull requests of our branches, as far as a list named them since the start.
    #[serde(default)]
    pub pulls: BTreeMap<IssueNumber, PullHead>,
    /// Those of them that were asked for singly; nothing of one that cannot be read, though the tracker itself answers.
    #[serde(default)]
    pub pull_reads: BTreeMap<IssueNumber, Option<PullRead>>,
    /// How issues of other repositories that issues here wait for stand, as those projects of ours know it. One that is not here is of a
    /// repository that nobody looks at.
    #[serde(default)]
    pub elsewhere: BTreeMap<Elsewhere, OtherIssue>,
    /// What the branches that were asked for change, by issue; or why that cannot be read.
    #[serde(default)]
    pub changed: BTreeMap<IssueNumber, Result<Vec<String>, String>>,
    /// What was asked for singly and cannot be read, with the tracker's reason; the tracker itself answers.
    pub unread: BTreeMap<IssueNumber, String>,
    /// The project's panes; a window without an agent is absent.
    pub panes: BTreeMap<Window, PaneSample>,
    /// Why windows that should have an agent have none.
    pub no_agent: BTreeMap<Window, Hold>,
    /// Why the daemon cannot put a brief into the project's folder.
    #[serde(default)]
    pub misplaced: Option<Hold>,
    /// Reports that have no answer file yet, oldest first; also those that the ledger has.
    pub reports: Vec<Report>,
    /// Posts that have no answer file yet, oldest first; also those that the ledger has.
    pub posts: Vec<Post>,
    /// What all projects have open, counted in the instant of the decision.
    pub fleet: FleetLoad,
    /// Accounts whose allowance is used up, over all projects.
    #[serde(default)]
    pub limits: Vec<AccountLimit>,
    /// Ids and chance for what this cycle may open.
    pub fresh: Fresh,
}

/// What was read of one issue, right before a decision about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// The issue itself.
    pub read: SingleRead,
    /// Its label events, oldest first.
    pub events: Vec<LabelEvent>,
    /// What the actors of the deciding label event and of the comments may do, now.
    pub roles: BTreeMap<Actor, Role>,
    /// Its comments after the one that was named, oldest first, when they were asked for.
    pub comments: Option<Vec<Comment>>,
    /// When it was read.
    pub at: Timestamp,
}

/// Caps that are no project's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetCaps {
    /// The least time between two dispatches; zero for none.
    pub gap: std::time::Duration,
    /// No issue is begun while so many wait for a person.
    pub waiting_max: Option<u32>,
}

/// What the caps over all projects are held against.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetLoad {
    /// Open dispatches per agent account; who waits for a person takes no place.
    pub open: BTreeMap<String, u32>,
    /// When the newest dispatch was opened.
    pub opened: Option<Timestamp>,
    /// Issues that wait for a person's answer, approval or decision.
    pub waiting: u32,
}

impl FleetLoad {
    /// Adds what another project has open.
    pub fn add(&mut self, other: &Self) {
        for (account, count) in &other.open {
            *self.open.entry(account.clone()).or_insert(0) += count;
        }
        self.opened = self.opened.max(other.opened);
        self.waiting += other.waiting;
    }
}

/// An account whose allowance is used up: whoever shares it waits, whoever saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountLimit {
    /// The account, as the agents' profiles name it.
    pub account: String,
    /// Until when, if it is known; else for as long as it is shown.
    pub until: Option<Timestamp>,
    /// The projects whose agents share it.
    pub projects: Vec<ProjectName>,
}

/// Ids and chance, made at the edge: a decision is a function of its arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fresh {
    /// For a dispatch this cycle may open.
    pub dispatch: DispatchId,
    /// SHA-256 of the dispatch's report secret; the daemon keeps the secret for the brief.
    pub secret_hash: String,
}

/// What the engine wants to know before it decides.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Questions {
    /// Issues to read singly with their label events; roles of the actors in question.
    pub issues: Vec<IssueNumber>,
    /// Those of them whose comments matter too, each with the comment after which they do.
    pub comments: Vec<(IssueNumber, CommentId)>,
    /// Pull requests to read singly.
    #[serde(default)]
    pub pulls: Vec<IssueNumber>,
    /// Branches whose changed files matter, by the issue that they are of.
    #[serde(default)]
    pub branches: BTreeMap<IssueNumber, Branch>,
}

/// A line of work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Branch {
    /// Its name in the project.
    pub name: String,
    /// Where the default branch stood when the work began, as far as that is known.
    pub began: Option<Subject>,
}
