//! The relay itself, in the agents' account. Blocking, a thread for each connection; only clients of tmux are waited for by a runtime.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::sockopt::socket_peercred;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::runtime::Runtime;

use super::{ANSWER_MAX, CHORE_MAX, LINE_BYTES_MAX, Question, Within, git_in};
use crate::terminal::agent_files::listen;
use crate::terminal::client::Tmux;
use crate::terminal::error::TmuxError;
use crate::terminal::turns::FileCache;
use crate::terminal::{argv, ending, receipt};

/// Questions that are answered at once; the next waits.
const QUESTIONS_MAX: usize = 32;
/// How long a question that is one too many waits.
const FULL_PAUSE: Duration = Duration::from_millis(5);
/// How often it is looked whether the socket still is ours, when nobody asks.
const SOCKET_LOOK: Timespec = Timespec {
    tv_sec: 5,
    tv_nsec: 0,
};
/// How long a control-mode client may take to leave after its connection hung up.
const LEAVE: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};

/// What all questions share.
struct Shared {
    /// The server whose clients it runs, and no other.
    tmux: Tmux,
    cache: FileCache,
    runtime: Runtime,
}

/// Answers the account `daemon`, and nobody else, until the process ends: a socket that was removed or replaced ends it, so that whoever
/// keeps it up starts it again. A socket that is there belongs to a relay that is gone, or is about to be.
pub fn serve(socket: &Path, tmux: &Path, daemon: u32, ready: impl FnOnce()) -> std::io::Result<()> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket)?;
    std::fs::set_permissions(socket, std::fs::Permissions::from_mode(0o660))?;
    let bound = place(socket)?;
    let shared = Arc::new(Shared {
        tmux: Tmux::new(tmux),
        cache: FileCache::default(),
        runtime: tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?,
    });
    let open = Arc::new(AtomicUsize::new(0));
    ready();
    loop {
        let mut waits = [PollFd::new(&listener, PollFlags::IN)];
        if wait(&mut waits, Some(&SOCKET_LOOK))? == 0 {
            if place(socket)? != bound {
                return Err(std::io::Error::other("another socket was put in its place"));
            }
            continue;
        }
        let (stream, _) = listener.accept()?;
        if !socket_peercred(&stream).is_ok_and(|peer| peer.uid.as_raw() == daemon) {
            continue;
        }
        while open.load(Ordering::Acquire) >= QUESTIONS_MAX {
            pause();
        }
        open.fetch_add(1, Ordering::AcqRel);
        let (one, shared) = (Arc::clone(&open), Arc::clone(&shared));
        std::thread::spawn(move || {
            // Who asked and went away needs no answer.
            let _gone = shared.answer(stream);
            one.fetch_sub(1, Ordering::AcqRel);
        });
    }
}

/// Returns which file lies there.
fn place(socket: &Path) -> std::io::Result<(u64, u64)> {
    let facts = std::fs::symlink_metadata(socket)?;
    Ok((facts.dev(), facts.ino()))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the relay is a process of its own, and blocks"
)]
fn pause() {
    std::thread::sleep(FULL_PAUSE);
}

