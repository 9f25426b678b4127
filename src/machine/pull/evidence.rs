//! What a pull request says: a table of what was measured, between two marks. What people write around it stays theirs.

use std::fmt::Write as _;

use jiff::Timestamp;

use crate::domain::{Dispatch, GateName, IssueNumber, Label, Next, Opening, ProfileName, Subject};
use crate::machine::dispatch::gate::CHECKS_UNREAD;
use crate::machine::text::{mark, one_line};

/// Rows of a table; a workflow has fewer gates.
const ROWS_MAX: usize = 60;
/// Characters of what a warning says.
const WARNING_CHARS_MAX: usize = 600;

/// Something that was measured and holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// In which stage.
    pub stage: Label,
    /// By which gate.
    pub gate: GateName,
    /// What it warns of, on one line: it holds all the same.
    pub warned: Option<String>,
    /// At which commit.
    pub subject: Option<Subject>,
    /// What its command exited with, if it ran one.
    pub exit: Option<i32>,
    /// Whose work or verdict it is.
    pub by: ProfileName,
    /// When.
    pub at: Timestamp,
}

/// Returns what holds once a dispatch's evidence is counted in. New commits make what was measured on older ones void; the spec
/// stands.
pub(in crate::machine) fn proofs(known: &[Proof], dispatch: &Dispatch) -> Vec<Proof> {
    let stage = &dispatch.opening.stage;
    let stands = |proof: &&Proof| {
        proof.stage != stage.label && (!stage.makes_commits() || proof.gate == GateName::Spec)
    };
    let mut all: Vec<Proof> = known.iter().filter(stands).cloned().collect();
    for gate in &stage.needs {
        let last = dispatch.evidence.iter().rev().find(|row| row.gate == *gate);
        all.extend(last.filter(|row| row.holds).map(|row| Proof {
            stage: stage.label.clone(),
            gate: gate.clone(),
            warned: row.warned.then(|| one_line(&row.says, WARNING_CHARS_MAX)),
            subject: row.subject.clone(),
            exit: row.exit,
            by: dispatch.opening.profile.clone(),
            at: row.at,
        }));
    }
    all.truncate(ROWS_MAX);
    all
}

fn begin() -> String {
    mark("evidence")
}

fn end() -> String {
    mark("end of evidence")
}

/// Writes the table with its marks.
pub(super) fn table(proofs: &[Proof], opening: &Opening) -> String {
    let mut text = format!(
        "{}\n| stage | gate | commit | exit | by | measured |\n|---|---|---|---|---|---|\n",
        begin()
    );
    for proof in proofs {
        let commit = proof.subject.as_ref();
        let commit = commit.map_or_else(String::new, |subject| format!("`{}`", subject.short()));
        let exit = proof.exit.map_or_else(String::new, |exit| exit.to_string());
        let _ = writeln!(
            text,
            "| {} | {}{} | {commit} | {exit} | {} | {} |",
            cell(proof.stage.as_str()),
            cell(proof.gate.as_str()),
            warning(proof),
            cell(proof.by.as_str()),
            proof.at.strftime("%Y-%m-%d %H:%M UTC")
        );
    }
    let next = match &opening.stage.next {
        _ if super::is_a_persons(&opening.stage) => "yours".to_owned(),
        Next::Stage(label) => cell(label.as_str()),
        Next::Done => "done".to_owned(),
    };
    let _ = write!(
        text,
        "\nRound {}. Measured by Pointsman, not reported by the agent; a verdict is a fresh agent's. Next: {next}.\n{}",
        opening.round,
        end()
    );
    text
}

/// What GitHub's own checks say is on GitHub already; what a command of the project's printed stays here.
fn warning(proof: &Proof) -> String {
    match &proof.warned {
        Some(says) if proof.gate == GateName::Checks && says.contains(CHECKS_UNREAD) => {
            format!(" ({CHECKS_UNREAD})")
        }
        Some(says) if proof.gate == GateName::Checks => {
            format!(" ({})", of_a_table(says))
        }
        Some(_) => " (warns)".to_owned(),
        None => String::new(),
    }
}

/// A label may hold what a table is made of.
fn cell(text: &str) -> String {
    of_a_table(&one_line(text, 100))
}

fn of_a_table(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

/// Writes the first text of a pull request. GitHub closes the issue with the merge, which is our `done` too.
pub fn body(issue: IssueNumber, evidence: &str) -> String {
    format!(
        "Closes {issue}.\n\n{evidence}\n\nMerging this is the last word on {issue}. Requesting changes sends it back for another round, closing it drops the work.\n"
    )
}

/// Puts new evidence in the place of the old; `None` if there is no such place: then the text is somebody else's.
pub fn in_body(body: &str, evidence: &str) -> Option<String> {
    let (before, rest) = body.split_once(&begin())?;
    let (_, after) = rest.split_once(&end())?;
    Some(format!("{before}{evidence}{after}"))
}
