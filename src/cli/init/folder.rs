//! What a folder says of itself: its root, its remote, how it is built. Git's hooks and filters are not run for it.

#![expect(
    clippy::disallowed_methods,
    reason = "`cli` alone reads files and starts programs"
)]

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::file::Named;
use crate::cli::Failure;
use crate::cli::edge::on_path;
use crate::daemon::places::Apart;

/// The largest file of a project that is looked into.
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// A working tree, or a folder without git.
#[derive(Debug)]
pub(super) struct Folder {
    /// Its absolute path; a working tree's root, whichever folder of it was named.
    pub(super) root: PathBuf,
    /// Whether it is a git working tree.
    pub(super) is_git: bool,
    /// The address of the remote `origin`.
    pub(super) remote: Option<String>,
}

impl Folder {
    /// Looks at a folder; git is told that it may read one of the agents' own account.
    pub(super) fn read(path: &Path, apart: Option<&Apart>) -> Result<Self, Failure> {
        let there = path.canonicalize().map_err(|error| {
            Failure::new(
                anyhow::Error::new(error).context(format!("cannot find `{}`", path.display())),
            )
            .hint("name a working tree or a folder".to_owned())
        })?;
        if !there.is_dir() {
            return Err(
                Failure::new(anyhow::anyhow!("`{}` is not a folder", there.display()))
                    .hint("name a working tree or a folder".to_owned()),
            );
        }
        if !on_path("git") {
            return Err(Failure::new(anyhow::anyhow!("git is not on PATH")).hint(
                "install it: whether the folder is a repository cannot be told without it"
                    .to_owned(),
            ));
        }
        let is_theirs =
            |apart: &Apart| std::fs::metadata(&there).is_ok_and(|facts| facts.uid() == apart.uid);
        let trusted: &[&str] = if apart.is_some_and(is_theirs) {
            &["-c", "safe.directory=*"]
        } else {
            &[]
        };
        let git = |folder: &Path, args: &[&str]| git(folder, trusted, args);
        if git(&there, &["rev-parse", "--is-bare-repository"]).as_deref() == Some("true") {
            return Err(Failure::new(anyhow::anyhow!(
                "`{}` is a bare repository: an agent has no files there",
                there.display()
            ))
            .hint("clone it, and name the clone".to_owned()));
        }
        let top = git(&there, &["rev-parse", "--show-toplevel"]).map(PathBuf::from);
        if let (None, Some(repository)) = (&top, there.ancestors().find(|at| is_repository(at))) {
            return Err(refused_by_git(repository));
        }
        Ok(Self {
            is_git: top.is_some(),
            remote: git(&there, &["config", "--get", "remote.origin.url"]),
            root: top.unwrap_or(there),
        })
    }

    /// Returns the command that proves a commit, as far as the folder's files tell.
    pub(super) fn build(&self) -> Named {
        let package = self.text("package.json").and_then(|text| {
            let json: serde_json::Value = serde_json::from_str(&text).ok()?;
            let test = json["scripts"]["test"].as_str()?;
            // What `npm init` writes is no test.
            (!test.contains("no test specified")).then(|| format!("{} test", self.node()))
        });
        let make = |target: &str| {
            let text = self.text("Makefile")?;
            let rule = format!("{target}:");
            text.lines()
                .any(|line| line.starts_with(&rule))
                .then(|| format!("make {target}"))
        };
        let python = (self.has("pyproject.toml") || self.has("setup.py")) && self.has("tests");
        let pytest = if self.has("uv.lock") {
            "uv run pytest"
        } else {
            "python3 -m pytest"
        };
        let known = [
            (make("test"), "Makefile"),
            (package, "package.json"),
            (
                self.has("Cargo.toml").then(|| "cargo test".to_owned()),
                "Cargo.toml",
            ),
            (
                self.has("go.mod")
                    .then(|| "go build ./... && go test ./...".to_owned()),
                "go.mod",
            ),
            (python.then(|| pytest.to_owned()), "its tests folder"),
            (make("all"), "Makefile"),
        ];
        let mut known = known
            .into_iter()
            .filter_map(|(command, from)| Some((command?, from)));
        match known.next() {
            Some((command, from)) => {
                Named::new(command, format!("from {from}; change it or say \"none\""))
            }
            None => Named::new(
                "none".to_owned(),
                "no build file that is known: nothing proves a commit until you name a command",
            ),
        }
    }

    /// Returns what makes a new tree ready for the build.
    pub(super) fn prepare(&self) -> Option<(String, String)> {
        let known = [
            ("package-lock.json", "npm ci"),
            ("pnpm-lock.yaml", "pnpm install --frozen-lockfile"),
            ("yarn.lock", "yarn install --frozen-lockfile"),
            ("uv.lock", "uv sync"),
        ];
        let found = known
            .into_iter()
            .find(|(file, _)| self.is_git && self.has(file))?;
        Some((found.1.to_owned(), format!("from {}", found.0)))
    }

