//! What can go wrong, in three parts: what (the message), why (the source), what to do (the hint).

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

/// The hint of everything that smells of a damaged file.
const VERIFY: &str =
    "`pointsman ledger verify` says where; keep a copy of the file before you restore a back-up";
/// The hint of a full disk.
const FREE_SPACE: &str =
    "free some space on that disk: nothing was written, and the daemon goes on once there is room";

/// Something in the ledger is not what was written there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the ledger is damaged{}: {what}", .seq.map(|seq| format!(" at event {seq}")).unwrap_or_default())]
pub struct Damage {
    /// The first event that shows it; `None` when the file is damaged where no event can be named.
    pub seq: Option<u64>,
    /// What is wrong, in words.
    pub what: String,
}

impl Damage {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        Some(VERIFY.to_owned())
    }
}

/// Why the ledger could not be read or written. Cloneable, because one failed commit answers a whole group.
#[derive(Clone, Debug, Error)]
pub enum StoreError {
    /// No room for the write, be it the ledger's or a back-up's. Nothing of it was kept.
    #[error("the disk is full")]
    Full,
    /// A page, a row or the chain is broken.
    #[error(transparent)]
    Damaged(#[from] Damage),
    /// Another process kept the file locked for longer than the busy time-out.
    #[error("the ledger is in use by another process")]
    Busy,
    /// A write to a ledger that was opened for reading.
    #[error("the ledger was opened for reading only")]
    ReadOnly,
    /// The thread that owns the ledger has ended.
    #[error("the ledger's thread has stopped")]
    Stopped,
    /// The back-up's path is taken; an older back-up is never overwritten.
    #[error("`{}` exists already", .0.display())]
    Exists(PathBuf),
    /// An in-memory ledger has no file to copy.
    #[error("a ledger in memory cannot be backed up")]
    NoFile,
    /// A file beside the ledger could not be written.
    #[error("cannot write `{}`", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Arc<io::Error>,
    },
    /// Anything else `SQLite` reports, such as an I/O error. A commit that ends so may or may not be on the disk:
    /// open the ledger anew and look.
    #[error("the ledger cannot be used")]
    Sql(#[source] Arc<rusqlite::Error>),
}

impl StoreError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Full => Some(FREE_SPACE.to_owned()),
            Self::Damaged(damage) => damage.hint(),
            Self::Busy => {
                Some("stop the other process; only the daemon writes the ledger".to_owned())
            }
            Self::Exists(_) => Some("choose another name, or move the old back-up away".to_owned()),
            Self::Sql(_) => Some(format!("look at the disk and its permissions; {VERIFY}")),
            Self::ReadOnly | Self::Stopped | Self::NoFile | Self::File { .. } => None,
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::{Error, ErrorCode, ffi};
        let damaged = |error: &Error| {
            Self::Damaged(Damage {
                seq: None,
                what: error.to_string(),
            })
        };
        match &error {
            Error::FromSqlConversionFailure(..)
            | Error::InvalidColumnType(..)
            | Error::IntegralValueOutOfRange(..) => damaged(&error),
            Error::SqliteFailure(code, _) => match code.code {
                ErrorCode::DiskFull => Self::Full,
                ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => damaged(&error),
                ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy,
                ErrorCode::ReadOnly => Self::ReadOnly,
                // The index file beside the ledger could not grow: SQLite does not say "full" there.
                _ if code.extended_code == ffi::SQLITE_IOERR_SHMSIZE => Self::Full,
                _ => Self::Sql(Arc::new(error)),
            },
            _ => Self::Sql(Arc::new(error)),
        }
    }
}

