//! The folder as a whole: opening it, listing issues, polling by `stat`, labels and roles.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

use crate::domain::{Actor, Head, IssueNumber, RepoId, Role};
use crate::tracker::local::catalog::{self, Repo};
use crate::tracker::local::file::{Damage, Lock, digest, make_folder, unreachable};
use crate::tracker::local::matter::{label_fault, uid};
use crate::tracker::{
    Malformed, Poll, PollMark, RepoFacts, RepoLabel, Sweep, TrackerError, Written,
};

/// The most issues of one folder.
const ISSUES_MAX: usize = 100_000;
/// The most labels of one repository.
const REPO_LABELS_MAX: usize = 1_000;
const GROUP_OR_OTHERS_WRITE: u32 = 0o022;

/// A local tracker's folder, blocking. Every operation takes the folder's lock; several processes may use it at once.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    owner: u32,
    repo: RepoId,
    pub(super) clock: fn() -> Timestamp,
    pub(super) actor: Actor,
    /// What the last poll saw, so that the next one reads only what changed since.
    seen: Mutex<Option<(String, Prints)>>,
}

/// Per issue what `stat` says of its files.
type Prints = BTreeMap<IssueNumber, String>;

impl Folder {
    /// Opens the folder, making it (0700) when it is not there. See [`crate::tracker::local::Local::open`].
    pub fn open(path: &Path, clock: fn() -> Timestamp, actor: Actor) -> Result<Self, TrackerError> {
        if uid(actor.id.as_str()).is_none() {
            let why = format!("`{}` is not `uid:<number>`", actor.id);
            return Err(refused("open the local tracker", why));
        }
        make_folder(path, None)?;
        let path = path
            .canonicalize()
            .map_err(|error| unreachable(path, error))?;
        let meta = path.metadata().map_err(|error| unreachable(&path, error))?;
        if meta.mode() & GROUP_OR_OTHERS_WRITE != 0 {
            let why = format!(
                "others may write there, so nobody could be named: run `chmod go-w {}`",
                path.display()
            );
            return Err(refused(&format!("use `{}`", path.display()), why));
        }
        let owner = meta.uid();
        make_folder(&path.join("issues"), Some(owner))?;
        let lock = Lock::take(&path, owner)?;
        let repo = open_repo(&path, &lock, clock)?;
        drop(lock);
        Ok(Self {
            path,
            owner,
            repo: repo.id,
            clock,
            actor,
            seen: Mutex::new(None),
        })
    }

    /// Returns where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what changed since `mark`: by `stat` alone when nothing did. After a hand edit the issue may come twice.
    pub fn poll(&self, mark: &PollMark) -> Result<Poll, TrackerError> {
        let prints = self.prints()?;
        let etag = digest_of(&prints);
        if mark.etag.as_ref() == Some(&etag) {
            self.remember(etag, prints);
            return Ok(Poll::Unchanged);
        }
        let lock = self.lock()?;
        // Under the lock no operation is half done. What is read below is at least as new as these prints.
        let prints = self.prints()?;
        let etag = digest_of(&prints);
        let before = self.remembered(mark.etag.as_ref());
        let changed = prints
            .iter()
            .filter(|(number, print)| before.get(number) != Some(print));
        let heads = self.heads(&lock, changed.map(|(number, _)| *number))?;
        let watermark = heads
            .iter()
            .map(|head| head.updated_at)
            .max()
            .max(mark.watermark);
        self.remember(etag.clone(), prints);
        Ok(Poll::Changed {
            heads,
            pulls: Vec::new(),
            mark: PollMark {
                etag: Some(etag),
                token_fp: None,
                watermark,
            },
        })
    }

    /// Reads every open issue.
    pub fn sweep(&self) -> Result<Sweep, TrackerError> {
        let lock = self.lock()?;
        let prints = self.prints()?;
        let mut heads = self.heads(&lock, prints.keys().copied())?;
        let watermark = heads.iter().map(|head| head.updated_at).max();
        heads.retain(|head| head.open);
        let etag = digest_of(&prints);
        self.remember(etag.clone(), prints);
        Ok(Sweep {
            open: heads,
            pulls: Vec::new(),
            mark: PollMark {
                etag: Some(etag),
                token_fp: None,
                watermark,
            },
        })
    }