    fn node(&self) -> &'static str {
        match () {
            () if self.has("pnpm-lock.yaml") => "pnpm",
            () if self.has("yarn.lock") => "yarn",
            () => "npm",
        }
    }

    fn has(&self, name: &str) -> bool {
        self.root.join(name).exists()
    }

    fn text(&self, name: &str) -> Option<String> {
        let path = self.root.join(name);
        let fits = std::fs::metadata(&path).is_ok_and(|facts| facts.len() <= FILE_BYTES_MAX);
        fits.then(|| std::fs::read_to_string(path).ok()).flatten()
    }
}

/// Returns whether a folder looks like a working tree, whatever git says of it.
fn is_repository(folder: &Path) -> bool {
    let git = folder.join(".git");
    git.is_file() || git.join("HEAD").exists()
}

/// A repository that git does not want to read is no folder without git: somebody else's, or a damaged one.
fn refused_by_git(repository: &Path) -> Failure {
    let output = Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(["rev-parse", "--show-toplevel"])
        .stdin(Stdio::null())
        .output();
    let said = output.map_or_else(
        |error| error.to_string(),
        |output| String::from_utf8_lossy(&output.stderr).into_owned(),
    );
    let why = said.lines().next().unwrap_or("it says nothing").to_owned();
    let context = format!(
        "git does not read the repository `{}`",
        repository.display()
    );
    Failure::new(anyhow::anyhow!(why).context(context)).hint(format!(
        "see `git -C {} status`; who owns the folder and who runs this should be the same",
        repository.display()
    ))
}

/// Asks git; `None` when it says no. These questions run nothing that a project configures.
fn git(folder: &Path, trusted: &[&str], args: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .args(trusted)
        .arg("-C")
        .arg(folder)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}

/// Returns the host on which people see a repository whose API is at `base_url`.
pub(super) fn web_host(base_url: &str) -> String {
    let rest = base_url
        .split_once("://")
        .map_or(base_url, |(_, rest)| rest);
    let host = rest.split(['/', ':']).next().unwrap_or(rest);
    host.strip_prefix("api.").unwrap_or(host).to_lowercase()
}

/// Returns `owner/name` of an address on that host, in any of git's forms.
pub(super) fn repository(address: &str, host: &str) -> Option<String> {
    let rest = match address.split_once("://") {
        Some((scheme, rest)) if ["https", "http", "ssh", "git"].contains(&scheme) => rest,
        Some(_) => return None,
        // `git@github.com:me/blog.git`
        None => address,
    };
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    let (at, path) = rest.split_once([':', '/'])?;
    if !at.eq_ignore_ascii_case(host) {
        return None;
    }
    // A port comes before the path: `ssh://git@host:22/me/blog`.
    let path = match path.split_once('/') {
        Some((port, path))
            if port.bytes().all(|byte| byte.is_ascii_digit()) && path.contains('/') =>
        {
            path
        }
        _ => path,
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    let (owner, name) = path.split_once('/')?;
    (!owner.is_empty() && !name.is_empty() && !name.contains('/'))
        .then(|| format!("{owner}/{name}"))
}

/// Returns a name that a project, a tmux session and a file can have.
pub(super) fn plain_name(text: &str) -> String {
    let plain: String = text
        .to_lowercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    if words.is_empty() {
        "project".to_owned()
    } else {
        words.join("-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_of_any_form_names_its_repository() {
        for address in [
            "git@github.com:me/blog.git",
            "https://github.com/me/blog",
            "https://github.com/me/blog.git",
            "https://token@github.com/me/blog.git/",
            "ssh://git@github.com/me/blog.git",
            "ssh://git@github.com:22/me/blog.git",
            "git@GitHub.com:me/blog",
        ] {
            assert_eq!(
                repository(address, "github.com").as_deref(),
                Some("me/blog"),
                "{address}"
            );
        }
        for address in [
            "git@gitlab.com:me/blog.git",
            "/srv/git/blog.git",
            "file:///srv/github.com/me/blog",
            "https://github.com/blog",
            "https://github.com.evil.example/me/blog",
            "git@github.com:group/sub/blog.git",
        ] {
            assert_eq!(repository(address, "github.com"), None, "{address}");
        }
        assert_eq!(web_host("https://api.github.com"), "github.com");
        assert_eq!(web_host("https://ghe.example/api/v3"), "ghe.example");
    }

    #[test]
    fn a_folders_name_becomes_one_that_everything_takes() {
        assert_eq!(plain_name("My Blog.v2"), "my-blog-v2");
        assert_eq!(plain_name("日本"), "project");
        assert_eq!(plain_name("--x"), "x");
    }
}