/// Why an append was refused or failed. Nothing of it is in the ledger, save after [`AppendError::Broken`].
#[derive(Clone, Debug, Error)]
pub enum AppendError {
    /// The caller decided on an older state: read the stream again, decide again.
    #[error("stream `{stream}` is at version {actual}, not {expected}")]
    WrongVersion {
        /// Which stream.
        stream: String,
        /// What the caller believed.
        expected: u64,
        /// What is true.
        actual: u64,
    },
    /// The key was used before: this has been done, or tried, already.
    #[error("`{key}` was claimed by event {seq}")]
    ClaimTaken {
        /// Which claim.
        key: String,
        /// The first event of the append that took it.
        seq: u64,
    },
    /// The append itself is wrong: empty, over a limit, not JSON. A programmer's error, said as data.
    #[error("this cannot be appended: {0}")]
    Invalid(String),
    /// No room: no intent, hence no effect. Earlier events stay.
    #[error("the disk that holds the ledger is full")]
    Full,
    /// The store failed. Whether the append is on the disk is unknown until the ledger is opened anew.
    #[error("the ledger cannot be written")]
    Broken(#[source] StoreError),
}

impl AppendError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Full => Some(FREE_SPACE.to_owned()),
            Self::Broken(source) => source.hint(),
            Self::WrongVersion { .. } | Self::ClaimTaken { .. } | Self::Invalid(_) => None,
        }
    }
}

impl From<StoreError> for AppendError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            other => Self::Broken(other),
        }
    }
}

/// Why a ledger file could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// A newer binary has been here.
    #[error("the ledger `{}` has schema {found}; this binary knows up to {known}", path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// The file's schema.
        found: u32,
        /// This binary's schema.
        known: u32,
        /// The copy that the newer binary took of this binary's schema, if it is there.
        backup: Option<PathBuf>,
    },
    /// Not a database, or one whose first pages are broken.
    #[error("the ledger `{}` is damaged", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What `SQLite` said.
        #[source]
        source: StoreError,
    },
    /// A healthy database of somebody else.
    #[error("`{}` is a database, but not a ledger", path.display())]
    NotALedger {
        /// Which file.
        path: PathBuf,
    },
    /// There is nothing to read.
    #[error("there is no ledger at `{}`", path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
    },
    /// The file system cannot share memory between processes, which WAL needs (a network mount).
    #[error("the file system of `{}` does not support a write-ahead log", path.display())]
    NoWal {
        /// Which file.
        path: PathBuf,
    },
    /// Anything else: permissions, a full disk, a missing folder.
    #[error("cannot open the ledger `{}`", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: StoreError,
    },
}

impl OpenError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Newer {
                path,
                known,
                backup: Some(backup),
                ..
            } => Some(format!(
                "use the newer binary, or go back to the ledger as it was before schema {}: `rm -f {ledger}-wal {ledger}-shm; mv {} {ledger}`",
                known + 1,
                backup.display(),
                ledger = path.display()
            )),
            Self::Newer { backup: None, .. } => Some(
                "use the newer binary; no back-up of the older schema lies beside it".to_owned(),
            ),
            Self::Damaged { .. } => Some(VERIFY.to_owned()),
            Self::NotALedger { .. } => Some("check the path of the state folder".to_owned()),
            Self::Missing { .. } => Some("`pointsman run` makes one when it starts".to_owned()),
            Self::NoWal { .. } => Some("keep the state folder on a local disk".to_owned()),
            Self::Unusable { source, .. } => source.hint(),
        }
    }
}

/// Why the ledger's lock could not be taken.
#[derive(Debug, Error)]
pub enum LockError {
    /// Somebody else writes this ledger.
    #[error("the ledger is held by {}", .pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}")))]
    Held {
        /// Who, if the file says so: between locking and writing its id a process is nameless.
        pid: Option<u32>,
    },
    /// The lock file cannot be made.
    #[error("cannot lock `{}`", path.display())]
    Unusable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl LockError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Held { .. } => {
                Some("a daemon is running; `pointsman status` talks to it".to_owned())
            }
            Self::Unusable { .. } => {
                Some("check that the state folder exists and is yours".to_owned())
            }
        }
    }
}

/// Why an export ended early.
#[derive(Debug, Error)]
pub enum ExportError {
    /// The ledger could not be read.
    #[error("cannot read the next event")]
    Read(#[from] StoreError),
    /// The output could not be written.
    #[error("cannot write the export")]
    Write(#[from] io::Error),
}

impl ExportError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read(source) => source.hint(),
            Self::Write(_) => None,
        }
    }
}
