//! The ledger on disk: `SQLite` in WAL mode with `synchronous=FULL`.
//!
//! FULL, because with NORMAL 12 of 20 simulated power losses lost acknowledged events of this store; with FULL none of 30 did.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, params};

use crate::knife;
use crate::ledger::{
    Append, AppendError, Chain, Damage, HeadKey, IssueHead, OpenError, Poll, Record, Store,
    StoreError, StreamHead, Verified,
};

mod append;
mod backup;
mod rows;
mod schema;
mod view;

use schema::Contents;
pub use schema::SCHEMA;

/// How long a connection waits for another one's lock. Only recovery after a crash and a back-up's first page take one.
const BUSY_MAX: Duration = Duration::from_secs(5);
/// How many rows `verify` holds at a time.
const VERIFY_PAGE: usize = 1000;

/// A ledger in a file.
#[derive(Debug)]
pub struct Sqlite {
    conn: Connection,
    ledger_id: String,
}

impl Sqlite {
    /// Opens the ledger for writing, and makes it if there is none. Take the [`crate::ledger::Lock`] first.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |error: StoreError| open_error(path, error);
        create_private(path).map_err(|error| failed(creation_error(path, error)))?;
        let mut conn = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
        let is_new = match schema::contents(&conn).map_err(failed)? {
            Contents::Nothing => true,
            Contents::Foreign => {
                return Err(OpenError::NotALedger {
                    path: path.to_owned(),
                });
            }
            Contents::Ledger { schema, .. } => {
                schema::known(path, schema)?;
                false
            }
        };
        if journal_mode(&conn, "WAL").map_err(failed)? != "wal" {
            return Err(OpenError::NoWal {
                path: path.to_owned(),
            });
        }
        conn.pragma_update(None, "synchronous", "FULL")
            .map_err(|error| failed(error.into()))?;
        if is_new {
            knife::point(|| "while making the ledger".to_owned());
            schema::create(&mut conn).map_err(failed)?;
            sync_folder(path).map_err(|error| failed(creation_error(path, error)))?;
        }
        Self::ready(path, conn)
    }

    /// Opens the ledger to go on from it: what was changed behind its back is found before anything is built on it.
    pub fn open_whole(path: &Path) -> Result<Self, OpenError> {
        let ledger = Self::open(path)?;
        match ledger.verify() {
            Ok(_) => Ok(ledger),
            Err(error) => Err(open_error(path, error)),
        }
    }

    /// Opens the ledger for reading, also while the daemon writes it. Writes are refused with [`StoreError::ReadOnly`].
    pub fn open_read_only(path: &Path) -> Result<Self, OpenError> {
        if !path.exists() {
            return Err(OpenError::Missing {
                path: path.to_owned(),
            });
        }
        let conn = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|error| open_error(path, error))?;
        Self::ready(path, conn)
    }

    fn ready(path: &Path, conn: Connection) -> Result<Self, OpenError> {
        match schema::contents(&conn).map_err(|error| open_error(path, error))? {
            Contents::Nothing => Err(OpenError::Missing {
                path: path.to_owned(),
            }),
            Contents::Foreign => Err(OpenError::NotALedger {
                path: path.to_owned(),
            }),
            Contents::Ledger { ledger_id, schema } => {
                schema::known(path, schema)?;
                Ok(Self { conn, ledger_id })
            }
        }
    }

    /// Lets `SQLite` check its pages and that the index agrees with the table.
    fn check_pages(&self) -> Result<(), StoreError> {
        let found: String = self
            .conn
            .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if found != "ok" {
            return Err(Damage {
                seq: None,
                what: found,
            }
            .into());
        }
        Ok(())
    }

    /// Finds a claim whose event is gone: the trace of a cut tail, which no chain can see.
    fn check_claims(&self) -> Result<(), StoreError> {
        let sql = "SELECT key, seq FROM claims WHERE seq NOT IN (SELECT seq FROM events) ORDER BY seq LIMIT 1";
        let mut statement = self.conn.prepare(sql)?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else {
            return Ok(());
        };
        let (key, seq): (String, u64) = (row.get(0)?, rows::number(row, 1)?);
        Err(Damage {
            seq: Some(seq),
            what: format!("the event is missing, but `{key}` was claimed by it"),
        }
        .into())
    }
}

