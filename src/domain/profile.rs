//! What is known of one agent program, as data (`agents/*.toml`).

use std::collections::BTreeMap;
use std::time::Duration;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::domain::{CheckStep, ProfileName};

/// What a word of a command may hold: the delivery's line, the absolute path of our own binary, the hook settings written for the
/// session, the tree's git folder, a free loopback port.
pub const COMMAND_PLACEHOLDERS: [&str; 5] = ["line", "pointsman", "hooks", "git_dir", "port"];

/// What a file's name may hold: the agent's home, its process, its working folder as it is, and with `-` for every `/` and `.`.
pub const FILE_PLACEHOLDERS: [&str; 4] = ["home", "pid", "cwd", "cwd_dashes"];

/// Our own ways to the tracker: no agent and no gate ever sees them.
pub const TRACKER_TOKENS: [&str; 3] = ["GITHUB_TOKEN", "GH_TOKEN", "CREDENTIALS_DIRECTORY"];

/// Compiles a pattern of a profile: it sees the region's rows, trailing spaces (U+0020 alone) cut, joined by line feeds; `^` and `$` are a row's.
///
/// Every pattern of a loaded [`Profile`] compiles.
pub fn screen_pattern(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern)
        .multi_line(true)
        .size_limit(PATTERN_BYTES_MAX)
        .build()
}

/// Largest compiled pattern.
const PATTERN_BYTES_MAX: usize = 1024 * 1024;

/// One agent program: how it is started, recognised, typed to and read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The file's stem.
    pub name: ProfileName,
    /// The account whose allowance it spends; projects with the same account share `active_max`.
    pub account: String,
    /// The command of a fresh session, with the placeholders of [`COMMAND_PLACEHOLDERS`]. The word `{line}` is the delivery's line as
    /// launch argument; without a line the word is left out.
    pub start: Vec<String>,
    /// The command that resumes the last conversation, if the program has one.
    pub resume: Option<Vec<String>>,
    /// Environment the agent gets, beyond the allow-list; `{pointsman}` is the only placeholder.
    pub env: Vec<(String, String)>,
    /// Names of variables the agent gets as the daemon has them: its own provider's key and address. Gates never get them.
    /// Like `env`, they reach it by a file that only its owner can read and that is removed at once, never by a command line.
    pub pass_env: Vec<String>,
    /// Names by which the program is found in the process tree (`claude`, `codex`).
    pub processes: Vec<String>,
    /// Versions whose screens are in the tests, as a semver requirement; empty = any.
    pub versions: String,
    /// How the fresh session takes its first line.
    pub first_line: FirstLine,
    /// Submitting.
    pub submit: Submit,
    /// Where the program itself says what it is doing.
    pub signals: Signals,
    /// Screen rules, first match wins.
    pub screen: ScreenRules,
    /// What it is told when its provider failed; without it a person is called at once.
    #[serde(default)]
    pub go_on: Option<String>,
    /// What the profile loosens in the agent's own permissions, in words; printed by `up`.
    pub loosens: Vec<String>,
    /// The setting that mends a step which the agent does not take by itself, in words; printed by `agent check`.
    pub mends: BTreeMap<CheckStep, String>,
}

/// How a fresh session takes its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FirstLine {
    /// As launch argument: no typing race.
    Argument,
    /// Typed once the composer is there.
    Typed,
}

/// How text is submitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submit {
    /// Floor between the end of the paste and Enter (facts/agents.md 5: 300 ms, Gemini 1 s). The echo check closes the loop.
    pub floor: Duration,
    /// Whether the terminal's cursor is the composer's.
    pub cursor_in_composer: bool,
    /// Hex bytes of the key that clears our own line, sent once per visible row (facts/agents.md 5.2).
    pub clear_key: Option<String>,
    /// Hex bytes of the key that stops the agent's turn, sent once and only while it is busy (facts/agents.md 4.3).
    pub interrupt_key: Option<String>,
}

/// Where the program itself says what it is doing. Absent ones are not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each names one source of its own"
)]
pub struct Signals {
    /// Claude Code's `~/.claude/sessions/<pid>.json`.
    pub claude_sessions: bool,
    /// Claude Code's hooks, installed per session by `--settings`.
    pub claude_hooks: bool,
    /// Codex's rollout files.
    pub codex_rollout: bool,
    /// `OpenCode`'s HTTP server on a loopback port.
    pub opencode_http: bool,
    /// A transcript of JSON lines that the program writes, with the placeholders of [`FILE_PLACEHOLDERS`].
    pub transcript: Option<String>,
    /// A state file with one JSON object `{status, pid}`, with the placeholders of [`FILE_PLACEHOLDERS`].
    pub state_file: Option<String>,
    /// Titles that mean busy, a regular expression.
    pub title_busy: Option<String>,
    /// Titles that mean idle.
    pub title_idle: Option<String>,
    /// Titles that mean a person is asked.
    pub title_asks: Option<String>,
}

/// Screen rules: what a capture can say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenRules {
    /// Finds the composer's first row, from the bottom up; its one group captures what is typed in it. See [`screen_pattern`].
    pub composer: Option<String>,
    /// Rules, first match wins.
    pub rules: Vec<ScreenRule>,
    /// Text in the composer that is a placeholder and no draft.
    pub placeholder: Vec<String>,
    /// Whether the program draws its placeholders dim (SGR 2): then dim text in the composer is no draft.
    pub placeholder_dim: bool,
}

/// One screen rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenRule {
    /// Its name, printed by `explain`.
    pub name: String,
    /// Where it looks.
    pub region: Region,
    /// What it looks for: see [`screen_pattern`].
    pub pattern: String,
    /// What it claims.
    pub claim: ScreenClaim,
}

/// The part of the screen a rule looks at. Never the whole: a transcript can quote anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Region {
    /// The last `n` rows that are not blank.
    Bottom(u16),
    /// The last `n` rows above the composer that are not blank.
    AboveComposer(u16),
    /// The composer's row and what follows it.
    FromComposer,
}

/// What a screen rule claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScreenClaim {
    /// At work.
    Busy,
    /// Nothing to do and an empty composer.
    Idle,
    /// A permission prompt.
    Permission,
    /// A question.
    Question,
    /// A trust or other dialog: no key may be sent.
    Dialog,
    /// A login: no key may be sent.
    Login,
    /// A survey: no key may be sent.
    Survey,
    /// A rate limit is shown.
    RateLimited,
    /// An error is shown.
    Error,
    /// The provider refused what it was sent: the same again would be refused again.
    Refused,
}
