//! What an agent's own files say of it: status files, hooks, transcript, rollout. Read by the account that owns them (`relay`).

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::native::is_plain;
use super::open::open_regular;
use super::process::Process;
use super::receipt::{HookSpool, Whereabouts, claude_transcripts};
use super::rollout;
use super::sample::fill;
use super::turns::{FileCache, Form, Turns, short};
use crate::domain::Signals;
use crate::machine::resolve::{Claim, Evidence, Source, is_believed};

/// Bytes of a status file: the real ones have 600.
const STATUS_BYTES_MAX: u64 = 64 * 1024;

/// Which files are asked for, and of whom they may speak.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Wanted {
    /// The sources that the profile names.
    pub(super) signals: Signals,
    /// The processes of the pane, its first one first.
    pub(super) processes: Vec<Process>,
    /// The agent's own, if it is there.
    pub(super) agent: Option<Process>,
    /// The pane's folder.
    pub(super) cwd: PathBuf,
    /// The pane's id.
    pub(super) pane: String,
    /// What the agent's hooks append to.
    pub(super) hooks: Option<HookSpool>,
    /// Whether its version matters.
    pub(super) version: bool,
    /// As of when.
    pub(super) now: Timestamp,
}

/// Reads them.
pub(super) fn listen(home: &Path, cache: &FileCache, wanted: &Wanted) -> Gather {
    let mut heard = Gather::new(wanted.now);
    heard.files(home, wanted);
    heard.turns(home, cache, wanted);
    if heard.version.is_none() && wanted.version {
        let agent = wanted.agent.as_ref();
        heard.version = agent.and_then(Process::package_version);
    }
    heard
}

/// A status file, Claude Code's or the generic one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusFile {
    status: Option<String>,
    pid: Option<u32>,
    #[serde(default, deserialize_with = "words")]
    session_id: Option<String>,
    #[serde(default, deserialize_with = "words")]
    waiting_for: Option<String>,
    #[serde(default, deserialize_with = "words")]
    tmux: Option<String>,
    #[serde(default, deserialize_with = "words")]
    version: Option<String>,
    /// Claude Code's: when the process started, in the kernel's ticks. A number alone may have had another life.
    #[serde(default, deserialize_with = "words")]
    proc_start: Option<String>,
}

/// Takes whatever a later version writes there: a number has its digits, anything else the words that no comparison fits.
fn words<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    Ok(match serde_json::Value::deserialize(from)? {
        serde_json::Value::Null => None,
        serde_json::Value::String(words) => Some(words),
        other => Some(other.to_string()),
    })
}

/// Evidence under way.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Gather {
    pub(super) rows: Vec<Evidence>,
    pub(super) ignored: Vec<String>,
    /// The conversation's id, as the agent tells it.
    pub(super) session: Option<String>,
    pub(super) version: Option<String>,
    pub(super) now: Timestamp,
}

