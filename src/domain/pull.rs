//! The pull request of an issue's branch: as we keep it, and as the tracker says it is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{Actor, IssueNumber, LabelEvent, LabelEventId, Role, Subject};

/// A pull request of ours, as it stood when we last wrote to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// Its number: pull requests take numbers of the issues.
    pub number: IssueNumber,
    /// Where a person reads it.
    pub url: String,
    /// SHA-256 of the evidence that was written into it last.
    pub evidence: String,
    /// Whether it says that nobody need read it yet.
    pub draft: bool,
}

/// What a pull request is to look like. Everything in it is decided; performing it is finding out what differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullPlan {
    /// The issue that it closes.
    pub issue: IssueNumber,
    /// The branch whose pull request it is: the tracker has at most one open for it.
    pub branch: String,
    /// The issue's title, one line.
    pub title: String,
    /// The evidence, as markdown between two marks of ours.
    pub evidence: String,
    /// Whether a person is to read it now.
    pub ready: bool,
}

/// One of GitHub's own checks of a commit, by its newest run: a check run, or a commit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckRun {
    /// Its name, by whoever reports it.
    pub name: String,
    /// How it stands.
    pub state: RunState,
}

/// How one of GitHub's own checks stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// It succeeded, or had nothing to do.
    Passed,
    /// It ended in any other way.
    Failed,
    /// It has not ended.
    Pending,
}

/// The cheap part of a pull request: what a list says. A change of it asks for a single read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullHead {
    /// Whether it is open.
    pub open: bool,
    /// When anything about it last changed, by the tracker's clock.
    pub updated_at: Timestamp,
}

/// One single read of a pull request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PullRead {
    /// How it ended, if it did.
    pub end: Option<PullEnd>,
    /// Whose account merged it, if it was merged and the tracker says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_by: Option<Actor>,
    /// The newest commit of its branch.
    pub head: Option<Subject>,
    /// Reviews that ask for changes and stand: of each reviewer at most the newest, oldest first.
    pub wants: Vec<Review>,
    /// What those reviewers may do, now.
    pub roles: BTreeMap<Actor, Role>,
}

/// A review that asks for changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// Its id; ids of one pull request only grow.
    pub id: u64,
    /// Who.
    pub by: Actor,
    /// Markdown.
    pub body: String,
}

/// How a pull request ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "end")]
pub enum PullEnd {
    /// It was merged: the work is done.
    Merged {
        /// By whom, as far as the tracker says.
        by: String,
    },
    /// It was closed without a merge: the work is dropped.
    Closed {
        /// By whom, as far as the tracker says.
        by: String,
        /// When, by the tracker's clock, as far as it says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        at: Option<Timestamp>,
    },
}

impl PullEnd {
    /// Says it in words, after the pull request's name.
    pub fn words(&self) -> String {
        match self {
            Self::Merged { by } => format!("was merged by {by}"),
            Self::Closed { by, .. } => format!("was closed unmerged by {by}"),
        }
    }
}

/// The closing of a pull request, as what labels are measured against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Closing {
    /// When it was closed, as far as the tracker says.
    pub at: Option<Timestamp>,
    /// A label that a move of ours set by nobody's word.
    pub own: Option<LabelEventId>,
}

impl Closing {
    /// Says whether a label was set since, by somebody. Times are whole seconds: in the same one, what stands stays.
    pub fn is_before(&self, event: &LabelEvent) -> bool {
        self.at.is_some_and(|at| event.at >= at) && self.own.as_ref() != Some(&event.id)
    }
}
