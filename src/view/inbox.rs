//! `pointsman inbox`: what waits for a person over all projects, the questions first, each with what ends it.

use std::fmt::Write as _;

use serde::Serialize;

use super::snapshot::{Attention, IssueRow, ProjectView, Snapshot};
use super::words::{fit, pad};
use crate::domain::IssueNumber;

/// What is told first: an agent sits idle until a question is answered. Anything else comes after these, as it comes.
const FIRST: [&str; 7] = [
    "asked",
    "yours",
    "parked",
    "needs-reapproval",
    "several-labels",
    "window",
    "agent-asks",
];
/// The word of a label that somebody set who may not: it must not be able to call for a person.
const REFUSED: &str = "untrusted";
/// A question or a reason gets as much, also in a narrower terminal: half of it helps nobody.
const SAYS_COLUMNS_MIN: usize = 60;
/// Nothing is said in more than this, however wide the terminal is.
const SAYS_COLUMNS_MAX: usize = 90;

/// Everything that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Inbox {
    /// What waits, what holds up most first.
    pub matters: Vec<Matter>,
    /// Labels of people who may not start work. They are counted only.
    pub refused: usize,
}

/// One thing that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Matter {
    /// In which project.
    pub project: String,
    /// About which issue, if it is about one.
    pub issue: Option<IssueNumber>,
    /// The issue's title, untrusted, made fit for one line.
    pub title: Option<String>,
    /// The stable word: a hold's, or `window`, `configuration`, `not-running`, `tracker`.
    pub word: String,
    /// What it is, with the question or the reason.
    pub says: String,
    /// The command or the act that ends it.
    pub ends: String,
}

impl Inbox {
    /// Collects what waits from the one snapshot that `status` shows, too.
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut matters: Vec<Matter> = snapshot
            .attention
            .iter()
            .map(|attention| matter(snapshot, attention))
            .collect();
        // An agent's dialog holds each waiting issue of its project; answering it once ends them all.
        let told: Vec<Matter> = matters
            .iter()
            .filter(|matter| matter.issue.is_none())
            .cloned()
            .collect();
        let again = |matter: &Matter| {
            matter.word == "agent-asks"
                && told
                    .iter()
                    .any(|told| told.word == "window" && told.project == matter.project)
        };
        matters.retain(|matter| matter.issue.is_none() || !again(matter));
        let rank = |word: &str| FIRST.iter().position(|first| *first == word);
        matters.sort_by_key(|matter| rank(&matter.word).unwrap_or(FIRST.len()));
        let rows = snapshot.projects.iter().flat_map(|project| &project.rows);
        Self {
            matters,
            refused: rows.filter(|row| row.standing.word == REFUSED).count(),
        }
    }
}

fn matter(snapshot: &Snapshot, attention: &Attention) -> Matter {
    let project = snapshot
        .projects
        .iter()
        .find(|project| project.name == attention.project);
    let row = project.and_then(|project| {
        let mut rows = project.rows.iter();
        rows.find(|row| Some(row.number) == attention.issue)
    });
    let title = row
        .map(|row| row.title.clone())
        .filter(|title| !title.is_empty());
    let says = match (attention.kind.as_str(), &title) {
        // Its sentence only lists what can be done.
        ("yours", Some(title)) => title.clone(),
        _ => attention.says.clone(),
    };
    Matter {
        project: attention.project.clone(),
        issue: attention.issue,
        title,
        word: attention.kind.clone(),
        says,
        ends: ends(attention, project, row),
    }
}

fn ends(attention: &Attention, project: Option<&ProjectView>, row: Option<&IssueRow>) -> String {
    let name = &attention.project;
    let Some(issue) = attention.issue else {
        let hint = attention.hint.clone();
        return hint.unwrap_or_else(|| "pointsman doctor".to_owned());
    };
    let number = issue.0;
    let is_local = project.is_some_and(|project| project.tracker == "local");
    let url = row.and_then(|row| row.url.as_ref());
    match (attention.kind.as_str(), &attention.hint) {
        ("asked", _) if is_local => {
            format!("pointsman issue comment {number} \"<ANSWER>\" --project {name}")
        }
        ("asked", _) => url.map_or_else(
            || format!("reply in a comment on {issue}"),
            |url| format!("reply at {url}"),
        ),
        ("yours", _) => {
            let approve = format!("pointsman approve {number} --project {name}");
            match row.and_then(|row| row.pull.as_ref()) {
                Some(pull) => format!("merge {pull}, or {approve}"),
                None => approve,
            }
        }
        ("several-labels", _) => format!("pointsman labels fix --project {name}"),
        ("agent-asks", _) => format!("pointsman attach {name}"),
        (_, Some(hint)) => hint.clone(),
        (_, None) => format!("pointsman explain {number} --project {name}"),
    }
}

/// Renders the inbox, a line a matter. The last column is for copying, so it is never cut.
pub fn render_inbox(inbox: &Inbox, width: usize) -> String {
    let mut text = String::new();
    let cells = |matter: &Matter| {
        let issue = matter
            .issue
            .map_or_else(String::new, |issue| issue.to_string());
        [matter.project.clone(), issue, matter.word.clone()]
    };
    let mut columns = [0; 3];
    for matter in &inbox.matters {
        for (most, cell) in columns.iter_mut().zip(cells(matter)) {
            *most = cell.len().max(*most);
        }
    }
    let ends = inbox.matters.iter().map(|matter| matter.ends.len()).max();
    let taken = columns.iter().sum::<usize>() + 2 * (columns.len() + 1) + ends.unwrap_or(0);
    let longest = inbox.matters.iter().map(|matter| matter.says.len()).max();
    let says = width
        .saturating_sub(taken)
        .clamp(SAYS_COLUMNS_MIN, SAYS_COLUMNS_MAX)
        .min(longest.unwrap_or(0));
    for matter in &inbox.matters {
        for (cell, most) in cells(matter).iter().zip(columns) {
            let _ = write!(text, "{}  ", pad(cell, most));
        }
        let why = pad(&fit(&matter.says, says), says);
        let _ = writeln!(text, "{why}  {}", matter.ends);
    }
    if inbox.matters.is_empty() {
        text.push_str("nothing waits for you\n");
    }
    match inbox.refused {
        0 => {}
        1 => text.push_str("1 label of somebody who may not start work: pointsman status\n"),
        many => {
            let _ = writeln!(
                text,
                "{many} labels of people who may not start work: pointsman status"
            );
        }
    }
    text
}
