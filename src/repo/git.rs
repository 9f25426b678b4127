//! One git process: cleared environment, no input but ours, a deadline, a bound on what it may say.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use crate::knife;
use crate::repo::RepoError;

/// How long a read, or a fetch that is not the first, may take.
pub(super) const GIT_MAX: Duration = Duration::from_secs(30);
/// The most a process may print.
pub(super) const OUTPUT_BYTES_MAX: usize = 16 << 20;
const STDERR_BYTES_MAX: usize = 64 << 10;
const SAID_CHARS_MAX: usize = 500;

/// Where git is and what it may know.
#[derive(Clone, Debug)]
pub(super) struct Git {
    /// The bare mirror: the only repository git is started in.
    pub(super) folder: PathBuf,
    /// Our own configuration, in place of the user's.
    pub(super) config: PathBuf,
    /// PATH for git and its helpers.
    pub(super) search_path: OsString,
}

/// One call.
pub(super) struct Call {
    what: &'static str,
    args: Vec<OsString>,
    input: Vec<u8>,
    deadline: Duration,
    output_max: usize,
}

/// How a call ended.
pub(super) struct Ended {
    pub(super) code: Option<i32>,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
    /// Whether it printed more than was asked for and was stopped.
    pub(super) cut: bool,
}

impl Call {
    pub(super) fn new<A: AsRef<OsStr>>(
        what: &'static str,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        let args = args
            .into_iter()
            .map(|arg| arg.as_ref().to_owned())
            .collect();
        Self {
            what,
            args,
            input: Vec::new(),
            deadline: GIT_MAX,
            output_max: OUTPUT_BYTES_MAX,
        }
    }

    pub(super) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    pub(super) fn input(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }

    pub(super) fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Names what it changes, for the knife; `None` if it only looks.
    fn deed(&self) -> Option<String> {
        const LOOKS: [&str; 9] = [
            "cat-file",
            "diff-tree",
            "for-each-ref",
            "grep",
            "ls-remote",
            "ls-tree",
            "merge-base",
            "rev-list",
            "rev-parse",
        ];
        let verb = self.args.first()?.to_string_lossy();
        (!LOOKS.contains(&&*verb)).then(|| format!("git {}", self.what))
    }
}

impl Git {
    /// Runs a call that has to succeed and returns what it printed.
    pub(super) async fn read(&self, call: Call) -> Result<Vec<u8>, RepoError> {
        let (what, max) = (call.what, call.output_max);
        let ended = self.run(call).await?;
        if ended.cut {
            return Err(RepoError::TooMuch {
                what: format!("git's answer to {what}"),
                max,
                unit: "bytes",
            });
        }
        if ended.code != Some(0) {
            return Err(ended.failed(what));
        }
        Ok(ended.stdout)
    }

    /// Runs a call; the caller judges its exit code.
    pub(super) async fn run(&self, call: Call) -> Result<Ended, RepoError> {
        let start = |source| RepoError::Start {
            program: "git".to_owned(),
            what: call.what,
            source,
        };
        let mut child = self.command(&call).spawn().map_err(start)?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let talking = tokio::time::timeout(call.deadline, talk(&mut child, &call));
        let ended = knife::around(|| call.deed(), talking).await;
        if !matches!(&ended, Ok(Ok(ended)) if !ended.cut) {
            stop(&mut child, group).await;
        }
        match ended {
            Ok(ended) => ended.map_err(start),
            Err(_) => Err(RepoError::TimedOut {
                what: call.what,
                after: call.deadline,
            }),
        }
    }

    fn command(&self, call: &Call) -> Command {
        let mut command = Command::new("git");
        command
            .env_clear()
            .env("PATH", &self.search_path)
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_GLOBAL", &self.config)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            .env("GIT_LITERAL_PATHSPECS", "1")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            // A partial clone would fetch what it lacks by its own configuration, also when we only read it.
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_SSH_COMMAND", "ssh -oBatchMode=yes")
            .current_dir(if self.folder.is_dir() {
                &self.folder
            } else {
                Path::new("/")
            })
            .arg("--git-dir")
            .arg(&self.folder)
            .args(&call.args)
            .stdin(if call.input.is_empty() {
                Stdio::null()
            } else {
                Stdio::piped()
            })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        command
    }
}

impl Ended {
    pub(super) fn failed(&self, what: &'static str) -> RepoError {
        RepoError::Git {
            what,
            said: said(&self.stderr),
            code: self.code,
        }
    }
}

async fn talk(child: &mut Child, call: &Call) -> std::io::Result<Ended> {
    let stdin = child.stdin.take();
    let stdout = child.stdout.take().expect("the output is a pipe");
    let stderr = child.stderr.take().expect("the errors are a pipe");
    let write = async {
        if let Some(mut stdin) = stdin {
            // A process that ends before it read all says why by its exit code.
            drop(stdin.write_all(&call.input).await);
        }
    };
    let ((), out, err) = tokio::join!(
        write,
        take(stdout, call.output_max),
        take(stderr, STDERR_BYTES_MAX)
    );
    let ((stdout, cut), (stderr, _)) = (out?, err?);
    let code = if cut {
        None
    } else {
        child.wait().await?.code()
    };
    Ok(Ended {
        code,
        stdout,
        stderr,
        cut,
    })
}

/// Reads up to `max` bytes and says whether there was more. Closing the pipe ends the writer.
async fn take(pipe: impl AsyncRead + Unpin, max: usize) -> std::io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    pipe.take(max as u64 + 1).read_to_end(&mut bytes).await?;
    let cut = bytes.len() > max;
    bytes.truncate(max);
    Ok((bytes, cut))
}

/// Ends git and the helpers it started.
async fn stop(child: &mut Child, group: Option<Pid>) {
    if let Some(group) = group {
        // An error says that it is gone already: that was the wish.
        let _gone = kill_process_group(group, Signal::KILL);
    }
    drop(child.kill().await);
}

/// Returns git's last words on one line, without what may be a secret in an address.
fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    let line: String = lines
        .join("; ")
        .chars()
        .filter(|c| !c.is_control())
        .take(SAID_CHARS_MAX)
        .collect();
    without_secrets(if line.is_empty() {
        "it said nothing"
    } else {
        &line
    })
}

/// Replaces user and password of every address in a text.
pub(super) fn without_secrets(text: &str) -> String {
    let secret = Regex::new(r"://[^/@\s']+@").expect("the pattern is constant");
    secret.replace_all(text, "://***@").into_owned()
}
