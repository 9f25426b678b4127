//! Runs short-lived tmux clients: null stdin or a payload, a deadline, a cap on how many at once, a clean environment.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tmux_interface::TmuxCommand;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;

use super::argv;
use super::error::TmuxError;
use super::relay::Relay;
use crate::knife;

/// Deadline of one call (facts/terminal.md F56: clients hang on stuck servers; the slowest honest call measured takes 50 ms).
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
/// Clients at once, over all copies of a [`Tmux`] (facts/platform.md 2.1: more than four gain nothing).
const CLIENTS_MAX: usize = 4;
/// Bytes of argv in one call: tmux refuses 16,384 (facts/agents.md 8).
const ARGV_BYTES_MAX: usize = 16_000;
/// Bytes read of an answer: 1,000 panes of 512 bytes, or one full screen, with room.
const OUTPUT_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// What a client inherits. `TMUX`, `TMUX_PANE`, `CLAUDECODE` and every secret of ours stay out (facts/terminal.md F54).
const ENV_ALLOWED: [&str; 12] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TERM",
    "TMUX_TMPDIR",
    "XDG_RUNTIME_DIR",
    "TZ",
];

/// One tmux server, addressed by its socket. Cheap to copy; copies share the cap on clients.
#[derive(Clone, Debug)]
pub struct Tmux {
    socket: PathBuf,
    env: Vec<(OsString, OsString)>,
    /// Whose process a client is, if not the caller's: user and group.
    account: Option<(u32, u32)>,
    /// Who runs the clients, if the server is another account's.
    relay: Option<Relay>,
    slots: Arc<Semaphore>,
    spawned: Arc<AtomicU64>,
}

impl Tmux {
    /// Addresses the server that listens on `socket`; starts nothing.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        let env = std::env::vars_os()
            .filter(|(key, _)| ENV_ALLOWED.iter().any(|name| key == name))
            .collect();
        Self {
            socket: socket.into(),
            env,
            account: None,
            relay: None,
            slots: Arc::new(Semaphore::new(CLIENTS_MAX)),
            spawned: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Addresses the server of another account. A client opens files for whoever owns its server (hooks that load and save buffers), so
    /// none runs in this one: the relay of that account runs them.
    pub fn relayed(socket: impl Into<PathBuf>, relay: Relay) -> Self {
        Self {
            relay: Some(relay),
            ..Self::new(socket)
        }
    }

    /// Returns who runs the clients, if it is not this process.
    pub(super) fn relay(&self) -> Option<&Relay> {
        self.relay.as_ref()
    }

    /// Sets one variable of the clients' environment, over what was inherited.
    #[must_use]
    pub fn with_env(mut self, key: &str, value: impl Into<OsString>) -> Self {
        self.env.retain(|(name, _)| name != key);
        self.env.push((key.into(), value.into()));
        self
    }

    /// Lets the clients run as another account, which only root may. A client opens files for whoever owns its server (hooks that load
    /// and save buffers), so none of root's is for a server of somebody else.
    #[must_use]
    pub fn of_account(mut self, uid: u32, gid: u32) -> Self {
        self.account = Some((uid, gid));
        self
    }

    /// Returns the socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Returns how many processes were started through this server's copies so far.
    pub fn spawned(&self) -> u64 {
        self.spawned.load(Ordering::Relaxed)
    }

    /// Runs commands as one queue of one client and returns what they printed, lossily as UTF-8.
    pub(super) async fn run(&self, commands: Vec<TmuxCommand<'_>>) -> Result<String, TmuxError> {
        self.run_with(commands, None).await
    }

    /// Like [`Self::run`], with a text on the client's stdin.
    pub(super) async fn run_with(
        &self,
        commands: Vec<TmuxCommand<'_>>,
        stdin: Option<&str>,
    ) -> Result<String, TmuxError> {
        let words = argv::command_words(&commands);
        let line = argv::line(&self.socket, words.clone());
        let name = argv::name(&line);
        let bytes: usize = line.iter().map(|word| word.len() + 1).sum();
        if bytes > ARGV_BYTES_MAX {
            return Err(TmuxError::TooLong {
                command: name,
                bytes,
            });
        }
        let _slot = self
            .slots
            .acquire()
            .await
            .expect("nobody closes the semaphore");
        let run = async {
            match &self.relay {
                Some(relay) => relay.client(words.clone(), stdin.map(str::to_owned)).await,
                None => self.run_line(&line, stdin).await,
            }
        };
        knife::around(|| argv::deed(&words), run).await
    }

    /// Runs one client of this process's own.
    pub(super) async fn run_line(
        &self,
        line: &[String],
        stdin: Option<&str>,
    ) -> Result<String, TmuxError> {
        let name = argv::name(line);
        let reads = if stdin.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        };
        let mut child = self.spawn(line, (reads, Stdio::piped(), Stdio::piped()))?;
        let group = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .and_then(Pid::from_raw);
        match tokio::time::timeout(DEADLINE, talk(&mut child, stdin)).await {
            Ok(Ok((true, out, _))) => Ok(out),
            Ok(Ok((false, out, err))) => Err(TmuxError::classify(
                &name,
                &self.socket,
                &format!(
                    "{err}{}",
                    if err.trim().is_empty() {
                        out
                    } else {
                        String::new()
                    }
                ),
            )),
            Ok(Err(error)) => Err(TmuxError::Failed {
                command: name,
                why: error.to_string(),
            }),
            Err(_) => {
                if let Some(group) = group {
                    // A process that is gone already is what we want.
                    let _gone = kill_process_group(group, Signal::KILL);
                }
                Err(TmuxError::Timeout {
                    command: name,
                    seconds: DEADLINE.as_secs(),
                })
            }
        }
    }

