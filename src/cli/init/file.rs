//! The text of a project's file: what was found, every value with a word on where it is from.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::config::WORKFLOW_DEFAULT;

/// The tracker on this machine, as the file's key has it.
pub(super) const LOCAL: &str = "local";

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
    let mut rows: Vec<(String, String)> = Vec::new();
    let mut set = |key: &str, value: &str, why: &str| {
        rows.push((
            format!("{key} = {}", toml::Value::from(value)),
            why.to_owned(),
        ));
    };
    if found.tracker == LOCAL {
        set(
            "tracker",
            LOCAL,
            "issues live on this machine; or repo = \"owner/name\"",
        );
    } else {
        set("repo", &found.tracker, &found.tracker_from);
    }
    set("path", &found.path.to_string_lossy(), "");
    let second = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    set(
        "added",
        &second,
        "labels set before this do not start until they are set again",
    );
    set("agent", &found.agent, &found.agent_from);
    set("build", &found.build, &found.build_from);
    if let Some((command, from)) = &found.prepare {
        set("prepare", command, from);
    }
    if found.workflow != WORKFLOW_DEFAULT {
        set("workflow", &found.workflow, "");
    }
    let mut off = |line: String, why: &str| rows.push((format!("# {line}"), why.to_owned()));
    if found.prepare.is_none() && found.is_git {
        off(
            "prepare = \"npm ci\"".to_owned(),
            "run in a new tree before the build",
        );
    }
    let session = found
        .session
        .clone()
        .unwrap_or_else(|| "default:work:1.0".to_owned());
    off(
        format!("session = {}", toml::Value::from(session)),
        "adopt this pane of your own tmux; it is never started or reset",
    );
    off(
        "stages = { QA = \"codex\" }".to_owned(),
        "another agent for a stage",
    );
    if found.workflow == WORKFLOW_DEFAULT {
        off(
            "workflow = \"solo.toml\"".to_owned(),
            "dev -> you; `pointsman labels eject` for your own",
        );
    }
    off(
        "allow = [\"alice\"]".to_owned(),
        "whose labels start work, beyond those with write access",
    );
    if found.tracker == LOCAL && found.is_git {
        off(
            "merge = \"off\"".to_owned(),
            "`approve` leaves the branch and moves nothing",
        );
    }
    let width = rows
        .iter()
        .map(|(line, _)| line.chars().count())
        .max()
        .unwrap_or(0)
        .min(44);
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
