//! A project's repository and folder (layer 2): git facts from a bare mirror, briefs going in, reports coming out.
//!
//! Git never runs inside a project: `status`, `diff`, `fetch` and `worktree` there run what the project's own configuration names
//! (PROTOCOLS 11). The [`Mirror`] fetches the project by path, and everything is read from its objects.
//! In the project's folder only `.pointsman/{.gitignore,briefs,spool}` is touched, and never through a link.
//!
//! [`brief`] and [`spool`] are plain blocking code, because the agents' verbs use them. This module never reads a clock.

mod facts;
mod folder;
mod git;
mod mirror;

pub mod brief;
pub mod spool;

use std::path::PathBuf;
use std::time::Duration;

pub use facts::{ChangeKind, ChangedFile, EntryKind, Grep, GrepLimits, GrepMatch, Ref, TreeEntry};
pub use folder::Users;
pub use mirror::Mirror;

/// How the outside failed.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    /// The program cannot be started.
    #[error("cannot start `{program}` to {what}")]
    Start {
        /// Which program.
        program: String,
        /// What it was to do.
        what: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Git answered with an error.
    #[error("git could not {what}: {said}")]
    Git {
        /// What it was to do.
        what: &'static str,
        /// Its last words, without secrets.
        said: String,
        /// Its exit code; `None` when a signal ended it.
        code: Option<i32>,
    },
    /// It took too long and was stopped.
    #[error("git took longer than {} s to {what}", after.as_secs())]
    TimedOut {
        /// What it was to do.
        what: &'static str,
        /// The limit.
        after: Duration,
    },
    /// There is more than we take.
    #[error("{what} has more than {max} {unit}")]
    TooMuch {
        /// Of what.
        what: String,
        /// The limit.
        max: usize,
        /// Its unit.
        unit: &'static str,
    },
    /// A name, path or text that is not one. Says so before anything is started.
    #[error("`{text}` is not {expected}")]
    NotA {
        /// The text, made printable.
        text: String,
        /// What it should be.
        expected: &'static str,
    },
    /// Somebody put something else where our folder or file belongs.
    #[error("cannot use `{}`: it is {found}, not {expected}", path.display())]
    Foreign {
        /// Where.
        path: PathBuf,
        /// What is there.
        found: &'static str,
        /// What belongs there.
        expected: &'static str,
    },
    /// A brief of that id with another text is there: briefs are never rewritten.
    #[error("the brief `{}` is there already, with another text", path.display())]
    BriefTaken {
        /// Where.
        path: PathBuf,
    },
    /// What was written does not read back as it was written.
    #[error("`{}` does not read back as it was written", path.display())]
    ReadBack {
        /// Where.
        path: PathBuf,
    },
    /// The system does not let us.
    #[error("cannot {what} `{}`", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl RepoError {
    /// Returns what to do about it, if a person can do something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Start { program, .. } => Some(format!("install `{program}`, or put it on the daemon's PATH")),
            Self::Git { said, .. } if said.contains("not appear to be a git repository") => {
                Some("check `path` and `repo` in the project's file".to_owned())
            }
            Self::Git { said, .. } if said.contains("could not read Username") || said.contains("Permission denied") => {
                Some("the daemon asks nobody for a password: `git fetch` in the project must work without one".to_owned())
            }
            Self::Git { .. } => Some("if this stays, remove the project's mirror from the state folder: it is made anew".to_owned()),
            Self::TimedOut { .. } => Some("it is tried again; check the disk and the network".to_owned()),
            Self::Foreign { path, .. } => {
                Some(format!("look at it, then remove it: `rm {}`; it is made anew as ours", path.display()))
            }
            Self::ReadBack { .. } => Some("something else writes there, or the disk fails".to_owned()),
            Self::Io { source, .. } => match source.kind() {
                std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                    Some("the daemon needs to write in `.pointsman` of the project: check who owns it".to_owned())
                }
                std::io::ErrorKind::StorageFull => Some("free some space on that disk".to_owned()),
                std::io::ErrorKind::NotFound => Some("check `path` in the project's file".to_owned()),
                _ => None,
            },
            Self::TooMuch { .. } | Self::NotA { .. } | Self::BriefTaken { .. } => None,
        }
    }
}
