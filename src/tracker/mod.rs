//! Trackers (layer 2): where issues live. GitHub and the embedded file tracker behind one enum and one contract suite.
//!
//! The outside fails as data: every call answers with what it saw or a [`TrackerError`] that says what stops and until when.
//! Nothing here decides; nothing here retries a write (a write whose answer was lost is resolved by reading, PROTOCOLS 6).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    Actor, Comment, CommentId, Head, IssueNumber, Label, LabelEvent, RepoId, Role, SingleRead,
};

pub mod github;
pub mod local;
pub mod pulls;
mod waits;

/// A project's tracker.
#[derive(Clone, Debug)]
pub enum Tracker {
    /// A repository on GitHub or a server that speaks its API.
    GitHub(github::GitHub),
    /// The embedded file tracker.
    Local(local::Local),
}

/// What conditional polling remembers of one repository. Persisted only after the derived heads were committed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PollMark {
    /// The validator of the last probe, opaque.
    pub etag: Option<String>,
    /// Fingerprint of the token it was made with: an `ETag` is worth nothing under another token.
    pub token_fp: Option<String>,
    /// The newest `updated_at` that was read to the last page.
    pub watermark: Option<Timestamp>,
}

/// What one poll saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Poll {
    /// Nothing changed since the mark; cost no allowance.
    Unchanged,
    /// These issues changed, open and closed ones, newest state of each. `mark` is to be stored after the heads.
    Changed {
        /// The issues that changed.
        heads: Vec<Head>,
        /// The pull requests that did.
        pulls: Vec<pulls::ListedPull>,
        /// What to remember.
        mark: PollMark,
    },
}

/// All open issues, read without conditions.
#[derive(Clone, Debug, PartialEq)]
pub struct Sweep {
    /// Every open issue.
    pub open: Vec<Head>,
    /// Every open pull request.
    pub pulls: Vec<pulls::ListedPull>,
    /// What to remember.
    pub mark: PollMark,
}

/// A repository as the tracker describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoFacts {
    /// Its id: a transfer or a re-creation changes it.
    pub id: RepoId,
    /// `owner/name` as it is now: differs from the configured one after a rename.
    pub full_name: String,
    /// The default branch's name.
    pub default_branch: String,
    /// Whether anybody can read it.
    pub public: bool,
    /// What our own account may do.
    pub our_role: Role,
}

/// One label of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoLabel {
    /// Its text.
    pub name: Label,
    /// Six hex digits.
    pub color: String,
    /// Its description.
    pub description: String,
}

/// A new issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIssue {
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// Labels to set after it was created, so that each has an event with an actor.
    pub labels: Vec<Label>,
}

/// An issue that cannot be understood: left out of polls and sweeps, and an error when it is read singly.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed {
    /// Which issue.
    pub number: IssueNumber,
    /// What is wrong, with file and line.
    pub why: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// What a write did. `Absent` is the answer to removing what is not there: the wish is fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It changed something.
    Changed,
    /// It was so already.
    Already,
}

/// How the outside failed (DESIGN 10). Says what stops.
#[derive(Debug, thiserror::Error)]
pub enum TrackerError {
    /// No answer, a 5xx, a broken body or a deadline: the write, if it was one, may have happened.
    #[error("the tracker at `{at}` cannot be reached")]
    Unreachable {
        /// The address, without secrets.
        at: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The account's allowance is used up; every call of that identity stops until then.
    #[error("the tracker's rate limit is used up until {until:.0}")]
    RateLimited {
        /// By the tracker's clock.
        until: Timestamp,
        /// `primary` or `secondary` as the tracker said; `reserve`, `pace` or `spare` by our own restraint: the call was not made.
        kind: &'static str,
    },
    /// 401, or no token.
    #[error("the tracker does not accept the token: {why}")]
    TokenRejected {
        /// Its words, without the token.
        why: String,
    },
    /// 403 without a limit: the token lacks a right.
    #[error("the token may not {what}")]
    Forbidden {
        /// What was tried.
        what: String,
    },
    /// 404, 410: not there, or not visible to us.
    #[error("cannot find {what}")]
    NotFound {
        /// What was asked for.
        what: String,
    },
    /// The repository or issue answers under another name.
    #[error("{what} moved to {to}")]
    Moved {
        /// What was asked for.
        what: String,
        /// Where it is now.
        to: String,
    },
    /// 422 or a local refusal: the request is wrong.
    #[error("the tracker refused to {what}: {why}")]
    Refused {
        /// What was tried.
        what: String,
        /// Its words.
        why: String,
    },
    /// An answer that cannot be understood.
    #[error("the tracker's answer about {what} cannot be understood")]
    Malformed {
        /// What was asked for.
        what: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl TrackerError {
    /// Returns what to do about it, if a person can do something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TokenRejected { .. } => Some(
                "set GITHUB_TOKEN or GH_TOKEN, run `gh auth login`, or configure an App under [github]".to_owned(),
            ),
            Self::Forbidden { .. } => Some(
                "the token needs Issues: write, Pull requests: write, Contents: write and Metadata: read for this repository".to_owned(),
            ),
            Self::NotFound { .. } => Some("check its number, `repo` in the project's file, and what the token may see".to_owned()),
            Self::Moved { to, .. } => Some(format!("set repo = \"{to}\" in the project's file")),
            Self::Malformed { source, .. } => Some(source.downcast_ref::<local::Damage>().map_or_else(
                || "something between here and there may have changed it: try again; a running daemon does so by itself".to_owned(),
                local::Damage::hint,
            )),
            Self::Unreachable { .. } => Some("check the network and the disk, then try again; a running daemon does so by itself".to_owned()),
            Self::RateLimited { .. } => Some("nothing is sent before that time; a running daemon goes on by itself then".to_owned()),
            Self::Refused { .. } => Some("change what it names, then try again".to_owned()),
        }
    }
}

