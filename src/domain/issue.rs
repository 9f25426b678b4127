//! What a tracker says: issues, who labelled them, who may.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{ActorId, CommentId, IssueId, IssueNumber, Label, LabelEventId, RepoId};

/// The cheap part of an issue: what a list returns, enough to rank it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The repository the tracker says it belongs to now.
    pub repo: RepoId,
    /// The tracker's own id.
    pub id: IssueId,
    /// The number people use.
    pub number: IssueNumber,
    /// Untrusted text.
    pub title: String,
    /// Whether it is open.
    pub open: bool,
    /// All labels, ours and others'.
    pub labels: BTreeSet<Label>,
    /// The milestone's ordinal, if any: lower comes first.
    pub milestone: Option<u64>,
    /// Who opened it.
    pub author: Option<Actor>,
    /// When it was opened, by the tracker's clock.
    pub created_at: Timestamp,
    /// When anything about it last changed, by the tracker's clock.
    pub updated_at: Timestamp,
    /// Where a person reads it.
    pub url: String,
    /// Issues of the same repository that its text says it waits for, open or not.
    #[serde(default)]
    pub waits_for: BTreeSet<IssueNumber>,
    /// How many open issues block it by the tracker's own account (GitHub's dependencies); 0 where it keeps none.
    #[serde(default)]
    pub blocked_by: u32,
    /// Issues of other repositories that its text says it waits for, open or not.
    #[serde(default)]
    pub waits_elsewhere: BTreeSet<Elsewhere>,
    /// How many of its sub-issues are open by the tracker's own account; 0 where it keeps none.
    #[serde(default)]
    pub sub_issues: u32,
    /// Paths of the repository that its text says its work will change: `machine::text::touches` says how they are read.
    #[serde(default)]
    pub touches: BTreeSet<String>,
}

/// An issue of another repository.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Elsewhere {
    /// `owner/name`, in lower case: GitHub's names compare so.
    pub repo: String,
    /// Its number there.
    pub number: IssueNumber,
}

/// How an issue of another project of ours stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OtherIssue {
    /// It is closed.
    Closed,
    /// It is open.
    Open {
        /// Which issues of the project that asks it waits for itself, by its text.
        waits_for: BTreeSet<IssueNumber>,
    },
    /// Its project has not read it yet, or does not run.
    Unread,
}

impl std::fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.repo, self.number)
    }
}

/// Somebody who did something in a tracker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Actor {
    /// The numeric account id (GitHub) or `uid:<n>` (local tracker): the only thing trust compares.
    pub id: ActorId,
    /// The name people know, for words only.
    pub login: String,
    /// What kind of account it is.
    pub kind: ActorKind,
}

/// What kind of account an actor is. Never derived from a login's ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ActorKind {
    /// A person's account, also a machine account.
    User,
    /// A GitHub App: trusted by id only.
    App,
}

/// What an account may do in a repository, lowest first. GitHub's `role_name`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Nothing, or unknown: trust fails closed.
    None,
    /// May read.
    Read,
    /// May label, but not push: not enough by default.
    Triage,
    /// May push: the default threshold.
    Write,
    /// May manage.
    Maintain,
    /// May everything.
    Admin,
}

/// One label event: a label was set or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelEvent {
    /// The event's own id; ids of one issue only grow.
    pub id: LabelEventId,
    /// Whether the label was set (`true`) or removed.
    pub set: bool,
    /// Which label.
    pub label: Label,
    /// Who did it; `None` when the tracker no longer knows (a deleted account).
    pub actor: Option<Actor>,
    /// When, by the tracker's clock.
    pub at: Timestamp,
}

/// The dear part of an issue: read singly, right before a decision about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Untrusted.
    pub title: String,
    /// Untrusted; empty when there is none.
    pub body: String,
    /// Every edit of title or body that the tracker knows of, oldest first; empty when there was none, or when it cannot say.
    pub edits: Vec<Edit>,
}

/// An edit of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// When, by the tracker's clock.
    pub at: Timestamp,
    /// Who, if the tracker still knows.
    pub by: Option<Actor>,
}

/// One comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comment {
    /// The tracker's id.
    pub id: CommentId,
    /// Who wrote it; `None` for a deleted account.
    pub author: Option<Actor>,
    /// Untrusted unless the author is trusted.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was last changed; equal to `created_at` if never.
    pub updated_at: Timestamp,
}

/// What one single read of an issue says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SingleRead {
    /// It is there.
    Found(Box<(Head, Text)>),
    /// It moved to another repository.
    Transferred {
        /// Where to, as far as the tracker says.
        to: String,
    },
    /// It is gone, or we may no longer see it.
    Gone,
}
