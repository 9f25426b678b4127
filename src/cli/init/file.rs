//! The text of a project's file: what was found, every value with a word on where it is from.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::config::WORKFLOW_DEFAULT;

/// The tracker on this machine, as the file's key has it.
pub(super) const LOCAL: &str = "local";

/// Columns of a line before its comment; a longer line has it right behind.
const WIDTH_MAX: usize = 44;

/// A value, and where it is from.
#[derive(Debug)]
pub(super) struct Named {
    pub(super) value: String,
    pub(super) from: String,
}

impl Named {
    pub(super) fn new(value: String, from: impl Into<String>) -> Self {
        Self {
            value,
            from: from.into(),
        }
    }

    pub(super) fn by_you(value: String) -> Self {
        Self::new(value, "you said so")
    }
}

/// Everything that goes into the file.
#[derive(Debug)]
pub(super) struct Found {
    /// The file's stem.
    pub(super) name: String,
    /// `owner/name`, or [`LOCAL`].
    pub(super) tracker: String,
    pub(super) tracker_from: String,
    pub(super) path: PathBuf,
    pub(super) is_git: bool,
    pub(super) agent: String,
    pub(super) agent_from: String,
    pub(super) build: String,
    pub(super) build_from: String,
    /// The command, and where it is from.
    pub(super) prepare: Option<(String, String)>,
    pub(super) workflow: String,
    /// A pane that could be adopted.
    pub(super) session: Option<String>,
}

/// Writes the file. `now` is when the project was added: labels set before do not start.
pub(super) fn text(found: &Found, now: Timestamp) -> String {
    let rows: Vec<(String, String)> = set(found, now).into_iter().chain(off(found)).collect();
    let lengths = rows.iter().map(|(line, _)| line.chars().count());
    let width = lengths.max().unwrap_or(0).min(WIDTH_MAX);
    let mut text = format!(
        "# Written by `pointsman init`. Change it freely: it is read again while Pointsman runs, and a mistake leaves the last\n\
         # good version in force. Deleting it removes the project {}.\n",
        found.name
    );
    for (line, why) in rows {
        let row = if why.is_empty() {
            line
        } else {
            format!("{line:<width$}  # {why}")
        };
        text.push_str(&row);
        text.push('\n');
    }
    text
}

/// The keys that are set, each with a word on where its value is from.
fn set(found: &Found, now: Timestamp) -> Vec<(String, String)> {
    let row = |key: &str, value: &str, why: &str| {
        let line = format!("{key} = {}", toml::Value::from(value));
        (line, why.to_owned())
    };
    let second = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let mut rows = vec![
        if found.tracker == LOCAL {
            let or = "issues live on this machine; or repo = \"owner/name\"";
            row("tracker", LOCAL, or)
        } else {
            row("repo", &found.tracker, &found.tracker_from)
        },
        row("path", &found.path.to_string_lossy(), ""),
        row(
            "added",
            &second,
            "labels set before this do not start until they are set again",
        ),
        row("agent", &found.agent, &found.agent_from),
        row("build", &found.build, &found.build_from),
    ];
    if let Some((command, from)) = &found.prepare {
        rows.push(row("prepare", command, from));
    }
    if found.workflow != WORKFLOW_DEFAULT {
        rows.push(row("workflow", &found.workflow, ""));
    }
    rows
}

/// The keys that are off and that somebody may look for.
fn off(found: &Found) -> Vec<(String, String)> {
    let row = |line: &str, why: &str| (format!("# {line}"), why.to_owned());
    let session = found.session.as_deref().unwrap_or("default:work:1.0");
    let session = format!("session = {}", toml::Value::from(session));
    let mut rows = vec![
        row(
            &session,
            "adopt this pane of your own tmux; it is never started or reset",
        ),
        row("stages = { QA = \"codex\" }", "another agent for a stage"),
        row(
            "allow = [\"alice\"]",
            "whose labels start work, beyond those with write access",
        ),
    ];
    if found.prepare.is_none() && found.is_git {
        let why = "run in a new tree before the build";
        rows.insert(0, row("prepare = \"npm ci\"", why));
    }
    if found.workflow == WORKFLOW_DEFAULT {
        let why = "dev -> you; `pointsman labels eject` for your own";
        rows.push(row("workflow = \"solo.toml\"", why));
    }
    if found.tracker == LOCAL && found.is_git {
        let why = "`approve` leaves the branch and moves nothing";
        rows.push(row("merge = \"off\"", why));
    }
    rows
}