impl Store for Sqlite {
    fn append_group(&mut self, group: &[Append]) -> Vec<Result<Vec<u64>, AppendError>> {
        append::append_group(&mut self.conn, group)
    }

    fn read(&self, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let sql = format!(
            "SELECT {} FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2",
            rows::COLUMNS
        );
        rows::records(
            &self.conn,
            &sql,
            params![at_most(after_seq), at_most(limit as u64)],
        )
    }

    fn read_stream(
        &self,
        stream: &str,
        after_ver: u64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let sql = format!(
            "SELECT {} FROM events WHERE stream = ?1 AND ver > ?2 ORDER BY ver LIMIT ?3",
            rows::COLUMNS
        );
        rows::records(
            &self.conn,
            &sql,
            params![stream, at_most(after_ver), at_most(limit as u64)],
        )
    }

    fn head(&self, stream: &str) -> Result<StreamHead, StoreError> {
        rows::head(&self.conn, stream)
    }

    fn claimed(&self, key: &str) -> Result<Option<u64>, StoreError> {
        append::claimed(&self.conn, key)
    }

    fn verify(&self) -> Result<Verified, StoreError> {
        // One snapshot for all of it: the daemon may be writing.
        let snapshot = self.conn.unchecked_transaction()?;
        self.check_pages()?;
        let mut chain = Chain::default();
        loop {
            let page = self.read(chain.events(), VERIFY_PAGE)?;
            for record in &page {
                chain.check(record)?;
            }
            if page.len() < VERIFY_PAGE {
                break;
            }
        }
        self.check_claims()?;
        snapshot.finish()?;
        Ok(Verified {
            events: chain.events(),
            streams: chain.streams(),
        })
    }

    fn save_view(
        &mut self,
        upserts: &[IssueHead],
        deletes: &[HeadKey],
        poll: Option<&Poll>,
    ) -> Result<(), StoreError> {
        view::save(&mut self.conn, upserts, deletes, poll)
    }

    fn heads(&self) -> Result<Vec<IssueHead>, StoreError> {
        view::heads(&self.conn)
    }

    fn polls(&self) -> Result<Vec<Poll>, StoreError> {
        view::polls(&self.conn)
    }

    fn backup(&self, path: &Path) -> Result<(), StoreError> {
        backup::backup(&self.conn, path)
    }

    fn ledger_id(&self) -> &str {
        &self.ledger_id
    }

    fn schema_version(&self) -> u32 {
        SCHEMA
    }
}

/// Connects without URI names, so that a folder called `file:` is a folder.
fn connect(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(BUSY_MAX)?;
    // No temporary files: the hardened daemon may have nowhere to put them, and a full disk should show in one place.
    conn.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(conn)
}

/// Sets the journal mode and returns the one that is in force.
fn journal_mode(conn: &Connection, mode: &str) -> Result<String, StoreError> {
    Ok(conn.pragma_update_and_check(None, "journal_mode", mode, |row| row.get(0))?)
}

/// Makes the file readable for its owner alone, before `SQLite`, which would obey the umask; its side files take over the mode.
fn create_private(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
}

/// Makes a new file's name durable.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => std::fs::File::open(folder)?.sync_all(),
        _ => std::fs::File::open(".")?.sync_all(),
    }
}

fn creation_error(path: &Path, error: io::Error) -> StoreError {
    StoreError::File {
        path: path.to_owned(),
        source: Arc::new(error),
    }
}

fn open_error(path: &Path, error: StoreError) -> OpenError {
    let path = path.to_owned();
    if matches!(error, StoreError::Damaged(_)) {
        return OpenError::Damaged {
            path,
            source: error,
        };
    }
    OpenError::Unusable {
        path,
        source: error,
    }
}

/// Returns the number as `SQLite` stores it. Only a bound can be too large (issue numbers are checked before),
/// and there the largest number means the same.
fn at_most(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
