//! The tables, and what a file must be before we touch it.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use crate::ledger::{Damage, OpenError, StoreError};

/// The schema this binary writes, and the newest it reads.
pub const SCHEMA: u32 = 1;

/// The tables of PROTOCOLS 9. STRICT, because `SQLite` would else take a text for a number.
const TABLES: &str = "
CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    ver INTEGER NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    v INTEGER NOT NULL,
    issue INTEGER,
    dispatch TEXT,
    body TEXT NOT NULL,
    prev BLOB NOT NULL,
    hash BLOB NOT NULL,
    UNIQUE (stream, ver)
) STRICT;
CREATE TABLE claims (key TEXT PRIMARY KEY NOT NULL, seq INTEGER NOT NULL) STRICT;
CREATE TABLE heads (
    tracker TEXT NOT NULL,
    repo TEXT NOT NULL,
    issue INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (tracker, repo, issue)
) STRICT;
CREATE TABLE polls (
    url TEXT NOT NULL,
    token_fp TEXT NOT NULL,
    etag TEXT,
    watermark TEXT,
    PRIMARY KEY (url, token_fp)
) STRICT;
CREATE TABLE meta (ledger_id TEXT NOT NULL, schema INTEGER NOT NULL) STRICT;
";

/// What a database file holds.
pub(super) enum Contents {
    /// No tables at all: a new file, or one whose making was cut short.
    Nothing,
    /// Tables, but no `meta` of ours.
    Foreign,
    /// A ledger.
    Ledger { ledger_id: String, schema: u32 },
}

/// Looks without writing: a newer ledger must not be touched, not even its journal mode.
pub(super) fn contents(conn: &Connection) -> Result<Contents, StoreError> {
    let count = |sql| conn.query_row(sql, [], |row| row.get::<_, i64>(0));
    if count("SELECT count(*) FROM sqlite_schema")? == 0 {
        return Ok(Contents::Nothing);
    }
    let columns =
        "SELECT count(*) FROM pragma_table_info('meta') WHERE name IN ('ledger_id', 'schema')";
    if count(columns)? != 2 {
        return Ok(Contents::Foreign);
    }
    let meta = conn.query_row("SELECT ledger_id, schema FROM meta", [], |row| {
        Ok((row.get(0)?, row.get(1)?))
    });
    match meta {
        Ok((ledger_id, schema)) => Ok(Contents::Ledger { ledger_id, schema }),
        Err(rusqlite::Error::QueryReturnedNoRows) => Err(Damage {
            seq: None,
            what: "its table `meta` is empty".to_owned(),
        }
        .into()),
        Err(error) => Err(error.into()),
    }
}

/// Makes the tables and the ledger's id: all or nothing, so that a crash here leaves an empty file.
pub(super) fn create(conn: &mut Connection) -> Result<(), StoreError> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(TABLES)?;
    // The one thing left to chance in here; 128 bits, so that no two ledgers meet.
    transaction.execute(
        "INSERT INTO meta VALUES (lower(hex(randomblob(16))), ?1)",
        [SCHEMA],
    )?;
    Ok(transaction.commit()?)
}

/// Returns where a migration leaves the ledger as it was: an older binary names it, so the name never changes.
fn backup_of(path: &Path, schema: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".schema-{schema}"));
    PathBuf::from(name)
}

/// Refuses a schema this binary does not know.
pub(super) fn known(path: &Path, found: u32) -> Result<(), OpenError> {
    if found > SCHEMA {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known: SCHEMA,
            backup: Some(backup_of(path, SCHEMA)).filter(|backup| backup.exists()),
        });
    }
    if found < SCHEMA {
        // Schema 1 is the first; an older one was never written. Migrations start here, after a back-up.
        let damage = Damage {
            seq: None,
            what: format!("schema {found} never existed"),
        };
        return Err(OpenError::Damaged {
            path: path.to_owned(),
            source: damage.into(),
        });
    }
    Ok(())
}
