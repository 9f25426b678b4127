//! From evidence to an agent's state: a pure function, run again for every sample, so no state outlives its evidence.
//!
//! Unknown is not idle. A screen alone never proves idle; a visible dialog vetoes everything; a claim that is too old is not heard.
//! This module never reads a clock, a file or a screen.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Activity, AgentState, Attention, Liveness, Profile};

/// Least time between the two samples that prove idle (facts/terminal.md 3.3, Preflight).
pub const IDLE_APART: Duration = Duration::from_secs(1);
/// Longest gap between two samples of one idle stretch: three slow ticks of the watch. A longer one (suspend) proves nothing.
pub const SAMPLE_GAP_MAX: Duration = Duration::from_secs(15);

/// Where a piece of evidence comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `/proc`, below the pane's process.
    Process,
    /// tmux's own flags.
    Tmux,
    /// The pane's title.
    Title,
    /// Claude Code's `sessions/<pid>.json`.
    Registry,
    /// The profile's state file.
    StateFile,
    /// A native interface (`OpenCode`'s HTTP server).
    Native,
    /// The profile's screen rules.
    Screen,
    /// Clients of tmux: a person.
    Client,
}

impl Source {
    /// Returns how long its claims are heard: levels are read again with every sample, so only a stuck reader makes them old.
    pub const fn ttl(self) -> Duration {
        match self {
            // facts/terminal.md 3.6: 2 s for processes; "newest evidence < 5 s old" for the rest.
            Self::Process => Duration::from_secs(2),
            Self::Tmux
            | Self::Title
            | Self::Registry
            | Self::StateFile
            | Self::Native
            | Self::Screen
            | Self::Client => Duration::from_secs(5),
        }
    }

    /// Returns its name for `explain`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Tmux => "tmux",
            Self::Title => "title",
            Self::Registry => "sessions file",
            Self::StateFile => "state file",
            Self::Native => "native interface",
            Self::Screen => "screen",
            Self::Client => "client",
        }
    }

    /// Whether the program itself says it, in its own words and not by drawing.
    const fn is_structured(self) -> bool {
        matches!(
            self,
            Self::Title | Self::Registry | Self::StateFile | Self::Native
        )
    }
}

/// What a piece of evidence claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The agent's process has the terminal.
    AgentInFront,
    /// The agent's process is there; another program has the terminal.
    AgentBehind,
    /// A shell has the terminal and the agent is not there.
    ShellInFront,
    /// Neither agent nor shell is there.
    AgentMissing,
    /// The pane's process ended.
    PaneDead,
    /// Copy mode, input off or synchronised panes: keys would go astray.
    KeysAstray,
    /// The terminal's cursor stands in the composer.
    CursorInComposer,
    /// Started, not ready.
    Starting,
    /// At work.
    Busy,
    /// Nothing to do.
    Idle,
    /// A permission prompt is open.
    Permission,
    /// A question is open.
    Question,
    /// Another dialog is open.
    Dialog,
    /// The allowance is used up.
    RateLimited(Option<Timestamp>),
    /// It stopped with an error.
    Failed,
    /// The composer is on the screen and empty.
    ComposerEmpty,
    /// Somebody's text is in the composer.
    ComposerDraft,
    /// No composer is on the screen.
    ComposerAbsent,
    /// A person typed or attached a moment ago.
    HumanPresent,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Who says it.
    pub source: Source,
    /// What it says.
    pub claim: Claim,
    /// In which words: a rule's name, a file's status, a process's name.
    pub detail: String,
    /// When it was read.
    pub at: Timestamp,
}

/// A resolved sample. The next one is given it, because idle takes two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolved {
    /// The state.
    pub state: AgentState,
    /// When it was resolved.
    pub at: Timestamp,
    /// Since when samples agree that nothing stands against idle; `None` if this one does not.
    pub ready_since: Option<Timestamp>,
    /// What has to be equal in both samples: the process, cursor, size and composer, as the sampler saw them.
    pub print: String,
}

