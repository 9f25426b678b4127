//! Gathers evidence about one pane and resolves it. Reads `/proc` and a few small files; blocking, a millisecond at most.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::agent_files::{Gather, Wanted};
use super::process::{Process, ProcessTree};
use super::receipt::{HookSpool, is_same};
use super::relay::AgentsHome;
use super::row::Seen;
use super::screen::{Composer, ProfileError, Recogniser, TitleClaim};
use super::turns::FileCache;
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

/// Samples the panes of one profile.
#[derive(Clone, Debug)]
pub struct Sampler {
    profile: Profile,
    home: AgentsHome,
    recogniser: Recogniser,
    /// The versions that the profile was measured with.
    versions: Option<semver::VersionReq>,
    cache: Arc<FileCache>,
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

impl Sampler {
    /// Compiles a profile; `home` is the agents' home folder.
    pub fn new(profile: Profile, home: impl Into<AgentsHome>) -> Result<Self, ProfileError> {
        let recogniser = Recogniser::new(&profile)?;
        let versions = Some(profile.versions.as_str()).filter(|text| !text.is_empty());
        Ok(Self {
            versions: versions.and_then(|text| semver::VersionReq::parse(text).ok()),
            profile,
            home: home.into(),
            recogniser,
            cache: Arc::default(),
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
        if let Some(wanted) = self.wanted(&tree, agent, seen, station, now) {
            evidence.join(self.home.told(&self.cache, &wanted));
        }
        self.title(seen, &mut evidence);
        let native = agent.filter(|_| self.profile.signals.opencode_http);
        let is_here = |folder: &str| is_same(Path::new(folder), &seen.row.path);
        let told = native.map(|agent| super::native::ask(agent, is_here));
        for (claim, words) in told.unwrap_or_default() {
            evidence.add(Source::Native, claim, words);
        }
        evidence.doubt_limits();
        let composer = self.screen(seen, &mut evidence);
        let other_version = self.other_version(&mut evidence);
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

    /// Says which files the profile names; `None` if it names none.
    fn wanted(
        &self,
        tree: &ProcessTree,
        agent: Option<&Process>,
        seen: &Seen,
        station: &Station,
        now: Timestamp,
    ) -> Option<Wanted> {
        let signals = &self.profile.signals;
        let is_any = signals.claude_sessions
            || signals.claude_hooks
            || signals.codex_rollout
            || signals.state_file.is_some();
        (is_any || self.versions.is_some()).then(|| Wanted {
            signals: signals.clone(),
            processes: tree.processes.clone(),
            agent: agent.cloned(),
            cwd: seen.row.path.clone(),
            pane: seen.row.pane.id.clone(),
            hooks: station.hooks.clone(),
            version: self.versions.is_some(),
            now,
        })
    }

    /// Finds out whether the program is one that the profile was measured with. One that tells no version is not doubted.
    fn other_version(&self, evidence: &mut Gather) -> Option<String> {
        let wanted = self.versions.as_ref()?;
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
                ScreenClaim::Refused => Claim::Refused,
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

impl Gather {
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
