//! What can be read from the mirror's objects. Every answer has a bound; names and paths are checked before git sees them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use crate::domain::Subject;
use crate::repo::git::{Call, GIT_MAX};
use crate::repo::{Mirror, RepoError};

/// The most commits one question returns.
const COMMITS_MAX: usize = 10_000;
/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 8 << 20;
/// The longest text that is searched for.
const GREP_BYTES_MAX: usize = 4 << 10;

/// One name and the commit it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ref {
    /// The mirror's full name, `refs/project/heads/main`.
    pub name: String,
    /// The commit (of an annotated tag: the commit it names).
    pub commit: Subject,
}

/// What happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Added,
    /// Its contents or mode changed.
    Modified,
    /// It is gone.
    Deleted,
    /// It became a link, a file or a submodule.
    TypeChanged,
}

/// One changed file. A rename is a deletion and an addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedFile {
    /// Relative to the repository.
    pub path: PathBuf,
    /// What happened.
    pub kind: ChangeKind,
}

/// What a tree has at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A plain file.
    File,
    /// An executable file.
    Executable,
    /// A symbolic link: never followed.
    Link,
    /// A folder.
    Folder,
    /// Another repository's commit.
    Submodule,
}

/// One entry of a tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TreeEntry {
    /// Relative to the repository.
    pub path: PathBuf,
    /// What it is.
    pub kind: EntryKind,
    /// Its object.
    pub object: String,
    /// Its size; `None` for what is not a file.
    pub bytes: Option<u64>,
}

/// Bounds of one search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GrepLimits {
    /// The most places returned.
    pub matches_max: usize,
    /// The longest it may take.
    pub time_max: Duration,
}

impl Default for GrepLimits {
    fn default() -> Self {
        Self {
            matches_max: 50,
            time_max: Duration::from_secs(2),
        }
    }
}

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrepMatch {
    /// Relative to the repository.
    pub path: PathBuf,
    /// From 1.
    pub line: u64,
}

/// What a search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grep {
    /// The places, by path and line.
    pub matches: Vec<GrepMatch>,
    /// Whether there are more.
    pub more: bool,
}

