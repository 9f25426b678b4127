//! One control-mode client: our own reader of tmux's line protocol.
//!
//! Text inside a block is not escaped, so a pane may print a line that looks like `%end`. A block ends at the *whole* tag of its
//! own `%begin`, and a capture is read by the number of rows the server announced in the same command line.

use std::process::Stdio;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::{Child, ChildStdin, ChildStdout};

use super::argv;
use super::client::{DEADLINE, Tmux};
use super::ending::Held;
use super::error::TmuxError;
use super::process::Process;

/// Longest line: 1,000 columns with an escape sequence each, and room.
const LINE_BYTES_MAX: usize = 256 * 1024;
/// Lines of one block: panes of one server, with room (DESIGN 7: above 400 several sockets).
const BLOCK_LINES_MAX: usize = 10_000;
/// How long a client may take to leave after its stdin was closed (facts/terminal.md F57: never kill first).
const LEAVE: Duration = Duration::from_secs(1);

/// Variable of a client that names the process which reads it, by id.
const READER: &str = "POINTSMAN_READER";

/// A connected control-mode client.
#[derive(Debug)]
pub(super) struct Control {
    link: Link,
    unread: BytesMut,
    /// A notification came that means something appeared or went away.
    woken: bool,
}

/// Where the client is.
#[derive(Debug)]
enum Link {
    /// A process of ours.
    Here {
        child: Box<Child>,
        stdin: ChildStdin,
        stdout: ChildStdout,
    },
    /// One of the agents' account, which its relay ends with the connection.
    Relay(UnixStream),
}

/// The answer to one command.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) ok: bool,
    pub(super) lines: Vec<String>,
}

impl Control {
    /// Attaches to `session` and waits until the server takes commands.
    pub(super) async fn attach(tmux: &Tmux, session: &str) -> Result<Self, TmuxError> {
        let link = match tmux.relay() {
            Some(relay) => Link::Relay(relay.control(session).await?),
            None => Link::start(tmux, session)?,
        };
        let mut control = Self {
            link,
            unread: BytesMut::new(),
            woken: false,
        };
        match tokio::time::timeout(DEADLINE, control.greet(tmux)).await {
            Ok(done) => done.map(|()| control),
            Err(_) => Err(timeout()),
        }
    }

    /// Reads up to the first `%session-changed`: commands sent before it may be refused (facts/terminal.md 5.2).
    async fn greet(&mut self, tmux: &Tmux) -> Result<(), TmuxError> {
        let mut words = String::new();
        for _ in 0..BLOCK_LINES_MAX {
            match self.line().await {
                Ok(line) if line.starts_with("%session-changed ") => return Ok(()),
                Ok(line) if line.starts_with('%') => {}
                Ok(line) => words.push_str(&line),
                Err(_) => break,
            }
        }
        self.link.complaint(&mut words).await;
        Err(TmuxError::classify("attach-session", tmux.socket(), &words))
    }

    /// Sends command lines, each ended by a newline. At most one chunk at a time, so that neither side waits for the other.
    pub(super) async fn send(&mut self, lines: &str) -> Result<(), TmuxError> {
        self.link.write(lines.as_bytes()).await.map_err(|_| lost())
    }

    /// Reads the answer to our next command. With `rows`, the first that many lines are text whatever they look like.
    pub(super) async fn reply(&mut self, rows: Option<u16>) -> Result<Reply, TmuxError> {
        loop {
            let line = self.line().await?;
            let Some(tag) = line.strip_prefix("%begin ").map(str::to_owned) else {
                self.notice(&line)?;
                continue;
            };
            // The last field is 1 for our own commands; other blocks are those of hooks and of the attach itself.
            let ours = tag.ends_with(" 1");
            let reply = self.block(&tag, if ours { rows } else { None }).await?;
            if ours {
                return Ok(reply);
            }
        }
    }

    async fn block(&mut self, tag: &str, rows: Option<u16>) -> Result<Reply, TmuxError> {
        let mut lines = Vec::new();
        for _ in 0..rows.unwrap_or(0) {
            lines.push(self.line().await?);
        }
        while lines.len() < BLOCK_LINES_MAX {
            let line = self.line().await?;
            let ended = line.split_once(' ').filter(|(_, rest)| *rest == tag);
            match ended.map(|(mark, _)| mark) {
                Some("%end") => return Ok(Reply { ok: true, lines }),
                Some("%error") => return Ok(Reply { ok: false, lines }),
                // The rows were counted: anything else here means that we lost our place.
                _ if rows.is_some() => break,
                _ => lines.push(line),
            }
        }
        Err(TmuxError::Failed {
            command: "control mode".to_owned(),
            why: "an answer did not end where it should".to_owned(),
        })
    }