impl Tracker {
    /// Reads every issue of a local tracker and returns those that cannot be understood. GitHub has none of that kind.
    pub async fn malformed(&self) -> Result<Vec<Malformed>, TrackerError> {
        match self {
            Self::GitHub(_) => Ok(Vec::new()),
            Self::Local(tracker) => tracker.malformed().await,
        }
    }
}

/// The methods of both trackers, dispatched by kind. The contract suite in `tests/it/tracker_contract.rs` runs against each.
macro_rules! both {
    ($($(#[$doc:meta])* fn $name:ident(&self $(, $arg:ident: $ty:ty)*) -> $ret:ty;)*) => {
        impl Tracker {
            $($(#[$doc])*
            pub async fn $name(&self $(, $arg: $ty)*) -> Result<$ret, TrackerError> {
                match self {
                    Self::GitHub(tracker) => tracker.$name($($arg),*).await,
                    Self::Local(tracker) => tracker.$name($($arg),*).await,
                }
            })*
        }
    };
}

both! {
    /// Reads what changed since `mark`; one conditional request when nothing did.
    fn poll(&self, mark: &PollMark) -> Poll;
    /// Reads every open issue, unconditionally.
    fn sweep(&self) -> Sweep;
    /// Reads one issue with its text.
    fn issue(&self, number: IssueNumber) -> SingleRead;
    /// Reads an issue's label events, oldest first (GitHub: at most the last 10 pages).
    fn label_events(&self, number: IssueNumber) -> Vec<LabelEvent>;
    /// Reads an issue's comments, oldest first and each once.
    fn comments(&self, number: IssueNumber) -> Vec<Comment>;
    /// Reads what an account may do here, now.
    fn role(&self, actor: &Actor) -> Role;
    /// Reads which account we are.
    fn whoami(&self) -> Actor;
    /// Reads the repository.
    fn repo(&self) -> RepoFacts;
    /// Reads the repository's labels.
    fn labels(&self) -> Vec<RepoLabel>;
    /// Creates a label of the repository; `Already` if one of that name exists.
    fn create_label(&self, label: &RepoLabel) -> Written;
    /// Changes colour and text of an existing label of the repository.
    fn change_label(&self, label: &RepoLabel) -> Written;
    /// Sets one label of an issue.
    fn add_label(&self, number: IssueNumber, label: &Label) -> Written;
    /// Removes one label of an issue; `Already` if it has none of that name.
    fn remove_label(&self, number: IssueNumber, label: &Label) -> Written;
    /// Writes a comment.
    fn comment(&self, number: IssueNumber, body: &str) -> CommentId;
    /// Replaces a comment of ours.
    fn edit_comment(&self, number: IssueNumber, id: &CommentId, body: &str) -> Written;
    /// The same, held back when many were made: what may wait takes its share of the write budget and no more.
    fn edit_comment_later(&self, number: IssueNumber, id: &CommentId, body: &str) -> Written;
    /// Opens an issue.
    fn create_issue(&self, issue: &NewIssue) -> IssueNumber;
    /// Closes an issue.
    fn close(&self, number: IssueNumber) -> Written;
}
