//! The small file work of the local tracker: one lock, whole-file reads with a bound, whole-file writes that are never seen half done.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use ring::rand::{SecureRandom, SystemRandom};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::knife;
use crate::tracker::TrackerError;

/// The most a body of an issue or a comment may have: 1 MiB.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// The most the front matter of a file may have.
pub(super) const FRONT_BYTES_MAX: usize = 64 << 10;
/// The most one file of the tracker may have; an events file holds ten thousand lines.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// How long an operation waits for the others.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often it looks whether they are done.
const LOCK_POLL: Duration = Duration::from_millis(2);

/// What is wrong with a file that a person (or a disk) damaged, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{}` line {line}: {why}", file.display())]
pub struct Damage {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong there.
    pub why: String,
}

impl Damage {
    pub(super) fn new(file: &Path, line: usize, why: impl fmt::Display) -> Self {
        Self {
            file: file.to_owned(),
            line,
            why: why.to_string(),
        }
    }

    /// Returns what to do about it.
    pub fn hint(&self) -> String {
        if self.file.ends_with("events.jsonl") {
            "put the file back from a backup; its lines are chained and are not meant to be edited (edit the labels in issue.md)".to_owned()
        } else {
            format!(
                "correct line {} of `{}` in an editor; nothing in it was changed",
                self.line,
                self.file.display()
            )
        }
    }
}

impl From<Damage> for TrackerError {
    fn from(damage: Damage) -> Self {
        let what = damage.file.display().to_string();
        Self::Malformed {
            what,
            source: Box::new(damage),
        }
    }
}

/// Returns the error for a file that the system does not let us use.
pub(super) fn unreachable(path: &Path, source: std::io::Error) -> TrackerError {
    TrackerError::Unreachable {
        at: path.display().to_string(),
        source: Box::new(source),
    }
}

/// A file's text and who wrote it last.
pub(super) struct Found {
    pub(super) text: String,
    pub(super) owner: u32,
    pub(super) changed_at: Timestamp,
}

/// Reads a whole text file; `None` when it is not there.
pub(super) fn read(path: &Path) -> Result<Option<Found>, TrackerError> {
    let flags = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or(0);
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreachable(path, error)),
    };
    let meta = file.metadata().map_err(|error| unreachable(path, error))?;
    if !meta.is_file() {
        return Err(Damage::new(path, 1, "this is not a plain file").into());
    }
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreachable(path, error))?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Damage::new(
            path,
            1,
            format_args!("the file is larger than {FILE_BYTES_MAX} bytes"),
        )
        .into());
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Damage::new(path, line_of(good), "the text is not UTF-8")
    })?;
    let changed_at = Timestamp::new(meta.mtime(), 0).unwrap_or(Timestamp::UNIX_EPOCH);
    Ok(Some(Found {
        text,
        owner: meta.uid(),
        changed_at,
    }))
}

/// Returns the number of the line that follows `before`, from 1.
fn line_of(before: &[u8]) -> usize {
    before.split(|byte| *byte == b'\n').count()
}

/// What a file is, for the knife: comments are named by their ids.
fn kind(path: &Path) -> String {
    if path
        .parent()
        .is_some_and(|folder| folder.ends_with("comments"))
    {
        return "a comment".to_owned();
    }
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Gives a file that root made to the folder's owner, who could not read it otherwise.
fn keep_owner(file: &File, owner: u32) -> std::io::Result<()> {
    if file.metadata()?.uid() == owner {
        Ok(())
    } else {
        fchown(file, Some(owner), None)
    }
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Makes a folder that only its owner may enter; fine if it is there.
pub(super) fn make_folder(path: &Path, owner: Option<u32>) -> Result<(), TrackerError> {
    if path.is_dir() {
        return Ok(());
    }
    (|| {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        if let Some(owner) = owner {
            keep_owner(&File::open(path)?, owner)?;
        }
        path.parent().map_or(Ok(()), sync_folder)
    })()
    .map_err(|error| unreachable(path, error))
}

/// The right to read and write the folder; given back on drop. Only who has it can write, so there is one unfinished file at most.
#[derive(Debug)]
pub(super) struct Lock {
    #[expect(dead_code, reason = "held for its flock")]
    file: File,
    unfinished: PathBuf,
    owner: u32,
}

impl Lock {
    /// Waits at most ten seconds for the other operations on this folder, and removes what one that was killed left half written.
    pub(super) fn take(folder: &Path, owner: u32) -> Result<Self, TrackerError> {
        let path = folder.join(".lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .and_then(|file| keep_owner(&file, owner).map(|()| file))
            .map_err(|error| unreachable(&path, error))?;
        let since = Instant::now();
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(rustix::io::Errno::WOULDBLOCK | rustix::io::Errno::INTR)
                    if since.elapsed() < LOCK_WAIT_MAX =>
                {
                    pause();
                }
                Err(error) => return Err(unreachable(&path, error.into())),
            }
        }
        let lock = Self {
            file,
            unfinished: folder.join(".unfinished"),
            owner,
        };
        lock.clear()
            .map_err(|error| unreachable(&lock.unfinished, error))?;
        Ok(lock)
    }

    fn clear(&self) -> std::io::Result<()> {
        match std::fs::remove_file(&self.unfinished) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Writes a whole file below the folder: seen as it was or as it will be, never in between, also after a crash.
    pub(super) fn write(&self, path: &Path, text: &str) -> Result<(), TrackerError> {
        let folder = path
            .parent()
            .expect("every file of the tracker lies in a folder");
        (|| {
            self.clear()?;
            let mut file = OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&self.unfinished)?;
            file.write_all(text.as_bytes())?;
            keep_owner(&file, self.owner)?;
            file.sync_all()?;
            knife::point(|| format!("while writing {}", kind(path)));
            std::fs::rename(&self.unfinished, path)?;
            knife::point(|| format!("after writing {}", kind(path)));
            sync_folder(folder)
        })()
        .map_err(|error| unreachable(path, error))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a bounded wait for a lock, always on a blocking thread"
)]
fn pause() {
    std::thread::sleep(LOCK_POLL);
}

/// Returns the SHA-256 of some parts as 64 hex digits; the parts' lengths count.
pub(super) fn digest(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
}

/// Returns 80 bits of chance.
pub(super) fn chance() -> u128 {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes[6..])
        .expect("the kernel has random bytes");
    u128::from_be_bytes(bytes)
}

/// Returns an id that is larger than `last`, whatever the clock says.
pub(super) fn next_id(last: Option<Ulid>, now: Timestamp) -> Ulid {
    let by_clock = Ulid::from_parts(u64::try_from(now.as_millisecond()).unwrap_or(0), chance());
    match last {
        Some(last) if last >= by_clock => Ulid(last.0.saturating_add(1)),
        Some(_) | None => by_clock,
    }
}
