//! `.pointsman` in a project's folder, opened step by step and never through a link.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::Gid;
use rustix::fs::{AtFlags, CWD, FileType, FlockOperation, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use crate::repo::RepoError;

const IGNORED: [&str; 3] = ["/.gitignore", "/briefs/", "/spool/"];
/// The most names that are looked at in one folder: an agent may have filled it.
const NAMES_MAX: usize = 20_000;
const IGNORE_BYTES_MAX: u64 = 64 << 10;

/// Whether agents run as the daemon's user (PROTOCOLS 13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Users {
    /// Daemon and agents are one user: everything is private to it.
    One,
    /// Two users who share a group, which the folders hand on (setgid).
    Two,
}

impl Users {
    fn folder(self) -> Mode {
        Mode::from_raw_mode(if self == Self::One { 0o700 } else { 0o770 })
    }

    pub(super) fn file(self) -> Mode {
        Mode::from_raw_mode(self.file_bits())
    }

    /// Returns the mode of a file that the daemon hands to agents.
    pub fn file_bits(self) -> u32 {
        if self == Self::One { 0o600 } else { 0o640 }
    }
}

/// An open folder and its path, which is for words only.
pub(super) struct Folder {
    fd: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens `.pointsman/<name>` if it is there.
    pub(super) fn existing(project: &Path, name: &str) -> Result<Option<Self>, RepoError> {
        let Some(ours) = Self::project(project)?.inside(".pointsman")? else {
            return Ok(None);
        };
        ours.inside(name)
    }

    /// Opens `.pointsman/<name>`, making both again when an agent cleaned them away, with our `.gitignore`.
    pub(super) fn kept(project: &Path, name: &str, users: Users) -> Result<Self, RepoError> {
        let ours = Self::project(project)?.made(".pointsman", users)?;
        ours.keep_ignore(users)?;
        ours.made(name, users)
    }

    /// Returns whether the project's folder hands its group on, as two users need it.
    pub(super) fn users(project: &Path) -> Result<Users, RepoError> {
        let project = Self::project(project)?;
        let stat = rustix::fs::fstat(&project.fd).map_err(|error| project.io("look at", error))?;
        let setgid = Mode::from_raw_mode(stat.st_mode).contains(Mode::SGID);
        Ok(if setgid { Users::Two } else { Users::One })
    }

