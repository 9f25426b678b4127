//! The local tracker: a folder of plain files in the state folder, for projects without a server.
//!
//! ```text
//! <state>/tracker/<project>/
//!   repo.json                    the repository's id, and the last issue's number
//!   labels.toml                  the repository's labels
//!   roles.toml                   "uid:1001" = "write": who may what, beyond the folder's owner
//!   issues/<n>/issue.md          front matter (title, state, labels, ...) and text
//!   issues/<n>/comments/<ulid>.md
//!   issues/<n>/events.jsonl      who set and removed which label, and who edited the text; chained
//! ```
//!
//! People may edit `issue.md` with an editor. What their edit changed becomes events by the file's owner when it is next read.
//! A file that cannot be understood is never rewritten: its issue is reported ([`Folder::malformed`]) and the others go on.
//!
//! [`Folder`] is the blocking form, for the command line; [`Local`] runs the same operations on tokio's blocking threads.
//! This module never reads a clock and never starts a process.

mod catalog;
mod chain;
mod file;
mod folder;
mod issues;
mod matter;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use crate::domain::{Actor, Comment, CommentId, IssueNumber, Label, LabelEvent, Role, SingleRead};
use crate::tracker::{
    Malformed, NewIssue, Poll, PollMark, RepoFacts, RepoLabel, Sweep, TrackerError, Written,
};

pub use file::{BODY_BYTES_MAX, Damage};
pub use folder::Folder;

/// The local tracker of one project.
#[derive(Clone, Debug)]
pub struct Local {
    folder: Arc<Folder>,
}

impl Local {
    /// Opens the folder, making it (0700) when it is not there. Blocking, a few small files.
    ///
    /// `clock` gives the time of new events; `actor` is who they are by, `uid:<n>`.
    pub fn open(
        folder: &Path,
        clock: fn() -> Timestamp,
        actor: Actor,
    ) -> Result<Self, TrackerError> {
        Ok(Self {
            folder: Arc::new(Folder::open(folder, clock, actor)?),
        })
    }

    /// Returns the same operations without async, for the command line.
    pub fn blocking(&self) -> &Folder {
        &self.folder
    }

    /// See [`crate::tracker::Tracker::edit_comment_later`]: there is no budget here to spare.
    pub async fn edit_comment_later(
        &self,
        number: IssueNumber,
        id: &CommentId,
        body: &str,
    ) -> Result<Written, TrackerError> {
        self.edit_comment(number, id, body).await
    }

    async fn run<T, F>(&self, work: F) -> Result<T, TrackerError>
    where
        T: Send + 'static,
        F: FnOnce(&Folder) -> Result<T, TrackerError> + Send + 'static,
    {
        let folder = Arc::clone(&self.folder);
        tokio::task::spawn_blocking(move || work(&folder))
            .await
            .map_err(|source| TrackerError::Unreachable {
                at: self.folder.path().display().to_string(),
                source: Box::new(source),
            })?
    }
}

/// The asynchronous twin of each operation: owns its arguments, runs on a blocking thread.
macro_rules! twins {
    ($($(#[$doc:meta])* fn $name:ident(&self $(, $arg:ident: $ty:ty)*) -> $ret:ty;)*) => {
        impl Local {
            $($(#[$doc])*
            pub async fn $name(&self $(, $arg: $ty)*) -> Result<$ret, TrackerError> {
                $(let $arg = $arg.to_owned();)*
                self.run(move |folder| folder.$name($($arg.as_arg()),*)).await
            })*
        }
    };
}

/// Lends an owned argument again on the blocking thread.
trait AsArg {
    type Arg<'a>
    where
        Self: 'a;
    fn as_arg(&self) -> Self::Arg<'_>;
}

macro_rules! lent {
    ($($ty:ty => $arg:ty),*) => {
        $(impl AsArg for $ty {
            type Arg<'a> = &'a $arg;
            fn as_arg(&self) -> &$arg {
                self
            }
        })*
    };
}

lent!(String => str, PollMark => PollMark, Actor => Actor, RepoLabel => RepoLabel, Label => Label, CommentId => CommentId, NewIssue => NewIssue);

impl AsArg for IssueNumber {
    type Arg<'a> = Self;
    fn as_arg(&self) -> Self {
        *self
    }
}

twins! {
    /// See [`crate::tracker::Tracker::poll`]. Costs a few `stat` calls per issue when nothing changed.
    fn poll(&self, mark: &PollMark) -> Poll;
    /// See [`crate::tracker::Tracker::sweep`].
    fn sweep(&self) -> Sweep;
    /// See [`crate::tracker::Tracker::issue`].
    fn issue(&self, number: IssueNumber) -> SingleRead;
    /// See [`crate::tracker::Tracker::label_events`]; all of them.
    fn label_events(&self, number: IssueNumber) -> Vec<LabelEvent>;
    /// See [`crate::tracker::Tracker::comments`].
    fn comments(&self, number: IssueNumber) -> Vec<Comment>;
    /// See [`crate::tracker::Tracker::role`].
    fn role(&self, actor: &Actor) -> Role;
    /// See [`crate::tracker::Tracker::whoami`].
    fn whoami(&self) -> Actor;
    /// See [`crate::tracker::Tracker::repo`].
    fn repo(&self) -> RepoFacts;
    /// See [`crate::tracker::Tracker::labels`].
    fn labels(&self) -> Vec<RepoLabel>;
    /// See [`crate::tracker::Tracker::create_label`].
    fn create_label(&self, label: &RepoLabel) -> Written;
    /// See [`crate::tracker::Tracker::change_label`].
    fn change_label(&self, label: &RepoLabel) -> Written;
    /// See [`crate::tracker::Tracker::add_label`].
    fn add_label(&self, number: IssueNumber, label: &Label) -> Written;
    /// See [`crate::tracker::Tracker::remove_label`].
    fn remove_label(&self, number: IssueNumber, label: &Label) -> Written;
    /// See [`crate::tracker::Tracker::comment`].
    fn comment(&self, number: IssueNumber, body: &str) -> CommentId;
    /// See [`crate::tracker::Tracker::edit_comment`].
    fn edit_comment(&self, number: IssueNumber, id: &CommentId, body: &str) -> Written;
    /// See [`crate::tracker::Tracker::create_issue`].
    fn create_issue(&self, issue: &NewIssue) -> IssueNumber;
    /// See [`crate::tracker::Tracker::close`].
    fn close(&self, number: IssueNumber) -> Written;
    /// See [`crate::tracker::Tracker::malformed`].
    fn malformed(&self) -> Vec<Malformed>;
}
