//! Gathers evidence about one pane and resolves it. Reads `/proc` and a few small files; blocking, a millisecond at most.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Deserialize;

use super::process::{Process, ProcessTree};
use super::receipt::{HookSpool, Whereabouts, claude_transcripts, rollouts};
use super::row::Seen;
use super::screen::{Composer, ProfileError, Recogniser, TitleClaim};
use super::told::{Form, Shelf, Story, short};
use crate::domain::{PaneSample, Profile, ScreenClaim};
use crate::machine::resolve::{Claim, Evidence, Resolved, Source, resolve};

/// A person who touched the session this recently is present (facts/terminal.md 3.6: 30 to 120 s).
const HUMAN_PRESENT: Duration = Duration::from_mins(1);
/// How long after a person's last key an adopted pane is left alone (DESIGN 7).
const HUMAN_GONE: Duration = Duration::from_mins(10);
/// How long a pane without its agent may be starting (facts/agents.md 5.3: `OpenCode` took 28 s on a loaded machine).
const STARTING_MAX: Duration = Duration::from_mins(1);
/// An agent at work that prints nothing for so long stands still: every program's spinner moves each second.
const SILENT_MAX: Duration = Duration::from_mins(10);
/// Bytes of a status file: the real ones have 600.
const STATUS_BYTES_MAX: u64 = 64 * 1024;

/// Samples the panes of one profile.
#[derive(Clone, Debug)]
pub struct Sampler {
    profile: Profile,
    home: PathBuf,
    recogniser: Recogniser,
    /// The versions that the profile was measured with.
    versions: Option<semver::VersionReq>,
    shelf: Arc<Shelf>,
}

/// What is known of a window besides its screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Station {
    /// Whether the session is managed by us.
    pub managed: bool,
    /// What its agent's hooks append to.
    pub hooks: Option<HookSpool>,
}

impl Station {
    /// A window of ours without hooks.
    pub const MANAGED: Self = Self {
        managed: true,
        hooks: None,
    };
    /// A person's own pane.
    pub const ADOPTED: Self = Self {
        managed: false,
        hooks: None,
    };
}

/// One sample and what the next one needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sampled {
    /// The sample.
    pub sample: PaneSample,
    /// To be given to the next call.
    pub resolved: Resolved,
    /// Every witness, for `session explain`.
    pub evidence: Vec<Evidence>,
    /// What was not heard, and why.
    pub ignored: Vec<String>,
    /// The program's version, if it is known.
    pub version: Option<String>,
    /// The agent's process, if it is there.
    pub agent: Option<Process>,
    /// The agent's own id of its conversation, if it tells it.
    pub session: Option<String>,
}

/// A status file, Claude Code's or the generic one.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusFile {
    status: Option<String>,
    pid: Option<u32>,
    session_id: Option<String>,
    waiting_for: Option<String>,
    tmux: Option<String>,
    version: Option<String>,
    /// Claude Code's: when the process started, in the kernel's ticks. A number alone may have had another life.
    proc_start: Option<String>,
}