    fn project(project: &Path) -> Result<Self, RepoError> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = rustix::fs::open(project, flags, Mode::empty())
            .map_err(|error| io("open the project's folder", project, error))?;
        Ok(Self {
            fd,
            path: project.to_owned(),
        })
    }

    fn inside(&self, name: &str) -> Result<Option<Self>, RepoError> {
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let path = self.path.join(name);
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, path })),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::NOTDIR | Errno::LOOP) => Err(self.foreign(name, "a folder")),
            Err(error) => Err(io("open", &path, error)),
        }
    }

    fn made(&self, name: &str, users: Users) -> Result<Self, RepoError> {
        if let Some(folder) = self.inside(name)? {
            return Ok(folder);
        }
        match rustix::fs::mkdirat(&self.fd, name, users.folder()) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(io("make", &self.path.join(name), error)),
        }
        self.sync()?;
        let folder = self.inside(name)?;
        let folder = folder.ok_or_else(|| io("open", &self.path.join(name), Errno::NOENT))?;
        // The umask may have taken the group's rights; the setgid bit is inherited and must not be named (RestrictSUIDSGID).
        if users == Users::Two {
            self.hand_on_group(&folder.fd);
            folder.open_to_group()?;
        }
        Ok(folder)
    }

    /// Gives a new file or folder this folder's group, where the setgid bit did not.
    fn hand_on_group(&self, new: &OwnedFd) {
        let (folder, own) = (rustix::fs::fstat(&self.fd), rustix::fs::fstat(new));
        if let (Ok(stat), Ok(own)) = (folder, own)
            && stat.st_gid != own.st_gid
        {
            // Not ours to give: then the mode decides, and a reader who cannot read says so.
            let _kept = rustix::fs::fchown(new, None, Some(Gid::from_raw(stat.st_gid)));
        }
    }

    fn open_to_group(&self) -> Result<(), RepoError> {
        let stat = rustix::fs::fstat(&self.fd).map_err(|error| self.io("look at", error))?;
        let mode = Mode::from_raw_mode(stat.st_mode);
        if mode.contains(Mode::RWXG) {
            return Ok(());
        }
        rustix::fs::fchmod(&self.fd, mode | Mode::RWXG)
            .map_err(|error| self.io("open to the group", error))
    }

    fn keep_ignore(&self, users: Users) -> Result<(), RepoError> {
        let name = ".gitignore";
        let known = self.read(name, IGNORE_BYTES_MAX)?.unwrap_or_default();
        let mut text = String::from_utf8_lossy(&known).into_owned();
        let missing: Vec<&str> = IGNORED
            .into_iter()
            .filter(|line| !text.lines().any(|known| known == *line))
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        for line in missing {
            text.push_str(line);
            text.push('\n');
        }
        self.write(name, text.as_bytes(), users.file(), RenameFlags::empty())
            .map(drop)
    }

    /// Whether this account wrote a file that is there.
    pub(super) fn is_ours(&self, name: &str) -> bool {
        let stat = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        stat.is_ok_and(|stat| stat.st_uid == rustix::process::geteuid().as_raw())
    }

    /// Reads a plain file; `None` when it is not there.
    pub(super) fn read(&self, name: &str, bytes_max: u64) -> Result<Option<Vec<u8>>, RepoError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = self.path.join(name);
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => fd,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => return Err(self.foreign(name, "a plain file")),
            Err(error) => return Err(io("open", &path, error)),
        };
        let stat = rustix::fs::fstat(&fd).map_err(|error| io("look at", &path, error))?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Err(self.foreign(name, "a plain file"));
        }
        let mut bytes = Vec::new();
        File::from(fd)
            .take(bytes_max + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| RepoError::Io {
                what: "read",
                path: path.clone(),
                source,
            })?;
        if bytes.len() as u64 > bytes_max {
            let max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
            return Err(RepoError::TooMuch {
                what: format!("`{}`", path.display()),
                max,
                unit: "bytes",
            });
        }
        Ok(Some(bytes))
    }

    /// Writes a whole file, on the disk before it has its name. Returns whether it took the name (`false` only with
    /// [`RenameFlags::NOREPLACE`], when somebody has it).
    ///
    /// A new file has no name until it is whole: whoever is killed in between leaves nothing, least of all an untracked file
    /// beside a `.gitignore` that is not there yet. A file that is replaced, and one on a file system that knows no files without
    /// a name, has a temporary one.
    pub(super) fn write(
        &self,
        name: &str,
        bytes: &[u8],
        mode: Mode,
        flags: RenameFlags,
    ) -> Result<bool, RepoError> {
        if !self.has(name)? && self.write_unnamed(name, bytes, mode)? {
            return Ok(true);
        }
        // One temporary name per process: daemon and verbs do not share it.
        let temporary = format!(".{name}.{}.tmp", rustix::process::getpid().as_raw_nonzero());
        match rustix::fs::unlinkat(&self.fd, &temporary, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(io("replace", &self.path.join(&temporary), error)),
        }
        let create =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(&self.fd, &temporary, create, mode)
            .map_err(|error| io("write", &self.path.join(name), error))?;
        // Held until it has its name, so that whoever finds it unheld knows that nobody will rename it.
        let _held = self
            .held(fd, name)
            .and_then(|fd| self.fill(fd, name, bytes, mode))?;
        let taken = match rustix::fs::renameat_with(&self.fd, &temporary, &self.fd, name, flags) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            // A file system without that flag.
            Err(Errno::INVAL | Errno::NOSYS) => self.rename_if_free(&temporary, name)?,
            Err(error) => return Err(io("write", &self.path.join(name), error)),
        };
        if !taken {
            self.remove(&temporary)?;
        }
        self.sync()?;
        Ok(taken)
    }

    /// Writes a file without a name and gives it one. Returns `false`, and nothing is there, if the name was taken meanwhile or
    /// the system cannot.
    fn write_unnamed(&self, name: &str, bytes: &[u8], mode: Mode) -> Result<bool, RepoError> {
        let flags = OFlags::WRONLY | OFlags::TMPFILE | OFlags::CLOEXEC;
        // The way with a name says what is wrong, if that is wrong there too.
        let Ok(fd) = rustix::fs::openat(&self.fd, ".", flags, mode) else {
            return Ok(false);
        };
        let file = self.fill(fd, name, bytes, mode)?;
        let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
        match rustix::fs::linkat(CWD, nameless, &self.fd, name, AtFlags::SYMLINK_FOLLOW) {
            Ok(()) => self.sync().map(|()| true),
            Err(_) => Ok(false),
        }
    }

    fn held(&self, fd: OwnedFd, name: &str) -> Result<OwnedFd, RepoError> {
        match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive) {
            // Where nothing can be held (a network mount without locks) nobody can prove that a file is abandoned, either.
            Ok(()) => Ok(fd),
            Err(error) if error != Errno::WOULDBLOCK => Ok(fd),
            Err(error) => Err(io("hold", &self.path.join(name), error)),
        }
    }

    /// Removes a temporary file of [`Folder::write`] if its writer is gone, in whatever account or process namespace it was. Returns
    /// whether it went.
    pub(super) fn remove_abandoned(&self, temporary: &str) -> Result<bool, RepoError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        // What cannot be opened cannot be proven to be nobody's.
        let Ok(fd) = rustix::fs::openat(&self.fd, temporary, flags, Mode::empty()) else {
            return Ok(false);
        };
        match rustix::fs::flock(&fd, FlockOperation::NonBlockingLockShared) {
            Ok(()) => self.remove(temporary).map(|()| true),
            Err(_) => Ok(false),
        }
    }

    fn fill(&self, fd: OwnedFd, name: &str, bytes: &[u8], mode: Mode) -> Result<File, RepoError> {
        let path = self.path.join(name);
        if mode.contains(Mode::RGRP) {
            self.hand_on_group(&fd);
        }
        rustix::fs::fchmod(&fd, mode).map_err(|error| io("write", &path, error))?;
        let mut file = File::from(fd);
        file.write_all(bytes)
            .and_then(|()| file.sync_all())
            .map_err(|source| RepoError::Io {
                what: "write",
                path,
                source,
            })?;
        Ok(file)
    }

    fn has(&self, name: &str) -> Result<bool, RepoError> {
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(io("look at", &self.path.join(name), error)),
        }
    }

    fn rename_if_free(&self, temporary: &str, name: &str) -> Result<bool, RepoError> {
        if self.has(name)? {
            return Ok(false);
        }
        rustix::fs::renameat(&self.fd, temporary, &self.fd, name)
            .map_err(|error| io("write", &self.path.join(name), error))?;
        Ok(true)
    }

    /// Removes a file; fine if it is gone.
    pub(super) fn remove(&self, name: &str) -> Result<(), RepoError> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(io("remove", &self.path.join(name), error)),
        }
    }

    /// Lists the plain names in the folder, in order, at most twenty thousand.
    pub(super) fn names(&self) -> Result<Vec<String>, RepoError> {
        let mut names = Vec::new();
        let entries =
            rustix::fs::Dir::read_from(&self.fd).map_err(|error| self.io("list", error))?;
        for entry in entries.take(NAMES_MAX) {
            let entry = entry.map_err(|error| self.io("list", error))?;
            names.extend(CStr::to_str(entry.file_name()).ok().map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    fn sync(&self) -> Result<(), RepoError> {
        rustix::fs::fsync(&self.fd).map_err(|error| self.io("keep", error))
    }

    fn foreign(&self, name: &str, expected: &'static str) -> RepoError {
        let kind = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW)
            .map_or(FileType::Unknown, |stat| {
                FileType::from_raw_mode(stat.st_mode)
            });
        let found = match kind {
            FileType::Symlink => "a symbolic link",
            FileType::RegularFile => "a plain file",
            FileType::Directory => "a folder",
            _ => "something else",
        };
        RepoError::Foreign {
            path: self.path.join(name),
            found,
            expected,
        }
    }

    fn io(&self, what: &'static str, error: Errno) -> RepoError {
        io(what, &self.path, error)
    }
}

fn io(what: &'static str, path: &Path, error: Errno) -> RepoError {
    RepoError::Io {
        what,
        path: path.to_owned(),
        source: error.into(),
    }
}
