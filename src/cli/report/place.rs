//! Where a report belongs, and what is checked out there: found by walking up, git's files read as files.

use std::fs;
use std::path::{Path, PathBuf};

use super::Trouble;

/// Folders looked at on the way up.
const DEPTH_MAX: usize = 100;
/// The longest file of git's that is read: `packed-refs` of a large repository is some megabytes.
const GIT_FILE_BYTES_MAX: u64 = 32 << 20;
/// Symbolic references followed from HEAD.
const REF_HOPS_MAX: usize = 5;

/// What is checked out in the working folder. Both are absent where there is no git, or a store that is not plain files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// The commit.
    pub head: Option<String>,
    /// The branch, unless detached.
    pub branch: Option<String>,
}

/// A `.git` on the way up.
struct Git {
    /// The folder it is in.
    root: PathBuf,
    /// The folder with its HEAD.
    own: PathBuf,
    /// The folder with the repository's references.
    common: PathBuf,
}

impl Git {
    /// Reads the `.git` in `root`, a folder or a file that names one.
    fn at(root: &Path) -> Option<Self> {
        let entry = root.join(".git");
        let meta = fs::symlink_metadata(&entry).ok()?;
        let own = if meta.is_dir() {
            entry
        } else {
            let text = small_text(&entry)?;
            root.join(text.strip_prefix("gitdir:")?.trim())
        };
        let named = small_text(&own.join("commondir"));
        let common = named.map_or_else(|| own.clone(), |named| own.join(named.trim()));
        let own_head = own.join("HEAD").is_file();
        own_head.then(|| Self {
            root: root.to_owned(),
            own,
            common,
        })
    }

    fn is_submodule(&self) -> bool {
        self.own
            .components()
            .any(|part| part.as_os_str() == "modules")
    }

    fn is_linked_worktree(&self) -> bool {
        self.own != self.common
    }

    /// Returns whether `folder` is the main tree of the same repository.
    fn is_linked_to(&self, folder: &Path) -> bool {
        let same = |a: &Path, b: &Path| matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b);
        same(&self.common, &folder.join(".git"))
    }
}

/// Finds the project's folder: the nearest one, from `here` up, that has a `.pointsman`.
///
/// A linked worktree has its own, made again if an agent cleaned it away; one that an agent made for itself below the project's
/// folder uses the project's. A link instead of the folder is refused.
pub fn project_folder(here: &Path) -> Result<PathBuf, Trouble> {
    let mut roots: Vec<Git> = Vec::new();
    for folder in here.ancestors().take(DEPTH_MAX) {
        let linked = roots.iter().find(|git| git.is_linked_worktree());
        if has_ours(folder)? && linked.is_none_or(|git| git.is_linked_to(folder)) {
            return Ok(folder.to_owned());
        }
        roots.extend(Git::at(folder).filter(|git| !git.is_submodule()));
    }
    // Cleaned away by an agent (`git clean -fdx`): the nearest repository is the project's folder.
    roots.into_iter().next().map(|git| git.root).ok_or_else(|| {
        Trouble::failed(
            "cannot find the project's folder",
            format!(
                "there is no `.pointsman` in `{}` or above it",
                here.display()
            ),
            "run this in the folder in which the brief was delivered",
        )
    })
}

fn has_ours(folder: &Path) -> Result<bool, Trouble> {
    let ours = folder.join(".pointsman");
    let Ok(meta) = fs::symlink_metadata(&ours) else {
        return Ok(false);
    };
    if meta.is_dir() {
        return Ok(true);
    }
    let found = if meta.is_symlink() {
        "a symbolic link"
    } else {
        "not a folder"
    };
    Err(Trouble::failed(
        format!("cannot use `{}`", ours.display()),
        format!("it is {found}"),
        "remove it and report again: the folder is made anew",
    ))
}

/// Reads what is checked out in the repository around `here`.
pub fn standing(here: &Path) -> Standing {
    let git = here
        .ancestors()
        .take(DEPTH_MAX)
        .find_map(|folder| Git::at(folder).filter(|git| !git.is_submodule()));
    git.and_then(|git| read_head(&git)).unwrap_or_default()
}

fn read_head(git: &Git) -> Option<Standing> {
    let text = small_text(&git.own.join("HEAD"))?;
    let Some(mut name) = reference(&text) else {
        let head = commit(&text);
        return Some(Standing { head, branch: None });
    };
    let branch = name.strip_prefix("refs/heads/").map(str::to_owned);
    // A repository with references in one binary table says `.invalid`: then nothing is known, and nothing is said.
    let branch = branch.filter(|branch| branch != ".invalid");
    for _ in 0..REF_HOPS_MAX {
        let loose = [&git.own, &git.common]
            .into_iter()
            .find_map(|base| small_text(&base.join(&name)));
        let next = loose.as_deref().and_then(reference);
        let Some(next) = next else {
            let head = loose.map_or_else(|| packed(&git.common, &name), |text| commit(&text));
            return Some(Standing { head, branch });
        };
        name = next;
    }
    None
}

/// Reads `ref: <name>`. A name that would leave git's folder is none.
fn reference(text: &str) -> Option<String> {
    let name = text.strip_prefix("ref:")?.trim();
    let plain = name.starts_with("refs/") && !name.split('/').any(|part| part == "..");
    plain.then(|| name.to_owned())
}

fn packed(common: &Path, name: &str) -> Option<String> {
    let text = small_text(&common.join("packed-refs"))?;
    text.lines().find_map(|line| {
        let (id, known) = line.split_once(' ')?;
        (known == name).then(|| commit(id)).flatten()
    })
}

fn commit(text: &str) -> Option<String> {
    let id = text.trim();
    let is_id = matches!(id.len(), 40 | 64) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_owned())
}

fn small_text(path: &Path) -> Option<String> {
    let meta = fs::metadata(path).ok()?;
    if !meta.is_file() || meta.len() > GIT_FILE_BYTES_MAX {
        return None;
    }
    fs::read_to_string(path).ok()
}