    /// Waits until the server says that something appeared or went away. May be dropped at any point.
    pub(super) async fn notified(&mut self) -> Result<(), TmuxError> {
        while !std::mem::take(&mut self.woken) {
            let line = self.line().await?;
            self.notice(&line)?;
        }
        Ok(())
    }

    fn notice(&mut self, line: &str) -> Result<(), TmuxError> {
        match line.split_once(' ').map_or(line, |(name, _)| name) {
            "%exit" => Err(lost()),
            "%sessions-changed"
            | "%unlinked-window-add"
            | "%unlinked-window-close"
            | "%unlinked-window-renamed" => {
                self.woken = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Reads one line. Cancel-safe: what was read stays in `unread`.
    async fn line(&mut self) -> Result<String, TmuxError> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line = self.unread.split_to(end + 1);
                return Ok(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            if self.unread.len() > LINE_BYTES_MAX {
                return Err(TmuxError::Failed {
                    command: "control mode".to_owned(),
                    why: "a line without an end".to_owned(),
                });
            }
            match self.link.read(&mut self.unread).await {
                Ok(0) | Err(_) => return Err(lost()),
                Ok(_) => {}
            }
        }
    }

    /// Leaves politely: closes stdin, waits for the client to go, ends it last.
    pub(super) async fn leave(self) {
        let Link::Here {
            mut child,
            stdin,
            stdout,
        } = self.link
        else {
            return;
        };
        drop((stdin, stdout));
        if tokio::time::timeout(LEAVE, child.wait()).await.is_err() {
            // It had its second; dropping it would end it as well.
            let _ended = child.kill().await;
        }
    }
}

impl Link {
    /// Starts a client of ours.
    fn start(tmux: &Tmux, session: &str) -> Result<Self, TmuxError> {
        let tmux = tmux
            .clone()
            .with_env(READER, std::process::id().to_string());
        let ends = (Stdio::piped(), Stdio::piped(), Stdio::piped());
        let mut child = tmux.spawn(&argv::control(tmux.socket(), session), ends)?;
        let stdin = child.stdin.take().expect("it was piped");
        let stdout = child.stdout.take().expect("it was piped");
        Ok(Self::Here {
            child: Box::new(child),
            stdin,
            stdout,
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        match self {
            Self::Here { stdin, .. } => {
                stdin.write_all(bytes).await?;
                stdin.flush().await
            }
            Self::Relay(stream) => stream.write_all(bytes).await,
        }
    }

    async fn read(&mut self, into: &mut BytesMut) -> std::io::Result<usize> {
        match self {
            Self::Here { stdout, .. } => stdout.read_buf(into).await,
            Self::Relay(stream) => stream.read_buf(into).await,
        }
    }

    /// Reads what a client that ended said of it. On the relay's connection it came with the rest.
    async fn complaint(&mut self, words: &mut String) {
        if let Self::Here { child, .. } = self
            && let Some(mut stderr) = child.stderr.take()
        {
            // What was read before the pipe broke is enough to classify.
            let _partial = stderr.read_to_string(words).await;
        }
    }
}

/// Ends the clients on `session` whose reader was killed. tmux does not always: one with an answer that nobody read neither ends
/// nor lets its server end (3.3a, measured).
pub(super) async fn end_orphans(tmux: &Tmux, session: &str) -> Result<(), TmuxError> {
    if tmux.relay().is_some() {
        // The relay ends its clients itself.
        return Ok(());
    }
    let listed = match tmux.run(vec![argv::list_clients(session)]).await {
        Err(TmuxError::NoTarget { .. }) => return Ok(()),
        listed => listed?,
    };
    let orphans = listed
        .lines()
        .filter_map(|pid| Process::read(pid.parse().ok()?))
        .filter(is_orphan);
    Held::of(orphans).end(tmux).await;
    Ok(())
}

/// Whether a client's reader is no longer its parent, and so has ended. A person's own client has no reader.
fn is_orphan(client: &Process) -> bool {
    let environment = std::fs::read(format!("/proc/{}/environ", client.pid)).unwrap_or_default();
    environment
        .split(|byte| *byte == 0)
        .filter_map(|variable| std::str::from_utf8(variable).ok()?.strip_prefix(READER))
        .any(|reader| reader != format!("={}", client.parent))
}

/// The client or its server is gone: looked at again by attaching anew.
pub(super) fn lost() -> TmuxError {
    TmuxError::Failed {
        command: "control mode".to_owned(),
        why: "the connection to the server was lost".to_owned(),
    }
}

pub(super) fn timeout() -> TmuxError {
    TmuxError::Timeout {
        command: "control mode".to_owned(),
        seconds: DEADLINE.as_secs(),
    }
}
