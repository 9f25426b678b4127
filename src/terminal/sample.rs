//! Gathers evidence about one pane and resolves it. Reads `/proc` and a few small files; blocking, a millisecond at most.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::process::{Process, ProcessTree};
use super::relay::AgentsHome;
use super::row::Seen;
use super::screen::{Composer, ProfileError, Recogniser, TitleClaim};
use crate::domain::{PaneSample, Profile, ScreenClaim};
use crate::machine::resolve::{Claim, Evidence, Resolved, Source, resolve};

/// A person who touched the session this recently is present (facts/terminal.md 3.6: 30 to 120 s).
const HUMAN_PRESENT: Duration = Duration::from_mins(1);
/// How long after a person's last key an adopted pane is left alone (DESIGN 7).
const HUMAN_GONE: Duration = Duration::from_mins(10);
/// How long a pane without its agent may be starting (facts/agents.md 5.3: `OpenCode` took 28 s on a loaded machine).
const STARTING_MAX: Duration = Duration::from_mins(1);
/// Bytes of a status file: the real ones have 600.
const STATUS_BYTES_MAX: u64 = 64 * 1024;

/// Samples the panes of one profile.
#[derive(Clone, Debug)]
pub struct Sampler {
    profile: Profile,
    home: AgentsHome,
    recogniser: Recogniser,
}

/// One sample and what the next one needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// The sample.
    pub sample: PaneSample,
    /// To be given to the next call.
    pub resolved: Resolved,
    /// Every witness, for `explain`.
    pub evidence: Vec<Evidence>,
    /// The agent's process, if it is there.
    pub agent: Option<Process>,
    /// The agent's own id of its conversation, if it tells it.
    pub session: Option<String>,
}

/// A status file, Claude Code's or the generic one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusFile {
    status: Option<String>,
    pid: Option<u32>,
    session_id: Option<String>,
    waiting_for: Option<String>,
    tmux: Option<String>,
}

impl Sampler {
    /// Compiles a profile; `home` is the agents' home folder.
    pub fn new(profile: Profile, home: impl Into<AgentsHome>) -> Result<Self, ProfileError> {
        let recogniser = Recogniser::new(&profile)?;
        Ok(Self {
            profile,
            home: home.into(),
            recogniser,
        })
    }

    /// Returns the profile's patterns, for guards.
    pub fn recogniser(&self) -> &Recogniser {
        &self.recogniser
    }

    /// Returns the profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Samples a pane. `previous` is the last sample of the same pane: idle takes two.
    pub fn sample(
        &self,
        seen: &Seen,
        managed: bool,
        previous: Option<&Resolved>,
        now: Timestamp,
    ) -> Sampled {
        let tree = ProcessTree::below(seen.row.pane.pid);
        let agent = tree.agent(&self.profile.processes);
        let mut evidence = Gather {
            rows: Vec::new(),
            now,
        };
        evidence.process(seen, &tree, agent);
        evidence.flags(seen, managed);
        let session = self.files(&tree, seen, &mut evidence);
        self.title(seen, &mut evidence);
        let native = agent.filter(|_| self.profile.signals.opencode_http);
        if let Some(claim) = native.and_then(super::native::ask) {
            evidence.add(Source::Native, claim, "");
        }
        let composer = self.screen(seen, &mut evidence);
        let context = agent.map_or_else(String::new, |agent| {
            format!(
                "{}.{}{}",
                agent.pid,
                agent.start_ticks,
                session
                    .as_ref()
                    .map(|id| format!(".{id}"))
                    .unwrap_or_default()
            )
        });
        let row = &seen.row;
        let print = format!(
            "{}|{context}|{:?}|{:?}|{composer:?}",
            row.pane.pid, row.cursor, row.size
        );
        let resolved = resolve(&evidence.rows, &self.profile, &print, previous, now);
        let sample = PaneSample {
            pane: row.pane.clone(),
            at: now,
            state: resolved.state.clone(),
            managed,
            context,
            traces: seen.traces.clone(),
        };
        Sampled {
            sample,
            resolved,
            evidence: evidence.rows,
            agent: agent.cloned(),
            session,
        }
    }

