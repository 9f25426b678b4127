//! The relay: what a daemon of another account may not do itself is done by one process of the agents' account (PROTOCOLS 13).
//!
//! It reads what lies in the agents' home (status files, transcripts) with the same functions that a daemon of the same account uses,
//! and ends processes. It decides nothing, keeps nothing and knows no configuration: each question brings what is asked about. Its word
//! is the agents' word, as the files are. Blocking; one connection is one question, a line of JSON each way.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::agent_files::{Gather, Wanted, listen};
use super::ending;
use super::process::Process;
use super::receipt::{self, Offsets, Receipt, Whereabouts};
use super::turns::FileCache;
use crate::domain::{DeliveryId, Profile};

/// The socket's name, in the folder of the tmux server's.
const NAME: &str = "relay";
/// How long an answer may take: transcripts of megabytes are read for some, and `OpenCode`'s server may take two seconds.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// The longest question or answer, bytes: offsets of some hundred files have 100 KB.
const LINE_BYTES_MAX: u64 = 4 << 20;
/// Questions that are answered at once; the next waits.
const QUESTIONS_MAX: usize = 32;
/// How long a question that is one too many waits.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
enum Question {
    Version,
    Told {
        home: PathBuf,
        wanted: Box<Wanted>,
    },
    Offsets {
        profile: Box<Profile>,
        at: Whereabouts,
    },
    Receipt {
        profile: Box<Profile>,
        at: Whereabouts,
        since: Offsets,
        id: DeliveryId,
    },
    MayContinue {
        profile: Box<Profile>,
        home: PathBuf,
        cwd: PathBuf,
    },
    End {
        kill: bool,
        processes: Vec<Process>,
    },
}

/// The agents' home folder, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentsHome {
    folder: PathBuf,
    /// The relay's socket, if the daemon's account is not the agents'.
    relay: Option<PathBuf>,
}

impl<P: Into<PathBuf>> From<P> for AgentsHome {
    /// One account for both: the files are read here.
    fn from(folder: P) -> Self {
        Self {
            folder: folder.into(),
            relay: None,
        }
    }
}

impl AgentsHome {
    /// The home of another account, read by the relay beside that account's tmux server.
    pub fn relayed(folder: &Path, tmux: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            relay: Some(socket(tmux)),
        }
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says why nobody reads it now; `None` if somebody does.
    pub fn unread(&self) -> Option<String> {
        let socket = self.relay.as_ref()?;
        match ask::<String>(socket, &Question::Version) {
            Ok(version) if version == env!("CARGO_PKG_VERSION") => None,
            Ok(version) => Some(format!("the relay is of version {version}")),
            Err(error) => Some(format!(
                "the relay does not answer on `{}`: {error}",
                socket.display()
            )),
        }
    }

    /// As [`receipt::receipt_offsets`].
    pub fn offsets(&self, profile: &Profile, at: &Whereabouts) -> Offsets {
        self.done(
            || receipt::receipt_offsets(profile, at),
            || Question::Offsets {
                profile: Box::new(profile.clone()),
                at: at.clone(),
            },
        )
    }

    /// As [`receipt::find_receipt`].
    pub fn receipt(
        &self,
        profile: &Profile,
        at: &Whereabouts,
        since: &Offsets,
        id: &DeliveryId,
    ) -> Option<Receipt> {
        self.done(
            || receipt::find_receipt(profile, at, since, id),
            || Question::Receipt {
                profile: Box::new(profile.clone()),
                at: at.clone(),
                since: since.clone(),
                id: id.clone(),
            },
        )
    }

    /// As [`receipt::may_continue`].
    pub fn may_continue(&self, profile: &Profile, cwd: &Path) -> bool {
        self.done(
            || receipt::may_continue(profile, &self.folder, cwd),
            || Question::MayContinue {
                profile: Box::new(profile.clone()),
                home: self.folder.clone(),
                cwd: cwd.to_owned(),
            },
        )
    }

