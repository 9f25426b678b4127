//! The relay: what a daemon of another account may not do itself is done by one process of the agents' account (PROTOCOLS 13).
//!
//! It reads what lies in the agents' home (status files, transcripts) with the same functions that a daemon of the same account uses,
//! ends processes, and runs the clients of the agents' tmux server. tmux lets a server open files through its clients, so under two
//! users none runs as the daemon. The relay decides nothing, keeps nothing and knows no configuration: each question brings what is
//! asked about. Its word is the agents' word, as the files and the server are. One connection is one question, a line of JSON each way;
//! after `Question::Control` the connection is the control-mode client's own.

mod answer;

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::net::sockopt::socket_peercred;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};

use super::agent_files::{Gather, Wanted, listen};
use super::client::DEADLINE;
use super::error::TmuxError;
use super::process::Process;
use super::receipt::{self, Offsets, Receipt, Whereabouts};
use super::turns::FileCache;
use crate::domain::{DeliveryId, Profile};

pub use answer::serve;

/// How long an answer may take: transcripts of megabytes are read for some, and `OpenCode`'s server may take two seconds.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long git, or the removal of a folder, may take: a work tree may hold gigabytes of what was built.
const CHORE_MAX: Duration = Duration::from_mins(1);
/// How much longer than the client itself the answer about it may take.
const CLIENT_MARGIN: Duration = Duration::from_secs(1);
/// The longest question or answer, bytes: a client's whole output, escaped as JSON.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// Letters of a version that are shown.
const VERSION_CHARS: usize = 40;

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
    /// One short-lived client of the relay's own server: its commands' words, and what it reads.
    Tmux {
        words: Vec<String>,
        stdin: Option<String>,
    },
    /// A control-mode client on that session.
    Control {
        session: String,
    },
    /// Git in a folder, without its hooks and its file monitor.
    Git {
        folder: PathBuf,
        words: Vec<String>,
    },
    /// A folder goes, with what is in it or only if it is empty.
    Remove {
        folder: PathBuf,
        only_empty: bool,
    },
}

/// A relay, as the daemon knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Relay {
    /// Where it listens.
    pub socket: PathBuf,
    /// Whose it has to be. The folder is the agents', and a link in it could lead to anybody who trusts the daemon.
    pub uid: u32,
}

impl Relay {
    /// Says why it cannot be used now; `None` if it can.
    pub fn missing(&self) -> Option<String> {
        match self.ask::<String>(&Question::Version) {
            Ok(version) if version == env!("CARGO_PKG_VERSION") => None,
            Ok(version) => Some(format!(
                "the relay is of version {}",
                version.chars().take(VERSION_CHARS).collect::<String>()
            )),
            Err(error) => Some(format!(
                "the relay does not answer on `{}`: {error}",
                self.socket.display()
            )),
        }
    }

    /// Lets it signal processes of its account.
    pub(super) fn end(&self, kill: bool, processes: Vec<Process>) -> std::io::Result<()> {
        self.ask(&Question::End { kill, processes })
    }

    /// Lets it run git in a folder of its account, and returns what git printed. Git reads a repository's own configuration, which may name
    /// programs: in a folder of the agents' they are theirs.
    pub fn git(&self, folder: &Path, words: &[&str]) -> Result<String, String> {
        let question = Question::Git {
            folder: folder.to_owned(),
            words: words.iter().map(|word| (*word).to_owned()).collect(),
        };
        let asked = self.ask_within(&question, CHORE_MAX);
        asked.unwrap_or_else(|error| Err(self.gone(&error).to_string()))
    }

    /// Lets it remove a folder that its account may remove.
    pub fn remove(&self, folder: &Path, only_empty: bool) -> std::io::Result<()> {
        let question = Question::Remove {
            folder: folder.to_owned(),
            only_empty,
        };
        let asked = self.ask_within(&question, CHORE_MAX);
        // That there is no relay must not be taken for a folder that is gone.
        let done: Result<(), i32> =
            asked.map_err(|error| std::io::Error::other(self.gone(&error)))?;
        done.map_err(std::io::Error::from_raw_os_error)
    }

    /// Lets it run one client. The first word of `words` is a command of tmux.
    pub(super) async fn client(
        &self,
        words: Vec<String>,
        stdin: Option<String>,
    ) -> Result<String, TmuxError> {
        let name = words.first().cloned().unwrap_or_default();
        let mut stream = self.open()?;
        let question = Question::Tmux { words, stdin };
        let limit = DEADLINE + CLIENT_MARGIN;
        let asked = tokio::time::timeout(limit, async {
            stream.write_all(&line(&question)?).await?;
            let mut answer = Vec::new();
            let mut reader = tokio::io::BufReader::new(stream).take(LINE_BYTES_MAX);
            reader.read_until(b'\n', &mut answer).await?;
            Ok::<Result<String, TmuxError>, std::io::Error>(serde_json::from_slice(&answer)?)
        });
        match asked.await {
            Ok(Ok(answer)) => answer,
            // It was asked: whether the commands ran is not known.
            Ok(Err(error)) => Err(TmuxError::Failed {
                command: name,
                why: format!("the relay went away: {error}"),
            }),
            Err(_) => Err(TmuxError::Timeout {
                command: name,
                seconds: limit.as_secs(),
            }),
        }
    }

