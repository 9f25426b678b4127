//! Names and numbers, each made in one place and never re-checked.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Defines an opaque text id: a newtype that is ordered, printable and serialised as its text.
macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl $name {
            /// Wraps a text that its source has already checked.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// Returns the text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A project's name: the stem of its configuration file, `[A-Za-z0-9_-]+`, also its tmux session's name.
    ProjectName
}
text_id! {
    /// A tracker's own id of a repository, opaque. A transfer changes it, and that is always a new approval.
    RepoId
}
text_id! {
    /// A tracker's own id of an issue, opaque; survives a rename, not a transfer.
    IssueId
}
text_id! {
    /// The id of one label event, opaque: the identity of a labelling (PROTOCOLS 1).
    LabelEventId
}
text_id! {
    /// A tracker's own id of an account, opaque. Logins may be renamed and reused, ids may not.
    ActorId
}
text_id! {
    /// A comment's id, opaque.
    CommentId
}
text_id! {
    /// One brief for one labelling and attempt, `[a-z0-9]{6}`.
    DispatchId
}
text_id! {
    /// One text typed into a session, `[a-z0-9]{8}`, never reused (PROTOCOLS 3).
    DeliveryId
}
text_id! {
    /// One report, the ulid in its spool file's name.
    ReportId
}
text_id! {
    /// The name of an agent profile: the stem of a file in `agents/`.
    ProfileName
}
text_id! {
    /// The name of a skill.
    SkillName
}
text_id! {
    /// A git commit, 40 hex digits; or, in a project without git, `files:` and the digest of the stage's files.
    Subject
}

impl Subject {
    /// Returns the first ten characters, enough to recognise it in a sentence.
    pub fn short(&self) -> &str {
        self.0.get(..10).unwrap_or(&self.0)
    }
}

/// A routing label's text. Compares without regard to case, as GitHub does, and keeps the case it was written in.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Label(pub String);

impl Label {
    /// Wraps a label's text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Compares letter by letter as lower case, without a copy: a cycle compares labels by the ten thousand.
    fn compare(&self, other: &Self) -> Ordering {
        let (left, right) = (self.0.as_bytes(), other.0.as_bytes());
        let mut same = 0;
        while let (Some(left), Some(right)) = (left.get(same), right.get(same)) {
            if !left.is_ascii() || !right.is_ascii() {
                break;
            }
            if left != right {
                let order = left.to_ascii_lowercase().cmp(&right.to_ascii_lowercase());
                if order.is_ne() {
                    return order;
                }
            }
            same += 1;
        }
        // One of them ends here, or goes on with a letter beyond ASCII.
        let (left, right) = (self.0[same..].chars(), other.0[same..].chars());
        left.flat_map(char::to_lowercase)
            .cmp(right.flat_map(char::to_lowercase))
    }
}

impl PartialEq for Label {
    fn eq(&self, other: &Self) -> bool {
        self.compare(other).is_eq()
    }
}
impl Eq for Label {}
impl PartialOrd for Label {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Label {
    fn cmp(&self, other: &Self) -> Ordering {
        self.compare(other)
    }
}
impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An issue's number in its tracker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IssueNumber(pub u64);

impl fmt::Display for IssueNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Returns what a tracker's ids of events and comments are ordered by: they grow, integers by value and ulids by text.
pub fn order(id: &str) -> (usize, &str) {
    (id.len(), id)
}

/// Puts what a tracker served in order: oldest first and each once. Pages move while they are read, and its copies differ.
pub fn in_order<T>(mut served: Vec<T>, id: impl Fn(&T) -> &str) -> Vec<T> {
    served.sort_by(|one, other| order(id(one)).cmp(&order(id(other))));
    served.dedup_by(|one, other| id(one) == id(other));
    served
}