    /// As [`listen`]; the cache is the caller's, the relay has its own.
    pub(super) fn told(&self, cache: &FileCache, wanted: &Wanted) -> Gather {
        self.done(
            || listen(&self.folder, cache, wanted),
            || Question::Told {
                home: self.folder.clone(),
                wanted: Box::new(wanted.clone()),
            },
        )
    }

    /// No answer is no evidence: a state that is not proven, a receipt that is not there yet. The fleet says that the relay is missing.
    fn done<T: DeserializeOwned + Default>(
        &self,
        here: impl FnOnce() -> T,
        question: impl FnOnce() -> Question,
    ) -> T {
        let Some(socket) = &self.relay else {
            return here();
        };
        ask(socket, &question()).unwrap_or_else(|error| {
            tracing::debug!(%error, "the relay does not answer");
            T::default()
        })
    }
}

/// Returns where the relay of a tmux server's account listens.
pub fn socket(tmux: &Path) -> PathBuf {
    tmux.with_file_name(NAME)
}

/// Lets the relay beside a tmux server signal processes of its account.
pub(super) fn end(tmux: &Path, kill: bool, processes: Vec<Process>) -> std::io::Result<()> {
    ask(&socket(tmux), &Question::End { kill, processes })
}

fn ask<T: DeserializeOwned>(socket: &Path, question: &Question) -> std::io::Result<T> {
    let mut within = Within {
        stream: connect(socket)?,
        until: Instant::now() + ANSWER_MAX,
    };
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    within.write_all(&line)?;
    let mut answer = Vec::new();
    let mut reader = BufReader::new(within).take(LINE_BYTES_MAX);
    reader.read_until(b'\n', &mut answer)?;
    Ok(serde_json::from_slice(&answer)?)
}

/// Connects or fails at once: a queue that somebody keeps full is not waited for.
fn connect(socket: &Path) -> std::io::Result<UnixStream> {
    let address = SocketAddrUnix::new(socket)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let open = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&open, &address)?;
    let stream = UnixStream::from(open);
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// A connection with one deadline for all that is said on it: whoever answers a byte now and then gets no more time for it.
struct Within {
    stream: UnixStream,
    until: Instant,
}

impl Within {
    fn left(&self) -> std::io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(std::io::ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl std::io::Read for Within {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(into)
    }
}

impl std::io::Write for Within {
    fn write(&mut self, from: &[u8]) -> std::io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(from)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Answers until the process ends. A socket that is there belongs to a relay that is gone, or is about to be.
pub fn serve(socket: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(socket)?;
    // The folder says who gets this far: the agents' account, and the daemon's as a member of its group.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o660);
    std::fs::set_permissions(socket, mode)?;
    let (open, cache) = (Arc::new(AtomicUsize::new(0)), Arc::<FileCache>::default());
    for stream in listener.incoming() {
        let stream = stream?;
        while open.load(Ordering::Acquire) >= QUESTIONS_MAX {
            pause();
        }
        open.fetch_add(1, Ordering::AcqRel);
        let (one, cache) = (Arc::clone(&open), Arc::clone(&cache));
        std::thread::spawn(move || {
            // Who asked and went away needs no answer.
            let _gone = answer(&stream, &cache);
            one.fetch_sub(1, Ordering::AcqRel);
        });
    }
    Ok(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the relay is a process of its own, without tokio"
)]
fn pause() {
    std::thread::sleep(FULL_PAUSE);
}

fn answer(mut stream: &UnixStream, cache: &FileCache) -> std::io::Result<()> {
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    stream.set_write_timeout(Some(ANSWER_MAX))?;
    let mut line = Vec::new();
    let mut reader = BufReader::new(stream).take(LINE_BYTES_MAX);
    reader.read_until(b'\n', &mut line)?;
    let question: Question = serde_json::from_slice(&line)?;
    let mut said = match question {
        Question::Version => serde_json::to_vec(env!("CARGO_PKG_VERSION")),
        Question::Told { home, wanted } => serde_json::to_vec(&listen(&home, cache, &wanted)),
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
    }?;
    said.push(b'\n');
    stream.write_all(&said)
}
