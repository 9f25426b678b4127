//! The bare mirror: made once, fed from the project by path. Nothing of it reaches the network.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::domain::Subject;
use crate::repo::RepoError;
use crate::repo::git::{Call, GIT_MAX, Git};

/// How long the first fetch of a project or remote may take: it brings everything.
const FIRST_FETCH_MAX: Duration = Duration::from_mins(10);
/// Objects that lie about unpacked before a pack is worth it.
const LOOSE_MAX: u32 = 1_000;
/// Where git and its helpers are looked for unless the caller says otherwise.
const SEARCH_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// In place of the user's configuration. No transport but files, nothing in the background, no hooks.
const CONFIG: &str = "\
[safe]
\tdirectory = *
[protocol]
\tallow = never
[protocol \"file\"]
\tallow = always
[core]
\thooksPath = /dev/null
\tfsmonitor = false
[fetch]
\trecurseSubmodules = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[credential]
\thelper =
";

/// A project's bare mirror. Cheap to clone; fetches go one after the other.
#[derive(Clone, Debug)]
pub struct Mirror {
    pub(super) git: Git,
    fetching: Arc<Mutex<()>>,
}

impl Mirror {
    /// Opens the mirror at `folder` (`<state>/mirrors/<project>.git`), making it (0700) when it is not there.
    pub async fn open(folder: &Path) -> Result<Self, RepoError> {
        Self::open_with(folder, OsString::from(SEARCH_PATH)).await
    }

    /// As [`Mirror::open`], with a PATH for git and its helpers.
    pub async fn open_with(folder: &Path, search_path: OsString) -> Result<Self, RepoError> {
        let config = folder.join("pointsman.gitconfig");
        let git = Git {
            folder: folder.to_owned(),
            config,
            search_path,
        };
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |source| RepoError::Io { what, path, source }
        };
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io("make the mirror's folder", folder))?;
        write_config(&git.config).map_err(io("write", &git.config))?;
        if !folder.join("HEAD").exists() {
            let args = [
                "init",
                "--quiet",
                "--bare",
                "--template=",
                "--initial-branch=main",
            ];
            git.read(Call::new("make the mirror", args)).await?;
        }
        Ok(Self {
            git,
            fetching: Arc::new(Mutex::new(())),
        })
    }

    /// Returns where it lies.
    pub fn folder(&self) -> &Path {
        &self.git.folder
    }

    /// Fetches a project's branches, tags, remote branches and HEAD into `refs/project/`, by path. Nothing of the project is run.
    pub async fn fetch_path(&self, project: &Path) -> Result<(), RepoError> {
        let source = path_source(project)?;
        let _one = self.fetching.lock().await;
        let heads = self.heads_of(&source).await?;
        let mut refs = vec![
            "+refs/heads/*:refs/project/heads/*",
            "+refs/tags/*:refs/project/tags/*",
            "+refs/remotes/*:refs/project/remotes/*",
        ];
        if heads.born {
            refs.push("+HEAD:refs/project/HEAD");
        }
        self.fetch(&source, &refs).await?;
        self.point(
            "refs/default/project",
            heads.origin.as_deref(),
            "refs/project/remotes/origin/",
        )
        .await?;
        // Projects stand on an issue's branch most of the time: that is nobody's default.
        let head = heads.head.as_deref();
        let head = head.filter(|branch| !branch.starts_with("pointsman/"));
        self.point("refs/default/head", head, "refs/project/heads/")
            .await
    }

    /// Packs what many fetches left, if it is worth it: never in the background, where a fetch would meet it.
    pub async fn maintain(&self) -> Result<(), RepoError> {
        let _one = self.fetching.lock().await;
        let worth = format!("gc.auto={LOOSE_MAX}");
        let args = [
            "-c",
            &worth,
            "-c",
            "gc.autoDetach=false",
            "gc",
            "--auto",
            "--quiet",
        ];
        let call = Call::new("pack the mirror", args).deadline(FIRST_FETCH_MAX);
        self.git.read(call).await.map(drop)
    }

    /// Returns the default branch's name: what the project knows of its `origin`, else the first of the usual names that is there,
    /// else the branch the project stood on last.
    pub async fn default_branch(&self) -> Result<Option<String>, RepoError> {
        let of_origin = "refs/project/remotes/origin/";
        if let Some(branch) = self.pointed("refs/default/project", of_origin).await? {
            return Ok(Some(branch));
        }
        for name in ["main", "master", "trunk"] {
            let local = format!("refs/project/heads/{name}");
            if self.resolve(&local).await?.is_some() {
                return Ok(Some(name.to_owned()));
            }
        }
        self.pointed("refs/default/head", "refs/project/heads/")
            .await
    }

    /// Returns what work is held against: what the remote has of the default branch. Whoever works in the tree can move the local
    /// one, so without a remote it counts as it stood when the work `began`, as far as that is known.
    pub async fn base(&self, began: Option<&Subject>) -> Result<Option<Subject>, RepoError> {
        let branch = self.default_branch().await?;
        if let Some(branch) = &branch {
            let remote = format!("refs/project/remotes/origin/{branch}");
            if let Some(remote) = self.resolve(&remote).await? {
                return Ok(Some(remote));
            }
        }
        if let Some(began) = began
            && self.has_commit(began).await?
        {
            return Ok(Some(began.clone()));
        }
        match branch {
            Some(branch) => self.resolve(&format!("refs/project/heads/{branch}")).await,
            None => Ok(None),
        }
    }

    async fn fetch(&self, source: &OsStr, refs: &[&str]) -> Result<(), RepoError> {
        let any = Call::new("list refs", ["for-each-ref", "--count=1", "refs/project/"]);
        let first = self.git.read(any).await?.is_empty();
        let args = [
            "fetch",
            "--quiet",
            "--prune",
            "--no-tags",
            "--no-write-fetch-head",
            "--update-shallow",
            "--",
        ];
        let call = Call::new("fetch", args).arg(source);
        let call = refs.iter().fold(call, Call::arg);
        self.git
            .read(call.deadline(if first { FIRST_FETCH_MAX } else { GIT_MAX }))
            .await
            .map(drop)
    }

    /// Asks where HEADs point.
    async fn heads_of(&self, source: &OsStr) -> Result<Heads, RepoError> {
        let call = Call::new("ask for the branches", ["ls-remote", "--symref", "--"])
            .arg(source)
            .arg("HEAD")
            .arg("refs/remotes/origin/HEAD");
        let text = String::from_utf8_lossy(&self.git.read(call).await?).into_owned();
        let mut heads = Heads::default();
        for line in text.lines() {
            match line.split_once('\t') {
                Some((target, "HEAD")) => match target.strip_prefix("ref: refs/heads/") {
                    Some(branch) => heads.head = Some(branch.to_owned()),
                    None => heads.born = true,
                },
                Some((target, "refs/remotes/origin/HEAD")) => {
                    let branch = target
                        .strip_prefix("ref: refs/remotes/origin/")
                        .map(str::to_owned);
                    heads.origin = heads.origin.or(branch);
                }
                Some(_) | None => {}
            }
        }
        Ok(heads)
    }

    /// Remembers where a HEAD pointed. Detached or unknown: what was known stays.
    async fn point(&self, name: &str, branch: Option<&str>, below: &str) -> Result<(), RepoError> {
        let Some(branch) = branch else { return Ok(()) };
        let call = Call::new("note the default branch", ["symbolic-ref", name])
            .arg(format!("{below}{branch}"));
        self.git.read(call).await.map(drop)
    }

    async fn pointed(&self, name: &str, below: &str) -> Result<Option<String>, RepoError> {
        let ended = self
            .git
            .run(Call::new(
                "read the default branch",
                ["symbolic-ref", "--quiet", name],
            ))
            .await?;
        let target = String::from_utf8_lossy(&ended.stdout).trim().to_owned();
        if self.resolve(&target).await.ok().flatten().is_none() {
            return Ok(None);
        }
        Ok(target.strip_prefix(below).map(str::to_owned))
    }
}

/// What `ls-remote` says of HEADs.
#[derive(Default)]
struct Heads {
    /// HEAD is a commit.
    born: bool,
    /// The branch HEAD names.
    head: Option<String>,
    /// The branch `origin/HEAD` names.
    origin: Option<String>,
}

/// Only an absolute path is one: anything else could be read as an address or an option.
fn path_source(project: &Path) -> Result<OsString, RepoError> {
    if project.is_absolute() {
        Ok(project.as_os_str().to_owned())
    } else {
        let text = project.display().to_string().escape_debug().to_string();
        Err(RepoError::NotA {
            text,
            expected: "an absolute path",
        })
    }
}

/// Puts our configuration there, whole: another process may be reading it.
fn write_config(path: &Path) -> std::io::Result<()> {
    if std::fs::read(path).is_ok_and(|known| known == CONFIG.as_bytes()) {
        return Ok(());
    }
    let folder = path.parent().expect("the configuration lies in the mirror");
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(CONFIG.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