/// Resolves evidence to a state. `print` is what two samples must have in common; `previous` is the last sample of the same pane.
pub fn resolve(
    evidence: &[Evidence],
    profile: &Profile,
    print: &str,
    previous: Option<&Resolved>,
    now: Timestamp,
) -> Resolved {
    let heard = Heard {
        rows: evidence.iter().filter(|row| is_fresh(row, now)).collect(),
    };
    let mut state = heard.judge(profile);
    let mut ready_since = None;
    if matches!(state.activity, Activity::Idle { .. }) {
        let since = previous
            .filter(|last| continues(last, print, now))
            .and_then(|last| last.ready_since)
            .unwrap_or(now);
        ready_since = Some(since);
        state.activity = if now.duration_since(since) >= signed(IDLE_APART) {
            Activity::Idle { since }
        } else {
            state.because = format!("looks idle, a second sample is due ({})", state.because);
            Activity::Unknown
        };
    }
    Resolved {
        state,
        at: now,
        ready_since,
        print: print.to_owned(),
    }
}

/// Returns whether the last sample and this one are of one stretch.
fn continues(last: &Resolved, print: &str, now: Timestamp) -> bool {
    let gap = now.duration_since(last.at);
    last.print == print && gap >= SignedDuration::ZERO && gap <= signed(SAMPLE_GAP_MAX)
}

fn is_fresh(row: &Evidence, now: Timestamp) -> bool {
    let age = now.duration_since(row.at);
    age >= SignedDuration::ZERO && age <= signed(row.source.ttl())
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).expect("our constants are short")
}

/// The evidence that is young enough.
struct Heard<'a> {
    rows: Vec<&'a Evidence>,
}

