//! What the agent itself says of its state, as files: the state file and the transcript.
//!
//! Both lie below `$HOME/.pointsman-demo`, named by process id, as real agents do it (`agents/demo.toml` reads them).

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Serialize;

/// What the agent is doing, in the words of the state file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// Waits for a text.
    Idle,
    /// At work.
    Busy,
    /// Waits for a person's yes or no.
    Waiting,
}

impl Status {
    /// Returns the pane's title.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Idle => "demo: idle",
            Self::Busy => "demo: busy",
            Self::Waiting => "demo: asks",
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State<'a> {
    status: Status,
    pid: u32,
    cwd: &'a Path,
    #[serde(rename = "since_ms")]
    since_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<&'static str>,
}

#[derive(Serialize)]
struct Turn<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    text: &'a str,
    at_ms: i64,
}

/// The two files of one process. The state file is gone once this is dropped; the transcript stays.
#[derive(Debug)]
pub(super) struct Record {
    state: PathBuf,
    transcript: File,
    cwd: PathBuf,
    pid: u32,
}

impl Record {
    /// Opens the files of this process below the home folder.
    pub(super) fn open(home: &Path, cwd: &Path) -> io::Result<Self> {
        let folder = home.join(".pointsman-demo");
        let sessions = folder.join("sessions");
        fs::create_dir_all(&sessions)?;
        let pid = std::process::id();
        let path = folder.join(format!("transcript-{pid}.jsonl"));
        // Process ids are used again: an old transcript of the same id would be a receipt for texts of long ago.
        let transcript = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .open(path)?;
        File::open(&folder)?.sync_all()?;
        Ok(Self {
            state: sessions.join(format!("{pid}.json")),
            transcript,
            cwd: cwd.to_owned(),
            pid,
        })
    }

    /// Says what the agent is doing since `now`: a reader sees the old words or the new ones, never half of them.
    pub(super) fn say(&self, status: Status, now: Timestamp) -> io::Result<()> {
        let state = State {
            status,
            pid: self.pid,
            cwd: &self.cwd,
            since_ms: now.as_millisecond(),
            waiting_for: (status == Status::Waiting).then_some("permission prompt"),
        };
        let temporary = self.state.with_extension("json.tmp");
        fs::write(&temporary, serde_json::to_vec(&state)?)?;
        fs::rename(&temporary, &self.state)
    }

    /// Writes down a submitted text. When this returns it is durable: the receipt comes before the deed.
    pub(super) fn receive(&mut self, text: &str, now: Timestamp) -> io::Result<()> {
        let turn = Turn {
            kind: "user",
            text,
            at_ms: now.as_millisecond(),
        };
        let mut line = serde_json::to_vec(&turn)?;
        line.push(b'\n');
        self.transcript.write_all(&line)?;
        self.transcript.sync_all()
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        // Gone already is as good; a process that is killed leaves it, and its reader compares the pid.
        let _gone = fs::remove_file(&self.state);
    }
}