impl Mirror {
    /// Resolves a full ref name (`refs/…`), a branch or tag of the project, or a (short) commit id, in this order.
    /// Expressions (`~`, `^`, `:`, `@{`) are not names.
    pub async fn resolve(&self, name: &str) -> Result<Option<Subject>, RepoError> {
        check_name(name)?;
        let mut tries = Vec::new();
        if name.starts_with("refs/") {
            tries.push(name.to_owned());
        } else {
            tries.extend(["project/heads", "project/tags"].map(|at| format!("refs/{at}/{name}")));
            if (4..=64).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                tries.push(name.to_owned());
            }
        }
        for name in tries {
            let args = ["rev-parse", "--verify", "--quiet", "--end-of-options"];
            let call = Call::new("resolve a name", args).arg(format!("{name}^{{commit}}"));
            let ended = self.git.run(call).await?;
            if ended.code == Some(0) {
                return Ok(Some(Subject::new(
                    String::from_utf8_lossy(&ended.stdout).trim(),
                )));
            }
        }
        Ok(None)
    }

    /// Returns whether the mirror has a commit.
    pub async fn has_commit(&self, sha: &Subject) -> Result<bool, RepoError> {
        let object = format!("{}^{{commit}}", commit(sha)?);
        let ended = self
            .git
            .run(Call::new("look for a commit", ["cat-file", "-e"]).arg(object))
            .await?;
        Ok(ended.code == Some(0))
    }

    /// Returns those of many commits that the mirror has.
    pub async fn present(&self, many: &[Subject]) -> Result<Vec<Subject>, RepoError> {
        let mut input = String::new();
        for sha in many {
            input.push_str(commit(sha)?);
            input.push_str("^{commit}\n");
        }
        let args = ["cat-file", "--batch-check=%(objecttype)"];
        let call = Call::new("look for commits", args).input(input.into_bytes());
        let printed = self.git.read(call).await?;
        let printed = String::from_utf8_lossy(&printed).into_owned();
        let found = many.iter().zip(printed.lines());
        Ok(found
            .filter(|(_, line)| *line == "commit")
            .map(|(sha, _)| sha.clone())
            .collect())
    }

    /// Returns the names of the project's branches, its own and its remotes', that have a commit.
    pub async fn branches_with(&self, sha: &Subject) -> Result<Vec<String>, RepoError> {
        let args = ["for-each-ref", "--format=%(refname)", "--contains"];
        let call = Call::new("ask whose a commit is", args)
            .arg(commit(sha)?)
            .arg("refs/project/heads")
            .arg("refs/project/remotes");
        let printed = self.git.read(call).await?;
        let printed = String::from_utf8_lossy(&printed);
        Ok(printed.lines().map(str::to_owned).collect())
    }

    /// Returns whether `older` is `newer` or one of its ancestors.
    pub async fn is_ancestor(&self, older: &Subject, newer: &Subject) -> Result<bool, RepoError> {
        let what = "compare two commits";
        let call = Call::new(
            what,
            [
                "merge-base",
                "--is-ancestor",
                commit(older)?,
                commit(newer)?,
            ],
        );
        let ended = self.git.run(call).await?;
        match ended.code {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            Some(_) | None => Err(ended.failed(what)),
        }
    }

    /// Returns the commits of `sha` that none of `not` has, newest first. An unknown commit is an error, never left out.
    pub async fn commits_only_reachable_from(
        &self,
        sha: &Subject,
        not: &[Subject],
    ) -> Result<Vec<Subject>, RepoError> {
        let mut input = format!("{}\n", commit(sha)?);
        for other in not {
            input.push('^');
            input.push_str(commit(other)?);
            input.push('\n');
        }
        let max = format!("--max-count={}", COMMITS_MAX + 1);
        let call = Call::new(
            "list commits",
            ["rev-list", "--topo-order", &max, "--stdin"],
        );
        let printed = self.git.read(call.input(input.into_bytes())).await?;
        let commits: Vec<Subject> = String::from_utf8_lossy(&printed)
            .lines()
            .map(Subject::new)
            .collect();
        if commits.len() > COMMITS_MAX {
            return Err(too_much("the branch", COMMITS_MAX, "commits"));
        }
        Ok(commits)
    }

    /// Returns where two lines of work part: their newest common commit, if they have one.
    pub async fn fork(&self, one: &Subject, other: &Subject) -> Result<Option<Subject>, RepoError> {
        let (one, other) = (commit(one)?, commit(other)?);
        let what = "compare two commits";
        let call = Call::new(what, ["merge-base", one, other]);
        let ended = self.git.run(call).await?;
        match ended.code {
            Some(0) => {
                let found = String::from_utf8_lossy(&ended.stdout);
                Ok(Some(Subject::new(found.trim().to_owned())))
            }
            Some(1) => Ok(None),
            Some(_) | None => Err(ended.failed(what)),
        }
    }

    /// Returns the files that `sha` changed since it left `base`; without a common ancestor, since `base`.
    pub async fn changed_files(
        &self,
        base: &Subject,
        sha: &Subject,
    ) -> Result<Vec<ChangedFile>, RepoError> {
        let fork = self.fork(base, sha).await?;
        let fork = fork.as_ref().unwrap_or(base).as_str();
        let what = "compare two commits";
        let sha = commit(sha)?;
        let args = [
            "diff-tree",
            "-r",
            "-z",
            "--no-renames",
            "--no-ext-diff",
            "--name-status",
            fork,
            sha,
        ];
        let printed = self.git.read(Call::new(what, args)).await?;
        let mut fields = printed
            .split(|byte| *byte == 0)
            .filter(|field| !field.is_empty());
        let mut files = Vec::new();
        while let (Some(kind), Some(path)) = (fields.next(), fields.next()) {
            let kind = match kind {
                b"A" => ChangeKind::Added,
                b"D" => ChangeKind::Deleted,
                b"T" => ChangeKind::TypeChanged,
                _ => ChangeKind::Modified,
            };
            files.push(ChangedFile {
                path: path_of(path),
                kind,
            });
        }
        Ok(files)
    }

    /// Returns what a commit has at one path; `None` for nothing.
    pub async fn entry_at(
        &self,
        sha: &Subject,
        path: &Path,
    ) -> Result<Option<TreeEntry>, RepoError> {
        check_path(path)?;
        let args = ["ls-tree", "-z", "-l", "--full-tree", commit(sha)?, "--"];
        let printed = self
            .git
            .read(Call::new("look for a file", args).arg(path))
            .await?;
        Ok(tree_entries(&printed)
            .into_iter()
            .find(|entry| entry.path == path))
    }

    /// Returns a file's contents; `None` when there is no such file (a link or a folder is none).
    pub async fn file_at(&self, sha: &Subject, path: &Path) -> Result<Option<Vec<u8>>, RepoError> {
        let Some(entry) = self.entry_at(sha, path).await? else {
            return Ok(None);
        };
        if !matches!(entry.kind, EntryKind::File | EntryKind::Executable) {
            return Ok(None);
        }
        if entry.bytes.is_none_or(|bytes| bytes > FILE_BYTES_MAX) {
            let max = usize::try_from(FILE_BYTES_MAX).unwrap_or(usize::MAX);
            return Err(too_much(&format!("`{}`", path.display()), max, "bytes"));
        }
        self.git
            .read(Call::new(
                "read a file",
                ["cat-file", "blob", &entry.object],
            ))
            .await
            .map(Some)
    }

    /// Lists all files of a commit, or those below one folder.
    pub async fn ls_tree(
        &self,
        sha: &Subject,
        below: Option<&Path>,
    ) -> Result<Vec<TreeEntry>, RepoError> {
        let mut call = Call::new(
            "list files",
            ["ls-tree", "-r", "-z", "-l", "--full-tree", commit(sha)?],
        );
        if let Some(below) = below {
            check_path(below)?;
            call = call.arg("--").arg(below);
        }
        Ok(tree_entries(&self.git.read(call).await?))
    }

    /// Finds a text of one line in the text files of a commit, or in those below one folder.
    pub async fn grep_fixed(
        &self,
        sha: &Subject,
        text: &str,
        below: Option<&Path>,
        limits: GrepLimits,
    ) -> Result<Grep, RepoError> {
        if text.is_empty() || text.contains(['\n', '\0']) {
            return Err(not_a(text, "a text of one line"));
        }
        if text.len() > GREP_BYTES_MAX {
            return Err(too_much("the text to look for", GREP_BYTES_MAX, "bytes"));
        }
        let sha = commit(sha)?;
        let what = "search the files";
        let per_file = format!("--max-count={}", limits.matches_max.saturating_add(1));
        let args = [
            "grep",
            "-F",
            "-n",
            "-z",
            "-I",
            "--full-name",
            "--no-color",
            &per_file,
            "-e",
            text,
            sha,
        ];
        let mut call = Call::new(what, args).deadline(limits.time_max.min(GIT_MAX));
        if let Some(below) = below {
            check_path(below)?;
            call = call.arg("--").arg(below);
        }
        let ended = self.git.run(call).await?;
        if !ended.cut && !matches!(ended.code, Some(0 | 1)) {
            return Err(ended.failed(what));
        }
        let mut matches: Vec<GrepMatch> = ended
            .stdout
            .split(|byte| *byte == b'\n')
            .filter_map(|line| grep_match(line.strip_prefix(sha.as_bytes())?.strip_prefix(b":")?))
            .collect();
        let more = ended.cut || matches.len() > limits.matches_max;
        matches.truncate(limits.matches_max);
        Ok(Grep { matches, more })
    }

    /// Lists all names of the mirror with their commits: what is recorded at dispatch.
    pub async fn list_refs(&self) -> Result<Vec<Ref>, RepoError> {
        let format =
            "--format=%(refname) %(objecttype) %(objectname) %(*objecttype) %(*objectname)";
        let args = ["for-each-ref", format, "refs/project"];
        let printed = self.git.read(Call::new("list refs", args)).await?;
        Ok(String::from_utf8_lossy(&printed)
            .lines()
            .filter_map(named)
            .collect())
    }
}