    /// Takes what the status files say that the profile names; returns the conversation's id.
    fn files(&self, tree: &ProcessTree, seen: &Seen, evidence: &mut Gather) -> Option<String> {
        let signals = &self.profile.signals;
        if !signals.claude_sessions && signals.state_file.is_none() {
            return None;
        }
        let wanted = Wanted {
            registry: signals.claude_sessions,
            state_file: signals.state_file.clone(),
            pids: tree.processes.iter().map(|process| process.pid).collect(),
            cwd: seen.row.path.clone(),
            pane: seen.row.pane.id.clone(),
        };
        let mut session = None;
        for (told, file) in self.home.status(&wanted) {
            let source = match told {
                Told::Registry => Source::Registry,
                Told::StateFile => Source::StateFile,
            };
            evidence.status(source, &file);
            session = session.or(file.session_id);
        }
        session
    }

    fn title(&self, seen: &Seen, evidence: &mut Gather) {
        let claim = match self.recogniser.read_title(&seen.row.title) {
            Some(TitleClaim::Asks) => Claim::Permission,
            Some(TitleClaim::Busy) => Claim::Busy,
            Some(TitleClaim::Idle) => Claim::Idle,
            None => return,
        };
        evidence.add(Source::Title, claim, printable(&seen.row.title));
    }

    fn screen(&self, seen: &Seen, evidence: &mut Gather) -> Composer {
        let reading = self.recogniser.read(&seen.capture);
        for (name, claim) in reading.dialog.into_iter().chain(reading.rule) {
            let claim = match claim {
                ScreenClaim::Busy => Claim::Busy,
                ScreenClaim::Idle => Claim::Idle,
                ScreenClaim::Permission => Claim::Permission,
                ScreenClaim::Question => Claim::Question,
                ScreenClaim::Dialog => Claim::Dialog,
                ScreenClaim::RateLimited => Claim::RateLimited(None),
                ScreenClaim::Error => Claim::Failed,
            };
            evidence.add(Source::Screen, claim, name);
        }
        let claim = match &reading.composer {
            Composer::Absent => Claim::ComposerAbsent,
            Composer::Empty => Claim::ComposerEmpty,
            Composer::Draft(_) => Claim::ComposerDraft,
        };
        evidence.add(Source::Screen, claim, String::new());
        let in_row = reading.composer_row == Some(seen.row.cursor.1);
        if self.recogniser.cursor_in_composer && in_row && seen.row.cursor_shown {
            evidence.add(Source::Tmux, Claim::CursorInComposer, String::new());
        }
        reading.composer
    }
}

/// Evidence under way.
struct Gather {
    rows: Vec<Evidence>,
    now: Timestamp,
}

impl Gather {
    fn add(&mut self, source: Source, claim: Claim, detail: impl Into<String>) {
        self.rows.push(Evidence {
            source,
            claim,
            detail: detail.into(),
            at: self.now,
        });
    }

    fn process(&mut self, seen: &Seen, tree: &ProcessTree, agent: Option<&Process>) {
        if seen.row.dead {
            let status = seen
                .row
                .dead_status
                .map_or_else(|| "by a signal".to_owned(), |code| format!("exit {code}"));
            return self.add(Source::Tmux, Claim::PaneDead, status);
        }
        let Some(root) = tree.processes.first() else {
            return;
        };
        match (agent, tree.shell_in_front()) {
            (Some(agent), _) if agent.foreground => {
                self.add(Source::Process, Claim::AgentInFront, &agent.name);
            }
            (Some(_), front) => {
                let name = front
                    .or_else(|| tree.processes.iter().find(|process| process.foreground))
                    .map_or("", |process| &process.name);
                self.add(Source::Process, Claim::AgentBehind, name);
            }
            (None, Some(shell)) => self.add(Source::Process, Claim::ShellInFront, &shell.name),
            (None, None) => {
                self.add(Source::Process, Claim::AgentMissing, &root.name);
                let age = root
                    .started()
                    .map(|started| self.now.duration_since(started));
                if age.is_some_and(|age| age.unsigned_abs() < STARTING_MAX) {
                    self.add(Source::Process, Claim::Starting, &root.name);
                }
            }
        }
    }