impl Gather {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            rows: Vec::new(),
            ignored: Vec::new(),
            session: None,
            version: None,
            now,
        }
    }

    pub(super) fn add(&mut self, source: Source, claim: Claim, detail: impl Into<String>) {
        self.add_at(source, claim, detail.into(), self.now);
    }

    fn add_at(&mut self, source: Source, claim: Claim, detail: String, at: Timestamp) {
        let is_its_own = matches!(
            source,
            Source::Registry | Source::StateFile | Source::Hook | Source::Transcript
        );
        self.rows.push(Evidence {
            source,
            claim,
            detail,
            at,
            session: self.session.clone().filter(|_| is_its_own),
        });
    }

    fn ignore(&mut self, source: Source, why: &str) {
        self.ignored.push(format!("{}: {why}", source.name()));
    }

    fn tell(&mut self, source: Source, turns: &Turns, born: Option<Timestamp>) {
        for (claim, words, at) in turns.said(born, self.now) {
            self.add_at(source, claim, words, at);
        }
        for why in &turns.ignored {
            self.ignore(source, why);
        }
        if self.version.is_none() {
            self.version.clone_from(&turns.version);
        }
    }

    /// Refuses limits that no provider has: a torn or forged number would keep an account away for years.
    pub(super) fn doubt_limits(&mut self) {
        let now = self.now;
        let is_far = |row: &Evidence| matches!(row.claim, Claim::RateLimited(Some(until)) if !is_believed(until, now));
        let far: Vec<Source> = self
            .rows
            .extract_if(.., |row| is_far(row))
            .map(|row| row.source)
            .collect();
        for source in far {
            self.ignore(source, "a limit that ends more than 8 days from now");
        }
    }

    /// Takes what the agents' files said.
    pub(super) fn join(&mut self, told: Self) {
        self.rows.extend(told.rows);
        self.ignored.extend(told.ignored);
        self.session = self.session.take().or(told.session);
        self.version = self.version.take().or(told.version);
    }

    /// Reads the status files the profile names.
    fn files(&mut self, home: &Path, wanted: &Wanted) {
        let pane = &wanted.pane;
        let template = wanted.signals.state_file.as_deref();
        for process in &wanted.processes {
            if wanted.signals.claude_sessions {
                let path = home.join(format!(".claude/sessions/{}.json", process.pid));
                self.status(Source::Registry, &path, process, pane);
            }
            if let Some(template) = template.filter(|template| template.contains("{pid}")) {
                let path = fill(template, home, process.pid, &wanted.cwd);
                self.status(Source::StateFile, &path, process, pane);
            }
        }
        // A path without `{pid}` is read once, for the process it names itself.
        if let Some(template) = template.filter(|template| !template.contains("{pid}")) {
            let path = fill(template, home, 0, &wanted.cwd);
            let owner = read_status(&path).ok().flatten().and_then(|file| file.pid);
            let mut all = wanted.processes.iter();
            let process = all.find(|process| Some(process.pid) == owner);
            if let Some(process) = process.or(wanted.processes.first()) {
                self.status(Source::StateFile, &path, process, pane);
            }
        }
    }

    /// Reads what the agent's own files tell of its turns.
    fn turns(&mut self, home: &Path, cache: &FileCache, wanted: &Wanted) {
        let signals = &wanted.signals;
        let Some(agent) = &wanted.agent else { return };
        let born = agent.started();
        let at = |session: Option<String>| Whereabouts {
            home: home.to_owned(),
            cwd: wanted.cwd.clone(),
            agent: Some(agent.clone()),
            session,
            hooks: None,
        };
        let session = self.session.clone();
        let mut transcript = None;
        // Without its id, which of a folder's conversations is this one is not known.
        if signals.claude_sessions && session.is_some() {
            let paths = claude_transcripts(&at(session.clone()));
            transcript = paths.iter().find_map(|path| cache.read(path, Form::Claude));
        }
        if let Some(spool) = wanted.hooks.as_ref().filter(|_| signals.claude_hooks) {
            let form = Form::Hooks {
                secret: &spool.secret,
                session: session.as_deref(),
            };
            let hooks = cache.read(&spool.path, form);
            // No hook tells that a person stopped the turn; the transcript does.
            let is_over = |hooks: &Turns| {
                let ended = |since| {
                    transcript
                        .as_ref()
                        .is_some_and(|turns| turns.ends_after(since))
                };
                hooks.open_since().is_some_and(ended)
            };
            if let Some(hooks) = hooks.filter(|hooks| !is_over(hooks)) {
                self.tell(Source::Hook, &hooks, born);
            }
        }
        if let Some(transcript) = &transcript {
            self.tell(Source::Transcript, transcript, born);
        }
        // A person's own agent has no hooks that tell of its start: that its conversation has no turn is its second word.
        if let Some(session) = session.filter(|_| signals.claude_sessions && wanted.hooks.is_none())
        {
            let is_begun = match &transcript {
                Some(turns) => !turns.is_bare,
                None => !has_no_transcript(home, &session),
            };
            if !is_begun {
                self.add(Source::Transcript, Claim::Idle, "no turn since it started");
            }
        }
        if signals.codex_rollout {
            self.rollouts(&at(None), cache, wanted, agent);
        }
    }

    /// Hears what Codex writes: of several conversations in one folder only those that its process holds open.
    fn rollouts(&mut self, at: &Whereabouts, cache: &FileCache, wanted: &Wanted, agent: &Process) {
        let born = agent.started();
        let held = rollout::held(&at.home, &wanted.processes, agent);
        let is_held = !held.is_empty();
        let (files, is_all) = if is_held {
            (held, true)
        } else {
            let found = rollout::find(at, |path| cache.folder(path));
            (found.files, found.is_all)
        };
        if !is_held && files.len() > 1 {
            let why = "several rollouts of its folder, and its process holds none open";
            return self.ignore(Source::Rollout, why);
        }
        let turns: Vec<_> = files
            .iter()
            .filter_map(|path| cache.read(path, Form::Codex))
            .collect();
        // One that is at work counts before the newest.
        let at_work = turns.iter().find(|turns| turns.open_since().is_some());
        match at_work.or(turns.first()) {
            Some(turns) => self.tell(Source::Rollout, turns, born),
            // It is begun with the first prompt.
            None if files.is_empty() && is_all && at.home.join(".codex").is_dir() => {
                self.add(Source::Rollout, Claim::Idle, "no turn since it started");
            }
            None => self.ignore(Source::Rollout, "not every rollout could be read"),
        }
    }

    /// Hears a status file, if it is this process's and this pane's.
    fn status(&mut self, source: Source, path: &Path, process: &Process, pane: &str) {
        let file = match read_status(path) {
            Ok(Some(file)) => file,
            Ok(None) => return,
            Err(why) => return self.ignore(source, &why),
        };
        let start = process.start_ticks.to_string();
        if file.pid != Some(process.pid) {
            return self.ignore(source, "a file of another process");
        }
        if file.proc_start.is_some_and(|own| own != start) {
            return self.ignore(source, "a file that a dead process of that number left");
        }
        if let Some(place) = file.tmux.as_ref().filter(|place| !place.is_empty())
            && !place.ends_with(&format!(".{pane}"))
        {
            return self.ignore(source, "a file of another pane");
        }
        let session = file.session_id.filter(|id| is_plain(id));
        self.session = self.session.take().or(session);
        self.version = self.version.take().or_else(|| file.version.clone());
        let waiting = file.waiting_for.as_deref().unwrap_or_default();
        let status = file.status.as_deref().unwrap_or_default();
        let claim = match status {
            "idle" | "ready" => Claim::Idle,
            "busy" | "working" => Claim::Busy,
            "starting" => Claim::Starting,
            "error" => Claim::Failed,
            "permission" => Claim::Permission,
            "question" => Claim::Question,
            // facts/agents.md 4.1: `permission prompt`, `input needed`, `dialog open`.
            "waiting" if waiting.contains("permission") => Claim::Permission,
            "waiting" if waiting.contains("input") => Claim::Question,
            "waiting" | "dialog" => Claim::Dialog,
            // Its own shell mode, or a word of a later version: known to be there, not known to be free.
            _ => Claim::KeysAstray,
        };
        let words = short(&format!("{status} {waiting}"));
        self.add(source, claim, words);
    }
}

/// Returns whether no folder of Claude Code's has a transcript of that conversation: where it keeps them is a version's own affair.
fn has_no_transcript(home: &Path, session: &str) -> bool {
    let name = format!("{session}.jsonl");
    let Ok(folders) = std::fs::read_dir(home.join(".claude/projects")) else {
        return false;
    };
    folders.into_iter().all(|folder| {
        folder.is_ok_and(|folder| matches!(folder.path().join(&name).try_exists(), Ok(false)))
    })
}

/// Reads a status file; `None` if there is none, and why it says nothing if it is torn.
fn read_status(path: &Path) -> Result<Option<StatusFile>, String> {
    use std::io::Read as _;
    let file = match open_regular(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::InvalidInput => {
            return Err("no regular file".to_owned());
        }
        Err(_) => return Ok(None),
    };
    let mut bytes = Vec::new();
    file.take(STATUS_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("a file that cannot be read ({error})"))?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|_| "a torn file, or one of another kind".to_owned())
}