    /// Starts one client in a process group of its own, with these three: what it reads, writes and says of errors.
    pub(super) fn spawn(
        &self,
        words: &[String],
        (stdin, stdout, stderr): (Stdio, Stdio, Stdio),
    ) -> Result<Child, TmuxError> {
        let front = self.account.map(|(uid, gid)| as_account(uid, gid));
        let line: Vec<&String> = front.iter().flatten().chain(words).collect();
        let mut command = Command::new(line[0]);
        command
            .args(&line[1..])
            .env_clear()
            .envs(self.env.iter().map(|(key, value)| (key, value)))
            .stdin(stdin)
            .stdout(stdout)
            .stderr(stderr)
            .kill_on_drop(true);
        match self.account {
            // Its session is a group of its own.
            Some(_) => command.current_dir("/"),
            None => command.process_group(0),
        };
        self.spawned.fetch_add(1, Ordering::Relaxed);
        command.spawn().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => TmuxError::Missing,
            _ => TmuxError::Failed {
                command: argv::name(words),
                why: error.to_string(),
            },
        })
    }
}

/// Returns the words before a command that root runs as another account: without root's terminal, into which whoever has that account could
/// push keys by way of the process (TIOCSTI), and without root's groups. Both programs are util-linux's.
pub fn as_account(uid: u32, gid: u32) -> Vec<String> {
    ["setsid", "setpriv", "--clear-groups"]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("--regid={gid}"), format!("--reuid={uid}")])
        .collect()
}

/// Writes the payload, reads both outputs to their end and waits for the exit.
async fn talk(child: &mut Child, stdin: Option<&str>) -> std::io::Result<(bool, String, String)> {
    if let (Some(mut pipe), Some(payload)) = (child.stdin.take(), stdin) {
        // A client that ended early closes the pipe; its exit code and words say why.
        let _broken = pipe.write_all(payload.as_bytes()).await;
        drop(pipe);
    }
    let (out, err) = tokio::join!(slurp(child.stdout.take()), slurp(child.stderr.take()));
    let status = child.wait().await?;
    Ok((status.success(), out?, err?))
}

/// Reads a pipe to its end, at most [`OUTPUT_BYTES_MAX`].
async fn slurp(pipe: Option<impl AsyncRead + Unpin>) -> std::io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(OUTPUT_BYTES_MAX).read_to_end(&mut bytes).await?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
