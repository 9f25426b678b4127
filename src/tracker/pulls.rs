//! Pull requests and checks of commits: what a tracker that has them can do with those of our own branches. The local tracker has none.

use jiff::Timestamp;

use crate::domain::{Actor, CheckRun, IssueNumber, PullHead, Review, Subject};
use crate::tracker::{Tracker, TrackerError, Written};

/// What a list says of a pull request: its number, and whether it changed.
pub type ListedPull = (IssueNumber, PullHead);

/// A pull request as the tracker has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundPull {
    /// Its number.
    pub number: IssueNumber,
    /// Where a person reads it.
    pub url: String,
    /// What GraphQL calls it.
    pub node: String,
    /// Whether it says that nobody need read it yet.
    pub draft: bool,
    /// Whether it is open.
    pub open: bool,
    /// Whether it was merged.
    pub merged: bool,
    /// Who merged it, as far as the tracker says.
    pub merged_by: Option<Actor>,
    /// When it was closed, merged or not.
    pub closed_at: Option<Timestamp>,
    /// The newest commit of its branch.
    pub head: Subject,
    /// Its text.
    pub body: String,
}

/// A pull request to be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPull {
    /// One line.
    pub title: String,
    /// Markdown.
    pub body: String,
    /// The branch of this very repository.
    pub branch: String,
    /// Whether nobody need read it yet. Where the repository knows no drafts, it is opened as it can be.
    pub draft: bool,
}

/// What came of a merge that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MergeAnswer {
    /// It is merged, into this branch.
    Merged(String),
    /// It is not yet: asking again may do it. Its words.
    Later(String),
    /// It is not, and asking again would not change that: a conflict, a rule of the repository, other commits. Its words.
    Refused(String),
}

/// The methods that only a tracker with pull requests has.
macro_rules! github {
    ($($(#[$doc:meta])* fn $name:ident(&self $(, $arg:ident: $ty:ty)*) -> $ret:ty;)*) => {
        impl Tracker {
            $($(#[$doc])*
            pub async fn $name(&self $(, $arg: $ty)*) -> Result<$ret, TrackerError> {
                match self {
                    Self::GitHub(tracker) => tracker.$name($($arg),*).await,
                    Self::Local(_) => Err(TrackerError::Refused {
                        what: "work on a pull request".to_owned(),
                        why: "the local tracker has none".to_owned(),
                    }),
                }
            })*
        }
    };
}

github! {
    /// Looks for the open pull request of a branch of this repository into its default branch; one from a fork is never it, whatever
    /// its branch is called.
    fn find_pull(&self, branch: &str) -> Option<FoundPull>;
    /// Reads one.
    fn pull(&self, number: IssueNumber) -> FoundPull;
    /// Opens one. Sent once: after a lost answer the caller looks for it before trying again.
    fn open_pull(&self, pull: &NewPull) -> FoundPull;
    /// Replaces its text.
    fn edit_pull(&self, number: IssueNumber, body: &str) -> Written;
    /// Marks a draft as ready for review.
    fn ready_pull(&self, pull: &FoundPull) -> Written;
    /// Merges it, if its newest commit is that one.
    fn merge_pull(&self, number: IssueNumber, head: &Subject) -> MergeAnswer;
    /// Reads the reviews that ask for changes and stand: of each reviewer at most the newest, oldest first.
    fn wanted_changes(&self, number: IssueNumber) -> Vec<Review>;
    /// Reads who closed it, as far as the tracker says.
    fn closer(&self, number: IssueNumber) -> Option<Actor>;
    /// Reads what was said in its reviews and on its lines, oldest first.
    fn pull_remarks(&self, number: IssueNumber) -> Vec<crate::domain::Comment>;
    /// Reads the checks of a pushed commit, of each the newest run: two requests, and one more for every further hundred.
    fn checks(&self, commit: &Subject) -> Vec<CheckRun>;
}
