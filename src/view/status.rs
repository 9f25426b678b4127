//! `pointsman status`: the table a person reads in one screen. Colour only repeats what a mark or a word already says.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::scheduled::ScheduleRow;
use super::snapshot::{AgentView, IssueRow, ProjectView, Snapshot};
use super::words::{age, fit, pad};

/// Issues of one project that are listed; the rest is counted.
const ROWS_MAX: usize = 12;
/// Matters that are listed for a person; the rest is counted.
const ATTENTION_MAX: usize = 12;
/// The narrowest table that still says something.
const WIDTH_MIN: usize = 60;
/// The widest stage column.
const STAGE_COLUMNS_MAX: usize = 16;

/// Whether the surface shows colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// A pipe, `NO_COLOR`, or a terminal without.
    Plain,
    /// ANSI colours.
    Colour,
}

/// What a colour is for.
#[derive(Clone, Copy)]
enum Role {
    Name,
    InHand,
    Wanted,
    Quiet,
}

impl Ink {
    fn paint(self, role: Role, text: &str) -> String {
        let code = match role {
            Role::Name => "1",
            Role::InHand => "32",
            Role::Wanted => "33",
            Role::Quiet => "2",
        };
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}

/// Renders the snapshot, at most `width` columns wide. Marks: `>` in hand, `!` waits for a person.
pub fn render_status(snapshot: &Snapshot, width: usize, ink: Ink) -> String {
    let width = width.max(WIDTH_MIN);
    let mut text = fit(&summary(snapshot), width);
    text.push('\n');
    for project in &snapshot.projects {
        text.push('\n');
        render_project(&mut text, project, snapshot.at, width, ink);
    }
    render_attention(&mut text, snapshot, width, ink);
    text
}

fn summary(snapshot: &Snapshot) -> String {
    let rows = || snapshot.projects.iter().flat_map(|project| &project.rows);
    let in_hand = rows().filter(|row| row.dispatch.is_some()).count();
    let waiting = rows().count() - in_hand;
    format!(
        "pointsman {} at {}: {} in hand, {waiting} waiting, {} for you",
        snapshot.version,
        snapshot.at.strftime("%Y-%m-%d %H:%M UTC"),
        in_hand,
        snapshot.attention.len()
    )
}

fn render_project(
    text: &mut String,
    project: &ProjectView,
    now: Timestamp,
    width: usize,
    ink: Ink,
) {
    let mut parts = vec![project.tracker.clone()];
    parts.extend(project.agents.iter().map(|agent| agent_line(agent, now)));
    if let Some(branch) = &project.branch {
        parts.push(format!("on {branch}"));
    }
    parts.push(format!("build: {}", project.build));
    let rest = format!("  {}", parts.join("  "));
    let head = fit(&rest, width.saturating_sub(project.name.len()));
    let _ = writeln!(text, "{}{head}", ink.paint(Role::Name, &project.name));
    if let Some(by) = &project.paused {
        let line = format!("  ! paused by {by} (pointsman resume {})", project.name);
        let _ = writeln!(text, "{}", ink.paint(Role::Wanted, &fit(&line, width)));
    }
    if let Some(gap) = &project.gap {
        let line = format!(
            "  ! the tracker was last read {} ago: {}",
            age(gap.since, now),
            gap.why
        );
        let _ = writeln!(text, "{}", ink.paint(Role::Wanted, &fit(&line, width)));
    }
    render_rows(text, project, now, width, ink);
    for row in &project.schedules {
        render_schedule(text, row, width, ink);
    }
    let did = match (&project.did, project.cycle_at, project.remembered) {
        (Some(did), Some(at), _) => format!("  last cycle {} ago: {did}", age(at, now)),
        (None, Some(at), _) => format!("  last cycle {} ago: nothing to start", age(at, now)),
        (_, None, Some(at)) => format!("  nobody looks; the tracker was read {} ago", age(at, now)),
        (_, None, None) => "  no cycle yet".to_owned(),
    };
    let _ = writeln!(text, "{}", ink.paint(Role::Quiet, &fit(&did, width)));
}

fn agent_line(agent: &AgentView, now: Timestamp) -> String {
    let since = agent
        .since
        .map_or_else(String::new, |since| format!(" {}", age(since, now)));
    let issue = agent
        .issue
        .map_or_else(String::new, |issue| format!(" {issue}"));
    format!("{}{issue} {}{since}", agent.window.as_str(), agent.state)
}

fn render_rows(text: &mut String, project: &ProjectView, now: Timestamp, width: usize, ink: Ink) {
    let stage_of = |row: &IssueRow| {
        let label = row.stage.as_ref().map_or("-", |label| label.as_str());
        fit(label, STAGE_COLUMNS_MAX)
    };
    let shown = || project.rows.iter().take(ROWS_MAX);
    let stages = shown().map(|row| stage_of(row).len()).max().unwrap_or(0);
    let numbers = shown()
        .map(|row| row.number.to_string().len())
        .max()
        .unwrap_or(0);
    let free = width.saturating_sub(4 + numbers + 2 + stages + 2 + 4 + 2 + 2);
    let (says, title) = (free * 3 / 5, free - free * 3 / 5);
    for row in shown() {
        let (mark, role) = match (row.dispatch.is_some(), row.standing.yours) {
            (_, true) => ("!", Role::Wanted),
            (true, false) => (">", Role::InHand),
            (false, false) => (" ", Role::Quiet),
        };
        let since = row.since.map_or_else(String::new, |since| age(since, now));
        let line = format!(
            "  {mark} {}  {}  {}  {}  {}",
            pad(&row.number.to_string(), numbers),
            pad(&stage_of(row), stages),
            pad(&fit(&said(row), says), says),
            pad(&since, 4),
            fit(&row.title, title)
        );
        let _ = writeln!(text, "{}", ink.paint(role, line.trim_end()));
        if row.dispatch.is_some() {
            let line = format!("      {}", progress(row, now));
            let _ = writeln!(text, "{}", ink.paint(Role::Quiet, &fit(&line, width)));
        }
    }
    match project.rows.len().saturating_sub(ROWS_MAX) {
        0 => {}
        more => {
            let _ = writeln!(text, "    and {more} more: pointsman status --json");
        }
    }
    if project.rows.is_empty() {
        let read = project.cycle_at.or(project.remembered).is_some();
        text.push_str(if read {
            "    no issue has a routing label\n"
        } else {
            "    the tracker was not read yet\n"
        });
    }
}

fn render_schedule(text: &mut String, row: &ScheduleRow, width: usize, ink: Ink) {
    let says = match row.standing.word.as_str() {
        "in-hand" | "next" | "later" => row.standing.says.clone(),
        word => format!("held: {word}: {}", row.standing.says),
    };
    let (mark, role) = match row.dispatch {
        Some(_) => (">", Role::InHand),
        None => (" ", Role::Quiet),
    };
    let line = format!("  {mark} {} at {}  {says}", row.skill, row.at);
    let _ = writeln!(text, "{}", ink.paint(role, &fit(&line, width)));
}

fn said(row: &IssueRow) -> String {
    match row.standing.word.as_str() {
        "in-hand" | "next" => row.standing.says.clone(),
        word => format!("{word}: {}", row.standing.says),
    }
}

fn progress(row: &IssueRow, now: Timestamp) -> String {
    let changed = row.changed.map_or_else(String::new, |at| {
        format!("; last change {} ago", age(at, now))
    });
    format!(
        "round {}, attempt {}{changed}; goal: {}",
        row.round, row.attempt, row.goal
    )
}

fn render_attention(text: &mut String, snapshot: &Snapshot, width: usize, ink: Ink) {
    if snapshot.attention.is_empty() {
        return;
    }
    let _ = write!(text, "\n{}\n", ink.paint(Role::Name, "for you"));
    for matter in snapshot.attention.iter().take(ATTENTION_MAX) {
        let issue = matter
            .issue
            .map_or_else(String::new, |issue| format!(" {issue}"));
        let line = format!("  ! {}{issue}: {}", matter.project, matter.says);
        let _ = writeln!(text, "{}", ink.paint(Role::Wanted, &fit(&line, width)));
        if let Some(hint) = &matter.hint {
            let _ = writeln!(text, "{}", fit(&format!("      hint: {hint}"), width));
        }
    }
    match snapshot.attention.len().saturating_sub(ATTENTION_MAX) {
        0 => {}
        more => {
            let _ = writeln!(text, "    and {more} more: pointsman status --json");
        }
    }
}