/// Reads a line of `for-each-ref`; what names no commit is left out.
fn named(line: &str) -> Option<Ref> {
    let fields: Vec<&str> = line.split(' ').collect();
    let commit = match fields.as_slice() {
        [_, "commit", sha, ..] | [_, "tag", _, "commit", sha] => Subject::new(*sha),
        _ => return None,
    };
    Some(Ref {
        name: fields.first()?.to_string(),
        commit,
    })
}

/// Reads `path NUL line NUL text`.
fn grep_match(line: &[u8]) -> Option<GrepMatch> {
    let mut fields = line.splitn(3, |byte| *byte == 0);
    let path = path_of(fields.next()?);
    let line = std::str::from_utf8(fields.next()?).ok()?.parse().ok()?;
    Some(GrepMatch { path, line })
}

/// Reads `mode type object size TAB path NUL` rows.
fn tree_entries(printed: &[u8]) -> Vec<TreeEntry> {
    let entry = |row: &[u8]| {
        let tab = row.iter().position(|byte| *byte == b'\t')?;
        let fields: Vec<&str> = std::str::from_utf8(&row[..tab])
            .ok()?
            .split_ascii_whitespace()
            .collect();
        let [mode, _, object, size] = fields.as_slice() else {
            return None;
        };
        let kind = match *mode {
            "100755" => EntryKind::Executable,
            "120000" => EntryKind::Link,
            "040000" => EntryKind::Folder,
            "160000" => EntryKind::Submodule,
            _ => EntryKind::File,
        };
        let object = (*object).to_owned();
        Some(TreeEntry {
            path: path_of(&row[tab + 1..]),
            kind,
            object,
            bytes: size.parse().ok(),
        })
    };
    printed.split(|byte| *byte == 0).filter_map(entry).collect()
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Returns the text of a full commit id.
pub(super) fn commit(sha: &Subject) -> Result<&str, RepoError> {
    let text = sha.as_str();
    let hex = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    if matches!(text.len(), 40 | 64) && hex {
        Ok(text)
    } else {
        Err(not_a(text, "a full commit id"))
    }
}

/// Refuses what git would read as an option or an expression.
fn check_name(name: &str) -> Result<(), RepoError> {
    let bad = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
    if name.is_empty()
        || name.len() > 255
        || name.starts_with('-')
        || name.contains("..")
        || name.contains("@{")
        || name.contains(bad)
    {
        return Err(not_a(name, "a branch, a tag or a commit"));
    }
    Ok(())
}

/// Refuses what does not name a place below the repository.
fn check_path(path: &Path) -> Result<(), RepoError> {
    let plain = path
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let same = path.components().collect::<PathBuf>().as_os_str() == path.as_os_str();
    if path.as_os_str().is_empty() || !plain || !same || path.as_os_str().as_bytes().contains(&0) {
        return Err(not_a(
            &path.to_string_lossy(),
            "a path inside the repository",
        ));
    }
    Ok(())
}

fn not_a(text: &str, expected: &'static str) -> RepoError {
    RepoError::NotA {
        text: text.escape_debug().take(200).collect(),
        expected,
    }
}

fn too_much(what: &str, max: usize, unit: &'static str) -> RepoError {
    RepoError::TooMuch {
        what: what.to_owned(),
        max,
        unit,
    }
}