    /// Lets it run a control-mode client, whose bytes the connection has from now on; it ends with the connection.
    pub(super) async fn control(&self, session: &str) -> Result<tokio::net::UnixStream, TmuxError> {
        let session = session.to_owned();
        let mut stream = self.open()?;
        let asked = async {
            stream
                .write_all(&line(&Question::Control { session })?)
                .await
        };
        match tokio::time::timeout(DEADLINE, asked).await {
            Ok(Ok(())) => Ok(stream),
            Ok(Err(error)) => Err(self.gone(&error)),
            Err(_) => Err(self.gone(&std::io::ErrorKind::TimedOut.into())),
        }
    }

    fn ask<T: DeserializeOwned>(&self, question: &Question) -> std::io::Result<T> {
        self.ask_within(question, ANSWER_MAX)
    }

    fn ask_within<T: DeserializeOwned>(
        &self,
        question: &Question,
        limit: Duration,
    ) -> std::io::Result<T> {
        let mut within = Within::new(self.connect()?, limit);
        within.write_all(&line(question)?)?;
        let mut answer = Vec::new();
        let mut reader = BufReader::new(within).take(LINE_BYTES_MAX);
        reader.read_until(b'\n', &mut answer)?;
        Ok(serde_json::from_slice(&answer)?)
    }

    fn open(&self) -> Result<tokio::net::UnixStream, TmuxError> {
        let open = || {
            let stream = self.connect()?;
            stream.set_nonblocking(true)?;
            tokio::net::UnixStream::from_std(stream)
        };
        open().map_err(|error| self.gone(&error))
    }

    /// Nothing was asked.
    fn gone(&self, error: &std::io::Error) -> TmuxError {
        TmuxError::NoRelay {
            socket: self.socket.clone(),
            why: error.to_string(),
        }
    }

    /// Connects or fails at once: a queue that somebody keeps full is not waited for, and nothing is said to anybody else.
    fn connect(&self) -> std::io::Result<UnixStream> {
        let address = SocketAddrUnix::new(&self.socket)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let open = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        rustix::net::connect(&open, &address)?;
        let whose = socket_peercred(&open)?.uid.as_raw();
        if whose != self.uid {
            return Err(std::io::Error::new(
                std::io::ErrorKind::PermissionDenied,
                format!("uid {whose} listens there, and not uid {}", self.uid),
            ));
        }
        let stream = UnixStream::from(open);
        stream.set_nonblocking(false)?;
        Ok(stream)
    }
}

/// Git as a person would run it in a folder, but for what its repository makes it start unasked: hooks and the file monitor.
pub fn git_in(folder: &Path, words: &[impl AsRef<OsStr>]) -> tokio::process::Command {
    let mut command = tokio::process::Command::new("git");
    command
        .args([
            "-c",
            "core.fsmonitor=false",
            "-c",
            "core.hooksPath=/dev/null",
        ])
        .arg("-C")
        .arg(folder)
        .args(words)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .kill_on_drop(true);
    command
}

fn line(question: &Question) -> std::io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    Ok(line)
}

/// The agents' home folder, and how it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentsHome {
    folder: PathBuf,
    /// Who reads it, if the daemon's account is not the agents'.
    relay: Option<Relay>,
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
    /// The home of another account, read by its relay.
    pub fn relayed(folder: &Path, relay: Relay) -> Self {
        Self {
            folder: folder.to_owned(),
            relay: Some(relay),
        }
    }

    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Says why nobody reads it now; `None` if somebody does.
    pub fn unread(&self) -> Option<String> {
        self.relay.as_ref()?.missing()
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
        let Some(relay) = &self.relay else {
            return here();
        };
        relay.ask(&question()).unwrap_or_else(|error| {
            tracing::debug!(%error, "the relay does not answer");
            T::default()
        })
    }
}

/// A connection with one deadline for all that is said on it: whoever answers a byte now and then gets no more time for it.
struct Within {
    stream: UnixStream,
    until: Instant,
}

impl Within {
    fn new(stream: UnixStream, limit: Duration) -> Self {
        Self {
            stream,
            until: Instant::now() + limit,
        }
    }

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