impl Sampler {
    /// Compiles a profile; `home` is the agents' home folder.
    pub fn new(profile: Profile, home: impl Into<PathBuf>) -> Result<Self, ProfileError> {
        let recogniser = Recogniser::new(&profile)?;
        let versions = Some(profile.versions.as_str()).filter(|text| !text.is_empty());
        Ok(Self {
            versions: versions.and_then(|text| semver::VersionReq::parse(text).ok()),
            profile,
            home: home.into(),
            recogniser,
            shelf: Arc::default(),
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
        station: &Station,
        previous: Option<&Resolved>,
        now: Timestamp,
    ) -> Sampled {
        let tree = ProcessTree::below(seen.row.pane.pid);
        let agent = tree.agent(&self.profile.processes);
        let mut evidence = Gather::new(now);
        evidence.process(seen, &tree, agent);
        evidence.flags(seen, station.managed);
        self.files(&tree, seen, &mut evidence);
        self.stories(agent, seen, station, &mut evidence);
        self.title(seen, &mut evidence);
        let native = agent.filter(|_| self.profile.signals.opencode_http);
        for (claim, words) in native.map(super::native::ask).unwrap_or_default() {
            evidence.add(Source::Native, claim, words);
        }
        let composer = self.screen(seen, &mut evidence);
        let other_version = self.other_version(agent, &mut evidence);
        let session = evidence.session.clone();
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
            managed: station.managed,
            context,
            traces: seen.traces.clone(),
            other_version,
        };
        Sampled {
            sample,
            resolved,
            evidence: evidence.rows,
            ignored: evidence.ignored,
            version: evidence.version,
            agent: agent.cloned(),
            session,
        }
    }

    /// Reads the status files the profile names.
    fn files(&self, tree: &ProcessTree, seen: &Seen, evidence: &mut Gather) {
        let pane = &seen.row.pane.id;
        let template = self.profile.signals.state_file.as_deref();
        for process in &tree.processes {
            if self.profile.signals.claude_sessions {
                let path = self
                    .home
                    .join(format!(".claude/sessions/{}.json", process.pid));
                evidence.status(Source::Registry, &path, process, pane);
            }
            if let Some(template) = template.filter(|template| template.contains("{pid}")) {
                let path = fill(template, &self.home, process.pid, &seen.row.path);
                evidence.status(Source::StateFile, &path, process, pane);
            }
        }
        // A path without `{pid}` is read once, for the process it names itself.
        if let Some(template) = template.filter(|template| !template.contains("{pid}")) {
            let path = fill(template, &self.home, 0, &seen.row.path);
            let owner = read_status(&path).ok().flatten().and_then(|file| file.pid);
            let mut all = tree.processes.iter();
            let process = all.find(|process| Some(process.pid) == owner);
            if let Some(process) = process.or(tree.processes.first()) {
                evidence.status(Source::StateFile, &path, process, pane);
            }
        }
    }

    /// Reads what the agent's own files tell of its turns.
    fn stories(
        &self,
        agent: Option<&Process>,
        seen: &Seen,
        station: &Station,
        evidence: &mut Gather,
    ) {
        let signals = &self.profile.signals;
        let Some(agent) = agent else { return };
        let born = agent.started();
        let at = |session: Option<String>| Whereabouts {
            home: self.home.clone(),
            cwd: seen.row.path.clone(),
            agent: Some(agent.clone()),
            session,
            hooks: None,
        };
        let session = evidence.session.clone();
        let mut transcript = None;
        // Without its id, which of a folder's conversations is this one is not known.
        if signals.claude_sessions && session.is_some() {
            let paths = claude_transcripts(&at(session.clone()));
            transcript = paths
                .iter()
                .find_map(|path| self.shelf.read(path, Form::Claude));
        }
        if let Some(spool) = station.hooks.as_ref().filter(|_| signals.claude_hooks) {
            let form = Form::Hooks {
                secret: &spool.secret,
                session: session.as_deref(),
            };
            let hooks = self.shelf.read(&spool.path, form);
            // No hook tells that a person stopped the turn; the transcript does.
            let is_over = |hooks: &Story| {
                let ended = |since| {
                    transcript
                        .as_ref()
                        .is_some_and(|story| story.ends_after(since))
                };
                hooks.open_since().is_some_and(ended)
            };
            if let Some(hooks) = hooks.filter(|hooks| !is_over(hooks)) {
                evidence.tell(Source::Hook, &hooks, born);
            }
        }
        if let Some(transcript) = transcript {
            evidence.tell(Source::Transcript, &transcript, born);
        }
        if signals.codex_rollout {
            let newest = rollouts(&at(None)).into_iter().next();
            match newest.and_then(|path| self.shelf.read(&path, Form::Codex)) {
                Some(rollout) => evidence.tell(Source::Rollout, &rollout, born),
                // It is begun with the first prompt.
                None if self.home.join(".codex").is_dir() => {
                    evidence.add(Source::Rollout, Claim::Idle, "no turn since it started");
                }
                None => {}
            }
        }
    }

    /// Finds out whether the program is one that the profile was measured with. One that tells no version is not doubted.
    fn other_version(&self, agent: Option<&Process>, evidence: &mut Gather) -> Option<String> {
        let wanted = self.versions.as_ref()?;
        if evidence.version.is_none() {
            evidence.version = agent?.package_version();
        }
        let told = evidence.version.as_deref()?;
        let mut version = semver::Version::parse(told.trim_start_matches('v')).ok()?;
        // `0.169.0-linux-x64` is a package for a machine, not an early version.
        version.pre = semver::Prerelease::EMPTY;
        if wanted.matches(&version) {
            return None;
        }
        let words = format!("{version}, measured with {wanted}");
        evidence.add(Source::Process, Claim::OtherVersion, &words);
        Some(words)
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
                ScreenClaim::Login => Claim::Login,
                ScreenClaim::Survey => Claim::Survey,
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
    ignored: Vec<String>,
    /// The conversation's id, as the agent tells it.
    session: Option<String>,
    version: Option<String>,
    now: Timestamp,
}

impl Gather {
    fn new(now: Timestamp) -> Self {
        Self {
            rows: Vec::new(),
            ignored: Vec::new(),
            session: None,
            version: None,
            now,
        }
    }

    fn add(&mut self, source: Source, claim: Claim, detail: impl Into<String>) {
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

    fn tell(&mut self, source: Source, story: &Story, born: Option<Timestamp>) {
        for (claim, words, at) in story.said(born, self.now) {
            self.add_at(source, claim, words, at);
        }
        for why in &story.ignored {
            self.ignore(source, why);
        }
        if self.version.is_none() {
            self.version.clone_from(&story.version);
        }
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
        let quiet = self.now.as_second() - row.window_activity;
        if quiet > 0 && quiet.unsigned_abs() >= SILENT_MAX.as_secs() {
            let words = format!("for {} min", quiet / 60);
            self.add(Source::Tmux, Claim::Silent, words);
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
        self.session = self.session.take().or_else(|| file.session_id.clone());
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

/// Reads a status file; `None` if there is none, and why it says nothing if it is torn.
fn read_status(path: &Path) -> Result<Option<StatusFile>, String> {
    use std::io::Read as _;
    let Ok(file) = std::fs::File::open(path) else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(STATUS_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("a file that cannot be read ({error})"))?;
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|_| "a torn file, or one of another kind".to_owned())
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