impl Heard<'_> {
    fn find(&self, wanted: impl Fn(&Claim) -> bool) -> Option<&Evidence> {
        self.rows.iter().find(|row| wanted(&row.claim)).copied()
    }

    fn says(&self, claim: &Claim) -> Option<&Evidence> {
        self.find(|said| said == claim)
    }

    fn has(&self, source: Source) -> bool {
        self.rows.iter().any(|row| row.source == source)
    }

    /// The first rule that applies decides. `Idle` here means that this sample has nothing against it.
    fn judge(&self, profile: &Profile) -> AgentState {
        if let Some(state) = self.not_alive() {
            return state;
        }
        let attention = self.attention();
        let (activity, witness) = self.activity(profile);
        let because = match &attention {
            Some((_, row)) if cite(row) != witness => format!("{}; {witness}", cite(row)),
            _ => witness,
        };
        AgentState {
            liveness: Liveness::Alive,
            activity,
            attention: attention.map_or(Attention::None, |(attention, _)| attention),
            because,
        }
    }

    fn not_alive(&self) -> Option<AgentState> {
        let ends = [Claim::PaneDead, Claim::ShellInFront];
        if let Some(row) = ends.iter().find_map(|claim| self.says(claim)) {
            return Some(AgentState {
                liveness: Liveness::Dead,
                activity: Activity::Obscured,
                attention: Attention::None,
                because: cite(row),
            });
        }
        if let Some(row) = self.says(&Claim::AgentMissing) {
            let starting = self.says(&Claim::Starting);
            let mut state = AgentState::unknown(cite(starting.unwrap_or(row)));
            if starting.is_some() {
                state.activity = Activity::Starting;
            }
            return Some(state);
        }
        let seen = self
            .says(&Claim::AgentInFront)
            .or_else(|| self.says(&Claim::AgentBehind));
        seen.is_none()
            .then(|| AgentState::unknown("no fresh evidence of its process"))
    }

    /// A dialog first, whoever saw it; a person last, because the rest says more.
    fn attention(&self) -> Option<(Attention, &Evidence)> {
        let order = [
            (Claim::Permission, Attention::Permission),
            (Claim::Question, Attention::Question),
            (Claim::Dialog, Attention::Dialog),
        ];
        if let Some(hit) = order
            .iter()
            .find_map(|(claim, attention)| Some((attention.clone(), self.says(claim)?)))
        {
            return Some(hit);
        }
        if let Some(row) = self.find(|claim| matches!(claim, Claim::RateLimited(_))) {
            let Claim::RateLimited(until) = row.claim else {
                unreachable!("just matched")
            };
            return Some((Attention::RateLimited { until }, row));
        }
        let failed = self
            .says(&Claim::Failed)
            .filter(|_| self.says(&Claim::Busy).is_none());
        failed
            .map(|row| (Attention::Error, row))
            .or_else(|| Some((Attention::HumanPresent, self.says(&Claim::HumanPresent)?)))
    }

    fn activity(&self, profile: &Profile) -> (Activity, String) {
        let first = [
            (Claim::Permission, Activity::Obscured),
            (Claim::Question, Activity::Obscured),
            (Claim::Dialog, Activity::Obscured),
            (Claim::KeysAstray, Activity::Obscured),
            (Claim::AgentBehind, Activity::Obscured),
            (Claim::Busy, Activity::Busy),
            (Claim::Starting, Activity::Starting),
            (Claim::ComposerDraft, Activity::Draft),
        ];
        if let Some((activity, row)) = first
            .iter()
            .find_map(|(claim, activity)| Some((*activity, self.says(claim)?)))
        {
            return (activity, cite(row));
        }
        match self.idle(profile) {
            Ok(witnesses) => (
                Activity::Idle {
                    since: Timestamp::UNIX_EPOCH,
                },
                witnesses,
            ),
            Err(missing) => (Activity::Unknown, missing),
        }
    }

    /// Idle takes two witnesses: the screen with an empty composer, and the program's own word.
    fn idle(&self, profile: &Profile) -> Result<String, String> {
        let on_screen = |row: &&&Evidence| {
            row.source == Source::Screen && matches!(row.claim, Claim::ComposerEmpty | Claim::Idle)
        };
        if self.says(&Claim::ComposerAbsent).is_some() && profile.screen.composer.is_some() {
            return Err("no composer on the screen".to_owned());
        }
        let screen = self
            .rows
            .iter()
            .find(on_screen)
            .ok_or("the screen does not show an empty composer")?;
        // The best source a profile names must speak: a missing sessions file means start-up or a dialog (facts/agents.md 7).
        let signals = &profile.signals;
        let owed = [
            (signals.claude_sessions, Source::Registry),
            (signals.state_file.is_some(), Source::StateFile),
            (signals.opencode_http, Source::Native),
        ];
        if let Some((_, source)) = owed
            .iter()
            .find(|(owed, source)| *owed && !self.has(*source))
        {
            return Err(format!("nothing from the {}", source.name()));
        }
        let own_word = self
            .rows
            .iter()
            .find(|row| row.source.is_structured() && row.claim == Claim::Idle);
        let has_words = owed.iter().any(|(owed, _)| *owed) || signals.title_idle.is_some();
        // A program without words of its own (aider): the terminal's cursor, in its composer, is the second witness.
        let cursor = self.says(&Claim::CursorInComposer).filter(|_| !has_words);
        match own_word.copied().or(cursor) {
            Some(second) => Ok(format!("{} and {}", cite(second), cite(screen))),
            None => Err("no second witness beside the screen says idle".to_owned()),
        }
    }
}

/// Names a witness.
fn cite(row: &Evidence) -> String {
    let word = match row.claim {
        Claim::AgentInFront => "the agent runs",
        Claim::AgentBehind => "another program has the terminal",
        Claim::ShellInFront => "a shell has the terminal",
        Claim::AgentMissing => "the agent is not there",
        Claim::PaneDead => "the pane is dead",
        Claim::KeysAstray => "keys would go astray",
        Claim::CursorInComposer => "the cursor is in the composer",
        Claim::Starting => "starting",
        Claim::Busy => "busy",
        Claim::Idle => "idle",
        Claim::Permission => "asks for permission",
        Claim::Question => "asks a question",
        Claim::Dialog => "a dialog is open",
        Claim::RateLimited(_) => "rate limited",
        Claim::Failed => "an error is shown",
        Claim::ComposerEmpty => "the composer is empty",
        Claim::ComposerDraft => "a draft is in the composer",
        Claim::ComposerAbsent => "no composer",
        Claim::HumanPresent => "a person is there",
    };
    if row.detail.is_empty() {
        format!("{}: {word}", row.source.name())
    } else {
        format!("{}: {word} ({})", row.source.name(), row.detail)
    }
}
