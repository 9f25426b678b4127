//! `pointsman session explain`: what is known of a project's agents, who says it, and what would have to change.

use std::fmt::Write as _;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::words;
use crate::domain::{AgentState, PaneSample, Profile, Window};
use crate::machine::resolve::{Claim, Evidence, Resolved, Source};

/// What is known of the agents of one project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    /// The project.
    pub project: String,
    /// When it was put together.
    pub at: Timestamp,
    /// Its windows that are there.
    pub windows: Vec<WindowView>,
    /// Why nothing, or not all, is known.
    pub missing: Option<String>,
}

/// One window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowView {
    /// `agent` or `check`.
    pub window: Window,
    /// `%7`.
    pub pane: String,
    /// The profile's name.
    pub profile: String,
    /// The program's version, if it tells it.
    pub version: Option<String>,
    /// The versions that the profile was measured with; empty for any.
    pub versions: String,
    /// When it was looked at.
    pub at: Timestamp,
    /// Every piece of evidence, in the order in which it was gathered.
    pub rows: Vec<EvidenceRow>,
    /// The screen's rules that matched.
    pub rules: Vec<String>,
    /// What was not heard, and why.
    pub ignored: Vec<String>,
    /// The verdict, in one word or two.
    pub verdict: String,
    /// Whether a text may be typed.
    pub takes_text: bool,
    /// The verdict itself, with its witnesses.
    pub state: AgentState,
    /// What would have to change for it to be idle; empty if it is.
    pub lacks: Vec<String>,
}

/// One piece of evidence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvidenceRow {
    /// Who says it.
    pub source: String,
    /// What it says.
    pub claim: String,
    /// In which words.
    pub detail: String,
    /// When it was read, or began.
    pub at: Timestamp,
    /// Its age in seconds at the time of the look.
    pub age: i64,
    /// Seconds for which it is heard.
    pub ttl: u64,
    /// Whether it is heard now.
    pub heard: bool,
    /// The agent's own id of the conversation it speaks of.
    pub session: Option<String>,
}

/// What one window's view is made of.
#[derive(Clone, Copy, Debug)]
pub struct Witnessed<'a> {
    /// Which window.
    pub window: Window,
    /// Its newest sample.
    pub sample: &'a PaneSample,
    /// What it was resolved to.
    pub resolved: &'a Resolved,
    /// By whom.
    pub evidence: &'a [Evidence],
    /// What was not heard.
    pub ignored: &'a [String],
    /// The program's version.
    pub version: Option<&'a str>,
    /// The profile it was looked at with.
    pub profile: &'a Profile,
}

impl WindowView {
    /// Builds it. Ages are those at the time of the look: that is when it was judged.
    pub fn new(of: Witnessed<'_>) -> Self {
        let at = of.resolved.at;
        let row = |row: &Evidence| EvidenceRow {
            source: row.source.name().to_owned(),
            claim: row.claim.words().to_owned(),
            detail: row.detail.clone(),
            at: row.at,
            age: at.duration_since(row.at).as_secs(),
            ttl: row.source.ttl().as_secs(),
            heard: row.is_fresh(at),
            session: row.session.clone(),
        };
        let is_rule = |row: &&Evidence| {
            row.source == Source::Screen
                && !matches!(
                    row.claim,
                    Claim::ComposerAbsent | Claim::ComposerDraft | Claim::ComposerEmpty
                )
        };
        let rules = of.evidence.iter().filter(is_rule);
        Self {
            window: of.window,
            pane: of.sample.pane.id.clone(),
            profile: of.profile.name.to_string(),
            version: of.version.map(str::to_owned),
            versions: of.profile.versions.clone(),
            at,
            rows: of.evidence.iter().map(row).collect(),
            rules: rules.map(|row| row.detail.clone()).collect(),
            ignored: of.ignored.to_vec(),
            verdict: words::agent_asks(&of.resolved.state),
            takes_text: of.resolved.state.takes_text(),
            state: of.resolved.state.clone(),
            lacks: of.resolved.lacks.clone(),
        }
    }
}

/// Renders it for a terminal.
pub fn render_session(view: &SessionView) -> String {
    let mut text = String::new();
    for window in &view.windows {
        render_window(&mut text, &view.project, window, view.at);
    }
    if let Some(missing) = &view.missing {
        let _ = writeln!(text, "{}: {missing}", view.project);
    }
    text
}

fn render_window(text: &mut String, project: &str, window: &WindowView, now: Timestamp) {
    let name = window.window.as_str();
    let version = match (&window.version, window.versions.as_str()) {
        (Some(version), "") => format!(" {version}"),
        (Some(version), measured) => format!(" {version} (measured with {measured})"),
        (None, _) => String::new(),
    };
    let _ = writeln!(
        text,
        "{project} {name}  {}  {}{version}  looked at {} ago",
        window.pane,
        window.profile,
        words::age(window.at, now)
    );
    let idle = if window.takes_text {
        "a text may be typed"
    } else {
        "nothing is typed"
    };
    let _ = writeln!(text, "verdict   {}; {idle}", window.verdict);
    let _ = writeln!(text, "because   {}", window.state.because);
    let rules = match window.rules.as_slice() {
        [] => "none matched".to_owned(),
        rules => rules.join(", "),
    };
    let _ = writeln!(text, "rule      {rules}");
    let cells = |row: &EvidenceRow| {
        let age = format!("{} of {} s", row.age, row.ttl);
        let heard = if row.heard { "" } else { ", too old" };
        [
            row.source.clone(),
            row.claim.clone(),
            format!("{age}{heard}"),
        ]
    };
    let mut columns = [0; 3];
    for row in &window.rows {
        for (most, cell) in columns.iter_mut().zip(cells(row)) {
            *most = cell.chars().count().max(*most);
        }
    }
    for (n, row) in window.rows.iter().enumerate() {
        let mut line = if n == 0 { "evidence  " } else { "          " }.to_owned();
        for (cell, most) in cells(row).iter().zip(columns) {
            let _ = write!(line, "{}  ", words::pad(cell, most));
        }
        line.push_str(&row.detail);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for why in &window.ignored {
        let _ = writeln!(text, "ignored   {why}");
    }
    for (n, lacks) in window.lacks.iter().enumerate() {
        let head = if n == 0 { "to be idle" } else { "          " };
        let _ = writeln!(text, "{head}  {lacks}");
    }
}
