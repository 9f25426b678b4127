//! How a call of tmux fails, as classes that say what to do.

use std::path::PathBuf;

/// A call of tmux that did not do what was asked. A protocol error or a deadline never means that a session is gone.
#[derive(Debug, serde::Serialize, serde::Deserialize, thiserror::Error)]
pub enum TmuxError {
    /// The program is not installed.
    #[error("the program `tmux` is not on PATH")]
    Missing,
    /// Nothing listens on the socket.
    #[error("no tmux server listens on `{socket}`")]
    NoServer {
        /// The socket.
        socket: PathBuf,
    },
    /// Nobody of the agents' account runs clients for us; nothing was asked.
    #[error("the relay does not answer on `{socket}`: {why}")]
    NoRelay {
        /// Its socket.
        socket: PathBuf,
        /// What connecting met.
        why: String,
    },
    /// The server is there; the pane, window or session is not.
    #[error("{what} is not in the tmux server")]
    NoTarget {
        /// What was addressed.
        what: String,
    },
    /// The server was started by another version of tmux.
    #[error("this tmux cannot talk to the running server: {why}")]
    ProtocolMismatch {
        /// Its words.
        why: String,
    },
    /// No answer in time; the client was ended. Whether the command ran is not known.
    #[error("tmux did not answer `{command}` within {seconds} s")]
    Timeout {
        /// The first command of the call.
        command: String,
        /// The deadline.
        seconds: u64,
    },
    /// The command would not fit in one tmux message; it was not sent.
    #[error("the tmux command `{command}` is too long ({bytes} bytes)")]
    TooLong {
        /// The first command of the call.
        command: String,
        /// Its size.
        bytes: usize,
    },
    /// A window was asked for and may be there, with its program running.
    #[error("the new window is not proven to be there: {0}")]
    Unsettled(Box<TmuxError>),
    /// Anything else.
    #[error("tmux could not do `{command}`: {why}")]
    Failed {
        /// The first command of the call.
        command: String,
        /// Its words.
        why: String,
    },
}

impl TmuxError {
    /// Returns what to do about it, if a person can do something.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing => Some("install tmux 3.3a or later"),
            Self::NoServer { .. } => {
                Some("start it with `pointsman up`, or `systemctl --user start pointsman-tmux`")
            }
            Self::NoRelay { .. } => Some(
                "`systemctl status pointsman-relay` says whether it runs; `sudo pointsman service install --two-users` installs it",
            ),
            Self::ProtocolMismatch { .. } => Some(
                "tmux was upgraded while its server ran: finish the sessions, then `pointsman down` and `pointsman up`",
            ),
            Self::Timeout { .. } => {
                Some("the tmux server hangs or the machine is overloaded: try again in a moment")
            }
            Self::Unsettled(error) => error.hint(),
            Self::NoTarget { .. } => {
                Some("it ended meanwhile: `pointsman status` shows what is there")
            }
            Self::TooLong { .. } => Some("shorten the paths and variables that are in it"),
            Self::Failed { .. } => Some("`pointsman doctor` looks at tmux and its servers"),
        }
    }

    /// Sorts a client's words into a class.
    pub(super) fn classify(command: &str, socket: &std::path::Path, words: &str) -> Self {
        let said = words.trim();
        let has = |needle: &str| said.contains(needle);
        if has("no server running")
            || has("error connecting to")
            || has("server exited")
            || has("lost server")
        {
            Self::NoServer {
                socket: socket.to_owned(),
            }
        } else if has("protocol version mismatch") {
            Self::ProtocolMismatch {
                why: said.to_owned(),
            }
        } else if has("can't find") || has("no such") || has("no current") || has("no sessions") {
            Self::NoTarget {
                what: said.trim_start_matches("can't find ").to_owned(),
            }
        } else if has("too long") {
            Self::TooLong {
                command: command.to_owned(),
                bytes: 0,
            }
        } else {
            Self::Failed {
                command: command.to_owned(),
                why: said.to_owned(),
            }
        }
    }
}
