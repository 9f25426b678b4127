//! What is known of one agent program, as data (`agents/*.toml`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::ProfileName;

/// One agent program: how it is started, recognised, typed to and read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The file's stem.
    pub name: ProfileName,
    /// The account whose allowance it spends; projects with the same account share `active_max`.
    pub account: String,
    /// The command of a fresh session; `{line}` in a word is the delivery's line as launch argument.
    pub start: Vec<String>,
    /// The command that resumes the last conversation, if the program has one.
    pub resume: Option<Vec<String>>,
    /// Environment the agent gets, beyond the allow-list; `{home}`-free plain texts.
    pub env: Vec<(String, String)>,
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
    /// What the profile loosens in the agent's own permissions, in words; printed by `up`.
    pub loosens: Vec<String>,
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
}

/// Where the program itself says what it is doing. Absent ones are not asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signals {
    /// Claude Code's `~/.claude/sessions/<pid>.json`.
    pub claude_sessions: bool,
    /// Claude Code's hooks, installed per session by `--settings`.
    pub claude_hooks: bool,
    /// Codex's rollout files.
    pub codex_rollout: bool,
    /// OpenCode's HTTP server on a loopback port.
    pub opencode_http: bool,
    /// A transcript of JSON lines that the program writes; `{pid}` and `{cwd}` are filled in.
    pub transcript: Option<String>,
    /// A state file with one JSON object `{status, pid}`; `{pid}` is filled in.
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
    /// Finds the composer's first row; one group captures what is typed in it.
    pub composer: Option<String>,
    /// Rules, first match wins.
    pub rules: Vec<ScreenRule>,
    /// Text in the composer that is a placeholder and no draft.
    pub placeholder: Vec<String>,
}

/// One screen rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScreenRule {
    /// Its name, printed by `explain`.
    pub name: String,
    /// Where it looks.
    pub region: Region,
    /// What it looks for, a regular expression over the region's rows.
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
    /// Up to `n` rows directly above the composer.
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
    /// A trust, login, survey or other dialog: no key may be sent.
    Dialog,
    /// A rate limit is shown.
    RateLimited,
    /// An error is shown.
    Error,
}
