//! Briefs: `.pointsman/briefs/<delivery>.md`, one file per delivery, written once, read back, removed when the dispatch closes.
//!
//! Blocking: a few small files.

use std::path::{Path, PathBuf};

use rustix::fs::RenameFlags;
use sha2::{Digest, Sha256};

use crate::domain::DeliveryId;
use crate::knife;
use crate::repo::RepoError;
use crate::repo::folder::{Folder, Users};

/// The longest brief, in bytes.
pub const BRIEF_BYTES_MAX: usize = 256 << 10;
const FOLDER: &str = "briefs";

/// A brief that is safely there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Staged {
    /// Its absolute path, if the project's was.
    pub path: PathBuf,
    /// SHA-256 of its text as read back, 64 hex digits.
    pub sha256: String,
}

/// Writes a brief (0600; with two users 0640), reads it back and returns its digest. Writing the same text again is fine, another
/// text under the same id is refused.
pub fn write(
    project: &Path,
    users: Users,
    delivery: &DeliveryId,
    text: &str,
) -> Result<Staged, RepoError> {
    let name = file_name(delivery)?;
    if text.len() > BRIEF_BYTES_MAX {
        return Err(RepoError::TooMuch {
            what: "the brief".to_owned(),
            max: BRIEF_BYTES_MAX,
            unit: "bytes",
        });
    }
    let folder = Folder::kept(project, FOLDER, users)?;
    let path = folder.path(&name);
    let taken = folder.write(&name, text.as_bytes(), users.file(), RenameFlags::NOREPLACE)?;
    knife::point(|| "after writing a brief".to_owned());
    let back = folder.read(&name, BRIEF_BYTES_MAX as u64)?;
    match back {
        Some(back) if back == text.as_bytes() => Ok(Staged {
            path,
            sha256: digest(&back),
        }),
        Some(_) if !taken => Err(RepoError::BriefTaken { path }),
        Some(_) | None => Err(RepoError::ReadBack { path }),
    }
}

/// Returns the digest of a brief as it is now; `None` when it is gone.
pub fn check(project: &Path, delivery: &DeliveryId) -> Result<Option<String>, RepoError> {
    Ok(read(project, delivery)?.map(|bytes| digest(&bytes)))
}

/// Reads a brief; `None` when it is gone.
pub fn read(project: &Path, delivery: &DeliveryId) -> Result<Option<Vec<u8>>, RepoError> {
    let name = file_name(delivery)?;
    let Some(folder) = Folder::existing(project, FOLDER)? else {
        return Ok(None);
    };
    folder.read(&name, BRIEF_BYTES_MAX as u64)
}

/// The same, of a file that this account wrote; `None` of one that another put there.
pub fn read_ours(project: &Path, delivery: &DeliveryId) -> Result<Option<Vec<u8>>, RepoError> {
    let name = file_name(delivery)?;
    match Folder::existing(project, FOLDER)? {
        Some(folder) if folder.is_ours(&name) => folder.read(&name, BRIEF_BYTES_MAX as u64),
        Some(_) | None => Ok(None),
    }
}

/// Removes a brief; fine if it is gone.
pub fn remove(project: &Path, delivery: &DeliveryId) -> Result<(), RepoError> {
    let name = file_name(delivery)?;
    let removed = Folder::existing(project, FOLDER)?.map_or(Ok(()), |folder| folder.remove(&name));
    knife::point(|| "after removing a brief".to_owned());
    removed
}

/// Lists the deliveries whose briefs lie there: witnesses of what the ledger should know (PROTOCOLS 9).
pub fn list(project: &Path) -> Result<Vec<DeliveryId>, RepoError> {
    let Some(folder) = Folder::existing(project, FOLDER)? else {
        return Ok(Vec::new());
    };
    Ok(folder
        .names()?
        .iter()
        .filter_map(|name| delivery_in(name))
        .collect())
}

fn delivery_in(name: &str) -> Option<DeliveryId> {
    let id = DeliveryId::new(name.strip_suffix(".md")?);
    file_name(&id).ok().map(|_| id)
}

fn file_name(delivery: &DeliveryId) -> Result<String, RepoError> {
    let id = delivery.as_str();
    if id.len() == 8
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    {
        Ok(format!("{id}.md"))
    } else {
        Err(RepoError::NotA {
            text: id.escape_debug().take(100).collect(),
            expected: "a delivery's id ([a-z0-9]{8})",
        })
    }
}

fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes)
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a String takes everything");
            text
        })
}
