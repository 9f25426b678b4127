//! A copy of the ledger in one plain file.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use crate::ledger::StoreError;
use crate::ledger::sqlite::{connect, create_private, journal_mode, sync_folder};

/// All pages in one step: the copy is one instant, and nothing can change between steps. A gigabyte takes seconds.
const ALL_PAGES: i32 = -1;

/// Copies to a file beside `path` and renames it, so that half a back-up never bears the name of one.
pub(super) fn backup(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    if path.exists() {
        return Err(StoreError::Exists(path.to_owned()));
    }
    let part = part_of(path);
    let outcome = copy(conn, &part)
        .and_then(|()| publish(&part, path).map_err(|error| file_error(path, error)));
    if outcome.is_err() {
        // What is left is ours and incomplete. That it cannot be removed matters less than why the copy failed.
        drop(fs::remove_file(&part));
    }
    outcome
}

fn copy(conn: &Connection, part: &Path) -> Result<(), StoreError> {
    if part.exists() {
        fs::remove_file(part).map_err(|error| file_error(part, error))?;
    }
    create_private(part).map_err(|error| file_error(part, error))?;
    let mut target = connect(part, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    {
        let backup = Backup::new(conn, &mut target)?;
        match backup.step(ALL_PAGES)? {
            StepResult::Done => {}
            _ => return Err(StoreError::Busy),
        }
    }
    // The pages say "WAL", as the ledger's do. A back-up is read from anywhere, also where nothing can be written beside it.
    journal_mode(&target, "DELETE")?;
    target.close().map_err(|(_, error)| error)?;
    Ok(())
}

fn publish(part: &Path, path: &Path) -> io::Result<()> {
    File::open(part)?.sync_all()?;
    fs::rename(part, path)?;
    sync_folder(path)
}

fn part_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    PathBuf::from(name)
}

fn file_error(path: &Path, error: io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::StorageFull {
        return StoreError::Full;
    }
    StoreError::File {
        path: path.to_owned(),
        source: Arc::new(error),
    }
}
