//! From evidence to an agent's state: a pure function, run again for every sample, so no state outlives its evidence.
//!
//! Unknown is not idle. A screen alone never proves idle; a visible dialog vetoes everything; a claim that is too old is not heard.
//! This module never reads a clock, a file or a screen.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::{Activity, AgentState, Attention, Liveness, Profile};

mod heard;

use heard::Heard;
pub use heard::is_believed;

/// Least time between the two samples that prove idle (facts/terminal.md 3.3, Preflight).
pub const IDLE_APART: Duration = Duration::from_secs(1);
/// Longest gap between two samples of one idle stretch: three slow ticks of the watch. A longer one (suspend) proves nothing.
pub const SAMPLE_GAP_MAX: Duration = Duration::from_secs(15);
/// An agent of which nothing is known for this long is stuck (facts/terminal.md 3.6).
pub const UNKNOWN_MAX: Duration = Duration::from_secs(90);
/// How long after a limit's reset an account is left alone: clocks differ (facts/terminal.md 3.6).
pub const RESET_SLACK: Duration = Duration::from_mins(2);
/// A limit whose end nobody tells is over after this long at the latest (facts/terminal.md 3.6): what an idle agent shows, nobody redraws.
pub const UNTOLD_MAX: Duration = Duration::from_hours(5);
/// The longest that a limit may last to be believed: a provider's longest window is a week, and a day for clocks.
pub const RESET_MAX: Duration = Duration::from_hours(8 * 24);

/// Where a piece of evidence comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// Claude Code's hooks of this session.
    Hook,
    /// Claude Code's transcript.
    Transcript,
    /// Codex's rollout.
    Rollout,
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
            // What was begun and not ended: "bracket stale after 60 s". What has ended is read again, as of now.
            Self::Hook | Self::Transcript | Self::Rollout => Duration::from_mins(1),
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
            Self::Hook => "hooks",
            Self::Transcript => "transcript",
            Self::Rollout => "rollout",
            Self::Screen => "screen",
            Self::Client => "client",
        }
    }

    /// Whether the program itself says it, in its own words and not by drawing.
    const fn is_structured(self) -> bool {
        matches!(
            self,
            Self::Title
                | Self::Registry
                | Self::StateFile
                | Self::Native
                | Self::Hook
                | Self::Transcript
                | Self::Rollout
        )
    }

    /// Whether it says how things stand, and not only what happened: then it knows better what became of what happened.
    const fn is_level(self) -> bool {
        matches!(self, Self::Registry | Self::StateFile | Self::Native)
    }

    /// Whether it tells what happened: its own word for an approval that was asked for may outlive the prompt.
    const fn is_edge(self) -> bool {
        matches!(self, Self::Hook | Self::Transcript | Self::Rollout)
    }
}

/// What a piece of evidence claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// It has to be logged in.
    Login,
    /// It asks how it did.
    Survey,
    /// The allowance is used up.
    RateLimited(Option<Timestamp>),
    /// It stopped with an error.
    Failed,
    /// Its provider refused what it was sent, and would again.
    Refused,
    /// The composer is on the screen and empty.
    ComposerEmpty,
    /// Somebody's text is in the composer.
    ComposerDraft,
    /// No composer is on the screen.
    ComposerAbsent,
    /// A person typed or attached a moment ago.
    HumanPresent,
    /// Nothing was printed for so long that even a spinner stands still.
    Silent,
    /// Its version is not among those that the profile was measured with.
    OtherVersion,
}

impl Claim {
    /// Returns the claim in words, for `explain`.
    pub const fn words(&self) -> &'static str {
        match self {
            Self::AgentInFront => "the agent runs",
            Self::AgentBehind => "another program has the terminal",
            Self::ShellInFront => "a shell has the terminal",
            Self::AgentMissing => "the agent is not there",
            Self::PaneDead => "the pane is dead",
            Self::KeysAstray => "keys would go astray",
            Self::CursorInComposer => "the cursor is in the composer",
            Self::Starting => "starting",
            Self::Busy => "busy",
            Self::Idle => "idle",
            Self::Permission => "asks for permission",
            Self::Question => "asks a question",
            Self::Dialog => "a dialog is open",
            Self::Login => "asks to log in",
            Self::Survey => "asks how it did",
            Self::RateLimited(_) => "rate limited",
            Self::Failed => "an error is shown",
            Self::Refused => "its provider refused the request",
            Self::ComposerEmpty => "the composer is empty",
            Self::ComposerDraft => "a draft is in the composer",
            Self::ComposerAbsent => "no composer",
            Self::HumanPresent => "a person is there",
            Self::Silent => "nothing is printed",
            Self::OtherVersion => "another version",
        }
    }
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Who says it.
    pub source: Source,
    /// What it says.
    pub claim: Claim,
    /// In which words: a rule's name, a file's status, a process's name, a question.
    pub detail: String,
    /// When it was read; of what has begun and not ended, when it began.
    pub at: Timestamp,
    /// The agent's own id of the conversation it speaks of, if it tells it.
    pub session: Option<String>,
}