    /// Reads every issue and returns those that cannot be understood, each with file, line and what to do.
    pub fn malformed(&self) -> Result<Vec<Malformed>, TrackerError> {
        let lock = self.lock()?;
        let mut malformed = Vec::new();
        for number in self.numbers()? {
            match self.load(&lock, number) {
                Ok(_) => {}
                Err(TrackerError::Malformed { source, .. }) => {
                    let hint = source.downcast_ref::<Damage>().map(Damage::hint);
                    malformed.push(Malformed {
                        number,
                        why: source.to_string(),
                        hint,
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(malformed)
    }

    /// Reads what a user may do: the folder's owner and root everything, others what `roles.toml` says, else nothing.
    pub fn role(&self, actor: &Actor) -> Result<Role, TrackerError> {
        let Some(user) = uid(actor.id.as_str()) else {
            return Ok(Role::None);
        };
        if user == 0 || user == self.owner {
            return Ok(Role::Admin);
        }
        let _lock = self.lock()?;
        let roles = catalog::read_roles(&self.path.join("roles.toml"))?;
        Ok(roles.get(actor.id.as_str()).copied().unwrap_or(Role::None))
    }

    /// Returns who this process is.
    pub fn whoami(&self) -> Result<Actor, TrackerError> {
        Ok(self.actor.clone())
    }

    /// Describes the repository. It knows no branches: `default_branch` is empty.
    pub fn repo(&self) -> Result<RepoFacts, TrackerError> {
        let full_name = self
            .path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let our_role = self.role(&self.actor)?;
        Ok(RepoFacts {
            id: self.repo.clone(),
            full_name,
            default_branch: String::new(),
            public: false,
            our_role,
        })
    }

    /// Reads the repository's labels.
    pub fn labels(&self) -> Result<Vec<RepoLabel>, TrackerError> {
        let _lock = self.lock()?;
        catalog::read_labels(&self.labels_path())
    }

    /// Creates a label of the repository; `Already` if one of that name exists.
    pub fn create_label(&self, label: &RepoLabel) -> Result<Written, TrackerError> {
        if let Some(why) = label_fault(label.name.as_str()) {
            return Err(refused(
                &format!("create the label `{}`", label.name.as_str().escape_debug()),
                why,
            ));
        }
        let lock = self.lock()?;
        let mut labels = catalog::read_labels(&self.labels_path())?;
        if labels.iter().any(|known| known.name == label.name) {
            return Ok(Written::Already);
        }
        if labels.len() >= REPO_LABELS_MAX {
            return Err(refused(
                "create a label",
                format!("a repository has at most {REPO_LABELS_MAX}"),
            ));
        }
        labels.push(label.clone());
        catalog::write_labels(&lock, &self.labels_path(), &labels)?;
        Ok(Written::Changed)
    }

    /// Changes colour and text of an existing label of the repository.
    pub fn change_label(&self, label: &RepoLabel) -> Result<Written, TrackerError> {
        let lock = self.lock()?;
        let mut labels = catalog::read_labels(&self.labels_path())?;
        let Some(known) = labels.iter_mut().find(|known| known.name == label.name) else {
            return Err(TrackerError::NotFound {
                what: format!("the label `{}`", label.name),
            });
        };
        if known.color == label.color && known.description == label.description {
            return Ok(Written::Already);
        }
        known.color.clone_from(&label.color);
        known.description.clone_from(&label.description);
        catalog::write_labels(&lock, &self.labels_path(), &labels)?;
        Ok(Written::Changed)
    }

    pub(super) fn lock(&self) -> Result<Lock, TrackerError> {
        Lock::take(&self.path, self.owner)
    }

    pub(super) fn owner(&self) -> u32 {
        self.owner
    }

    pub(super) fn repo_id(&self) -> &RepoId {
        &self.repo
    }

    pub(super) fn issues_path(&self) -> PathBuf {
        self.path.join("issues")
    }

    pub(super) fn issue_path(&self, number: IssueNumber) -> PathBuf {
        self.issues_path().join(number.0.to_string())
    }

    /// Takes the next issue number, durably, before it is used.
    pub(super) fn next_number(&self, lock: &Lock) -> Result<IssueNumber, TrackerError> {
        let path = self.path.join("repo.json");
        let mut repo =
            Repo::read(&path)?.ok_or_else(|| Damage::new(&path, 1, "the file is gone"))?;
        let numbers = self.numbers()?;
        if numbers.len() >= ISSUES_MAX {
            return Err(refused(
                "open an issue",
                format!("this tracker holds at most {ISSUES_MAX}"),
            ));
        }
        let last = numbers
            .last()
            .map_or(0, |number| number.0)
            .max(repo.last_issue);
        repo.last_issue = last
            .checked_add(1)
            .ok_or_else(|| Damage::new(&path, 1, "`last_issue` is too large"))?;
        repo.write(lock, &path)?;
        Ok(IssueNumber(repo.last_issue))
    }

    fn labels_path(&self) -> PathBuf {
        self.path.join("labels.toml")
    }

    /// Reads some issues; those that cannot be understood are left out (and found by `malformed` and by a single read).
    fn heads(
        &self,
        lock: &Lock,
        numbers: impl Iterator<Item = IssueNumber>,
    ) -> Result<Vec<Head>, TrackerError> {
        let mut heads = Vec::new();
        for number in numbers {
            match self.load(lock, number) {
                Ok(issue) => heads.extend(issue.map(|issue| self.head(&issue))),
                Err(TrackerError::Malformed { source, .. }) => {
                    tracing::warn!(%number, error = %source, "an issue of the local tracker cannot be understood");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(heads)
    }

    /// Lists the issues' numbers, lowest first. Other names in the folder are not ours.
    fn numbers(&self) -> Result<Vec<IssueNumber>, TrackerError> {
        let path = self.issues_path();
        let mut numbers = Vec::new();
        for entry in path.read_dir().map_err(|error| unreachable(&path, error))? {
            let name = entry
                .map_err(|error| unreachable(&path, error))?
                .file_name();
            numbers.extend(name.to_str().and_then(number));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn prints(&self) -> Result<Prints, TrackerError> {
        let print = |number: IssueNumber| -> Result<(IssueNumber, String), TrackerError> {
            let folder = self.issue_path(number);
            let prints: Vec<String> = ["issue.md", "events.jsonl", "comments"]
                .into_iter()
                .map(|name| stat(&folder.join(name)))
                .collect::<Result<_, _>>()?;
            Ok((number, prints.join(" ")))
        };
        self.numbers()?.into_iter().map(print).collect()
    }

    fn remember(&self, etag: String, prints: Prints) {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some((etag, prints));
    }

    /// Returns the prints of that mark, if this process made it last; otherwise none, and everything counts as changed.
    fn remembered(&self, etag: Option<&String>) -> Prints {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match &*seen {
            Some((known, prints)) if Some(known) == etag => prints.clone(),
            Some(_) | None => Prints::new(),
        }
    }
}

fn open_repo(path: &Path, lock: &Lock, clock: fn() -> Timestamp) -> Result<Repo, TrackerError> {
    let file = path.join("repo.json");
    if let Some(repo) = Repo::read(&file)? {
        return Ok(repo);
    }
    let issues = path.join("issues");
    let mut entries = issues
        .read_dir()
        .map_err(|error| unreachable(&issues, error))?;
    if entries
        .any(|entry| entry.is_ok_and(|entry| entry.file_name().to_str().and_then(number).is_some()))
    {
        return Err(Damage::new(
            &file,
            1,
            "the file is gone, but there are issues: put it back from a backup",
        )
        .into());
    }
    let repo = Repo::new(clock());
    repo.write(lock, &file)?;
    Ok(repo)
}

/// Reads an issue's number from a folder's name: digits, as we write them.
fn number(name: &str) -> Option<IssueNumber> {
    let number: u64 = name.parse().ok()?;
    (number > 0 && number.to_string() == name).then_some(IssueNumber(number))
}

fn stat(path: &Path) -> Result<String, TrackerError> {
    match std::fs::metadata(path) {
        Ok(meta) => Ok(format!(
            "{}.{:09}:{}:{}",
            meta.mtime(),
            meta.mtime_nsec(),
            meta.size(),
            meta.ino()
        )),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok("-".to_owned())
        }
        Err(error) => Err(unreachable(path, error)),
    }
}

fn digest_of(prints: &Prints) -> String {
    let lines: Vec<String> = prints
        .iter()
        .map(|(number, print)| format!("{number} {print}"))
        .collect();
    digest(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(super) fn refused(what: &str, why: impl Into<String>) -> TrackerError {
    TrackerError::Refused {
        what: what.to_owned(),
        why: why.into(),
    }
}