    fn flags(&mut self, seen: &Seen, managed: bool) {
        let row = &seen.row;
        for (is_on, name) in [
            (row.in_mode, "copy mode"),
            (row.input_off, "input off"),
            (row.synchronized, "synchronized panes"),
        ] {
            if is_on {
                self.add(Source::Tmux, Claim::KeysAstray, name);
            }
        }
        let age = row
            .last_human()
            .map(|touched| self.now.duration_since(touched));
        let touched_within = |limit: Duration| age.is_some_and(|age| age.unsigned_abs() < limit);
        // Nobody types in a managed pane without being attached; an adopted one is its person's, who may just look at it.
        let is_present = if managed {
            row.attached > 0 && touched_within(HUMAN_PRESENT)
        } else {
            row.shown > 0 || touched_within(HUMAN_GONE)
        };
        if is_present {
            self.add(
                Source::Client,
                Claim::HumanPresent,
                format!("{} clients", row.attached),
            );
        }
    }

    fn status(&mut self, source: Source, file: &StatusFile) {
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
        self.add(source, claim, format!("{status} {waiting}").trim());
    }
}

/// Which status files are asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Wanted {
    registry: bool,
    state_file: Option<String>,
    pids: Vec<u32>,
    cwd: PathBuf,
    pane: String,
}

/// Which kind of status file says it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) enum Told {
    Registry,
    StateFile,
}

/// Reads the status files of a pane's processes, in their order.
pub(super) fn status_files(home: &Path, wanted: &Wanted) -> Vec<(Told, StatusFile)> {
    let of_this_pane = |file: &StatusFile| {
        file.tmux
            .as_ref()
            .is_none_or(|place| place.is_empty() || place.ends_with(&format!(".{}", wanted.pane)))
    };
    let mut found = Vec::new();
    for pid in &wanted.pids {
        if wanted.registry {
            let path = home.join(format!(".claude/sessions/{pid}.json"));
            let file = read_status(&path, *pid).filter(of_this_pane);
            found.extend(file.map(|file| (Told::Registry, file)));
        }
        if let Some(template) = &wanted.state_file {
            let path = fill(template, home, *pid, &wanted.cwd);
            // A path without `{pid}` is read once, for the process it names itself.
            let file = read_status(&path, *pid);
            found.extend(file.map(|file| (Told::StateFile, file)));
        }
    }
    found
}

/// Reads a status file that names the process it belongs to; a torn or foreign one says nothing.
fn read_status(path: &Path, pid: u32) -> Option<StatusFile> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(path)
        .ok()?
        .take(STATUS_BYTES_MAX)
        .read_to_string(&mut text)
        .ok()?;
    let file: StatusFile = serde_json::from_str(&text).ok()?;
    (file.pid == Some(pid)).then_some(file)
}

/// Fills a profile's file name (`FILE_PLACEHOLDERS`) and makes it absolute from the agents' home.
pub(super) fn fill(template: &str, home: &Path, pid: u32, cwd: &Path) -> PathBuf {
    let cwd = cwd.to_string_lossy();
    let filled = template
        .replace("{home}", &home.to_string_lossy())
        .replace("{pid}", &pid.to_string())
        .replace("{cwd_dashes}", &cwd.replace(['/', '.'], "-"))
        .replace("{cwd}", &cwd);
    home.join(filled.strip_prefix("~/").unwrap_or(&filled))
}

/// Returns a title that is safe to print: any program in the pane can set it.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(80)
        .collect()
}