impl Evidence {
    /// Returns whether it is heard now: not older than its source's time to live, and not from the future.
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.at);
        age >= SignedDuration::ZERO && age <= signed(self.source.ttl())
    }
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
    /// Since when nothing is known of an agent that is there.
    pub unknown_since: Option<Timestamp>,
    /// Since when a limit is shown whose end nobody tells, and nothing was done.
    pub untold_since: Option<Timestamp>,
    /// What has to be equal in both samples: the process, cursor, size and composer, as the sampler saw them.
    pub print: String,
    /// All that would have to change for it to be given a text, each in words; empty if it can be.
    pub lacks: Vec<String>,
}

/// Resolves evidence to a state. `print` is what two samples must have in common; `previous` is the last sample of the same pane.
pub fn resolve(
    evidence: &[Evidence],
    profile: &Profile,
    print: &str,
    previous: Option<&Resolved>,
    now: Timestamp,
) -> Resolved {
    let mut heard = Heard::new(evidence, now);
    let untold_since = heard
        .shows_untold_limit()
        .then(|| previous.and_then(|last| last.untold_since).unwrap_or(now));
    if untold_since.is_some_and(|since| now.duration_since(since) >= signed(UNTOLD_MAX)) {
        heard.forget_untold_limit();
    }
    let mut state = heard.judge(profile);
    let mut lacks = heard.lacks(profile);
    let mut ready_since = None;
    if matches!(state.activity, Activity::Idle { .. }) {
        let since = previous
            .filter(|last| last.print == print && is_soon(last, now))
            .and_then(|last| last.ready_since)
            .unwrap_or(now);
        ready_since = Some(since);
        state.activity = if now.duration_since(since) >= signed(IDLE_APART) {
            Activity::Idle { since }
        } else {
            state.because = format!("looks idle, a second sample is due ({})", state.because);
            lacks.push("a second sample that is the same, a second later".to_owned());
            Activity::Unknown
        };
    }
    let mut unknown_since = None;
    // A program that has no composer is never typed to: a person's shell.
    if state.is_unknown() && profile.screen.composer.is_some() {
        let since = previous
            .filter(|last| is_soon(last, now))
            .and_then(|last| last.unknown_since)
            .unwrap_or(now);
        unknown_since = Some(since);
        if now.duration_since(since) >= signed(UNKNOWN_MAX) {
            state.attention = Attention::Stuck;
        }
    }
    Resolved {
        state,
        at: now,
        ready_since,
        unknown_since,
        untold_since,
        print: print.to_owned(),
        lacks,
    }
}

/// What is known of an agent that could not be asked at all: nothing, and why. After a while a person is told.
pub fn unheard(why: &str, previous: Option<&Resolved>, now: Timestamp) -> Resolved {
    let since = previous
        .filter(|last| is_soon(last, now))
        .and_then(|last| last.unknown_since)
        .unwrap_or(now);
    let mut state = AgentState::unknown(why);
    if now.duration_since(since) >= signed(UNKNOWN_MAX) {
        state.attention = Attention::Stuck;
    }
    Resolved {
        state,
        at: now,
        ready_since: None,
        unknown_since: Some(since),
        untold_since: previous.and_then(|last| last.untold_since),
        print: String::new(),
        lacks: vec![why.to_owned()],
    }
}

/// Returns whether the last sample is near enough to be of one stretch with this one.
fn is_soon(last: &Resolved, now: Timestamp) -> bool {
    let gap = now.duration_since(last.at);
    gap >= SignedDuration::ZERO && gap <= signed(SAMPLE_GAP_MAX)
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).expect("our constants are short")
}
