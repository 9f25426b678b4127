//! `pointsman inbox --blocked`: what keeps issues waiting, each with the issues that wait for it.

use std::fmt::Write as _;

use serde::Serialize;

use super::snapshot::{ProjectView, Snapshot};
use crate::domain::IssueNumber;

/// Something that issues wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Blocker {
    /// In which project they wait.
    pub project: String,
    /// `#9`, `me/api#4`, or what the tracker only counts: `2 issues by its dependencies`.
    pub blocker: String,
    /// Its title, untrusted, made fit for one line; `None` of what is not in a workflow of ours.
    pub title: Option<String>,
    /// How it stands itself, if it is in a workflow of ours.
    pub standing: Option<String>,
    /// Which issues wait for it.
    pub blocks: Vec<IssueNumber>,
}

/// Collects what issues wait for from the one snapshot that `status` shows: what blocks most first.
pub fn blockers(snapshot: &Snapshot) -> Vec<Blocker> {
    let mut all: Vec<Blocker> = Vec::new();
    for project in &snapshot.projects {
        for row in &project.rows {
            for name in &row.blockers {
                let is_it = |one: &&mut Blocker| {
                    // A count names nothing: two issues may wait for different ones.
                    one.project == project.name && one.blocker == *name && name.contains('#')
                };
                if let Some(known) = all.iter_mut().find(is_it) {
                    known.blocks.push(row.number);
                    continue;
                }
                let itself = of(snapshot, project, name);
                all.push(Blocker {
                    project: project.name.clone(),
                    blocker: name.clone(),
                    title: itself.map(|(title, _)| title.to_owned()),
                    standing: itself.map(|(_, standing)| standing.to_owned()),
                    blocks: vec![row.number],
                });
            }
        }
    }
    all.sort_by_key(|one| std::cmp::Reverse(one.blocks.len()));
    all
}

/// Finds the row of a blocker: of the same project, or of the one whose repository it names.
fn of<'a>(snapshot: &'a Snapshot, here: &'a ProjectView, name: &str) -> Option<(&'a str, &'a str)> {
    let (repo, _) = name.split_once('#')?;
    let there = match repo {
        "" => here,
        repo => {
            let mut projects = snapshot.projects.iter();
            projects.find(|project| project.tracker.eq_ignore_ascii_case(repo))?
        }
    };
    let number = &name[repo.len()..];
    let row = there
        .rows
        .iter()
        .find(|row| row.number.to_string() == number)?;
    Some((&row.title, &row.standing.says))
}

/// Renders them, a line each.
pub fn render_blockers(all: &[Blocker]) -> String {
    let mut text = String::new();
    for one in all {
        let title = one
            .title
            .as_ref()
            .map_or_else(String::new, |title| format!(" \"{title}\""));
        let standing = one
            .standing
            .as_ref()
            .map_or_else(String::new, |says| format!(" ({says})"));
        let blocks: Vec<String> = one.blocks.iter().map(ToString::to_string).collect();
        let _ = writeln!(
            text,
            "{}  {}{title}{standing}  blocks {}",
            one.project,
            one.blocker,
            blocks.join(", ")
        );
    }
    if all.is_empty() {
        text.push_str("no issue waits for another\n");
    }
    text
}