impl Shared {
    fn answer(&self, stream: UnixStream) -> std::io::Result<()> {
        let mut line = Vec::new();
        let within = Within::new(stream.try_clone()?, ANSWER_MAX);
        BufReader::new(within)
            .take(LINE_BYTES_MAX)
            .read_until(b'\n', &mut line)?;
        let question: Question = serde_json::from_slice(&line)?;
        // Who gave up takes what was asked for undone, or unknown: it must not be done later.
        if has_hung_up(&stream) {
            return Ok(());
        }
        let mut said = match question {
            Question::Version => serde_json::to_vec(env!("CARGO_PKG_VERSION")),
            Question::Told { home, wanted } => {
                serde_json::to_vec(&listen(&home, &self.cache, &wanted))
            }
            Question::Offsets { profile, at } => {
                serde_json::to_vec(&receipt::receipt_offsets(&profile, &at))
            }
            Question::Receipt {
                profile,
                at,
                since,
                id,
            } => serde_json::to_vec(&receipt::find_receipt(&profile, &at, &since, &id)),
            Question::MayContinue { profile, home, cwd } => {
                serde_json::to_vec(&receipt::may_continue(&profile, &home, &cwd))
            }
            Question::End { kill, processes } => {
                ending::signal(kill, processes);
                serde_json::to_vec(&())
            }
            Question::Tmux { words, stdin } => {
                serde_json::to_vec(&self.client(words, stdin.as_deref()))
            }
            Question::Git { folder, words } => {
                serde_json::to_vec(&self.runtime.block_on(git(&folder, &words)))
            }
            Question::Remove { folder, only_empty } => {
                serde_json::to_vec(&remove(&folder, only_empty))
            }
            Question::Control { session } => return self.control(&stream, &session),
        }?;
        said.push(b'\n');
        Within::new(stream, ANSWER_MAX).write_all(&said)
    }

    /// Runs a short-lived client. The words are a command's: which server they go to is not theirs to say.
    fn client(&self, words: Vec<String>, stdin: Option<&str>) -> Result<String, TmuxError> {
        let command = words.first().cloned().unwrap_or_default();
        if !command.starts_with(|letter: char| letter.is_ascii_lowercase()) {
            return Err(TmuxError::Failed {
                command,
                why: "it is no command of tmux".to_owned(),
            });
        }
        let line = argv::bound(self.tmux.socket(), words);
        self.runtime.block_on(self.tmux.run_line(&line, stdin))
    }

    /// Runs a control-mode client on the connection itself, and ends it with the connection.
    fn control(&self, stream: &UnixStream, session: &str) -> std::io::Result<()> {
        let line = argv::control(self.tmux.socket(), session);
        let end = || Ok::<Stdio, std::io::Error>(OwnedFd::from(stream.try_clone()?).into());
        let ends = (end()?, end()?, end()?);
        let _in_runtime = self.runtime.enter();
        let mut child = match self.tmux.spawn(&line, ends) {
            Ok(child) => child,
            Err(error) => return writeln!(&mut &*stream, "{error}"),
        };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let handle = pidfd_open(pid, PidfdFlags::empty())?;
            let mut waits = [
                PollFd::new(stream, PollFlags::RDHUP),
                PollFd::new(&handle, PollFlags::IN),
            ];
            wait(&mut waits, None)?;
            // It reads the end of its input as well, and leaves by itself, if it still does anything.
            let mut leaves = [PollFd::new(&handle, PollFlags::IN)];
            wait(&mut leaves, Some(&LEAVE))?;
        }
        self.runtime.block_on(child.kill())?;
        stream.shutdown(std::net::Shutdown::Both)
    }
}

async fn git(folder: &Path, words: &[String]) -> Result<String, String> {
    let mut command = git_in(folder, words);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match tokio::time::timeout(CHORE_MAX, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(text(&output.stdout)),
        Ok(Ok(output)) => Err(text(&output.stderr)),
        Ok(Err(error)) => Err(format!("cannot start `git`: {error}")),
        Err(_) => Err("git does not end".to_owned()),
    }
}

/// Returns the error by its number, or 0 if it has none.
fn remove(folder: &Path, only_empty: bool) -> Result<(), i32> {
    let done = if only_empty {
        std::fs::remove_dir(folder)
    } else {
        std::fs::remove_dir_all(folder)
    };
    done.map_err(|error| error.raw_os_error().unwrap_or_default())
}

fn has_hung_up(stream: &UnixStream) -> bool {
    let mut waits = [PollFd::new(stream, PollFlags::RDHUP)];
    !matches!(wait(&mut waits, Some(&Timespec::default())), Ok(0))
}

/// Waits; a client that ends is a signal to this process, and ends no wait.
fn wait(waits: &mut [PollFd<'_>], limit: Option<&Timespec>) -> rustix::io::Result<usize> {
    retry_on_intr(|| poll(waits, limit))
}
